"""Clean a dirty negative class through neighbours: the intrinsic and extrinsic strategies.

In a relation data set most label errors are positives filed as ``no_relation``: annotators
see a long list of negatives and miss some. Two ways to find them:

* **intrinsic**: trust the positives. A positive that an out-of-fold model calls negative is a
  *query*; the negatives nearest to it look like what confuses the model, so they are suspects.
* **extrinsic**: trust a small re-checked subset. A negative whose nearest trusted items are
  mostly positive is a suspect.

Suspects are dropped, relabelled, down-weighted or only reported; then the model is trained
anew on what is left. Always compare against :func:`random_removal` of as many negatives:
taking negatives out at random moves the operating point too.

Source: "Noise in Relation Classification Dataset TACRED: Characterization and Reduction".
Parameters that the paper's abstract does not give (votes, folds, the guard) are this project's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any, cast

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from trueneg.clean.confident_learning import encode_labels
from trueneg.core.errors import InputError

_ACTIONS = ("eliminate", "reannotate", "flag", "downweight")
_STRATEGIES = ("intrinsic", "extrinsic")


def _top_k(queries: np.ndarray, pool: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Ask the shared exact search; k is cut to the pool so that callers see no empty slots."""
    from trueneg.core.neighbors import top_k

    # top_k itself refuses an unknown metric.
    scores, rows = top_k(queries, pool, min(k, len(pool)), metric=cast(Any, metric))
    return np.asarray(scores, dtype=np.float32), np.asarray(rows, dtype=np.int64)


def _mask(trusted: Any, n: int) -> np.ndarray:
    """Turn ``trusted`` (None, boolean mask, or row numbers) into a boolean mask of length n."""
    if trusted is None:
        return np.zeros(n, dtype=bool)
    given = np.asarray(trusted)
    if given.dtype == bool:
        if given.shape != (n,):
            msg = f"trusted is a mask of shape {given.shape}; y has {n} rows: give one value a row"
            raise InputError(msg)
        return given.copy()
    out = np.zeros(n, dtype=bool)
    if given.size == 0:
        return out
    if given.ndim != 1 or given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= n:
        msg = f"trusted must be a boolean mask of {n} rows or row numbers in 0..{n - 1}"
        raise InputError(msg)
    out[given] = True
    return out


def _folds(cv: Any, codes: np.ndarray, groups: np.ndarray | None, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds that keep a group whole, stratified where every class is large enough."""
    blank = np.zeros(len(codes))
    if not isinstance(cv, (int, np.integer)):
        return list(cv.split(blank, codes, groups) if hasattr(cv, "split") else cv)
    units = len(codes) if groups is None else len(np.unique(groups))
    if cv < 2 or units < cv:
        msg = f"cv={cv} needs 2 or more folds and a {'row' if groups is None else 'group'} for each; there are {units}"
        raise InputError(msg)
    # A class of the caller's list may have no row at all.
    sizes = np.bincount(codes[codes >= 0])
    rare = sizes[sizes > 0].min() < cv
    if groups is None:
        splitter = (KFold if rare else StratifiedKFold)(cv, shuffle=True, random_state=seed)
    elif rare:
        splitter = GroupKFold(cv)
    else:
        splitter = StratifiedGroupKFold(cv, shuffle=True, random_state=seed)
    return list(splitter.split(blank, codes, groups))


def _without_label(y: Any, negative_label: Any) -> np.ndarray:
    """Mark the rows that carry no label: None, NaN and, unless it names the negative class, -1."""
    if y.dtype.kind == "f":
        blank = np.isnan(y)
    elif y.dtype.kind == "O":
        blank = np.equal(y, np.array(None)).astype(bool) | np.not_equal(y, y).astype(bool)
    else:
        blank = np.zeros(len(y), dtype=bool)
    if y.dtype.kind in "ifO" and (isinstance(negative_label, str) or negative_label != -1):
        blank |= np.equal(y, -1).astype(bool)
    return blank


def out_of_fold_probabilities(
    estimator: BaseEstimator,
    X: Any,  # noqa: N803 - scikit-learn's name
    y: Any,
    *,
    groups: Any = None,
    classes: Any = None,
    cv: Any = 5,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Predict every row by a small logistic regression that saw neither the row nor its group.

    What :class:`ConfidentLearning` and :class:`SuspectRanker` use where ``pred_proba`` is not given.

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set.
    X : array-like of shape (n, d)
        Dense numbers.
    y : array-like of shape (n,)
        Labels; -1, None and NaN mean "no label": such rows are predicted but not learned from.
    groups : array-like of shape (n,), default=None
        Rows of one group share a fold.
    classes : array-like of shape (K,), default=None
        The label of each column to make. None: the sorted labels.
    cv : int or splitter, default=5
        Folds; fewer where there are fewer rows or groups than that.
    seed : int, default=0
        Shuffles the folds.

    Returns
    -------
    pred_proba : ndarray of shape (n, K)
        A class missing from a training part has probability 0 there.
    classes : ndarray of shape (K,)
        The label of each column.
    """
    if X is None:
        msg = "neither X nor pred_proba is given: pass out-of-fold probabilities, or X to compute them from"
        raise InputError(msg)
    rows = validate_data(estimator, X, dtype=[np.float64, np.float32])
    labels = np.asarray(y)
    if labels.shape != (len(rows),):
        msg = f"X has {len(rows)} rows but y has shape {labels.shape}: give one label a row"
        raise InputError(msg)
    if classes is None:
        labelled = labels[~_without_label(labels, None)]
        check_classification_targets(labelled)
        classes = np.unique(labelled)
    if len(classes) < 2:
        msg = f"y holds {len(classes)} class: at least two are needed for a label to be wrong"
        raise InputError(msg)
    codes, classes = encode_labels(labels, len(classes), classes=classes)
    if isinstance(cv, (int, np.integer)):
        cv = min(cv, len(codes) if groups is None else len(np.unique(groups)))
    out = np.zeros((len(codes), len(classes)))
    for train, test in _folds(cv, codes, None if groups is None else np.asarray(groups), seed):
        train = train[codes[train] >= 0]
        if len(np.unique(codes[train])) < 2:
            msg = "a training fold holds one class only: give more rows, or pass pred_proba="
            raise InputError(msg)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
        model.fit(rows[train], codes[train])
        out[np.ix_(test, model.classes_)] = model.predict_proba(rows[test])
    return out, classes


def _tally(item: np.ndarray, label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, ...]:
    """Group votes by (item, label).

    Parameters
    ----------
    item, label, score : ndarray, shape (m,)
        One vote each: who is voted on, for which label, from how near.

    Returns
    -------
    item, label, votes, nearest : ndarray, shape (p,)
        One row a distinct pair, sorted by item then label.
    """
    order = np.lexsort((-score, label, item))
    item, label, score = item[order], label[order], score[order]
    first = np.ones(len(item), dtype=bool)
    first[1:] = (item[1:] != item[:-1]) | (label[1:] != label[:-1])
    starts = np.flatnonzero(first)
    return item[starts], label[starts], np.diff(np.append(starts, len(item))), score[starts]


def _best(item: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Row of the best entry of each item; keys in order of importance, larger is better."""
    order = np.lexsort(tuple(-np.asarray(key, dtype=np.float64) for key in reversed(keys)) + (item,))
    sorted_item = item[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = sorted_item[1:] != sorted_item[:-1]
    return order[first]


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
        if y is None:
            msg = "NeighborNegativeCleaner requires y to be passed, but the target y is None"
            raise InputError(msg)
        y = np.asarray(y)
        self._check_parameters()
        if y.ndim != 1 or len(y) == 0:
            msg = f"y has shape {y.shape}: give one label a row, at least one row"
            raise InputError(msg)
        n = len(y)
        for name, value in (("X", X), ("embeddings", embeddings), ("groups", groups), ("pred_proba", pred_proba)):
            length = n if value is None else value.shape[0] if hasattr(value, "shape") else len(value)
            if length != n:
                msg = f"{name} has {length} rows, y has {n}: they must describe the same rows"
                raise InputError(msg)
        if X is not None:
            self._check_features(X)
        blank = _without_label(y, self.negative_label)
        self.classes_, known = np.unique(y[~blank], return_inverse=True)
        codes = np.full(n, -1, dtype=np.int64)
        codes[~blank] = known
        self.negative_code_ = self._negative_code()
        if len(self.classes_) < 2:
            msg = "y holds 1 class only, the negative one: there is no positive to learn from"
            raise InputError(msg)
        self.trusted_ = _mask(trusted, n)
        if self.strategy == "extrinsic" and not (self.trusted_ & ~blank).any():
            msg = "strategy='extrinsic' needs trusted=: a mask of re-checked rows; without one use strategy='intrinsic'"
            raise InputError(msg)
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        points = self._points(X, embeddings, seed)
        if pred_proba is not None:
            # The extrinsic strategy does not read them; what is wrong is refused all the same.
            self._check_proba(pred_proba)
        if self.strategy == "intrinsic":
            groups = None if groups is None else np.asarray(groups)
            evidence = self._intrinsic(X, codes, points, groups, pred_proba, seed)
        else:
            evidence = self._extrinsic(codes, points)
        self._record(evidence, codes)
        self.label_quality_[blank] = np.nan
        return self

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
        if self.positive_side and self.strategy == "intrinsic":
            msg = "positive_side needs strategy='extrinsic': the intrinsic one takes the positives as right"
            raise InputError(msg)

    def _negative_code(self) -> int:
        if self.negative_label is None:
            usual = {0, "0", "no_relation", "NA"}
            found = [i for i, c in enumerate(self.classes_.tolist()) if c in usual]
        else:
            found = np.flatnonzero(self.classes_ == self.negative_label).tolist()
        if len(found) != 1:
            shown = ", ".join(map(str, self.classes_[:8]))
            msg = f"negative_label={self.negative_label!r} does not name one class of y ({shown}): pass negative_label="
            raise InputError(msg)
        return int(found[0])

    def _check_proba(self, pred_proba: Any) -> np.ndarray:
        """Refuse what cannot be the probabilities of these rows and classes."""
        proba = np.asarray(pred_proba)
        if proba.dtype.kind != "f" or not np.isfinite(proba).all():
            msg = f"pred_proba must hold finite floats; it is {proba.dtype} or has NaN: predict those rows again"
            raise InputError(msg)
        if proba.ndim != 2 or proba.shape[1] != len(self.classes_):
            k = len(self.classes_)
            msg = f"pred_proba has shape {proba.shape}: one column for each of the {k} classes, sorted"
            raise InputError(msg)
        return proba

    def _points(self, X: Any, embeddings: Any, seed: int) -> np.ndarray:  # noqa: N803
        """Dense coordinates for the neighbour search; float32 is kept as it is."""
        points = X if embeddings is None else embeddings
        if points is None:
            msg = "no coordinates to find neighbours in: pass X or embeddings="
            raise InputError(msg)
        if sparse.issparse(points):
            size = min(100, min(points.shape) - 1)
            points = TruncatedSVD(max(size, 1), n_iter=3, random_state=seed).fit_transform(points)
        points = np.asarray(points)
        if points.dtype.kind == "O" and points.ndim == 2:
            with suppress(ValueError):  # Texts: the message below says what to do.
                points = points.astype(np.float32)
        if points.ndim != 2 or points.dtype.kind not in "fiub":
            msg = f"coordinates have shape {points.shape} and type {points.dtype}: pass embeddings= as numbers (n, d)"
            raise InputError(msg)
        if points.dtype != np.float32:
            points = points.astype(np.float32)
        if not np.isfinite(points).all():
            msg = "embeddings hold NaN or infinite values: drop or impute those rows first"
            raise InputError(msg)
        return points

    def _out_of_fold(self, X: Any, codes: np.ndarray, groups: np.ndarray | None, seed: int) -> np.ndarray:  # noqa: N803
        """Predict every row by a model that saw neither the row nor its group."""
        if X is None:
            msg = "strategy='intrinsic' predicts out of fold and needs X (or your own pred_proba=)"
            raise InputError(msg)
        base = self.estimator if self.estimator is not None else SGDClassifier(loss="log_loss", alpha=1e-5)
        rows = X.tocsr() if sparse.issparse(X) else X
        take = (lambda i: rows.iloc[i]) if hasattr(rows, "iloc") else (lambda i: np.asarray(rows)[i])
        if sparse.issparse(rows):
            take = rows.__getitem__
        out = np.full(len(codes), -1, dtype=np.int64)
        for train, test in _folds(self.cv, codes, groups, seed):
            model = clone(base)
            if "random_state" in model.get_params() and model.get_params()["random_state"] is None:
                model.set_params(random_state=seed)
            train = train[codes[train] >= 0]
            out[test] = model.fit(take(train), codes[train]).predict(take(test))
        return out

    def _intrinsic(
        self,
        X: Any,  # noqa: N803
        codes: np.ndarray,
        points: np.ndarray,
        groups: np.ndarray | None,
        pred_proba: Any,
        seed: int,
    ) -> dict[str, np.ndarray]:
        """Negatives nearest to the positives that the model calls negative."""
        negative = self.negative_code_
        if pred_proba is None:
            predicted = self._out_of_fold(X, codes, groups, seed)
        else:
            predicted = self._check_proba(pred_proba).argmax(axis=1).astype(np.int64)
        self.pred_codes_ = predicted
        queries = np.flatnonzero((codes >= 0) & (codes != negative) & (predicted == negative))
        pool = np.flatnonzero((codes == negative) & ~self.trusted_)
        self.report_: dict[str, Any] = {
            "strategy": "intrinsic",
            "queries": len(queries),
            "examined_negatives": len(pool),
        }
        if not len(queries) or not len(pool):
            return _empty()
        # Queries are positive and the pool is negative, so no item can be its own neighbour.
        score, hit = _top_k(points[queries], points[pool], self.n_neighbors, self.metric)
        witness = np.repeat(queries, score.shape[1])
        item = pool[hit.ravel()]
        evidence = _conflicts(item, codes[witness], score.ravel(), witness, prefer="nearest")
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
            return _empty()
        score, hit = _top_k(points[rows], points[pool], self.n_neighbors, self.metric)
        width = score.shape[1]
        item, witness = np.repeat(rows, width), pool[hit.ravel()]
        against = codes[witness] != codes[item]
        contradicting = np.bincount(item[against], minlength=len(codes))
        self.label_quality_ = 1.0 - contradicting / width
        evidence = _conflicts(
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


def _empty() -> dict[str, np.ndarray]:
    names = ("row", "proposed", "proposed_by_votes", "proposed_by_nearest", "votes", "hits", "nearest", "order")
    return {name: np.empty(0, dtype=np.int64) for name in names} | {"score": np.empty(0, dtype=np.float32)}


def _conflicts(
    item: np.ndarray, label: np.ndarray, score: np.ndarray, witness: np.ndarray, *, prefer: str
) -> dict[str, np.ndarray]:
    """Settle what each item is called by its witnesses.

    ``prefer="nearest"``: the nearest witness, equal distances to the label with more votes.
    ``prefer="votes"``: most votes, equal votes to the nearer. Last resort: the smaller class code.
    """
    if not len(item):
        return {name: column for name, column in _empty().items() if name != "order"}
    who, what, votes, near = _tally(item, label, score)
    by_nearest, by_votes = _best(who, near, votes, -what), _best(who, votes, near, -what)
    chosen = by_nearest if prefer == "nearest" else by_votes
    # The witness shown is the nearest one that proposes the chosen label.
    wanted = np.zeros(item.max() + 1, dtype=np.int64)
    wanted[who[chosen]] = what[chosen]
    speaks = np.flatnonzero(label == wanted[item])
    first = speaks[_best(item[speaks], score[speaks], -witness[speaks])]
    rows = who[chosen]
    return {
        "row": rows,
        "proposed": what[chosen],
        "proposed_by_votes": what[by_votes],
        "proposed_by_nearest": what[by_nearest],
        "votes": votes[chosen],
        "hits": np.bincount(item, minlength=rows[-1] + 1)[rows],
        "nearest": witness[first],
        "score": near[chosen],
    }


def random_removal(
    y: Any, n_removed: int, *, negative_label: Any, trusted: Any = None, random_state: Any = None
) -> np.ndarray:
    """Draw as many negatives at random: the control that a cleaning method must beat.

    Parameters
    ----------
    y : array, shape (n,)
    n_removed : int
        As many as the method removed.
    negative_label : label
    trusted : mask or row numbers, optional
        Rows that are never drawn.
    random_state : int, RandomState or None, default None

    Returns
    -------
    ndarray of int64, shape (n_removed,)
        Rows to remove, sorted.
    """
    y = np.asarray(y)
    pool = np.flatnonzero((y == negative_label) & ~_mask(trusted, len(y)))
    if not 0 <= n_removed <= len(pool):
        msg = f"cannot remove {n_removed} negatives: {len(pool)} rows are {negative_label!r} and not trusted"
        raise InputError(msg)
    return np.sort(check_random_state(random_state).choice(pool, n_removed, replace=False))


def _kinds(y: np.ndarray, predicted: np.ndarray, negative: Any) -> dict[str, Any]:
    wrong = y != predicted
    counts = {
        "positive_to_negative": int((wrong & (predicted == negative)).sum()),
        "negative_to_positive": int((wrong & (y == negative)).sum()),
        "positive_to_other_positive": int((wrong & (y != negative) & (predicted != negative)).sum()),
    }
    total = int(wrong.sum())
    touching = counts["positive_to_negative"] + counts["negative_to_positive"]
    return {"errors": total, **counts, "share_touching_negative": touching / total if total else 0.0}


def characterise(
    y_true: Any, predictions_by_model: Mapping[str, Any] | Sequence[Any], negative_label: Any
) -> dict[str, Any]:
    """Say where the disagreement between labels and models sits.

    Parameters
    ----------
    y_true : array, shape (n,)
        Labels as given.
    predictions_by_model : mapping of name -> array (n,), or a sequence of arrays
        Out-of-sample predictions; two model families or more make the agreement part useful.
    negative_label : label

    Returns
    -------
    dict
        ``models[name]``: ``errors``, ``positive_to_negative``, ``negative_to_positive``,
        ``positive_to_other_positive``, ``share_touching_negative``, and ``by_class`` (share of the
        errors on each positive class, as label or as prediction, that touch the negative class).
        ``pairs[a, b]``: ``agreement`` (share of all rows), ``both_wrong``, ``same_wrong`` (rows
        where both give the same other label: the first to re-check), ``same_wrong_touching_negative``.
    """
    y = np.asarray(y_true)
    if not isinstance(predictions_by_model, Mapping):
        predictions_by_model = {f"model {i + 1}": p for i, p in enumerate(predictions_by_model)}
    given = {name: np.asarray(p) for name, p in predictions_by_model.items()}
    for name, predicted in given.items():
        if predicted.shape != y.shape:
            msg = f"predictions of {name!r} have shape {predicted.shape}, y_true {y.shape}: one label a row"
            raise InputError(msg)
    out: dict[str, Any] = {"models": {}, "pairs": {}}
    for name, predicted in given.items():
        by_class = {}
        for label in np.unique(np.concatenate([y, predicted])):
            if label != negative_label:
                on = (y != predicted) & ((y == label) | (predicted == label))
                touching = on & ((y == negative_label) | (predicted == negative_label))
                by_class[str(label)] = float(touching.sum() / on.sum()) if on.any() else 0.0
        out["models"][name] = {**_kinds(y, predicted, negative_label), "by_class": by_class}
    for a, b in combinations(given, 2):
        same = (given[a] == given[b]) & (given[a] != y)
        touching = same & ((y == negative_label) | (given[a] == negative_label))
        out["pairs"][a, b] = {
            "agreement": float((given[a] == given[b]).mean()) if len(y) else 0.0,
            "both_wrong": int(((given[a] != y) & (given[b] != y)).sum()),
            "same_wrong": int(same.sum()),
            "same_wrong_touching_negative": int(touching.sum()),
        }
    return out
