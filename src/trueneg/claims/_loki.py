"""What the claims about Loki read of pretrained encoders: posts beside the names of groups, and photographs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from trueneg.core.errors import ClaimNotRun, MissingExtraError

__all__ = ["Encoded", "news_by_name", "photographs", "softmax"]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities of rows (n, k)."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


# What the groups' names abbreviate, spelled out as a reader would.
_SPELLED = {
    "alt": "alternative",
    "autos": "cars",
    "comp": "computers",
    "crypt": "cryptography",
    "forsale": "for sale",
    "ibm": "IBM",
    "mac": "Mac",
    "med": "medicine",
    "mideast": "Middle East",
    "ms-windows": "Microsoft Windows",
    "os": "operating system",
    "pc": "PC",
    "rec": "recreation",
    "sci": "science",
    "soc": "society",
    "sys": "system",
    "x": "X window system",
}
_FIRST = 90  # words of a post, about 128 tokens: the time of an encoder grows with them


@lru_cache(maxsize=2)
def news_by_name(each: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return cosines of posts with names, groups of posts, names, and vectors of names; posts of the test half."""
    import pyarrow.parquet as pq

    from trueneg.data.registry import file
    from trueneg.encoders.text import text_encoder, vector_cache

    table = pq.read_table(file("20newsgroups.parquet"), columns=["text", "label", "split"])
    labels, test = np.array(table["label"].to_pylist()), np.array(table["split"].to_pylist()) == "test"
    names, rng = np.unique(labels), np.random.default_rng(0)
    chosen = [rng.permutation(np.flatnonzero((labels == name) & test))[:100][:each] for name in names]
    rows = np.concatenate(chosen)
    posts = [table["text"][i].as_py().partition("\n\n")[2].split()[:_FIRST] for i in rows.tolist()]
    spelled = [" ".join(_SPELLED.get(part, part) for part in name.split(".")) for name in names.tolist()]
    try:
        encoder = text_encoder(folder=vector_cache())
        vectors, found = (
            encoder.encode(texts)
            for texts in ([f"a post about {name}" for name in spelled], [" ".join(post) for post in posts])
        )
    except MissingExtraError as error:
        raise ClaimNotRun(str(error)) from None
    vectors, found = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors, found))
    return found @ vectors.T, labels[rows], names, vectors


class Encoded(NamedTuple):
    """Standardised features (n, 1280), the network's own logits of the 200 classes (n, 200), and WordNet ids (n,)."""

    X: np.ndarray
    logits: np.ndarray
    y: np.ndarray


@lru_cache(maxsize=1)
def photographs() -> tuple[Encoded, Encoded, list[tuple[str, str]]]:
    """Return 30 photographs a class to learn from, 20 to test on, and the edges of the tree."""
    import pyarrow.parquet as pq

    from trueneg.data.registry import file, folder

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
    lines = (folder("label_trees") / "imagenet_mintree.txt").read_text(encoding="utf-8").splitlines()
    edges = [(parent, child) for parent, child in (line.split() for line in lines if line.strip())]
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
