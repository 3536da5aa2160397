"""Rows drawn again or made before training, and what must follow: prior correction or calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.jobs.compare.fold import Model
from trueneg.jobs.compare.threshold import calibration

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trueneg.jobs.compare.fold import Fold


def sampler(name: str, fold: Fold) -> Any:
    """Return a sampler of :mod:`trueneg.sample` with its defaults and the fold's seed."""
    import trueneg.sample

    options: dict[str, Any] = {"random_state": fold.seed}
    if name == "SMOTENC":
        options["categorical_features"] = fold.nominal
    return getattr(trueneg.sample, name)(**options)


def resampled(fold: Fold, name: str, then: str = "") -> Model:
    """Resample, train, and correct the probabilities as asked.

    Parameters
    ----------
    fold : Fold
    name : str
        A class of :mod:`trueneg.sample`.
    then : {"", "prior", "calibrate"}, default=""
        Leave the probabilities as they come; divide out the change of the classes' shares; or fit a sigmoid on
        training rows that were held out and not resampled.
    """

    def fit(X: Any, y: NDArray[np.int64]) -> Callable[[Any], NDArray[np.float64]]:  # noqa: N803
        return fold.learner.fit(*_drawn(fold, name, X, y))

    X, y = _drawn(fold, name, fold.X, fold.y)
    predict = fold.learner.fit(X, y)
    note = f"{len(y):,} rows trained on, of {len(fold.y):,}"
    if then == "prior":
        before, after = (np.bincount(c, minlength=fold.n_classes) / len(c) for c in (fold.y, y))
        return Model(lambda view: _prior_corrected(predict(view.X), after, before), len(y), None, note)
    if then == "calibrate":
        held_out = fold.once(f"out of fold {name}", lambda: fold.out_of_fold(fit))
        turn = calibration(held_out, fold.y)
        return Model(lambda view: turn(predict(view.X)), len(y), None, note)
    return Model(lambda view: predict(view.X), len(y), None, note)


def _drawn(fold: Fold, name: str, X: Any, y: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64]]:  # noqa: N803
    rows, codes = sampler(name, fold).fit_resample(X, y)
    return rows, np.asarray(codes, np.int64)


def _prior_corrected(
    proba: NDArray[np.float64], trained: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    from trueneg.sample import prior_corrected

    # A class without a row in this fold has probability 0, whatever it is multiplied with.
    return prior_corrected(proba, prior=wanted, resampled=np.maximum(trained, 1e-12))
