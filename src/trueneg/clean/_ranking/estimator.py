"""The estimator: from probabilities and neighbours to ranked suspects, each with a probability."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from trueneg.clean._inputs import (
    blocks,
    check_action,
    check_probabilities,
    encode_labels,
    refuse_in_sample,
    resampled,
    trusted_flags,
)
from trueneg.clean._ranking.chances import deconvolved, fit_sigmoid, shrunk_joint, sigmoid, wrongness
from trueneg.clean._ranking.evidence import Evidence, by_falling, combine, highest_and_spaced, softmax
from trueneg.clean._ranking.inputs import group_codes, neighbor_ids, rows_to_fit, suspect_columns
from trueneg.clean._ranking.weights import fit_weights
from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.core.suspects import Suspects

FIT_ROWS = 50_000
_FEW = 5
_GATE = 3.0
# Up to this size the softmax of every row is kept between the two passes, else made again.
KEEP_BYTES = 48 << 20
_WEIGHT_NAMES = ("a (probabilities)", "b (neighbours)", "c (class size)")


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
        members = group_codes(groups, len(codes))
        ids = neighbor_ids(X, neighbors, members, len(codes), self.n_neighbors)
        suspect = suspect_columns(self.suspect_classes, self.classes_)
        evidence = Evidence(proba, codes, ids, members)
        self.notes_: list[str] = []
        self._note_few(evidence.counts)
        self._check_all(evidence)
        weights = self._weights(evidence, rows_to_fit(fit_rows, len(codes)))
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

    def _note_few(self, counts: np.ndarray) -> None:
        """Record the labels of too few rows."""
        self.few_classes_ = self.classes_[counts < _FEW]
        if len(self.few_classes_):
            self.notes_.append(f"too few rows to judge the labels {', '.join(map(str, self.few_classes_[:10]))}")

    def _check_all(self, evidence: Evidence) -> None:
        """Pass over the input once: refuse what is no probability, in-sample or all peaks."""
        confidence, peaked = 0.0, 0
        for part in blocks(evidence.n, evidence.n_classes):
            block = np.asarray(evidence.proba[part], dtype=np.float32)
            evidence.check(block, part)
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

    def _weights(self, evidence: Evidence, among: np.ndarray | None) -> np.ndarray:
        """Fit the weights; evidence with a negative weight is left out, and that is noted."""
        free = np.array([True, evidence.neighbors is not None, True])
        weights = fit_weights(evidence, free, among, FIT_ROWS)
        while (weights[:2] < 0).any():
            free[:2] &= weights[:2] >= 0
            weights = fit_weights(evidence, free, among, FIT_ROWS)
        for index in (0, 1):
            if not free[index] and (index == 0 or evidence.neighbors is not None):
                self.notes_.append(f"{_WEIGHT_NAMES[index]} contradicts the given labels and was left out")
        self.a_, self.b_, self.c_ = (float(w) for w in weights)
        return weights

    def _scores(
        self, evidence: Evidence, weights: np.ndarray, suspect: np.ndarray
    ) -> Callable[[slice | np.ndarray], np.ndarray]:
        """Score every row and estimate the joint; return a function giving q of any rows."""
        n, n_classes = evidence.n, evidence.n_classes
        size = (weights[2] * evidence.log_share).astype(np.float32)
        keep = np.empty((n, n_classes), dtype=np.float32) if n * n_classes * 4 <= KEEP_BYTES else None
        self.score_ = np.full(n, np.nan)
        self._proposed = np.empty(n, dtype=np.int32)
        sums = np.zeros(n_classes)
        for part in blocks(n, n_classes):
            z = combine(weights, *evidence.of(part))
            q = softmax(z + size)
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
            return softmax(combine(weights, *evidence.of(rows)) + size)

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
        self.joint_ = shrunk_joint(raw.reshape(n_classes, n_classes), evidence.counts, suspect)
        self.transition_ = self.joint_ / self.joint_.sum(axis=0)
        return q_of

    def _probabilities(
        self, evidence: Evidence, q_of: Callable[[slice | np.ndarray], np.ndarray], suspect: np.ndarray
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
        ordered = by_falling(self.score_, scored)
        rows, weight = highest_and_spaced(ordered, FIT_ROWS)
        u, v = np.empty(len(rows)), np.empty(len(rows))
        # Threads cost these small products more than they give.
        with threadpool_limits(limits=1, user_api="blas"):
            for part in blocks(len(rows), evidence.n_classes):
                q = q_of(rows[part]).astype(np.float64)
                given = codes[rows[part]]
                u[part] = wrongness(q, given, self.transition_)
                v[part] = wrongness(deconvolved(q, self.transition_), given, self.transition_)
        low, high = float(weight @ u), float(weight @ v)
        self.total_range_ = (low, high)
        target = v if suspect.sum() == 1 else 0.5 * (u + v)
        told = high <= _GATE * low
        if not told:
            target = u
            self.notes_.append("the number of wrong labels cannot be told before a review")
        self.total_ = float(weight @ target) if told else None
        self.alpha_, self.beta_ = fit_sigmoid(self.score_[rows], target, weight)
        self.probability_[scored] = sigmoid(self.alpha_ * self.score_[scored] + self.beta_)
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
