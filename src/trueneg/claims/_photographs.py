"""Pictures that claims share, and what the stages, or the whole, of a frozen network give for them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import ClaimNotRun, MissingExtraError
from trueneg.core.tree import read_tree

__all__ = ["SIDE", "Encoded", "Pictures", "decoded", "encoded", "pictures", "stages_of", "wordnet"]

SIDE = 64  # pictures of 32 pixels are enlarged to this


class Pictures(NamedTuple):
    """uint8 pictures (n, 32, 32, 3), and labels where they are known ones."""

    X: NDArray[np.uint8]
    y: NDArray[Any] | None


@lru_cache(maxsize=2)
def pictures(learn: int, test: int, odd: int) -> dict[str, Pictures]:
    """Return CIFAR-10 to learn from and to test on, Tiny-ImageNet, Omniglot and noise, the same for all seeds."""
    import pyarrow.parquet as pq

    from trueneg.data.registry import file, folder

    rng = np.random.default_rng(99)
    table = pq.read_table(file("cifar10_jpeg.parquet"))
    split, found = np.array(table["split"].to_pylist()), {}
    for name, part, n in (("learn", "train", learn), ("test", "test", test)):
        rows = table.take(rng.permutation(np.flatnonzero(split == part))[:n])
        found[name] = Pictures(decoded(rows["image"].to_pylist()), np.array(rows["label"].to_pylist()))
    table = pq.read_table(file("tiny_imagenet32_jpeg.parquet"))
    rows = rng.permutation(np.flatnonzero(np.array(table["split"].to_pylist()) == "val"))[:odd]
    found["Tiny-ImageNet"] = Pictures(decoded(table.take(rows)["image"].to_pylist()), None)
    found["Omniglot"] = Pictures(_drawings(folder("omniglot"), odd // 2, rng), None)
    found["noise"] = Pictures(rng.integers(0, 256, (odd // 2, 32, 32, 3)).astype(np.uint8), None)
    return found


@lru_cache(maxsize=2)
def stages_of(learn: int, test: int, odd: int) -> dict[str, list[NDArray[np.float32]]]:
    """Return what each stage and the features are of every set of :func:`pictures`; computed once for all seeds."""
    from trueneg.core.training import on_threads
    from trueneg.encoders import EfficientNetLite0

    encoder = EfficientNetLite0(side=SIDE, stages=True)
    ends = np.cumsum(encoder.widths)[:-1]
    with on_threads(1):
        found = {name: encoder.encode(part.X) for name, part in pictures(learn, test, odd).items()}
    return {name: np.split(values, ends, axis=1) for name, values in found.items()}


class Encoded(NamedTuple):
    """Standardised features (n, 1280), the network's own logits of the 200 classes (n, 200), and WordNet ids (n,)."""

    X: NDArray[Any]
    logits: NDArray[Any]
    y: NDArray[Any]


@lru_cache(maxsize=1)
def encoded() -> tuple[Encoded, Encoded, list[tuple[str, str]]]:
    """Return 30 photographs a class of Tiny-ImageNet to learn from, 20 to test on, and the WordNet tree."""
    import pyarrow.parquet as pq

    from trueneg.data.registry import file

    try:
        import torch

        from trueneg.encoders import EfficientNetLite0
        from trueneg.encoders.efficientnet import efficientnet_lite0
    except MissingExtraError as error:
        raise ClaimNotRun(str(error)) from None
    table = pq.read_table(file("tiny_imagenet32_jpeg.parquet"))
    split, wnid = np.array(table["split"].to_pylist()), np.array(table["wnid"].to_pylist())
    rng, names = np.random.default_rng(0), np.unique(wnid)
    rows = [
        np.concatenate([rng.permutation(np.flatnonzero((wnid == name) & (split == part)))[:n] for name in names])
        for part, n in (("train", 30), ("val", 20))
    ]
    found = EfficientNetLite0(side=96).encode(table["image"].take(np.concatenate(rows)).to_pylist())
    edges = wordnet()
    # The thousand classes of the network are the leaves, in order of their ids.
    concepts, tree = read_tree(edges, directed=True)
    leaves = np.sort(concepts[tree.vertex[tree.childless]])
    head: Any = efficientnet_lite0().classifier
    with torch.inference_mode():
        logits = head(torch.from_numpy(found)).numpy()[:, np.searchsorted(leaves, names)]
    cut = len(rows[0])
    mean, scale = found[:cut].mean(axis=0), found[:cut].std(axis=0) + 1e-6
    X = (found - mean) / scale
    learn, test = (
        Encoded(X[at], logits[at], wnid[own]) for at, own in zip((slice(cut), slice(cut, None)), rows, strict=True)
    )
    return learn, test, edges


def wordnet() -> list[tuple[str, str]]:
    """Return the part of WordNet above the thousand classes of ImageNet, a tree: parent and child of each edge."""
    from trueneg.data.registry import folder

    lines = (folder("label_trees") / "imagenet_mintree.txt").read_text(encoding="utf-8").splitlines()
    return [(parent, child) for parent, child in (line.split() for line in lines if line.strip())]


def decoded(images: Sequence[bytes]) -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError:
        raise ClaimNotRun("it reads photographs: pip install 'trueneg[vision]'") from None
    return np.stack([np.asarray(Image.open(io.BytesIO(b)).convert("RGB")) for b in images])


def _drawings(folder: Any, n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw n characters, black on white, at 32 x 32."""
    from PIL import Image

    path = sorted(folder.glob("*.zip"))[0]
    found = []
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        for i in rng.permutation(len(names))[:n]:
            drawing = Image.open(io.BytesIO(archive.read(names[i]))).convert("L").resize((32, 32), Image.Resampling.BOX)
            found.append(np.asarray(drawing))
    return np.repeat(np.stack(found)[..., None], 3, axis=3)
