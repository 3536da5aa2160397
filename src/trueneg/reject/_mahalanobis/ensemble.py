"""A logistic regression on the scores of all layers, with splits that keep fitting, choosing and testing apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from trueneg.core._detection.ranked import Ranked
from trueneg.core.detection import auroc_of
from trueneg.core.errors import InputError
from trueneg.core.rows import array_of
from trueneg.reject._mahalanobis.detector import MahalanobisDetector
from trueneg.reject.base import BaseRejecter

__all__ = ["EPS_GRID", "FeatureEnsembleDetector", "LogisticLayers", "tnr_at_tpr"]

EPS_GRID = (0.0, 0.0005, 0.001, 0.0014, 0.002, 0.005, 0.01)


class LogisticLayers:
    """Logistic regression on the scores of layers, scaled by the spread of the rows it learned from.

    Parameters
    ----------
    known, unknown : ndarray of shape (n, n_layers)
        Scores to learn from.
    seed : int
        Of the folds of the penalty's choice.
    """

    def __init__(self, known: NDArray[Any], unknown: NDArray[Any], seed: int) -> None:
        from sklearn.linear_model import LogisticRegressionCV
        from sklearn.model_selection import StratifiedKFold

        rows = np.concatenate([known, unknown])
        self.center, self.scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-12)
        y = np.repeat([1, 0], [len(known), len(unknown)])
        folds = StratifiedKFold(min(5, len(known), len(unknown)), shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the solver's iterations and of parameters to be renamed
            model = LogisticRegressionCV(Cs=7, cv=folds, max_iter=500)
            model.fit((rows - self.center) / self.scale, y)
        self.weights, self.bias = model.coef_[0], float(model.intercept_[0])

    def score(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Return the log-odds of being known (n,)."""
        return np.asarray((scores - self.center) / self.scale @ self.weights + self.bias)


class FeatureEnsembleDetector(BaseRejecter):
    """Mahalanobis scores of all layers, weighed by a logistic regression.

    Parameters
    ----------
    base : MahalanobisDetector
        Unfitted; with a network, or with ``widths`` on ready features.
    calibrate_on : {"ood", "fgsm"}, default="ood"
        What plays the unknown rows in learning the weights. "ood": rows that are handed over, ideally like those to
        come. "fgsm": the known rows themselves, attacked by one gradient step, so that nothing unknown is needed; rows
        with random noise of the same size count as known. Needs a network.
    eps_grid : sequence of float or None, default=None
        Steps of input preprocessing to choose from; None: the paper's with a network, 0 without one.
    fgsm_eps : float, default=0.03
        Step of the attack that plays the unknown rows, in the units of the input.
    unknown_label : object, default="auto"
        Answer for "none of these".
    random_state : int, Generator or None, default=None
        Of the splits and the noise.

    Attributes
    ----------
    base_ : MahalanobisDetector
        Fitted.
    eps_ : float
        Step chosen.
    weights_ : ndarray of shape (n_layers,)
        Of the layers' scores, each scaled to unit spread.
    validation_ : dict of float to float
        What each step reached on the half that chose: TNR at 95 % TPR for "ood", AUROC for "fgsm". Empty where there
        was one step only.

    Notes
    -----
    Half of the validation rows fit the regression, the other half chooses the step: a row and its attacked copy are
    always in the same half. With one step there is nothing to choose, and all of them fit. ``threshold_`` needs rows of
    its own still, by ``calibrate``.

    References
    ----------
    Lee, Lee, Lee and Shin (2018), sections 2.2 and 3.
    """

    def __init__(
        self,
        base: MahalanobisDetector,
        *,
        calibrate_on: Literal["ood", "fgsm"] = "ood",
        eps_grid: Sequence[float] | None = None,
        fgsm_eps: float = 0.03,
        unknown_label: Any = "auto",
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        self.base, self.calibrate_on, self.eps_grid = base, calibrate_on, eps_grid
        self.fgsm_eps, self.unknown_label, self.random_state = fgsm_eps, unknown_label, random_state

    def fit(self, X: Any, y: ArrayLike, *, known: Any, unknown: Any = None) -> FeatureEnsembleDetector:
        """Learn the Gaussians from X, and the weights from validation rows.

        Parameters
        ----------
        X, y
            Rows of known classes and their labels, as for the base.
        known : as X
            Validation rows of known classes; rows of X would look nearer than rows to come.
        unknown : as X, or None
            With ``calibrate_on="ood"``: unknown validation rows. With "fgsm" there must be none.

        Returns
        -------
        FeatureEnsembleDetector

        Raises
        ------
        InputError
            Where the rows do not fit the way of calibration, or are fewer than 4 of a kind (2, with one step).
        """
        if not isinstance(self.base, MahalanobisDetector):
            msg = f"base is of type {type(self.base).__name__}: give a MahalanobisDetector."
            raise InputError(msg)
        return self.fit_layers(clone(self.base).fit(X, y), known=known, unknown=unknown)

    def fit_layers(self, base: MahalanobisDetector, *, known: Any, unknown: Any = None) -> FeatureEnsembleDetector:
        """Learn the weights on top of a fitted base; parameters as in :meth:`fit`."""
        check_is_fitted(base, "stats_")
        if self.calibrate_on not in ("ood", "fgsm"):
            msg = f"calibrate_on={self.calibrate_on!r}: choose 'ood' or 'fgsm'."
            raise InputError(msg)
        if (self.calibrate_on == "ood") != (unknown is not None):
            need = "needs unknown rows: give unknown=" if unknown is None else "takes no unknown rows: leave them out"
            msg = f"calibrate_on={self.calibrate_on!r} {need}."
            raise InputError(msg)
        if self.calibrate_on == "fgsm" and base.net is None:
            raise InputError("calibrate_on='fgsm' attacks a network: give the base net=, or calibrate_on='ood'.")
        self.__dict__.pop("threshold_", None)
        known, unknown = array_of(known), array_of(unknown)
        rng = np.random.default_rng(self.random_state)
        grid = self.eps_grid if self.eps_grid is not None else (EPS_GRID if base.net is not None else (0.0,))
        if not len(grid):
            raise InputError("eps_grid is empty: give one step or more, (0.0,) for none.")
        good, bad, own, other = self._sides(base, known, unknown, rng, parts=min(2, len(grid)))
        seed, best, self.validation_ = int(rng.integers(2**31)), -np.inf, {}
        for eps in grid:
            a, b = (base._all_scores(rows, eps)[0] for rows in (good, bad))
            model = LogisticLayers(a[own == 0], b[other == 0], seed)
            if len(grid) > 1:
                self.validation_[float(eps)] = self._quality(model, a[own == 1], b[other == 1])
            if (reached := self.validation_.get(float(eps), 0.0)) > best:
                best, self.model_, self.eps_ = reached, model, float(eps)
        self.base_, self.classes_, self.weights_ = base, base.classes_, self.model_.weights
        self._y_tensor = getattr(base, "_y_tensor", False)
        return self

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned as arrays, without the network: for ``numpy.savez``, no pickle needed."""
        from trueneg.reject._mahalanobis.stored import ensemble_state_of

        check_is_fitted(self, "base_")
        return ensemble_state_of(self)

    @classmethod
    def from_state(cls, state: Any, *, net: Any = None) -> FeatureEnsembleDetector:
        """Return an ensemble from what :meth:`to_state` gave; ``net`` is the network its base had."""
        from trueneg.reject._mahalanobis.stored import ensemble_of

        found: FeatureEnsembleDetector = ensemble_of(cls, state, net, MahalanobisDetector, LogisticLayers)
        return found

    def _judge(self, X: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        scores, place = self.base_._all_scores(X, self.eps_)
        return self.model_.score(scores), place

    def _quality(self, model: LogisticLayers, known: NDArray[Any], unknown: NDArray[Any]) -> float:
        truth = np.repeat([1, 0], [len(known), len(unknown)])
        scores = model.score(np.concatenate([known, unknown]))
        return tnr_at_tpr(truth, scores) if self.calibrate_on == "ood" else auroc_of(truth, scores)

    def _sides(
        self, base: MahalanobisDetector, known: Any, unknown: Any, rng: np.random.Generator, *, parts: int
    ) -> tuple[Any, Any, NDArray[np.int64], NDArray[np.int64]]:
        """Return known and unknown rows, and the part that each row of them is in: 0 fits, 1 chooses."""
        few = len(known) if unknown is None else min(len(known), len(unknown))
        if few < 2 * parts:
            use = "half fits and half chooses" if parts == 2 else "they fit the weights"
            msg = f"{few} validation rows of a kind: {use}, give {2 * parts} or more, the paper takes 1,000."
            raise InputError(msg)
        half = rng.permutation(np.arange(len(known)) % parts)
        if unknown is not None:
            return known, unknown, half, rng.permutation(np.arange(len(unknown)) % parts)
        from trueneg.reject._mahalanobis.attacks import fgsm, noise_like

        seed = int(rng.integers(2**31))
        attacked = fgsm(base.net, known, eps=self.fgsm_eps, device=base.device, batch_size=base.batch_size)
        clean, noisy = noise_like(known, attacked, random_state=seed)
        return np.concatenate([clean, noisy]), attacked, np.concatenate([half, half]), half


def tnr_at_tpr(known: ArrayLike, scores: ArrayLike, tpr: float = 0.95) -> float:
    """Return the share of unknown rows refused where ``tpr`` of the known ones pass, as a plain number."""
    kept, passed = Ranked.of(known, scores).shares()
    return 1.0 - float(passed[np.argmax(kept >= tpr - 1e-12)])
