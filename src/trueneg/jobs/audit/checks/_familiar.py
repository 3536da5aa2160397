"""How familiar each row is, out of fold: Mahalanobis distances to the classes, on the audit's own representation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

FOLDS = 5
FIT_ON = 20_000  # rows a fold learns from
ROWS = 50  # labelled rows of a class, below which it is not told from chance
MAX_WIDTH = 2_000


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
            model = MahalanobisDetector().fit(data.embedding[learn], context.codes[learn])
            here = np.flatnonzero(fold == k)
            for start in range(0, len(here), 65_536):
                part = here[start : start + 65_536]
                out[part] = model.score_samples(data.embedding[part])
    return out
