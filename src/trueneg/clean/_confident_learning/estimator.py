"""The estimator: from probabilities to ranked suspects and repaired training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from trueneg.clean._confident_learning import passes
from trueneg.clean._confident_learning.joint import (
    THRESHOLD_SLACK,
    calibrated,
    class_thresholds,
    count_joint,
    row_means,
)
from trueneg.clean._confident_learning.prune import AGREE, largest, prune_by_rate, prune_counts
from trueneg.clean._inputs import (
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
    from trueneg.core.suspects import Suspects


FILTERS = ("prune_by_noise_rate", "prune_by_class", "both", "confident_learning")


class ConfidentLearning(BaseEstimator):
    """Find label errors from out-of-fold probabilities.

    Parameters
    ----------
    filter_by : {"prune_by_noise_rate", "prune_by_class", "both", "confident_learning"}, \
            default="prune_by_noise_rate"
        Largest margins for each pair of classes; least self-confidence for each class; rows
        that both name; or the off-diagonal rows of the joint themselves.
    frac_noise : float, default=1.0
        Share of the estimated errors to name, in (0, 1]; not for "confident_learning".
    n_suspects : int, default=None
        At most this many suspects, the least self-confident. None: all.
    action : {"eliminate", "reannotate"}, default="eliminate"
        What ``fit_resample`` does with the suspects: drop the rows, or give the proposed label.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    thresholds_ : ndarray of shape (K,)
        Mean self-confidence of each class; 2 for a class without rows.
    confident_joint_ : ndarray of shape (K, K)
        Calibrated counts, ``[given, true]``.
    noise_matrix_ : ndarray of shape (K, K)
        P(given | true); columns add up to one.
    label_quality_ : ndarray of shape (n,)
        Probability of the given label; NaN for rows without one.
    suspect_mask_ : ndarray of shape (n,), bool
    suspect_rows_ : ndarray of shape (n_suspects,)
        Row numbers, least self-confident first; ties by row number.
    proposed_ : ndarray of shape (n,)
        The confident class where it differs from the given label, else the likeliest other
        class; for rows without a label, the likeliest class.
    suspects_ : trueneg.core.suspects.Suspects
        The rows of ``suspect_rows_`` in that order. Their probability of being wrong is not
        known (NaN): self-confidence is no such probability; :class:`SuspectRanker` has one.
    sample_indices_ : ndarray of int64
        Rows kept by ``fit_resample``, ascending; only after it.

    Notes
    -----
    Source: Northcutt, Jiang and Chuang (2021), JAIR 70. A row above several thresholds counts
    for the largest probability among the confident classes, as published; ``cleanlab`` 2.9
    takes the largest of all classes, so that such rows can differ.
    """

    def __init__(
        self,
        *,
        filter_by: str = "prune_by_noise_rate",
        frac_noise: float = 1.0,
        n_suspects: int | None = None,
        action: str = "eliminate",
    ) -> None:
        self.filter_by = filter_by
        self.frac_noise = frac_noise
        self.n_suspects = n_suspects
        self.action = action

    def fit(
        self, X: Any, y: Any, *, pred_proba: Any = None, groups: Any = None, trusted: Any = None, classes: Any = None
    ) -> ConfidentLearning:
        """Estimate the joint of given and true labels and name the suspects.

        Parameters
        ----------
        X : array-like of shape (n, d) or None
            Read only where ``pred_proba`` is not given.
        y : array-like of shape (n,)
            Given labels of any type; -1, None and NaN mean "no label".
        pred_proba : array-like of shape (n, K), default=None
            Out-of-fold probabilities, one column a class; never copied whole. None: those of a
            small logistic regression on ``X``, five folds. Better give your own model's.
        groups : array-like of shape (n,), default=None
            Checked for length only: grouping belongs to the folds that made ``pred_proba``.
        trusted : array-like of bool of shape (n,), default=None
            Rows whose label is known to be right: they count for the estimates and are never
            suspects.
        classes : array-like of shape (K,), default=None
            The label of each column; None: integers 0..K-1, else the sorted labels.

        Returns
        -------
        self
        """
        self._check_options()
        if y is None:
            raise InputError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        if pred_proba is None:
            from trueneg.clean.neighbors import out_of_fold_probabilities

            pred_proba, classes = out_of_fold_probabilities(self, X, y, groups=groups, classes=classes)
        proba = check_probabilities(pred_proba, len(y))
        codes, self.classes_ = encode_labels(y, proba.shape[1], classes=classes)
        if groups is not None and len(groups) != len(codes):
            raise InputError(f"groups has {len(groups)} entries but y has {len(codes)}; give one a row")
        counts = np.bincount(codes[codes >= 0], minlength=proba.shape[1])
        self.label_quality_, sums = row_means(proba, codes)
        refuse_in_sample(float(sums.sum() / counts.sum()), proba.shape[1])
        self.thresholds_ = class_thresholds(sums, counts)
        joint, guess, other = count_joint(proba, codes, self.thresholds_ - THRESHOLD_SLACK)
        self.confident_joint_ = calibrated(joint, counts)
        columns = self.confident_joint_.sum(axis=0)
        self.noise_matrix_ = np.where(columns > 0, self.confident_joint_ / np.maximum(columns, 1), np.eye(len(columns)))
        differs = self._disagrees(proba, codes, other)
        if self.filter_by == "confident_learning":
            mask = (guess >= 0) & (guess != codes) & differs
        else:
            mask = self._pruned(proba, codes, counts, differs)
        if trusted is not None:
            mask &= ~trusted_flags(trusted, len(codes))
        self._rank(mask)
        use = (guess < 0) | (guess == codes)
        if (codes < 0).any():
            use |= codes < 0
        self._guess = np.where(use, other, guess)
        self._codes = codes
        return self

    def fit_resample(
        self, X: Any, y: Any, *, pred_proba: Any = None, groups: Any = None, trusted: Any = None, classes: Any = None
    ) -> tuple[Any, np.ndarray]:
        """Fit, then apply ``action`` to the suspects: returns the rows to train on and their labels.

        Parameters
        ----------
        X, y, pred_proba, groups, trusted, classes
            As for :meth:`fit`. ``X`` may be None beside ``pred_proba``, and is then returned so.

        Returns
        -------
        X_clean : same kind as X
            Eliminate: the rows ``sample_indices_``. Reannotate: X itself.
        y_clean : ndarray of shape (len(sample_indices_),)
        """
        self.fit(X, y, pred_proba=pred_proba, groups=groups, trusted=trusted, classes=classes)
        decision = self.suspects_.decide(self.action)
        self.sample_indices_ = np.flatnonzero(decision.keep)
        return resampled(X, y, decision, self.classes_)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that y is needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _check_options(self) -> None:
        """Refuse options that cannot be meant."""
        if self.filter_by not in FILTERS:
            raise InputError(f"filter_by={self.filter_by!r} is unknown; choose from {', '.join(FILTERS)}")
        if not 0 < self.frac_noise <= 1:
            raise InputError(f"frac_noise={self.frac_noise!r} must lie in (0, 1]")
        if self.filter_by == "confident_learning" and self.frac_noise != 1:
            raise InputError("frac_noise has no meaning for filter_by='confident_learning'; choose a prune rule")
        if self.n_suspects is not None and self.n_suspects < 0:
            raise InputError(f"n_suspects={self.n_suspects!r} must not be negative")
        check_action(self.action)

    def _disagrees(self, proba: np.ndarray, codes: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Mark labelled rows whose likeliest class is another one; unlabelled rows are False."""
        differs = np.zeros(len(codes), dtype=bool)
        for part in blocks(len(codes), 8):
            rows = np.arange(part.start, part.stop)
            # NaN, the quality of rows without a label, compares as False.
            differs[part] = proba[rows, other[part]] > self.label_quality_[part] + AGREE
        return differs

    def _pruned(self, proba: np.ndarray, codes: np.ndarray, counts: np.ndarray, differs: np.ndarray) -> np.ndarray:
        """Apply the prune rules; only rows whose likeliest class is another one stay named."""
        wanted = prune_counts(self.confident_joint_, self.frac_noise)
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows = np.empty(starts[-1], dtype=np.int32)
        kernels = passes.numba_kernels()
        if kernels is not None:
            kernels.by_class(codes, starts, rows)
        else:
            known = np.flatnonzero(codes >= 0)
            rows[:] = known[np.argsort(codes[known], kind="stable")]
        by_rate = np.zeros(len(codes), dtype=bool)
        by_class = np.zeros(len(codes), dtype=bool)
        for given in np.flatnonzero(counts > 1):
            own = rows[starts[given] : starts[given + 1]]
            if self.filter_by != "prune_by_noise_rate":
                drop = len(own) - int(wanted[given, given])
                by_class[own[largest(-self.label_quality_[own], drop)]] = True
            if self.filter_by != "prune_by_class":
                prune_by_rate(proba, own, own[differs[own]], int(given), wanted[given], by_rate)
        if self.filter_by == "both":
            by_class &= by_rate
        named = by_rate if self.filter_by == "prune_by_noise_rate" else by_class
        return named & differs

    def _rank(self, mask: np.ndarray) -> None:
        """Order the suspects by self-confidence and keep the first ``n_suspects``."""
        rows = np.flatnonzero(mask)
        rows = rows[np.argsort(self.label_quality_[rows], kind="stable")]
        if self.n_suspects is not None and self.n_suspects < len(rows):
            mask[rows[self.n_suspects :]] = False
            rows = rows[: self.n_suspects]
        self.suspect_mask_, self.suspect_rows_ = mask, rows

    @property
    def proposed_(self) -> np.ndarray:
        """The label proposed for each row, made on demand: (n,) labels can weigh more than the fit."""
        return self.classes_[self._guess]

    @property
    def suspects_(self) -> Suspects:
        """The suspects in rank order, as the review and the repairs take them; made on demand."""
        from trueneg.core.suspects import Suspects

        rows = self.suspect_rows_
        return Suspects(
            row=rows,
            candidate=self._codes[rows].astype(np.int64),
            proposed_candidate=self._guess[rows].astype(np.int64),
            candidate_ids=self.classes_,
            n_rows=len(self._codes),
            reason_of=lambda ranks: [self.reason(int(row)) for row in rows[ranks]],
        )

    def reason(self, row: int) -> str:
        """Say in one sentence why a row is, or is not, a suspect.

        Parameters
        ----------
        row : int
            Row number.
        """
        if not 0 <= row < len(self._codes):
            raise InputError(f"row {row} does not exist; rows are 0 to {len(self._codes) - 1}")
        code = int(self._codes[row])
        proposed = self.classes_[self._guess[row]]
        if code < 0:
            return f"row {row} has no label; the likeliest is {proposed!s}"
        given = self.classes_[code]
        own = f"{float(self.label_quality_[row]):.2g}, where rows labelled {given!s} have {self.thresholds_[code]:.2g}"
        if self.suspect_mask_[row]:
            return f"row {row} is labelled {given!s} with probability {own} on average; proposed: {proposed!s}"
        return f"row {row} is not a suspect: its label {given!s} has probability {own} on average"
