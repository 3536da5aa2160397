"""What a fitted machine says of rows, as methods of its estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from trueneg.heads._tsetlin import device as on_device
from trueneg.heads._tsetlin import inputs
from trueneg.heads._tsetlin.rows import Rows, rows_of
from trueneg.heads._tsetlin.vote import clause_outputs, votes

if TYPE_CHECKING:
    from trueneg.heads._tsetlin.machine import Machine

__all__ = ["Deciding"]


class Deciding:
    """Votes, labels and clause outputs."""

    _empty = False  # whether a clause without literals votes

    machine_: Machine
    classes_: Any
    cuts_: Any
    multilabel_: bool
    n_clauses: int
    threshold: int | None
    n_jobs: int | None
    device: str | None
    _told: bool

    @property
    def threshold_(self) -> int:
        """T in use."""
        return int(self.n_clauses if self.threshold is None else self.threshold)

    def _rows(self, X: Any) -> Rows:
        check_is_fitted(self, "machine_")
        X = inputs.canonical(validate_data(self, X, accept_sparse="csr", reset=False))
        return rows_of(inputs.reached(X, self.cuts_, told=self._told), self.machine_.shape)

    def votes(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return the votes for each class, not clipped, (n, n_classes)."""
        rows = self._rows(X)
        if self.device is not None:
            return on_device.votes(self.machine_, rows, device=self.device, empty=self._empty)
        return votes(self.machine_, rows, n_jobs=inputs.jobs(self.n_jobs), empty=self._empty)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return votes (n, n_classes); of two classes the second's less the first's, (n,)."""
        check_is_fitted(self, "machine_")
        found = self.votes(X).astype(np.float64)
        return found[:, 1] - found[:, 0] if len(self.classes_) == 2 and not self.multilabel_ else found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the label with the most votes, the first of equals, (n,); an indicator where rows have several."""
        check_is_fitted(self, "machine_")
        found = self.votes(X)
        return (found > 0).astype(np.int64) if self.multilabel_ else self.classes_[found.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return votes over T turned into shares that add up to one, (n, n_classes).

        They rank as the votes do, and are **not** calibrated: wrap the machine in scikit-learn's
        ``CalibratedClassifierCV`` where a probability is needed. With several labels, one share for each of them.
        """
        from scipy.special import expit, softmax

        check_is_fitted(self, "machine_")
        scaled = self.votes(X) / self.threshold_
        return np.asarray(expit(scaled) if self.multilabel_ else softmax(scaled, axis=1))

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Return which clauses are true, (n, clauses in all): features for another model."""
        check_is_fitted(self, "machine_")
        outputs = clause_outputs(self.machine_, self._rows(X), n_jobs=inputs.jobs(self.n_jobs), empty=self._empty)
        return outputs.astype(np.uint8)
