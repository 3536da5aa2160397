"""Pairs of nearly equal rows without comparing all with all: MinHash for text, projections for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SIMILAR = 0.8
BANDS, PER_BAND = 12, 4
MAX_TOKENS = 40_000_000
ROWS_AT_ONCE = 20_000
NEXT = 3
MAX_PAIRS = 200_000

EXACT_ROWS = 20_000
N_NEIGHBORS = 10
CHANCE = 0.01
CLOSEST = 0.1
TABLES, DIRECTIONS = 8, 10
SAMPLE = 1_000
MAX_LOCAL = 2_000

_PRIME = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Near:
    """Pairs (m, 2) of places, the closest first, how close each is, and what was looked at."""

    pairs: np.ndarray
    closeness: np.ndarray
    measure: str
    words: str
    complete: bool = True


def _mix(values: np.ndarray) -> np.ndarray:
    """Scatter 64-bit integers (the finaliser of splitmix64); wraps on purpose."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _unique_pairs(pairs: list[np.ndarray]) -> np.ndarray:
    if not pairs:
        return np.empty((0, 2), np.int64)
    both = np.sort(np.vstack(pairs), axis=1)
    return np.unique(both, axis=0)


def _candidates(
    keys: np.ndarray, content: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, bool]:
    """Pair every row with the next few of its bucket; only unequal rows with unequal labels are kept.

    Within a bucket the order is drawn: a bucket of thousands (a template) then still offers a sample of its pairs.
    Also returned: whether every such pair was offered.
    """
    order = np.lexsort((rng.random(len(keys)), keys))
    found = []
    for step in range(1, NEXT + 1):
        a, b = order[:-step], order[step:]
        keep = (keys[a] == keys[b]) & (labels[a] != labels[b]) & (content[a] != content[b])
        found.append(np.stack([a[keep], b[keep]], axis=1))
    a, b = order[: -NEXT - 1], order[NEXT + 1 :]
    return np.vstack(found), not bool((keys[a] == keys[b]).any())


# ------------------------------------------------------------------------------------------------- text


def near_texts(texts: Any, content: np.ndarray, labels: np.ndarray, *, seed: int) -> Near:
    """Find pairs of texts that share at least 0.8 of their words and word pairs and carry different labels.

    Parameters
    ----------
    texts : pyarrow array of n strings
        One text a row.
    content : int array of shape (n,)
        Equal numbers for equal rows; such pairs are left to the check of equal rows.
    labels : int array of shape (n,)
        Class codes.
    seed : int
        Seed of the hashes.

    Returns
    -------
    Near
        ``closeness`` is the exact Jaccard similarity.
    """
    n = len(texts)
    measure = "Jaccard similarity of words and word pairs"
    rng = np.random.default_rng(seed)
    salts = rng.integers(1, 2**63, BANDS * PER_BAND, dtype=np.uint64)
    keys = np.zeros((n, BANDS), np.uint64)
    empty = np.ones(n, bool)
    tokens, seen = 0, 0
    while seen < n and tokens < MAX_TOKENS:
        stop = min(seen + ROWS_AT_ONCE, n)
        shingles, starts = _shingles(texts.slice(seen, stop - seen))
        tokens += len(shingles)
        full = np.flatnonzero(np.diff(starts) > 0)
        empty[seen + full] = False
        if full.size:
            keys[seen + full] = _signature(shingles, starts[full], salts)
        seen = stop
    words = f"{n:,} texts" if seen == n else f"the first {seen:,} of {n:,} texts ({tokens:,} words and word pairs)"
    keep = np.flatnonzero(~empty[:seen])
    offered = [_candidates(keys[keep, b], content[keep], labels[keep], rng) for b in range(BANDS)]
    pairs = _unique_pairs([keep[part] for part, _ in offered])
    complete = seen == n
    if not all(whole for _, whole in offered):
        complete = False
        words += f", {NEXT} drawn partners a row where more than {NEXT + 1} rows look alike"
    if len(pairs) > MAX_PAIRS:
        pairs, complete = pairs[np.sort(rng.choice(len(pairs), MAX_PAIRS, replace=False))], False
        words += f", {MAX_PAIRS:,} drawn candidate pairs"
    similarity = _jaccard(texts, pairs)
    good = similarity >= SIMILAR
    pairs, similarity = pairs[good], similarity[good]
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -similarity))
    return Near(pairs[order], similarity[order], measure, words, complete)


def _shingles(texts: Any) -> tuple[np.ndarray, np.ndarray]:
    """Hash the words and neighbouring words of each text: flat (t,) uint64, and where each text begins (n + 1,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.replace_substring_regex(pc.utf8_lower(texts), r"[^\pL\pN]+", " ")
    lists = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(plain))
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    lengths = np.asarray(pc.list_value_length(lists).fill_null(0), np.int64)
    flat = lists.flatten()
    # A blank text splits into one empty word, which is none.
    real = np.asarray(pc.not_equal(flat, ""), bool)
    row = np.repeat(np.arange(len(lengths)), lengths)[real]
    word = _hash_words(flat.filter(pa.array(real)))
    same = row[1:] == row[:-1]
    two = _mix(word[:-1][same] * _PRIME + word[1:][same])
    rows = np.concatenate([row, row[1:][same]])
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(lengths)))])
    return np.concatenate([word, two])[order], starts


def _hash_words(words: Any) -> np.ndarray:
    """Hash each word by its bytes, each distinct word once."""
    import hashlib

    if not len(words):
        return np.empty(0, np.uint64)
    encoded = words.dictionary_encode()
    digest = [hashlib.blake2b(w.encode(), digest_size=8).digest() for w in encoded.dictionary.to_pylist()]
    return np.frombuffer(b"".join(digest), np.uint64)[np.asarray(encoded.indices)]


def _signature(shingles: np.ndarray, starts: np.ndarray, salts: np.ndarray) -> np.ndarray:
    """MinHash each text under every salt and fold them into one key a band, (n, bands) uint64."""
    keys = np.zeros((len(starts), BANDS), np.uint64)
    for number, salt in enumerate(salts):
        least = np.minimum.reduceat(_mix(shingles ^ salt), starts)
        band = number // PER_BAND
        keys[:, band] = _mix(keys[:, band] * _PRIME + least)
    return keys


def _jaccard(texts: Any, pairs: np.ndarray) -> np.ndarray:
    """Compute the exact similarity of the shingle sets of each pair, in blocks."""
    import pyarrow as pa
    from scipy import sparse

    out = np.empty(len(pairs))
    for start in range(0, len(pairs), ROWS_AT_ONCE):
        part = pairs[start : start + ROWS_AT_ONCE]
        rows, place = np.unique(part, return_inverse=True)
        shingles, starts = _shingles(texts.take(pa.array(rows)))
        _, column = np.unique(shingles, return_inverse=True)
        shape = (len(rows), int(column.max(initial=0)) + 1)
        sets = sparse.csr_matrix((np.ones(len(column), np.float32), column, starts), shape=shape)
        sets.sum_duplicates()
        sets.data[:] = 1.0
        size = np.diff(sets.indptr)
        a, b = place.reshape(part.shape).T
        shared = np.asarray(sets[a].multiply(sets[b]).sum(axis=1)).ravel()
        out[start : start + len(part)] = shared / np.maximum(size[a] + size[b] - shared, 1)
    return out


# ------------------------------------------------------------------------------------------------- rows


def near_rows(x: np.ndarray, content: np.ndarray, labels: np.ndarray, *, seed: int) -> Near:
    """Find pairs of rows far closer than the rows around them that carry different labels.

    Up to 20,000 rows all pairs are compared; beyond, those that fall into one bucket of random projections
    (Datar et al., 2004, "Locality-sensitive hashing scheme based on p-stable distributions").

    Parameters
    ----------
    x : array of shape (n, d)
        Finite numbers on comparable scales.
    content, labels : int arrays of shape (n,)
        As :func:`near_texts`.
    seed : int
        Seed of the draws.

    Returns
    -------
    Near
        ``closeness`` is the distance over the median distance to the ten nearest rows.
    """
    from trueneg.core.neighbors import top_k

    n = len(x)
    measure = "distance, as a share of the median distance to the ten nearest rows"
    nothing = Near(np.empty((0, 2), np.int64), np.empty(0), measure, f"{n:,} rows")
    if n < 4 * N_NEIGHBORS or len(np.unique(content)) < 4 * N_NEIGHBORS:
        nothing.words += ", too few to tell what distance is usual"
        return nothing
    rng = np.random.default_rng(seed)
    asked = np.arange(n) if n <= EXACT_ROWS else np.sort(rng.choice(n, SAMPLE, replace=False))
    score, ids = top_k(x[asked], x, N_NEIGHBORS, metric="euclidean", query_groups=content[asked], pool_groups=content)
    closest = _closest(-score, n)
    if n <= EXACT_ROWS:
        pairs = _unique_pairs([np.stack([np.repeat(asked, N_NEIGHBORS), ids.ravel()], axis=1)[ids.ravel() >= 0]])
        usual = np.median(-score, axis=1)
        pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
        return _judged(x, pairs, usual, closest, nothing)
    pairs, distance = _hashed(x, content, labels, float(np.median(-score[:, 0])), rng)
    wide = len(pairs)
    pairs = pairs[np.argsort(distance, kind="stable")[: MAX_LOCAL // 2]]
    rows = np.unique(pairs)
    usual = np.full(n, np.nan)
    if rows.size:
        score, _ = top_k(x[rows], x, N_NEIGHBORS, metric="euclidean", query_groups=content[rows], pool_groups=content)
        usual[rows] = np.median(-score, axis=1)
    if wide > len(pairs):
        nothing.words += f" through random projections, the closest {len(pairs):,} of {wide:,} candidate pairs"
    else:
        nothing.words += " through random projections"
    nothing.complete = False  # a pair may fall apart under every projection
    return _judged(x, pairs, usual, closest, nothing)


def _closest(distance: np.ndarray, n: int) -> float:
    """Return the share of the usual distance below which a pair is no accident.

    With locally even density in D dimensions, the nearest of k neighbours lies within t times the distance of the
    k-th with probability 1 - (1 - t^D)^(k - 1), about (k - 1) t^D. D is estimated from the ratio of the two nearest
    distances (Facco et al., 2017, "Estimating the intrinsic dimension of datasets by a minimal neighborhood
    information", equation 3).
    """
    known = np.isfinite(distance[:, 1]) & (distance[:, 0] > 0) & (distance[:, 1] > distance[:, 0])
    if not known.any():
        return 0.0
    # The median ratio of a Pareto law is 2^(1/D); the mean would be ruled by the near duplicates looked for.
    dimension = max(1.0, float(np.log(2) / np.median(np.log(distance[known, 1] / distance[known, 0]))))
    return min(CLOSEST, (CHANCE / ((N_NEIGHBORS - 1) * n)) ** (1 / dimension))


def _judged(x: np.ndarray, pairs: np.ndarray, usual: np.ndarray, closest: float, out: Near) -> Near:
    """Keep the pairs that are close by the standard of both their rows."""
    if len(pairs):
        distance = _distance(x, pairs)
        around = usual[pairs].min(axis=1)
        share = np.divide(distance, around, out=np.full(len(pairs), np.inf), where=around > 0)
        order = np.argsort(share, kind="stable")
        order = order[share[order] <= closest]
        out.pairs, out.closeness = pairs[order], share[order]
    return out


def _distance(x: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    out = np.empty(len(pairs))
    for start in range(0, len(pairs), ROWS_AT_ONCE):
        a, b = pairs[start : start + ROWS_AT_ONCE].T
        out[start : start + len(a)] = np.sqrt(((x[a].astype(float) - x[b]) ** 2).sum(axis=1))
    return out


def _hashed(
    x: np.ndarray, content: np.ndarray, labels: np.ndarray, nearest: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return candidate pairs and their distances, at most a tenth of the usual nearest distance apart."""
    if nearest <= 0:
        return np.empty((0, 2), np.int64), np.empty(0)
    found = []
    for _ in range(TABLES):
        axes = rng.normal(size=(x.shape[1], DIRECTIONS)).astype(np.float32)
        shift = rng.random(DIRECTIONS)
        keys = np.zeros(len(x), np.uint64)
        for start in range(0, len(x), ROWS_AT_ONCE):
            cell = np.floor(x[start : start + ROWS_AT_ONCE] @ axes / nearest + shift).astype(np.int64).view(np.uint64)
            part = np.zeros(len(cell), np.uint64)
            for j in range(DIRECTIONS):
                part = _mix(part * _PRIME + cell[:, j])
            keys[start : start + len(part)] = part
        pairs = _candidates(keys, content, labels, rng)[0]
        found.append(pairs[_distance(x, pairs) <= CLOSEST * nearest])
    pairs = _unique_pairs(found)
    return pairs, _distance(x, pairs)
