"""What the claims about Loki read of a pretrained encoder: posts beside the names of groups."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from trueneg.core.errors import ClaimNotRun, MissingExtraError

__all__ = ["news_by_name", "softmax"]


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
    from trueneg.encoders.cache import vector_cache
    from trueneg.encoders.text import text_encoder

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
