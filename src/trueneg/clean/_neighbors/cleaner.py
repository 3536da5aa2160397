"""The cleaner: who is asked, who is searched, what is recorded and done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from trueneg.clean._neighbors import given as check
from trueneg.clean._neighbors.folds import out_of_fold_labels, without_label
from trueneg.clean._neighbors.search import nearest
from trueneg.clean._neighbors.votes import conflicts, empty
from trueneg.core.errors import InputError

_ACTIONS = ("eliminate", "reannotate", "flag", "downweight")
_STRATEGIES = ("intrinsic", "extrinsic")


class NeighborNegativeCleaner(BaseEstimator):
    """Find and repair false negatives of a labelled set through their neighbours.

    Parameters
    ----------
    estimator : classifier, optional
        Predicts out of fold (intrinsic only). Default: ``SGDClassifier(loss="log_loss")``.
    strategy : {"intrinsic", "extrinsic"}, default "intrinsic"
        Intrinsic needs no clean data but believes the positives; extrinsic needs ``trusted``.
    action : {"eliminate", "reannotate", "flag", "downweight"}, default "eliminate"
        What :meth:`fit_resample` does. Re-annotation buys recall with precision: see the docs.
    negative_label : label, default None
        The dirty class. None takes ``0``, ``False``, ``"no_relation"`` or ``"NA"`` if just one occurs.
    n_neighbors : int, default 5
    min_votes : int, default 3
        Extrinsic: trusted neighbours of ``n_neighbors`` that must contradict the label.
        Intrinsic: not used (one hit makes a suspect, as in the paper); the hits are recorded.
    metric : {"cosine", "euclidean", "inner"}, default "cosine"
    cv : int or splitter, default 5
        Folds for the out-of-fold predictions; groups stay whole.
    positive_side : bool, default False
        Extrinsic: also suspect positives (the paper's -ENP / -RNP).
    max_removed_fraction : float, default 0.2
        Guard: at most this share of the examined negatives (and of the examined positives, on
        the positive side) become suspects; the most suspicious stay, ``report_`` counts the rest.
    suspect_weight : float, default 0.5
        Weight of a suspect under ``action="downweight"``.
    random_state : int, RandomState or None, default None
    index : callable, optional
        ``index(queries, k) -> (scores, ids)`` of an approximate index over *all* rows of ``embeddings``
        (or of a dense X); -1 for "no hit". Handed to :func:`trueneg.core.neighbors.top_k`, which filters
        its hits to the rows that are searched and scores them again. Default: the exact search.

    Attributes
    ----------
    suspects_ : ndarray of int64, shape (m,)
        Rows suspected, most suspicious first.
    label_quality_ : ndarray of float64, shape (n,)
        1 where nothing speaks against the label, lower = more suspicious. Extrinsic: share of
        trusted neighbours that do not contradict. Intrinsic: by rank among the suspects, under 0.5.
    neighbors_ : dict of ndarray, each of length m
        The evidence a suspect, in the order of ``suspects_``: ``row``, ``given``, ``proposed``,
        ``proposed_by_votes`` and ``proposed_by_nearest`` (they differ where evidence conflicts),
        ``conflict``, ``votes`` (for the proposal), ``hits`` (all), ``nearest`` (row number of the
        nearest witness that proposes it), ``score`` (of that witness, larger = nearer).
    sample_weight_ : ndarray of float64, shape (n,)
    sample_indices_ : ndarray of int64
        Rows kept by the last :meth:`fit_resample`.
    pred_codes_ : ndarray of int64, shape (n,)
        Out-of-fold predictions as positions in ``classes_`` (intrinsic only).
    report_ : dict
        Counts of what was examined, suspected, held back by the guard, removed, relabelled.

    Notes
    -----
    A negative hit by several queries takes the label of the nearest; equal distances go to the
    label with more hits. Trusted rows are never suspects and are always kept.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        strategy: str = "intrinsic",
        action: str = "eliminate",
        negative_label: Any = None,
        n_neighbors: int = 5,
        min_votes: int = 3,
        metric: str = "cosine",
        cv: Any = 5,
        positive_side: bool = False,
        max_removed_fraction: float = 0.2,
        suspect_weight: float = 0.5,
        random_state: Any = None,
        index: Callable[[np.ndarray, int], tuple[Any, Any]] | None = None,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.action = action
        self.negative_label = negative_label
        self.n_neighbors = n_neighbors
        self.min_votes = min_votes
        self.metric = metric
        self.cv = cv
        self.positive_side = positive_side
        self.max_removed_fraction = max_removed_fraction
        self.suspect_weight = suspect_weight
        self.random_state = random_state
        self.index = index

    def fit(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        y: Any,
        *,
        embeddings: Any = None,
        groups: Any = None,
        trusted: Any = None,
        pred_proba: Any = None,
    ) -> NeighborNegativeCleaner:
        """Find the suspects; changes neither ``X`` nor ``y``.

        Parameters
        ----------
        X : array or sparse matrix, shape (n, p)
            What the estimator reads. May be None with ``embeddings`` and (``pred_proba`` or extrinsic).
        y : array, shape (n,)
            Labels as given. None, NaN and, unless it is the ``negative_label``, -1 mean "no label":
            such rows are neither learned from nor suspected, and their ``label_quality_`` is NaN.
        embeddings : array, shape (n, d), optional
            Where neighbours are looked up. Default: ``X`` if dense, else its truncated SVD (100-d).
        groups : array, shape (n,), optional
            Rows of one group (pairs of one document) share a fold.
        trusted : boolean mask (n,) or row numbers, optional
            The re-checked subset; needed by the extrinsic strategy.
        pred_proba : array, shape (n, K), optional
            Your own *out-of-fold* probabilities, columns in sorted order of the classes.
        """
        y = check.same_length(y, X=X, embeddings=embeddings, groups=groups, pred_proba=pred_proba)
        self._check_parameters()
        if X is not None:
            self._check_features(X)
        codes = self._codes(y)
        self.trusted_ = check.mask(trusted, len(y))
        if self.strategy == "extrinsic" and not (self.trusted_ & (codes >= 0)).any():
            msg = "strategy='extrinsic' needs trusted=: a mask of re-checked rows; without one use strategy='intrinsic'"
            raise InputError(msg)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        points = check.coordinates(X, embeddings, seed=seed, indexed=self.index is not None)
        # The extrinsic strategy does not read the probabilities; what is wrong is refused all the same.
        proba = None if pred_proba is None else check.probabilities(pred_proba, len(self.classes_))
        if self.strategy == "intrinsic":
            self.pred_codes_ = self._predicted(X, codes, groups, proba, seed)
            evidence = self._intrinsic(codes, points)
        else:
            evidence = self._extrinsic(codes, points)
        self._record(evidence, codes)
        self.label_quality_[codes < 0] = np.nan
        return self

    def _codes(self, y: np.ndarray) -> np.ndarray:
        """Set ``classes_`` and ``negative_code_``; the position of each label there, -1 for none."""
        blank = without_label(y, self.negative_label)
        self.classes_, known = np.unique(y[~blank], return_inverse=True)
        codes = np.full(len(y), -1, dtype=np.int64)
        codes[~blank] = known
        self.negative_code_ = check.negative_code(self.classes_, self.negative_label)
        if len(self.classes_) < 2:
            msg = "y holds 1 class only, the negative one: there is no positive to learn from"
            raise InputError(msg)
        return codes

    def _predicted(self, X: Any, codes: np.ndarray, groups: Any, proba: Any, seed: int) -> np.ndarray:  # noqa: N803
        """Take the class that each row is called by a model that saw neither it nor its group."""
        if proba is not None:
            return np.asarray(proba.argmax(axis=1), dtype=np.int64)
        if X is None:
            msg = "strategy='intrinsic' predicts out of fold and needs X (or your own pred_proba=)"
            raise InputError(msg)
        groups = None if groups is None else np.asarray(groups)
        return out_of_fold_labels(self.estimator, X, codes, groups=groups, cv=self.cv, seed=seed)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that y is needed and sparse X is taken."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        return tags

    def _check_features(self, X: Any) -> None:  # noqa: N803
        """Note the columns of X, where it has any; the estimator itself checks what it reads."""
        validate_data(self, X, skip_check_array=True)
        if getattr(getattr(X, "dtype", None), "kind", "") == "c":
            msg = "Complex data not supported: X holds complex numbers"
            raise InputError(msg)

    def fit_resample(self, X: Any, y: Any, **fit_params: Any) -> tuple[Any, np.ndarray]:  # noqa: N803
        """Fit, then apply ``action``: returns the rows to train on and their labels.

        Parameters
        ----------
        X, y, **fit_params
            As for :meth:`fit`.

        Returns
        -------
        X_clean, y_clean
            Eliminate: fewer rows (``sample_indices_``). Reannotate: new labels. Flag and
            downweight: the input as it is; use ``suspects_`` or ``sample_weight_``.
        """
        self.fit(X, y, **fit_params)
        y = np.asarray(y).copy()
        keep = np.ones(len(y), dtype=bool)
        removed = relabelled = 0
        if self.action == "eliminate":
            keep[self.suspects_] = False
            removed = len(self.suspects_)
        elif self.action == "reannotate":
            y[self.suspects_] = self.neighbors_["proposed"]
            relabelled = len(self.suspects_)
        self.sample_indices_ = np.flatnonzero(keep)
        self.report_.update(removed=removed, relabelled=relabelled)
        if removed == 0 or X is None:
            return X, y[self.sample_indices_]
        if hasattr(X, "iloc"):
            return X.iloc[self.sample_indices_], y[self.sample_indices_]
        rows = X.tocsr() if sparse.issparse(X) else np.asarray(X)
        return rows[self.sample_indices_], y[self.sample_indices_]

    def _check_parameters(self) -> None:
        if self.strategy not in _STRATEGIES or self.action not in _ACTIONS:
            got = f"{self.strategy!r} and {self.action!r}"
            msg = f"strategy must be one of {_STRATEGIES}, action one of {_ACTIONS}; got {got}"
            raise InputError(msg)
        if self.n_neighbors < 1 or not 0 <= self.max_removed_fraction <= 1 or not 0 <= self.suspect_weight <= 1:
            msg = "n_neighbors must be 1 or more; max_removed_fraction and suspect_weight lie in 0..1"
            raise InputError(msg)
        if self.strategy == "extrinsic" and not 1 <= self.min_votes <= self.n_neighbors:
            msg = f"min_votes={self.min_votes} must lie in 1..n_neighbors={self.n_neighbors}"
            raise InputError(msg)
        if self.index is not None and not callable(self.index):
            msg = f"index={type(self.index).__name__} cannot be called: pass index(queries, k) -> (scores, ids)"
            raise InputError(msg)
        if self.positive_side and self.strategy == "intrinsic":
            msg = "positive_side needs strategy='extrinsic': the intrinsic one takes the positives as right"
            raise InputError(msg)

    def _intrinsic(self, codes: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
        """Negatives nearest to the positives that the model calls negative."""
        negative, predicted = self.negative_code_, self.pred_codes_
        queries = np.flatnonzero((codes >= 0) & (codes != negative) & (predicted == negative))
        pool = np.flatnonzero((codes == negative) & ~self.trusted_)
        self.report_: dict[str, Any] = {
            "strategy": "intrinsic",
            "queries": len(queries),
            "examined_negatives": len(pool),
        }
        if not len(queries) or not len(pool):
            return empty()
        # Queries are positive and the pool is negative, so no item can be its own neighbour.
        score, hit = nearest(points, queries, pool, self.n_neighbors, metric=self.metric, index=self.index)
        there = hit.ravel() >= 0
        witness = np.repeat(queries, score.shape[1])[there]
        item = hit.ravel()[there]
        evidence = conflicts(item, codes[witness], score.ravel()[there], witness, prefer="nearest")
        evidence["order"] = np.lexsort((-evidence["hits"], -evidence["score"].astype(np.float64)))
        return evidence

    def _extrinsic(self, codes: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
        """Rows whose trusted neighbours contradict their label."""
        negative = self.negative_code_
        # A row without a label can neither contradict nor be contradicted.
        pool = np.flatnonzero(self.trusted_ & (codes >= 0))
        examined = ~self.trusted_ & ((codes >= 0) if self.positive_side else (codes == negative))
        rows = np.flatnonzero(examined)
        self.report_ = {
            "strategy": "extrinsic",
            "trusted": len(pool),
            "examined_negatives": int((codes[rows] == negative).sum()),
            "examined_positives": int((codes[rows] != negative).sum()),
        }
        if not len(rows):
            self.label_quality_ = np.ones(len(codes))
            return empty()
        score, hit = nearest(points, rows, pool, self.n_neighbors, metric=self.metric, index=self.index)
        width = score.shape[1]
        item, witness = np.repeat(rows, width), hit.ravel()
        heard = witness >= 0
        against = heard & (codes[witness] != codes[item])
        contradicting = np.bincount(item[against], minlength=len(codes))
        self.label_quality_ = 1.0 - contradicting / np.maximum(np.bincount(item[heard], minlength=len(codes)), 1)
        evidence = conflicts(
            item[against], codes[witness[against]], score.ravel()[against], witness[against], prefer="votes"
        )
        needed = min(self.min_votes, width)
        # A negative falls to any mix of positives; a positive only to one label that wins alone.
        enough = np.where(codes[evidence["row"]] == negative, evidence["hits"], evidence["votes"]) >= needed
        evidence = {name: column[enough] for name, column in evidence.items()}
        evidence["order"] = np.lexsort((-evidence["score"].astype(np.float64), -evidence["hits"]))
        return evidence

    def _record(self, evidence: dict[str, np.ndarray], codes: np.ndarray) -> None:
        """Rank, apply the guard, and write the public attributes."""
        order = evidence.pop("order")
        evidence = {name: column[order] for name, column in evidence.items()}
        is_negative = codes[evidence["row"]] == self.negative_code_
        keep = np.ones(len(order), dtype=bool)
        for side, examined in (
            (is_negative, self.report_["examined_negatives"]),
            (~is_negative, self.report_.get("examined_positives", 0)),
        ):
            allowed = int(self.max_removed_fraction * examined)
            keep[np.flatnonzero(side)[allowed:]] = False
        self.report_["held_back_by_guard"] = int((~keep).sum())
        evidence = {name: column[keep] for name, column in evidence.items()}
        self.suspects_ = evidence["row"]
        m, n = len(self.suspects_), len(codes)
        if self.strategy == "intrinsic":
            self.label_quality_ = np.ones(n)
            self.label_quality_[self.suspects_] = 0.5 * np.arange(m) / max(m, 1)
        self.sample_weight_ = np.ones(n)
        self.sample_weight_[self.suspects_] = {"eliminate": 0.0, "downweight": self.suspect_weight}.get(
            self.action, 1.0
        )
        self.neighbors_ = {"row": evidence["row"], "given": self.classes_[codes[evidence["row"]]]}
        for name in ("proposed", "proposed_by_votes", "proposed_by_nearest"):
            self.neighbors_[name] = self.classes_[evidence[name]]
        self.neighbors_["conflict"] = evidence["proposed_by_votes"] != evidence["proposed_by_nearest"]
        self.neighbors_.update({name: evidence[name] for name in ("votes", "hits", "nearest", "score")})
        self.report_.update(suspects=m, conflicts=int(self.neighbors_["conflict"].sum()), action=self.action)
