"""The ROC curve that resampling draws, as in the 2002 paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, corrected_resampled_t
from trueneg.sample._smote.estimators import UnderSampler
from trueneg.sample._smote.labels import gather, read_labels

__all__ = ["RocBySampling", "roc_by_sampling", "upper_hull"]


@dataclass(frozen=True)
class RocBySampling:
    """A ROC curve drawn by under-sampling at rising levels, mean over folds.

    Parameters
    ----------
    levels : list of float
        The paper's U %, rising.
    fpr, tpr : float64 arrays of shape (n_folds, n_levels)
    area : Estimate
        Of the trapezoids through the points, (0, 0) and (1, 1).
    hull_area : Estimate
        Of the upper convex hull of the mean points; its interval is that of the areas of the folds' own hulls, moved to
        it, with the corrected resampled t.
    hull_areas : float64 array of shape (n_folds,)
        Of each fold's own hull, for paired differences.
    n_train, n_test : int
        Rows of a fold.
    """

    levels: list[float]
    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    area: Estimate
    hull_area: Estimate
    hull_areas: NDArray[np.float64]
    n_train: int
    n_test: int

    def hull(self) -> NDArray[np.float64]:
        """Return the corners of the upper convex hull of the mean points, (m, 2): (fpr, tpr), rising."""
        return upper_hull(self.fpr.mean(axis=0), self.tpr.mean(axis=0))


def roc_by_sampling(
    estimator: Any,
    X: Any,  # noqa: N803
    y: Any,
    *,
    levels: Sequence[float] = (10, 25, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000),
    sampler: Any = None,
    cv: int = 10,
    groups: Any = None,
    random_state: Any = None,
) -> RocBySampling:
    """Draw a ROC curve as the 2002 paper does: one classifier a level of under-sampling, no threshold moved.

    Parameters
    ----------
    estimator : classifier
    X : array-like, sparse matrix or frame of shape (n, d)
    y : array-like of shape (n,)
        Two classes; the smaller one is the positive.
    levels : sequence of float
        U %: the positives are U % of the negatives that are left. Levels below what the data has change nothing.
    sampler : sampler with an ``under`` parameter, default=None
        As ``SMOTE(amount=300)``; None under-samples only.
    cv : int, default=10
        Folds, stratified; groups stay whole. Test folds are never resampled.
    groups : array-like of shape (n,), optional
    random_state : int, RandomState or None, default=None

    Returns
    -------
    RocBySampling
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.utils import check_random_state

    labels = read_labels(y)
    if len(labels.classes) != 2:
        raise InputError(f"a ROC curve is of two classes and y has {len(labels.classes)}: take one against the rest")
    if not levels or min(levels) <= 0:
        raise InputError("levels must be percentages above 0")
    counts = np.bincount(labels.codes)
    if counts.min() < cv:
        raise InputError(f"the smaller class has {counts.min()} rows, fewer than the {cv} folds: lower cv")
    positive = labels.codes == counts.argmin()
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    kind: Any = StratifiedKFold if groups is None else StratifiedGroupKFold
    rising = sorted(float(level) for level in levels)
    fpr, tpr, sizes = [], [], []
    folds = kind(cv, shuffle=True, random_state=seed).split(np.zeros(len(positive)), positive, groups)
    for train, test in folds:
        rows, target = gather(X, train), positive[train].astype(np.int64)
        own = None if groups is None else gather(groups, train)
        test_rows, truth = gather(X, test), positive[test]
        points = []
        for level in rising:
            how = _sampler_at(sampler, level, seed)
            model = clone(estimator)
            if model.get_params(deep=False).get("random_state", 0) is None:
                model.set_params(random_state=seed)
            said = model.fit(*how.fit_resample(rows, target, groups=own)).predict(test_rows) == 1
            points.append((said[~truth].mean(), said[truth].mean()))
        fpr.append([p[0] for p in points])
        tpr.append([p[1] for p in points])
        sizes.append((len(train), len(test)))
    return _summed_up(rising, np.array(fpr), np.array(tpr), np.array(sizes))


def _sampler_at(sampler: Any, level: float, seed: int) -> Any:
    """Return the sampler that leaves U % at this level."""
    if sampler is None:
        return UnderSampler(percent=level, random_state=seed)
    how = clone(sampler)
    if "under" not in how.get_params(deep=False):
        raise InputError(f"sampler={type(how).__name__} has no parameter `under`: give SMOTE or a descendant")
    how.set_params(under=level)
    return how.set_params(random_state=seed) if how.get_params(deep=False)["random_state"] is None else how


def _summed_up(
    levels: list[float], fpr: NDArray[np.float64], tpr: NDArray[np.float64], sizes: NDArray[np.int64]
) -> RocBySampling:
    """Take the areas and their intervals."""
    n_train, n_test = (round(s) for s in sizes.mean(axis=0))
    hulls = np.array([_area(upper_hull(f, t)) for f, t in zip(fpr, tpr, strict=True)])
    plain = np.array([_area(_through(f, t)) for f, t in zip(fpr, tpr, strict=True)])
    means = fpr.mean(axis=0), tpr.mean(axis=0)
    out = []
    for areas, value in ((plain, _area(_through(*means))), (hulls, _area(upper_hull(*means)))):
        spread = corrected_resampled_t(areas, n_train=n_train, n_test=n_test)
        shift = value - spread.value
        low, high = np.clip([spread.low + shift, spread.high + shift], 0, 1)
        out.append(Estimate(value, float(low), float(high), spread.level, spread.method, spread.n))
    return RocBySampling(levels, fpr, tpr, out[0], out[1], hulls, n_train, n_test)


def _through(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points in rising order between (0, 0) and (1, 1)."""
    points = np.stack([np.r_[0, fpr, 1], np.r_[0, tpr, 1]], axis=1)
    return points[np.lexsort((points[:, 1], points[:, 0]))]


def upper_hull(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the upper convex hull of points, (0, 0) and (1, 1) among them, (m, 2), rising."""
    corners: list[NDArray[np.float64]] = []
    for point in _through(fpr, tpr):
        while len(corners) > 1:
            one, two = corners[-1] - corners[-2], point - corners[-1]
            if one[0] * two[1] - one[1] * two[0] < 0:
                break
            corners.pop()
        corners.append(point)
    return np.array(corners)


def _area(points: NDArray[np.float64]) -> float:
    return float(np.trapezoid(points[:, 1], points[:, 0]))
