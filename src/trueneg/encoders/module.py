"""Any torch module over tokens as an encoder of texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.encoders.batches import batch_for, by_length
from trueneg.encoders.packaged import MINILM, packaged_minilm
from trueneg.encoders.tokens import Recipe, Tokens, content

try:
    import torch
    from torch import nn
except ModuleNotFoundError:
    missing_extra("torch", "text")

__all__ = ["TorchEncoder"]


class TorchEncoder:
    """A torch module with its tokenizer.

    Parameters
    ----------
    module : torch.nn.Module
        Called with ``input_ids`` and ``attention_mask``, int64 (b, s); gives (b, s, d) or (b, d), or an object that
        has this as ``last_hidden_state``.
    tokenizer : str or Path
        A ``tokenizer.json``.
    prompt : str, default=""
        Put before each text.
    recipe : Recipe or None, default=None
        Length, pooling, normalisation and the token at the end: by default 256 tokens, their mean, length 1, none. A
        decoder wants ``Recipe(512, "last", eos=...)``.
    batch_size : int or None, default=None
        Texts a call: 16 on a processor, 64 on a GPU.
    device : str, default="cpu"
        The module is moved there.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: str | Path,
        *,
        prompt: str = "",
        recipe: Recipe | None = None,
        batch_size: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.module, self.tokenizer, self.prompt = module, Path(tokenizer), prompt
        self.recipe = recipe if recipe is not None else Recipe()
        self.batch_size, self.device = batch_size if batch_size is not None else batch_for(device), device
        self._tokens = Tokens(self.tokenizer, self.recipe.max_length, self.recipe.eos)

    @classmethod
    def load(cls, folder: str | Path = MINILM, *, prompt: str = "", device: str = "cpu") -> TorchEncoder:
        """Load the module of a folder that transformers knows, weights from safetensors only.

        Parameters
        ----------
        folder : str or Path, default="minilm"
            ``minilm`` (inside a package), or a folder with config.json, model.safetensors and tokenizer.json.
        prompt, device : see the class

        Raises
        ------
        InputError
            On a folder that holds no such model.
        MissingExtraError
            Without transformers.
        """
        place = packaged_minilm() if str(folder) == MINILM else Path(folder)
        if not (place / "config.json").is_file():
            msg = f"{place}: there is no config.json; name the folder of a transformers model"
            raise InputError(msg)
        try:
            from transformers import AutoModel
        except ModuleNotFoundError:
            missing_extra("transformers", "text")
        try:
            module = AutoModel.from_pretrained(str(place), use_safetensors=True, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            msg = f"{place} cannot be loaded ({error.__class__.__name__}): save the model there as safetensors"
            raise InputError(msg) from error
        return cls(module, place / "tokenizer.json", prompt=prompt, recipe=Recipe.of(place), device=device)

    @property
    def fingerprint(self) -> str:
        """The module's class and weights as they are now, tokenizer, recipe and prompt."""
        mark = hashlib.blake2b(digest_size=16)
        for name, value in self.module.state_dict().items():
            if isinstance(value, torch.Tensor):
                raw = value.detach().cpu().contiguous()
                mark.update(f"{name} {raw.dtype} {tuple(raw.shape)}".encode())
                mark.update(raw.reshape(-1).view(torch.uint8).numpy().data)
        kind = f"{type(self.module).__module__}.{type(self.module).__qualname__}"
        tokens = content([self.tokenizer])
        return json.dumps(["torch", kind, mark.hexdigest(), tokens, *astuple(self.recipe), self.prompt])

    def count(self, texts: list[str]) -> list[int]:
        """Return how many tokens each text has, the prompt and the one that ends it left out.

        Parameters
        ----------
        texts : list of str
        """
        return self._tokens.count(texts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (n, d), batch by batch in order of length; the module's mode is put back afterwards.

        Parameters
        ----------
        texts : sequence of str
        """
        device = torch.device(self.device)
        self.module.to(device)
        training = self.module.training

        def run(part: list[str]) -> NDArray[np.float32]:
            ids, mask = self._tokens.batch([self.prompt + text for text in part])
            given = {
                "input_ids": torch.from_numpy(ids).to(device),
                "attention_mask": torch.from_numpy(mask).to(device),
            }
            found: Any = self.module(**given)
            found = getattr(found, "last_hidden_state", found)
            if not isinstance(found, torch.Tensor):
                msg = f"the module gave {type(found).__name__}: a tensor or an object with last_hidden_state is needed"
                raise InputError(msg)
            return self.recipe.pooled(found.float().cpu().numpy(), mask)

        self.module.eval()
        try:
            with torch.inference_mode():
                return by_length(texts, self.batch_size, run)
        finally:
            self.module.train(training)
