"""How familiar each row is: Mahalanobis distances to the classes, out of fold, and similarity to a share of a class."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

FOLDS = 5
FIT_ON = 20_000  # rows a fold learns from
ROWS = 50  # labelled rows of a class, below which it is not told from chance
MAX_WIDTH = 2_000
SHARE = 0.2  # of a class must look like a row: foreign rows that look like each other are a smaller share of any class
DRAWN = 2_000  # rows that classes are known by
FEWEST, MOST_CLASSES = 5, 200
_BLOCK = 4_096


def scores_of(context: Context) -> np.ndarray | None:
    """Return the familiarity of each row (n,), none of them learned from itself or its group.

    None where there are not two classes of 50 rows, or the representation is wider than 2,000.
    """
    data = context.data
    if data is None or data.embedding.shape[1] > MAX_WIDTH:
        return None
    judged = context.codes[context.codes >= 0]
    if (np.bincount(judged) >= ROWS).sum() < 2:
        return None
    return context.stages.get("familiar", lambda: {"scores": _out_of_fold(context)})["scores"]


def _out_of_fold(context: Context) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    from trueneg.reject import MahalanobisDetector

    data = context.data
    if data is None:
        return np.empty(0)
    rng = np.random.default_rng([context.seed, 401])
    together = data.duplicate_of if context.groups is None else context.groups
    place = np.unique(together, return_inverse=True)[1]
    fold = (rng.permutation(int(place.max()) + 1) % FOLDS)[place]
    out = np.zeros(len(context.codes))
    with threadpool_limits(limits=1):
        for k in range(FOLDS):
            context.progress(f"distances to the classes, part {k + 1} of {FOLDS}")
            learn = np.flatnonzero((fold != k) & (context.codes >= 0))
            if len(learn) > FIT_ON:
                learn = np.sort(rng.choice(learn, FIT_ON, replace=False))
            if len(np.unique(context.codes[learn])) < 2:
                continue
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="class .* has one row")  # TN101 tells of such classes
                model = MahalanobisDetector().fit(data.embedding[learn], context.codes[learn])
            here = np.flatnonzero(fold == k)
            for start in range(0, len(here), 65_536):
                part = here[start : start + 65_536]
                out[part] = model.score_samples(data.embedding[part])
    return out


def reach_of(context: Context, rows: np.ndarray) -> np.ndarray | None:
    """Return the similarity of some rows (m,) to the class that they are most like, by the nearest fifth of its rows.

    Foreign rows that came together are each other's nearest rows, and the spread within classes is learned from them as
    well; but they are no fifth of any class. Rows of the row's own group do not count. None where there are not two
    classes of 50 rows, or more than 200 of 5 rows.
    """
    data = context.data
    counts = np.bincount(context.codes[context.codes >= 0])
    classes = np.flatnonzero(counts >= FEWEST)
    if data is None or (counts >= ROWS).sum() < 2 or len(classes) > MOST_CLASSES:
        return None
    rng = np.random.default_rng([context.seed, 402])
    together = data.duplicate_of if context.groups is None else context.groups
    each = max(FEWEST, DRAWN // len(classes))
    known = [np.sort(rng.permutation(np.flatnonzero(context.codes == c))[:each]) for c in classes]
    out = np.full(len(rows), -1.0, dtype=np.float32)
    context.progress("similarity to the classes")
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        own = _unit(data.embedding[part])
        for of in known:
            like = own @ _unit(data.embedding[of]).T
            like[together[part][:, None] == together[of]] = -1.0
            at = len(of) - math.ceil(SHARE * len(of))
            out[start : start + len(part)] = np.maximum(
                out[start : start + len(part)], np.partition(like, at, axis=1)[:, at]
            )
    return out.astype(np.float64)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
