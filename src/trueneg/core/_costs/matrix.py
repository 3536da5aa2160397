"""What an error costs: one matrix for all rows or two costs for each, and the decisions they imply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._costs.inputs import checked_proba, class_codes, same_length
from trueneg.core._intervals.inputs import vector_of, weights_of
from trueneg.core.errors import InputError


class CostMatrix:
    """The cost of each decision for each true class; ``matrix[true, decided]``.

    Parameters
    ----------
    matrix : array-like of shape (K, K) or None, default=None
        Costs of 0 or more, no right decision dearer than a wrong one of the same row. A gain is written by adding a
        constant to its whole row, which changes no decision.
    fn, fp : float or None, default=None
        In place of the matrix, for two classes: the cost of a false negative and of a false positive.

    References
    ----------
    Elkan (2001), "The foundations of cost-sensitive learning".
    """

    def __init__(self, matrix: ArrayLike | None = None, *, fn: float | None = None, fp: float | None = None) -> None:
        if (matrix is None) == (fn is None and fp is None) or (fn is None) != (fp is None):
            raise InputError("give either a K x K matrix of costs, or both fn and fp.")
        try:
            c = np.array([[0.0, fp], [fn, 0.0]] if matrix is None else matrix, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError("costs must be numbers, a square matrix[true, decided].") from None
        if c.ndim != 2 or c.shape[0] != c.shape[1] or len(c) < 2:
            msg = f"the cost matrix has shape {c.shape}; it must be K x K with K of 2 or more, matrix[true, decided]."
            raise InputError(msg)
        if not np.isfinite(c).all() or (c < 0).any():
            raise InputError("every cost must be finite and 0 or more; add a constant to a row to write a gain in it.")
        wrong = np.argwhere(c < np.diag(c)[:, None])
        if len(wrong):
            i, j = (int(v) for v in wrong[0])
            msg = (
                f"deciding {j} for true class {i} costs less than being right ({c[i, j]:g} < {c[i, i]:g}): transposed?"
            )
            raise InputError(msg)
        if (c == np.diag(c)[:, None]).all():
            raise InputError("no error costs more than a right decision: every decision rule would be as good.")
        c.setflags(write=False)
        self.matrix: NDArray[np.float64] = c

    def __repr__(self) -> str:
        return f"CostMatrix({self.matrix.tolist()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CostMatrix) and np.array_equal(self.matrix, other.matrix)

    def __hash__(self) -> int:
        return hash((self.matrix.shape, self.matrix.tobytes()))

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.matrix)

    @property
    def fn(self) -> float:
        """What missing a positive costs beyond getting it right (two classes)."""
        c = self._two()
        return float(c[1, 0] - c[1, 1])

    @property
    def fp(self) -> float:
        """What a false alarm costs beyond getting the negative right (two classes)."""
        c = self._two()
        return float(c[0, 1] - c[0, 0])

    @property
    def ratio(self) -> float:
        """``fn / fp``: how many false alarms one missed positive is worth; infinite where an alarm is free."""
        return self.fn / self.fp if self.fp > 0 else math.inf

    @property
    def bayes_threshold(self) -> float:
        """``fp / (fp + fn)``: with calibrated probabilities, call positive from here on."""
        return self.fp / (self.fp + self.fn)

    def _two(self) -> NDArray[np.float64]:
        if self.n_classes != 2:
            msg = f"fn, fp and thresholds belong to two classes; this matrix has {self.n_classes}."
            raise InputError(msg)
        return self.matrix


@dataclass(frozen=True, eq=False)
class RowCosts:
    """Costs that differ from row to row (two classes): an amount of money, a severity.

    Parameters
    ----------
    fn, fp : float or array-like of shape (n,)
        What missing the row costs if it is positive; what an alarm costs if it is negative. At least one is an array.
    """

    fn: ArrayLike
    fp: ArrayLike

    def arrays(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return both as validated arrays of shape (n,)."""
        out = []
        for name, cost in (("fn", self.fn), ("fp", self.fp)):
            c = vector_of(np.atleast_1d(np.asarray(cost)), f"the cost {name}")
            if len(c) not in (1, n) or (c < 0).any():
                msg = f"the cost {name} needs one value of 0 or more for each of the {n} rows, or one for all."
                raise InputError(msg)
            out.append(np.broadcast_to(c, (n,)))
        return out[0], out[1]


def cost_per_row(y: ArrayLike, decisions: ArrayLike, costs: CostMatrix | RowCosts) -> NDArray[np.float64]:
    """Cost of each row's decision.

    Parameters
    ----------
    y : array-like of shape (n,)
        True class codes, 0 .. K-1.
    decisions : array-like of shape (n,)
        Decided class codes, 0 .. K-1.
    costs : CostMatrix or RowCosts
        The costs.

    Returns
    -------
    ndarray of shape (n,)
        ``matrix[y, decisions]``.
    """
    k = 2 if isinstance(costs, RowCosts) else costs.n_classes
    truth, decided = class_codes(y, k, "y"), class_codes(decisions, k, "decisions")
    same_length(truth, decided, "decisions")
    if isinstance(costs, RowCosts):
        fn, fp = costs.arrays(len(truth))
        return np.where(truth == decided, 0.0, np.where(truth == 1, fn, fp))
    return costs.matrix[truth, decided]


def bayes_decisions(proba: ArrayLike, costs: CostMatrix | RowCosts) -> NDArray[np.int64]:
    """Decide what costs least on average if the probabilities are calibrated.

    Parameters
    ----------
    proba : array-like of shape (n,) or (n, K)
        Probability of the positive class, or of every class.
    costs : CostMatrix or RowCosts
        The costs.

    Returns
    -------
    ndarray of shape (n,)
        Class codes. On a tie between two classes, the positive one; among more, the lowest code.
    """
    p, positive = checked_proba(proba, _n_classes(costs))
    if positive:
        fn, fp = two_costs(costs, len(p))
        # p * fn >= (1 - p) * fp, rather than p >= fp / (fp + fn), so that a row whose both costs are 0 needs no case.
        return (p * fn >= (1 - p) * fp).astype(np.int64)
    if p.dtype.kind != "f":
        p = p.astype(np.float64)
    return np.argmin(p @ _matrix(costs).astype(p.dtype), axis=1).astype(np.int64)


def expected_cost(
    y: ArrayLike | None,
    costs: CostMatrix | RowCosts,
    *,
    decisions: ArrayLike | None = None,
    proba: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean cost a row, of decisions or of probabilities.

    ========== ============= ========= ======================================================================
    ``y``      ``decisions`` ``proba`` the result
    ========== ============= ========= ======================================================================
    given      given         None      what these decisions cost on these labels
    given      None          given     what the Bayes decisions (:func:`bayes_decisions`) cost on these labels
    None       given         given     model-based: what these decisions cost if the probabilities are right
    None       None          given     model-based: what the Bayes decisions cost if the probabilities are right
    ========== ============= ========= ======================================================================

    Parameters
    ----------
    y : array-like of shape (n,) or None
        True class codes.
    costs : CostMatrix or RowCosts
        The costs.
    decisions : array-like of shape (n,) or None, default=None
        Decided class codes.
    proba : array-like of shape (n,) or (n, K) or None, default=None
        Probability of the positive class, or of every class.
    sample_weight : array-like of shape (n,) or None, default=None
        Weight of each row.

    Returns
    -------
    float
        Cost a row. A model-based one is only as good as the calibration.
    """
    if y is not None and decisions is not None and proba is not None:
        raise InputError("with y, give decisions or proba, not both.")
    if proba is None and (y is None or decisions is None):
        raise InputError("give y with decisions or proba, or proba without y (model-based).")
    if decisions is None:
        decisions = bayes_decisions(proba, costs)  # type: ignore[arg-type]
    rows = cost_per_row(y, decisions, costs) if y is not None else model_cost(proba, decisions, costs)
    if sample_weight is None:
        return float(rows.mean(dtype=np.float64))
    w = weights_of(sample_weight, len(rows))
    return float(w @ rows / w.sum())


def model_cost(proba: Any, decisions: ArrayLike, costs: CostMatrix | RowCosts) -> NDArray[Any]:
    p, positive = checked_proba(proba, _n_classes(costs))
    if positive:
        decided = class_codes(decisions, 2, "decisions")
        same_length(p, decided, "decisions")
        if isinstance(costs, RowCosts):
            fn, fp = costs.arrays(len(p))
            return np.where(decided == 1, (1 - p) * fp, p * fn)
        c = costs.matrix
        return (1 - p) * c[0, decided] + p * c[1, decided]
    c = _matrix(costs)
    decided = class_codes(decisions, len(c), "decisions")
    same_length(p, decided, "decisions")
    return np.einsum("nk,nk->n", p, c.T.astype(p.dtype if p.dtype.kind == "f" else np.float64)[decided])


def _matrix(costs: CostMatrix | RowCosts) -> NDArray[np.float64]:
    if isinstance(costs, RowCosts):
        raise InputError("costs by row are for two classes: give the probability of the positive class, shape (n,).")
    return costs.matrix


def two_costs(costs: CostMatrix | RowCosts, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(costs, RowCosts):
        return costs.arrays(n)
    return np.broadcast_to(costs.fn, (n,)), np.broadcast_to(costs.fp, (n,))


def _n_classes(costs: CostMatrix | RowCosts) -> int:
    return 2 if isinstance(costs, RowCosts) else costs.n_classes
