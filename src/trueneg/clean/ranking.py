"""Rank and calibrate suspected label errors from probabilities and, where there are any, neighbours.

The score is the largest log margin of another label over the given one, where a label's support
is ``a log P + b log(neighbour lift)`` and the weights are fitted on the given labels themselves:
neighbours that know nothing get a weight near zero. Probabilities come from the confident joint
and are a strictly increasing function of the score.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from trueneg.clean.confident_learning import (
    blocks,
    check_action,
    check_probabilities,
    encode_labels,
    refuse_in_sample,
    resampled,
    trusted_flags,
)
from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from trueneg.core.suspects import Suspects

__all__ = ["SuspectRanker"]

_FLOOR = 1e-6
_FIT_ROWS = 50_000
_NEWTON_STEPS = 5
_EM_STEPS = 30
_FEW = 5
_GATE = 3.0
# Up to this size the softmax of every row is kept between the two passes, else made again.
_KEEP_BYTES = 48 << 20
# Rows, their log probabilities, and their neighbour lifts if there are neighbours.
_Piece: TypeAlias = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]
_WEIGHT_NAMES = ("a (probabilities)", "b (neighbours)", "c (class size)")


class _Evidence:
    """Log probability and log neighbour lift of any piece of the rows, made when asked for."""

    def __init__(
        self, proba: np.ndarray, codes: np.ndarray, neighbors: np.ndarray | None, groups: np.ndarray | None
    ) -> None:
        self.proba, self.codes, self.neighbors, self.groups = proba, codes, neighbors, groups
        self.n, self.n_classes = proba.shape
        self.counts = np.bincount(codes[codes >= 0], minlength=self.n_classes)
        self.log_share = np.log(np.maximum(self.counts, 1) / self.counts.sum())
        self.slack = 2e-2 if proba.dtype.itemsize == 2 else 1e-3
        if neighbors is not None:
            narrow = np.uint8 if self.n_classes < 2**8 else np.uint16 if self.n_classes < 2**16 else np.int32
            self._votes = np.append(np.where(codes < 0, self.n_classes, codes), self.n_classes).astype(narrow)
            k = np.arange(neighbors.shape[1] + 1, dtype=np.float64)
            self._log_seen = np.log(k + 0.5).astype(np.float32)
            self._log_expected = np.log(k[:, None] * np.exp(self.log_share) + 0.5).astype(np.float32)

    def of(self, rows: slice | np.ndarray, *, check: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Return (m, K) float32 log probabilities and lifts of some rows."""
        block = np.array(self.proba[rows], dtype=np.float32)
        if check:
            self._check(block, rows)
        np.maximum(block, _FLOOR, out=block)
        np.log(block, out=block)
        return block, None if self.neighbors is None else self._lift(self.neighbors[rows], rows)

    def _check(self, block: np.ndarray, rows: slice | np.ndarray) -> None:
        """Refuse rows that are not probabilities, and neighbour ids that are no rows."""
        first = rows.start if isinstance(rows, slice) else 0
        # A product and a minimum over all run faster than sums and minima of short rows; NaN fails both.
        fine = np.abs(block @ np.ones(block.shape[1], dtype=np.float32) - 1.0) <= self.slack
        if not (fine.all() and block.min() >= 0):
            fine &= block.min(axis=1) >= 0
            row = int(np.argmin(fine))
            raise InputError(
                f"pred_proba of row {first + row} is {np.array2string(block[row], threshold=6, precision=3)}: it must "
                "be free of NaN, not negative and add up to one; predict that row again or drop it"
            )
        if self.neighbors is not None:
            ids = self.neighbors[rows]
            if ids.size and (ids.min() < -1 or ids.max() >= self.n):
                raise InputError(f"neighbors holds ids outside -1..{self.n - 1}; -1 means missing")

    def _lift(self, ids: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
        """Return log of neighbour counts over expected counts, (m, K) float32."""
        own = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        votes = self._votes[ids]  # -1, a neighbour that is missing, reads the spare last vote
        wide = ids.dtype if ids.dtype.itemsize >= 4 else np.dtype(np.int32)
        itself = ids == own[:, None].astype(wide)
        if itself.any():
            votes[itself] = self.n_classes
        if self.groups is not None:
            votes[self.groups[ids] == self.groups[own][:, None]] = self.n_classes
        # A spare column takes what must not vote.
        width = self.n_classes + 1
        cells = votes + (np.arange(len(own), dtype=np.intp) * width)[:, None]
        counts = np.bincount(cells.ravel(), minlength=len(own) * width).reshape(-1, width)
        lift = self._log_seen[counts[:, :-1]]
        size = ids.shape[1] - counts[:, -1]
        lift -= self._log_expected[size] if (size != size[:1]).any() else self._log_expected[size[:1]]
        return lift


def _softmax(z: np.ndarray) -> np.ndarray:
    """Turn rows of logits into probabilities, in place."""
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= (z @ np.ones(z.shape[1], dtype=z.dtype))[:, None]  # faster than sums of short rows
    return z


def _combine(weights: np.ndarray, log_p: np.ndarray, lift: np.ndarray | None) -> np.ndarray:
    """Return ``a A + b B`` as float32, overwriting ``log_p``."""
    log_p *= np.float32(weights[0])
    if lift is not None and weights[1] != 0:
        lift *= np.float32(weights[1])
        log_p += lift
    return log_p


def _evenly(n: int, most: int) -> np.ndarray:
    """Return at most ``most`` evenly spaced positions of 0..n-1."""
    return np.arange(n) if n <= most else (np.arange(most) * (n / most)).astype(np.int64)


def _by_falling(score: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows (int32, ascending) by falling score, ties by row.

    A score that float32 holds exactly and its row make one whole number, and whole numbers sort fastest.
    """
    packed = np.empty(len(rows), dtype=np.int64)
    for part in blocks(len(rows), 1):
        bits = (0.0 - score[rows[part]]).astype(np.float32).view(np.int32)
        packed[part] = bits ^ ((bits >> 31) & 0x7FFFFFFF)
        packed[part] <<= 32
        packed[part] |= rows[part]
    packed.sort()
    packed &= 0xFFFFFFFF
    return packed.astype(np.int32)


def _derivatives(
    evidence: _Evidence, pieces: Iterable[_Piece], weights: np.ndarray, prior: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return value, gradient (3,) and Hessian (3, 3) of the penalised log likelihood."""
    away = weights - prior
    value, gradient, hessian = -0.5 * float(away @ away), -away, -np.eye(3)
    share = evidence.log_share
    for own, log_p, lift in pieces:
        given = evidence.codes[own]
        parts = [log_p.astype(np.float64), None if lift is None else lift.astype(np.float64)]
        z = weights[0] * parts[0] + weights[2] * share
        if parts[1] is not None:
            z += weights[1] * parts[1]
        top = z.max(axis=1, keepdims=True)
        value += float((z[np.arange(len(own)), given] - top[:, 0] - np.log(np.exp(z - top).sum(axis=1))).sum())
        q = _softmax(z)
        features = [f for f in (parts[0], parts[1], np.broadcast_to(share, q.shape)) if f is not None]
        used = [0, 2] if parts[1] is None else [0, 1, 2]
        weighted = [q * f for f in features]
        means = np.stack([w.sum(axis=1) for w in weighted])
        for s, (i, f) in enumerate(zip(used, features, strict=True)):
            gradient[i] += float((f[np.arange(len(own)), given] - means[s]).sum())
            for t, j in enumerate(used):
                second = np.einsum("ij,ij->", weighted[s], features[t])
                hessian[i, j] -= float(second - means[s] @ means[t])
    return value, gradient, hessian


class _Pieces:
    """Some rows with their evidence, piece by piece: kept where that is little, else made again each time."""

    def __init__(self, evidence: _Evidence, rows: np.ndarray) -> None:
        self.evidence, self.rows = evidence, rows
        small = 2 * 4 * len(rows) * evidence.n_classes <= _KEEP_BYTES // 4
        self.kept = list(self._made()) if small else None

    def __iter__(self) -> Iterator[_Piece]:
        return iter(self.kept) if self.kept is not None else self._made()

    def _made(self) -> Iterator[_Piece]:
        for part in blocks(len(self.rows), self.evidence.n_classes):
            own = self.rows[part]
            yield own, *self.evidence.of(own)


def _fit_weights(evidence: _Evidence, free: np.ndarray, among: np.ndarray | None) -> np.ndarray:
    """Fit (a, b, c) by Newton steps on evenly spaced labelled rows; steps that lose are halved."""
    known = np.flatnonzero(evidence.codes >= 0) if among is None else among[evidence.codes[among] >= 0]
    pieces = _Pieces(evidence, known[_evenly(len(known), _FIT_ROWS)])
    prior = np.array([1.0, 0.0, 0.0]) * free
    weights = prior.copy()
    value, gradient, hessian = _derivatives(evidence, pieces, weights, prior)
    for _ in range(_NEWTON_STEPS):
        step = np.zeros(3)
        step[free] = -np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        for _ in range(8):
            tried = _derivatives(evidence, pieces, weights + step, prior)
            if tried[0] >= value - 1e-9 * abs(value):
                break
            step *= 0.5
        else:
            break
        weights = weights + step
        value, gradient, hessian = tried
        if np.abs(step).max() < 1e-7:
            break
    return weights


def _shrunk_joint(raw: np.ndarray, counts: np.ndarray, suspect: np.ndarray) -> np.ndarray:
    """Return the joint of given (rows) and true labels, smoothed; trusted rows keep their diagonal.

    The off-diagonals of a row keep their sum and are spread as if 5 K more rows had followed
    the column totals, so that a cell nobody happened to fall in vetoes nothing.
    """
    n_classes = len(raw)
    joint = raw.astype(np.float64)
    np.fill_diagonal(joint, np.maximum(np.diagonal(joint), 1.0))
    joint *= (counts / joint.sum(axis=1))[:, None]
    np.fill_diagonal(joint, np.maximum(np.diagonal(joint), 1.0))
    diagonal = np.diagonal(joint).copy()
    prior = np.repeat(joint.sum(axis=0)[None, :], n_classes, axis=0)
    np.fill_diagonal(prior, 0.0)
    prior /= prior.sum(axis=1, keepdims=True)
    np.fill_diagonal(joint, 0.0)
    mass = joint.sum(axis=1, keepdims=True)
    pseudo = 5.0 * n_classes
    joint = (joint + pseudo * prior) * (mass / (mass + pseudo))
    joint[~suspect] = 0.0
    np.fill_diagonal(joint, np.where(suspect, diagonal, np.maximum(counts, 1)))
    return joint


def _wrongness(q: np.ndarray, given: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Return ``1 - q_y T(y|y) / sum_j q_j T(y|j)`` for each row."""
    right = q[np.arange(len(q)), given] * transition[given, given]
    return 1.0 - right / np.maximum((q * transition[given]).sum(axis=1), 1e-300)


def _deconvolved(q: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Read q as P(given | x) and return P(true | x) after 30 EM steps, (m, K)."""
    r = q.copy()
    for _ in range(_EM_STEPS):
        r *= (q / np.maximum(r @ transition.T, 1e-300)) @ transition
    return r


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _fit_sigmoid(score: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Fit sigmoid(alpha s + beta) to soft targets by cross-entropy; its sum equals theirs."""
    total = float(weight @ target)
    size = float(weight.sum())
    share = min(max(total / size, 1e-9), 1.0 - 1e-9)
    center = float(weight @ score) / size
    x = score - center

    def loss(theta: np.ndarray) -> float:
        z = theta[0] * x + theta[1]
        return float(weight @ (np.logaddexp(0.0, z) - target * z))

    theta = np.array([0.0, np.log(share / (1.0 - share))])
    value = loss(theta)
    for _ in range(60):
        p = _sigmoid(theta[0] * x + theta[1])
        error, curve = weight * (target - p), weight * p * (1.0 - p)
        gradient = np.array([error @ x, error.sum()])
        cross = float(curve @ x)
        hessian = np.array([[curve @ (x * x), cross], [cross, curve.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2) * (1.0 + np.trace(hessian)), gradient)
        while (new := loss(theta + step)) > value + 1e-12 * abs(value) and np.abs(step).max() > 1e-12:
            step *= 0.5
        theta, value = theta + step, new
        if np.abs(step).max() < 1e-10:
            break
    # A larger score must never mean a smaller probability, whatever the targets say.
    if theta[0] < 1e-3:
        theta = np.array([1e-3, np.log(share / (1.0 - share))])
    return float(theta[0]), float(theta[1] - theta[0] * center)


class SuspectRanker(BaseEstimator):
    """Rank the given labels by how surely they are wrong, with a probability for each.

    Parameters
    ----------
    n_neighbors : int, default=10
        Neighbours to find where ``X`` is given and ``neighbors`` is not.
    suspect_classes : "all" or array-like of labels, default="all"
        The given labels that may be wrong. Say so where only one kind can be: with hidden
        positives this is worth more than any formula.
    action : {"eliminate", "reannotate"}, default="eliminate"
        What ``fit_resample`` does: drop the rows, or give the proposed label.
    min_probability : float, default=0.5
        ``fit_resample`` acts on suspects at least so probably wrong.
    random_state : None
        Unused: nothing here is random. Present so that all systems are set up alike.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    a_, b_, c_ : float
        Fitted weights of the log probability, the log neighbour lift and the log class size.
    score_ : ndarray of shape (n,), float64
        Margin of the best other label over the given one; NaN for rows without a label.
    proposed_ : ndarray of shape (n,)
        That other label; for rows without a label, the best one.
    probability_ : ndarray of shape (n,), float64
        Probability that the given label is wrong, strictly increasing in the score; 0 where the
        given label may not be wrong or is trusted, NaN without a label.
    label_quality_ : ndarray of shape (n,)
        ``1 - probability_``.
    total_ : float or None
        About how many given labels are wrong, trusted ones aside; None where this cannot be told before a review.
    total_range_ : tuple of two floats
        The total with the model read as believing the noise, and as knowing nothing of it.
    thresholds_, joint_, transition_ : ndarray
        Mean fitted self-confidence (K,), smoothed joint [given, true] and P(given | true) (K, K).
    suspects_ : trueneg.core.suspects.Suspects
        In rank order, the rows whose score is positive, and at least as many as ``total_``.
    suspect_rows_ : ndarray
        Their row numbers.
    sample_indices_ : ndarray of int64
        Rows kept by ``fit_resample``, ascending; only after it.
    few_classes_ : ndarray
        Labels given to fewer than five rows: too few to judge.
    notes_ : list of str
        What the user should know of this fit.

    Notes
    -----
    Weights come from five Newton steps on at most 50,000 evenly spaced rows. Above that size the
    two parameters of the probability are fitted on the 25,000 highest scores and as many evenly
    spaced ones below, weighted for what they stand for; with fewer rows, on all of them.
    The joint follows Northcutt, Jiang and Chuang (2021), JAIR 70.
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 10,
        suspect_classes: Any = "all",
        action: str = "eliminate",
        min_probability: float = 0.5,
        random_state: Any = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.suspect_classes = suspect_classes
        self.action = action
        self.min_probability = min_probability
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        pred_proba: Any = None,
        neighbors: Any = None,
        groups: Any = None,
        trusted: Any = None,
        classes: Any = None,
        fit_rows: Any = None,
    ) -> SuspectRanker:
        """Fit the weights, rank the rows, and turn the ranks into probabilities.

        Parameters
        ----------
        X : array-like of shape (n, d) or None
            Embedding or features; read only to find neighbours.
        y : array-like of shape (n,)
            Given labels of any type; -1, None and NaN mean "no label".
        pred_proba : array-like of shape (n, K), default=None
            Out-of-fold probabilities; never copied whole. None: those of a small logistic
            regression on ``X``, five folds. Better give your own model's.
        neighbors : array-like of int of shape (n, k), default=None
            Row numbers of each row's neighbours, -1 where one is missing. The row itself, rows of
            its group and rows without a label have no vote.
        groups : array-like of shape (n,), default=None
            Rows of one group do not vote for each other.
        trusted : array-like of bool of shape (n,), default=None
            Rows whose label is known to be right: never suspects, probability 0. They stay in the
            fit of the weights and of the joint, and they vote.
        classes : array-like of shape (K,), default=None
            The label of each column; None: integers 0..K-1, else the sorted labels.
        fit_rows : array-like of int of shape (m,), default=None
            Row numbers to fit the weights on; None: at most 50,000 evenly spaced rows. Give them
            where neighbours were asked for some rows only: a part of those rows that was drawn
            without looking at labels or scores, or the weight of the neighbours is biased.

        Returns
        -------
        self
        """
        if y is None:
            raise InputError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        self._check_options()
        if pred_proba is None:
            from trueneg.clean.neighbors import out_of_fold_probabilities

            pred_proba, classes = out_of_fold_probabilities(self, X, y, groups=groups, classes=classes)
        proba = check_probabilities(pred_proba, len(y))
        codes, self.classes_ = encode_labels(y, proba.shape[1], classes=classes)
        self._codes = codes
        self._trusted = None if trusted is None else trusted_flags(trusted, len(codes)).copy()
        members = self._groups(groups, len(codes))
        ids = self._neighbors(X, neighbors, members, len(codes))
        suspect = self._suspect_codes()
        evidence = _Evidence(proba, codes, ids, members)
        self.notes_: list[str] = []
        self._note_few(evidence.counts)
        self._check_all(evidence)
        weights = self._weights(evidence, self._fit_rows(fit_rows, len(codes)))
        q_of = self._scores(evidence, weights, suspect)
        self._probabilities(evidence, q_of, suspect)
        return self

    def fit_resample(
        self,
        X: Any,
        y: Any,
        *,
        pred_proba: Any = None,
        neighbors: Any = None,
        groups: Any = None,
        trusted: Any = None,
        classes: Any = None,
    ) -> tuple[Any, np.ndarray]:
        """Fit, then apply ``action`` to the suspects of at least ``min_probability``.

        Parameters
        ----------
        X, y, pred_proba, neighbors, groups, trusted, classes
            As for :meth:`fit`. ``X`` may be None beside ``pred_proba``, and is then returned so.

        Returns
        -------
        X_clean : same kind as X
            Eliminate: the rows ``sample_indices_``. Reannotate: X itself.
        y_clean : ndarray of shape (len(sample_indices_),)
        """
        self.fit(X, y, pred_proba=pred_proba, neighbors=neighbors, groups=groups, trusted=trusted, classes=classes)
        decision = self.suspects_.decide(self.action, min_probability=self.min_probability)
        self.sample_indices_ = np.flatnonzero(decision.keep)
        return resampled(X, y, decision, self.classes_)

    @staticmethod
    def _fit_rows(fit_rows: Any, n: int) -> np.ndarray | None:
        """Check the rows to fit on."""
        if fit_rows is None:
            return None
        rows = np.asarray(fit_rows)
        if rows.ndim != 1 or not rows.size or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n:
            raise InputError(f"fit_rows must be row numbers from 0 to {n - 1}, at least one")
        return np.sort(rows)

    def _check_options(self) -> None:
        """Refuse options of ``fit_resample`` before any work is done."""
        check_action(self.action)
        if not 0 <= self.min_probability <= 1:
            raise InputError(f"min_probability={self.min_probability!r} must lie in 0..1")

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that y is needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _groups(self, groups: Any, n: int) -> np.ndarray | None:
        """Return the groups as codes, so that they compare fast."""
        if groups is None:
            return None
        values = np.asarray(groups)
        if values.shape != (n,):
            raise InputError(f"groups has shape {values.shape} but y has {n} rows; give one group a row")
        return np.unique(values, return_inverse=True)[1].astype(np.int32)

    def _neighbors(self, X: Any, neighbors: Any, members: np.ndarray | None, n: int) -> np.ndarray | None:
        """Check the neighbours given, or find them in X; None without either."""
        if neighbors is None:
            if X is None:
                return None
            from trueneg.core.neighbors import top_k

            pool = np.asarray(X)
            if pool.dtype.kind == "O":
                pool = pool.astype(np.float64)
            if len(pool) != n:
                raise InputError(f"X has {len(pool)} rows but y has {n}; they must describe the same rows")
            k = min(int(self.n_neighbors), n - 1)
            return top_k(pool, pool, k, exclude=np.arange(n), query_groups=members, pool_groups=members)[1]
        ids = np.asarray(neighbors)
        if ids.ndim != 2 or len(ids) != n or ids.shape[1] == 0 or ids.dtype.kind not in "iu":
            raise InputError(
                f"neighbors has shape {ids.shape} and type {ids.dtype}; give ({n}, k) row numbers, -1 where missing"
            )
        return ids

    def _suspect_codes(self) -> np.ndarray:
        """Return which columns may be wrong as given labels, (K,) bool."""
        if isinstance(self.suspect_classes, str) and self.suspect_classes == "all":
            return np.ones(len(self.classes_), dtype=bool)
        wanted = np.atleast_1d(np.asarray(self.suspect_classes))
        flags = np.isin(self.classes_, wanted)
        unknown = [name for name in wanted.tolist() if name not in self.classes_.tolist()]
        if unknown or not flags.any():
            raise InputError(f"suspect_classes names {unknown!r}, which are no labels; labels are {self.classes_[:20]}")
        return flags

    def _note_few(self, counts: np.ndarray) -> None:
        """Record the labels of too few rows."""
        self.few_classes_ = self.classes_[counts < _FEW]
        if len(self.few_classes_):
            self.notes_.append(f"too few rows to judge the labels {', '.join(map(str, self.few_classes_[:10]))}")

    def _check_all(self, evidence: _Evidence) -> None:
        """Pass over the input once: refuse what is no probability, in-sample or all peaks."""
        confidence, peaked = 0.0, 0
        for part in blocks(evidence.n, evidence.n_classes):
            block = np.asarray(evidence.proba[part], dtype=np.float32)
            evidence._check(block, part)
            known = np.flatnonzero(evidence.codes[part] >= 0)
            confidence += float(block[known, evidence.codes[part][known]].sum(dtype=np.float64))
            peaked += int(np.count_nonzero(block > np.float32(1.0 - 1e-6)))  # one a row at most: rows add up to one
        refuse_in_sample(confidence / evidence.counts.sum(), evidence.n_classes)
        if peaked > evidence.n / 2:
            self.notes_.append("most rows have a probability of 1: ties of the ranking come from the input")
            warnings.warn(
                "most rows of pred_proba are at 1 - 1e-6 or above: many ranks are ties that come from the input",
                UserWarning,
                stacklevel=3,
            )

    def _weights(self, evidence: _Evidence, among: np.ndarray | None) -> np.ndarray:
        """Fit the weights; evidence with a negative weight is left out, and that is noted."""
        free = np.array([True, evidence.neighbors is not None, True])
        weights = _fit_weights(evidence, free, among)
        while (weights[:2] < 0).any():
            free[:2] &= weights[:2] >= 0
            weights = _fit_weights(evidence, free, among)
        for index in (0, 1):
            if not free[index] and (index == 0 or evidence.neighbors is not None):
                self.notes_.append(f"{_WEIGHT_NAMES[index]} contradicts the given labels and was left out")
        self.a_, self.b_, self.c_ = (float(w) for w in weights)
        return weights

    def _scores(
        self, evidence: _Evidence, weights: np.ndarray, suspect: np.ndarray
    ) -> Callable[[slice | np.ndarray], np.ndarray]:
        """Score every row and estimate the joint; return a function giving q of any rows."""
        n, n_classes = evidence.n, evidence.n_classes
        size = (weights[2] * evidence.log_share).astype(np.float32)
        keep = np.empty((n, n_classes), dtype=np.float32) if n * n_classes * 4 <= _KEEP_BYTES else None
        self.score_ = np.full(n, np.nan)
        self._proposed = np.empty(n, dtype=np.int32)
        sums = np.zeros(n_classes)
        for part in blocks(n, n_classes):
            z = _combine(weights, *evidence.of(part))
            q = _softmax(z + size)
            if keep is not None:
                keep[part] = q
            known = np.flatnonzero(evidence.codes[part] >= 0)
            given = evidence.codes[part][known]
            sums += np.bincount(given, weights=q[known, given], minlength=n_classes)
            own = z[known, given]
            z[known, given] = -np.inf
            best = z.argmax(axis=1)
            self._proposed[part] = best
            self.score_[part.start + known] = z[known, best[known]] - own

        def q_of(rows: slice | np.ndarray) -> np.ndarray:
            if keep is not None:
                return keep[rows]
            return _softmax(_combine(weights, *evidence.of(rows)) + size)

        self.thresholds_ = np.where(evidence.counts > 0, sums / np.maximum(evidence.counts, 1), 1.0)
        raw = np.zeros(n_classes * n_classes, dtype=np.int64)
        limits = self.thresholds_.astype(np.float32) - np.float32(1e-6)
        for part in blocks(n, n_classes):
            q = q_of(part)
            # A probability of zero is below every limit of a class with rows.
            best = np.where(q >= limits, q, np.float32(0.0))
            column = best.argmax(axis=1)
            given = evidence.codes[part]
            use = np.flatnonzero((given >= 0) & (best[np.arange(len(best)), column] > 0))
            raw += np.bincount(given[use].astype(np.int64) * n_classes + column[use], minlength=len(raw))
        self.joint_ = _shrunk_joint(raw.reshape(n_classes, n_classes), evidence.counts, suspect)
        self.transition_ = self.joint_ / self.joint_.sum(axis=0)
        return q_of

    def _probabilities(
        self, evidence: _Evidence, q_of: Callable[[slice | np.ndarray], np.ndarray], suspect: np.ndarray
    ) -> None:
        """Fit sigmoid(alpha s + beta) to the mean of both readings of q and apply it."""
        codes = evidence.codes
        scored = np.flatnonzero((codes >= 0) & suspect[codes]).astype(np.int32)
        if len(scored) == 0:
            raise InputError("no row carries one of suspect_classes; there is nothing to rank")
        self.probability_ = np.where(codes >= 0, 0.0, np.nan)
        if self._trusted is not None:
            scored = scored[~self._trusted[scored]]
            if len(scored) == 0:
                self._nothing_doubted()
                return
        ordered = _by_falling(self.score_, scored)
        rows, weight = ordered, np.ones(len(ordered))
        if len(ordered) > _FIT_ROWS:
            half = _FIT_ROWS // 2
            rest = half + _evenly(len(ordered) - half, half) + (len(ordered) - half) // (2 * half)
            rows = np.concatenate([ordered[:half], ordered[rest]])
            weight = np.concatenate([np.ones(half), np.full(half, (len(ordered) - half) / half)])
        u, v = np.empty(len(rows)), np.empty(len(rows))
        # Threads cost these small products more than they give.
        with threadpool_limits(limits=1, user_api="blas"):
            for part in blocks(len(rows), evidence.n_classes):
                q = q_of(rows[part]).astype(np.float64)
                given = codes[rows[part]]
                u[part] = _wrongness(q, given, self.transition_)
                v[part] = _wrongness(_deconvolved(q, self.transition_), given, self.transition_)
        low, high = float(weight @ u), float(weight @ v)
        self.total_range_ = (low, high)
        target = v if suspect.sum() == 1 else 0.5 * (u + v)
        told = high <= _GATE * low
        if not told:
            target = u
            self.notes_.append("the number of wrong labels cannot be told before a review")
        self.total_ = float(weight @ target) if told else None
        self.alpha_, self.beta_ = _fit_sigmoid(self.score_[rows], target, weight)
        self.probability_[scored] = _sigmoid(self.alpha_ * self.score_[scored] + self.beta_)
        positive = int((self.score_[scored] > 0).sum())
        listed = max(positive, int(np.ceil(float(weight @ target))))
        self.suspect_rows_ = ordered[:listed].astype(np.int64)

    def _nothing_doubted(self) -> None:
        """Record that every label that may be wrong is trusted: there is no suspect and nothing to fit."""
        self.notes_.append("every label that may be wrong is trusted: there are no suspects")
        self.total_, self.total_range_ = 0.0, (0.0, 0.0)
        self.alpha_ = self.beta_ = float("nan")
        self.suspect_rows_ = np.empty(0, dtype=np.int64)

    @property
    def proposed_(self) -> np.ndarray:
        """The label proposed for each row, made on demand."""
        return self.classes_[self._proposed]

    @property
    def label_quality_(self) -> np.ndarray:
        """One minus the probability that the label is wrong, made on demand."""
        return 1.0 - self.probability_

    @property
    def suspects_(self) -> Suspects:
        """The suspects in rank order, as the review and the repairs take them."""
        from trueneg.core.suspects import Suspects

        rows = self.suspect_rows_
        return Suspects(
            row=rows,
            candidate=self._codes[rows].astype(np.int64),
            proposed_candidate=self._proposed[rows].astype(np.int64),
            probability=self.probability_[rows],
            candidate_ids=self.classes_,
            n_rows=len(self._codes),
            reason_of=lambda ranks: [self.reason(int(row)) for row in rows[ranks]],
        )

    def reason(self, row: int) -> str:
        """Say in one sentence how doubtful the label of a row is.

        Parameters
        ----------
        row : int
            Row number.
        """
        if not 0 <= row < len(self._codes):
            raise InputError(f"row {row} does not exist; rows are 0 to {len(self._codes) - 1}")
        proposed = self.classes_[self._proposed[row]]
        if self._codes[row] < 0:
            return f"row {row} has no label; the best supported is {proposed!s}"
        what = "model and neighbours support" if self.b_ > 0 else "the model supports"
        more = "more" if self.score_[row] > 0 else "less"
        trusted = self._trusted is not None and bool(self._trusted[row])
        verdict = (
            "the label is trusted" if trusted else f"the label is wrong with probability {self.probability_[row]:.2f}"
        )
        return (
            f"row {row} is labelled {self.classes_[self._codes[row]]!s}; {what} {proposed!s} {more} "
            f"(log margin {self.score_[row]:.2f}); {verdict}"
        )
