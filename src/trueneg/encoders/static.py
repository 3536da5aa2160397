"""Static models of model2vec: one vector a token, averaged. Hundreds of times faster than a transformer, and weaker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.encoders.batches import by_length
from trueneg.encoders.tokens import content

__all__ = ["StaticEncoder"]


class StaticEncoder:
    """A model of model2vec in a folder (extra ``model2vec``).

    Parameters
    ----------
    model : str or Path
        The folder, as ``StaticModel.save_pretrained`` writes it: nothing is fetched.
    prompt : str, default=""
        Put before each text.
    batch_size : int, default=1024

    Raises
    ------
    InputError
        Where there is no such folder.
    """

    def __init__(self, model: str | Path, *, prompt: str = "", batch_size: int = 1024) -> None:
        self.model, self.prompt, self.batch_size = Path(model), prompt, batch_size
        if not self.model.is_dir():
            msg = f"{model}: there is no such folder; save the model there with StaticModel.save_pretrained"
            raise InputError(msg)
        self._loaded: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker without the model, which is loaded there."""
        return self.__dict__ | {"_loaded": None}

    @cached_property
    def fingerprint(self) -> str:
        """Content of the folder's weights, tokenizer and settings, and prompt."""
        files = sorted(path for path in self.model.iterdir() if path.suffix in {".safetensors", ".json"})
        return json.dumps(["model2vec", content(files), self.prompt])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (n, d); a text without a known token is a row of zeros.

        Parameters
        ----------
        texts : sequence of str

        Raises
        ------
        InputError
            On a folder that holds no such model.
        MissingExtraError
            Without model2vec.
        """
        if self._loaded is None:
            self._loaded = self._load()
        model = self._loaded

        def run(part: list[str]) -> NDArray[np.float32]:
            given = [(self.prompt + text).encode("utf-8", "replace").decode("utf-8") for text in part]
            found: NDArray[np.float32] = np.asarray(
                model.encode(given, use_multiprocessing=False, show_progress_bar=False), dtype=np.float32
            )
            return found

        return by_length(texts, self.batch_size, run)

    def _load(self) -> Any:
        try:
            from model2vec import StaticModel
        except ModuleNotFoundError:
            missing_extra("model2vec", "model2vec")
        try:
            return StaticModel.from_pretrained(self.model, force_download=False)
        except Exception as error:  # files that are missing, cut or of another model, each with an error of its own
            msg = f"{self.model} holds no model of model2vec ({error.__class__.__name__}): save it there again"
            raise InputError(msg) from error
