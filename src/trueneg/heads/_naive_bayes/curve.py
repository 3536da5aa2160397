"""Error against the number of training rows, of two learners on the same draws, and where the curves cross."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, corrected_resampled_t
from trueneg.heads._naive_bayes.crossing import crossing_interval, crossings

__all__ = ["SampleComplexityCurve", "linear_evaluation", "sample_complexity_curve"]


@dataclass(frozen=True)
class SampleComplexityCurve:
    """Errors of both learners at each number of training rows.

    Attributes
    ----------
    train_sizes : tuple of int
        Rows trained on, rising, (J,).
    generative, discriminative, difference : tuple of Estimate
        Mean error of each learner and of the first minus the second, paired, at each size.
    crossings : tuple of float
        Sizes at which the mean difference changes its sign, between two sizes by a straight line in log size.
    crossing : Estimate or None
        The one size up to which the generative learner is better and from which on the other is; None where the mean
        curves do not cross exactly once in that direction. An end of ``inf`` (0) means that the data allows for a
        crossing beyond the largest (smallest) size, or for none.
    n_repeats, n_test : int
        Splits, and mean test rows of each.
    errors : ndarray of shape (2, n_repeats, J)
        Every error: generative, discriminative.
    """

    train_sizes: tuple[int, ...]
    generative: tuple[Estimate, ...]
    discriminative: tuple[Estimate, ...]
    difference: tuple[Estimate, ...]
    crossings: tuple[float, ...]
    crossing: Estimate | None
    n_repeats: int
    n_test: int
    errors: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return what strict JSON can hold: sizes, estimates, crossings; not the single errors."""
        sides = {name: [e.to_dict() for e in getattr(self, name)] for name in _SIDES}
        return {
            "train_sizes": list(self.train_sizes),
            **sides,
            "crossings": list(self.crossings),
            "crossing": None if self.crossing is None else self.crossing.to_dict(),
            "n_repeats": self.n_repeats,
            "n_test": self.n_test,
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as strict JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def figure(self, *, id: str = "sample-complexity", title: str = "Error by training rows") -> dict[str, Any]:  # noqa: A002
        """Return the figure of a report (a Vega-Lite specification and its table) of both mean curves."""
        from trueneg.report.figures import line

        curves = {name: [e.value for e in getattr(self, name)] for name in _SIDES[:2]}
        words = "Curves do not cross once."
        if self.crossing is not None:
            words = f"They cross at {_size(self.crossing.value)} rows [{_size(self.crossing.low)}, "
            words += f"{_size(self.crossing.high)}]."
        caption = f"Mean test error over {self.n_repeats} splits. {words}"
        x = [math.log10(m) for m in self.train_sizes]
        rule = None if self.crossing is None else math.log10(self.crossing.value)
        options: dict[str, Any] = {"x_label": "log10 of training rows", "y_label": "error", "rule": rule}
        return line(x, curves, title=title, id=id, caption=caption, rule_label="crossing", **options)


_SIDES = ("generative", "discriminative", "difference")


def sample_complexity_curve(
    gen: Any,
    disc: Any,
    X: ArrayLike,
    y: ArrayLike,
    train_sizes: Sequence[int],
    n_repeats: int = 20,
    *,
    test_size: float = 0.3,
    groups: ArrayLike | None = None,
    scale: Literal["minmax"] | None = "minmax",
    per_class: bool = False,
    level: float = 0.95,
    random_state: int | np.random.Generator | None = None,
) -> SampleComplexityCurve:
    """Train two learners on the same nested draws of rising size and compare their test errors.

    In each repeat a test part is set aside and the other rows are put in one random order, the first row of each
    class moved to the front; size m takes the first m of them. Both learners see the same rows at every size, and a
    larger size holds the smaller ones: the difference is then much less noisy than either curve.

    Parameters
    ----------
    gen, disc : classifier or None
        The generative and the discriminative learner; cloned. None takes ``GaussianNaiveBayes()`` and
        ``LogisticRegression(max_iter=1000)``, those of the paper.
    X : array-like of shape (n, d)
        Frozen features.
    y : array-like of shape (n,)
        Labels, two classes or more.
    train_sizes : sequence of int
        From the number of classes up to the rows that are not tested on.
    n_repeats : int, default=20
        Splits, at least 2. Five are too noisy at the small sizes.
    test_size : float, default=0.3
        Share of the rows (of the groups) to test on.
    groups : array-like of shape (n,) or None, default=None
        Rows of a group never stand on both sides.
    scale : {"minmax", None}, default="minmax"
        Bring each feature to [0, 1] by the m training rows alone, as the paper does.
    per_class : bool, default=False
        ``train_sizes`` counts rows a class (shots).
    level : float, default=0.95
        Coverage of the intervals.
    random_state : int, Generator or None, default=None
        Seed.

    Returns
    -------
    SampleComplexityCurve
        Intervals are Nadeau and Bengio's: splits share rows. That of the crossing draws whole mean curves from the
        normal distribution with that correction and takes the quantiles of the first (low) and last (high) crossing.

    Raises
    ------
    InputError
        On sizes that the rows cannot give, one class, or a class that a split leaves without training rows.

    References
    ----------
    Zheng et al. (2023), arXiv 2302.02334, section 5; Nadeau and Bengio (2003).
    """
    features, labels, group = _checked(X, y, groups)
    learners = [_learner(gen, generative=True), _learner(disc, generative=False)]
    sizes = sorted({int(m) for m in train_sizes})
    if not sizes or sizes[0] < 1 or n_repeats < 2 or not 0 < test_size < 1 or scale not in ("minmax", None):
        raise InputError(
            "give train_sizes of 1 or more, n_repeats of 2 or more, 0 < test_size < 1 and scale 'minmax' or None."
        )
    rng = np.random.default_rng(random_state)
    codes = np.unique(labels, return_inverse=True)[1]
    errors = np.empty((2, n_repeats, len(sizes)))
    tested = []
    for r in range(n_repeats):
        train, test = _split(codes, group, test_size, rng)
        tested.append(len(test))
        order = _ordered(codes, train, rng, per_class=per_class)
        for j, m in enumerate(sizes):
            rows = _take(codes, order, m, per_class=per_class)
            errors[:, r, j] = _errors(learners, features, labels, rows, test, scale)
    n_test = round(float(np.mean(tested)))
    per = int(codes.max()) + 1 if per_class else 1
    return _summary([m * per for m in sizes], errors, n_test, len(labels) - n_test, level, rng)


def linear_evaluation(
    X: Any,
    y: ArrayLike,
    *,
    encoder: Callable[[Any], ArrayLike] | None = None,
    shots: Sequence[int] = (1, 2, 5, 10, 20, 50),
    gen: Any = None,
    disc: Any = None,
    n_repeats: int = 20,
    test_size: float = 0.3,
    groups: ArrayLike | None = None,
    random_state: int | np.random.Generator | None = None,
) -> SampleComplexityCurve:
    """Compare both heads on frozen features, from one shot a class up.

    Parameters
    ----------
    X : array-like of shape (n, d), or anything that ``encoder`` takes
        Features, or what they are made of.
    y : array-like of shape (n,)
        Labels.
    encoder : callable or None, default=None
        ``encoder(X) -> (n, d)``, called once on everything: a frozen model learns nothing here, so test rows may
        pass through it. It must not have been trained on these labels.
    shots : sequence of int, default=(1, 2, 5, 10, 20, 50)
        Training rows a class.
    gen, disc, n_repeats, test_size, groups, random_state
        As in :func:`sample_complexity_curve`.

    Returns
    -------
    SampleComplexityCurve
        ``train_sizes`` are shots times classes.
    """
    features = np.asarray(X if encoder is None else encoder(X))
    if encoder is not None and (features.ndim != 2 or len(features) != len(np.asarray(y))):
        msg = f"the encoder returned shape {features.shape}: it must return one row of features for each of y's."
        raise InputError(msg)
    options: dict[str, Any] = {"test_size": test_size, "groups": groups, "random_state": random_state}
    return sample_complexity_curve(gen, disc, features, y, shots, n_repeats, per_class=True, **options)


# -- private -------------------------------------------------------------------------------------------------------


def _learner(model: Any, *, generative: bool) -> Any:
    if model is not None:
        return model
    if generative:
        from trueneg.heads._naive_bayes.gaussian import GaussianNaiveBayes

        return GaussianNaiveBayes()
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _checked(X: ArrayLike, y: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray[Any], NDArray[Any], Any]:
    features, labels = np.asarray(X), np.asarray(y)
    if features.ndim != 2 or features.dtype.kind not in "biuf" or labels.shape != (len(features),):
        msg = f"X has shape {features.shape} and y {labels.shape}: give numbers (n, d) and one label a row."
        raise InputError(msg)
    if features.dtype.kind == "f" and not np.isfinite(features).all():
        raise InputError("X holds missing or infinite values: repair or drop such rows first.")
    if len(np.unique(labels)) < 2:
        raise InputError("y holds one class only: there is nothing to tell apart.")
    group = None if groups is None else np.asarray(groups)
    if group is not None and group.shape != labels.shape:
        msg = f"groups has shape {group.shape}: give one group a row, shape {labels.shape}."
        raise InputError(msg)
    return features, labels, group


def _split(
    codes: NDArray[np.int64], group: NDArray[Any] | None, test_size: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    unit = np.arange(len(codes)) if group is None else np.unique(group, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    n_test = min(max(1, round(test_size * n_units)), n_units - 1)
    chosen = np.zeros(n_units, bool)
    chosen[rng.permutation(n_units)[:n_test]] = True
    train, test = np.flatnonzero(~chosen[unit]), np.flatnonzero(chosen[unit])
    if not len(train) or not np.isin(np.arange(codes.max() + 1), codes[train]).all():
        raise InputError(
            "a split leaves a class without training rows: lower test_size, or leave out classes with few rows."
        )
    return train, test


def _ordered(
    codes: NDArray[np.int64], train: NDArray[np.int64], rng: np.random.Generator, *, per_class: bool
) -> NDArray[np.int64]:
    """Return the training rows in random order, each class's first row at the front."""
    order = rng.permutation(train)
    if per_class:
        return order
    first = np.unique(codes[order], return_index=True)[1]
    rest = np.ones(len(order), bool)
    rest[first] = False
    return np.concatenate([order[first], order[rest]])


def _take(codes: NDArray[np.int64], order: NDArray[np.int64], m: int, *, per_class: bool) -> NDArray[np.int64]:
    n_classes = int(codes.max()) + 1
    if not per_class:
        if not n_classes <= m <= len(order):
            msg = f"train size {m}: a split has {len(order)} training rows and {n_classes} classes; choose between."
            raise InputError(msg)
        return order[:m]
    by_class = order[np.argsort(codes[order], kind="stable")]
    count = np.bincount(codes[by_class], minlength=n_classes)
    if count.min() < m:
        msg = f"{m} shots: a class has only {count.min()} training rows in a split; choose fewer shots."
        raise InputError(msg)
    place = np.arange(len(by_class)) - np.repeat(np.cumsum(count) - count, count)
    return by_class[place < m]


def _errors(
    learners: list[Any], X: NDArray[Any], y: NDArray[Any], rows: NDArray[np.int64], test: NDArray[np.int64], scale: Any
) -> list[float]:
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    low: Any = 0.0
    width: Any = 1.0
    if scale == "minmax":
        low, high = X[rows].min(axis=0), X[rows].max(axis=0)
        width = np.where(high > low, high - low, 1)
    train, held = (X[rows] - low) / width, (X[test] - low) / width
    # Products this small spend more time waking threads than multiplying.
    with threadpool_limits(limits=1):
        return [float(np.mean(clone(m).fit(train, y[rows]).predict(held) != y[test])) for m in learners]


def _summary(
    sizes: list[int], errors: NDArray[np.float64], n_test: int, n_pool: int, level: float, rng: np.random.Generator
) -> SampleComplexityCurve:
    difference = errors[0] - errors[1]
    sides = [
        tuple(corrected_resampled_t(column, n_train=n_pool, n_test=n_test, level=level) for column in side.T)
        for side in (errors[0], errors[1], difference)
    ]
    mean = difference.mean(axis=0)
    found = crossings(sizes, mean)
    crossing = None
    signs = mean[np.flatnonzero(mean)]
    if len(found) == 1 and signs[0] < 0:
        crossing = crossing_interval(sizes, difference, found[0], n_test / n_pool, level, rng)
    return SampleComplexityCurve(
        tuple(sizes), sides[0], sides[1], sides[2], found, crossing, errors.shape[1], n_test, errors
    )


def _size(m: float) -> str:
    return f"{m:,.0f}" if math.isfinite(m) else "beyond the largest size"
