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
from trueneg.core.shapes import Encoder
from trueneg.heads._naive_bayes.crossing import crossing_interval, crossings
from trueneg.heads._naive_bayes.draws import ordered, split, take

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
        The size from which on the discriminative learner is better: the last change of sign, where the curves end
        with its lead, and where no smaller size shows a lead of it whose interval leaves out zero. None otherwise. An
        end of ``inf`` (0) means that the data allows for a crossing beyond the largest (smallest) size, or for none.
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
        words = "They do not cross, or not in one direction."
        if self.crossing is not None:
            words = f"They cross at {_size(self.crossing.value)} rows [{_size(self.crossing.low)}, "
            words += f"{_size(self.crossing.high)}]."
        caption = f"Mean test error over {self.n_repeats} splits. {words}"
        x = [math.log10(m) for m in self.train_sizes]
        rule = None if self.crossing is None else math.log10(self.crossing.value)
        options: dict[str, Any] = {"x_label": "log10 of training rows", "y_label": "error", "rule": rule}
        return line(x, curves, title=title, id=id, caption=caption, rule_label="crossing", **options)


_SIDES = ("generative", "discriminative", "difference")
Progress = Callable[[int, int], None]


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
    level: float = 0.95,
    random_state: int | np.random.Generator | None = None,
    progress: Progress | None = None,
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
    level : float, default=0.95
        Coverage of the intervals.
    random_state : int, Generator or None, default=None
        Seed.
    progress : callable or None, default=None
        Called with ``(done, total)`` after each size of each split.

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
    options: dict[str, Any] = {"test_size": test_size, "groups": groups, "random_state": random_state}
    return _measured((gen, disc), X, y, train_sizes, n_repeats, scale=scale, level=level, progress=progress, **options)


def linear_evaluation(
    X: Any,
    y: ArrayLike,
    *,
    encoder: Encoder | Callable[[Any], ArrayLike] | None = None,
    shots: Sequence[int] = (1, 2, 5, 10, 20, 50),
    gen: Any = None,
    disc: Any = None,
    n_repeats: int = 20,
    test_size: float = 0.3,
    groups: ArrayLike | None = None,
    random_state: int | np.random.Generator | None = None,
    progress: Progress | None = None,
) -> SampleComplexityCurve:
    """Compare both heads on frozen features, from one shot a class up.

    Parameters
    ----------
    X : array-like of shape (n, d), or anything that ``encoder`` takes
        Features, or what they are made of.
    y : array-like of shape (n,)
        Labels.
    encoder : Encoder, callable or None, default=None
        ``encoder.encode(X)`` or ``encoder(X)`` gives (n, d); called once on everything: a frozen model learns nothing
        here, so test rows may pass through it. It must not have been trained on these labels.
    shots : sequence of int, default=(1, 2, 5, 10, 20, 50)
        Training rows a class.
    gen, disc, n_repeats, test_size, groups, random_state, progress
        As in :func:`sample_complexity_curve`.

    Returns
    -------
    SampleComplexityCurve
        ``train_sizes`` are shots times classes.
    """
    turn: Any = getattr(encoder, "encode", encoder)
    features = np.asarray(X if turn is None else turn(X))
    if turn is not None and (features.ndim != 2 or len(features) != len(np.asarray(y))):
        msg = f"the encoder returned shape {features.shape}: it must return one row of features for each of y's."
        raise InputError(msg)
    options: dict[str, Any] = {"test_size": test_size, "groups": groups, "random_state": random_state}
    return _measured((gen, disc), features, y, shots, n_repeats, per_class=True, progress=progress, **options)


# -- private -------------------------------------------------------------------------------------------------------


def _measured(
    learners: tuple[Any, Any],
    X: ArrayLike,
    y: ArrayLike,
    train_sizes: Sequence[int],
    n_repeats: int,
    *,
    test_size: float,
    groups: ArrayLike | None,
    random_state: Any,
    progress: Progress | None,
    scale: Literal["minmax"] | None = "minmax",
    level: float = 0.95,
    per_class: bool = False,
) -> SampleComplexityCurve:
    features, labels, group = checked(X, y, groups)
    models = [_learner(learners[0], generative=True), _learner(learners[1], generative=False)]
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
        train, test = split(codes, group, test_size, rng)
        tested.append(len(test))
        order = ordered(codes, train, rng, per_class=per_class)
        for j, m in enumerate(sizes):
            rows = take(codes, order, m, per_class=per_class)
            errors[:, r, j] = _errors(models, features, labels, rows, test, scale)
            if progress is not None:
                progress(r * len(sizes) + j + 1, n_repeats * len(sizes))
    n_test = round(float(np.mean(tested)))
    shown = [m * (int(codes.max()) + 1) if per_class else m for m in sizes]
    return _summary(shown, errors, n_test, len(labels) - n_test, level, rng)


def _learner(model: Any, *, generative: bool) -> Any:
    if model is not None:
        return model
    if generative:
        from trueneg.heads._naive_bayes.gaussian import GaussianNaiveBayes

        return GaussianNaiveBayes()
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def checked(X: ArrayLike, y: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray[Any], NDArray[Any], Any]:
    """Return features (n, d), labels and groups (n,) as arrays, or say what is wrong with them."""
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
    if found and mean[np.flatnonzero(mean)[-1]] > 0:
        before = [side for side, m in zip(sides[2], sizes, strict=True) if m < found[-1]]
        # Ups and downs within the noise before the last crossing are none; a lead of the other side that shows is one.
        if all(side.low <= 0 for side in before):
            crossing = crossing_interval(sizes, difference, found[-1], n_test / n_pool, level, rng)
    return SampleComplexityCurve(
        tuple(sizes), sides[0], sides[1], sides[2], found, crossing, errors.shape[1], n_test, errors
    )


def _size(m: float) -> str:
    return f"{m:,.0f}" if math.isfinite(m) else "beyond the largest size"
