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

__all__ = ["STAGES", "Encoded", "Pictures", "decoded", "encoded", "pictures", "stage_values", "stages_of", "wordnet"]

# The last block of each stage of EfficientNet-Lite0; the features before its classifier come after them.
STAGES = ("blocks.0", "blocks.2", "blocks.4", "blocks.7", "blocks.10", "blocks.14")
SIDE = 64


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
    """Return the pooled values of each stage for every set of :func:`pictures`; computed once for all seeds."""
    from trueneg.core.training import on_threads
    from trueneg.encoders.efficientnet import efficientnet_lite0

    net = efficientnet_lite0()
    with on_threads(1):
        return {name: stage_values(net, part.X) for name, part in pictures(learn, test, odd).items()}


def stage_values(net: Any, X: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return the pooled values of each of ``STAGES``, and the features, of pictures enlarged to 64 pixels."""
    import torch

    from trueneg.core.activations import recorded
    from trueneg.encoders.images import pixels

    found: list[list[NDArray[np.float32]]] = [[] for _ in (*STAGES, "features")]
    for start in range(0, len(X), 100):
        batch = torch.from_numpy(pixels(X[start : start + 100], SIDE, start=start)).permute(0, 3, 1, 2).float()
        with torch.inference_mode(), recorded(net, STAGES) as kept:
            features = net.features((batch - 127) / 128)
            for values, value in zip(found, [*(kept[name] for name in STAGES), features], strict=True):
                values.append(value.numpy())
    return [np.concatenate(values) for values in found]


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
    leaves = np.array(sorted({child for _, child in edges} - {parent for parent, _ in edges}))
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
