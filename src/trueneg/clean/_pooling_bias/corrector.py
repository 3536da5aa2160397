"""The corrector: two models of why a pair is labelled, held apart by guards."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone

from trueneg.clean._pooling_bias import guards
from trueneg.clean._pooling_bias.lists import Lists, fit_linear, negative_weights, positive_weights
from trueneg.clean._pooling_bias.marginal import Marginal, false_negative_chance, fit_any, fit_marginal
from trueneg.core.errors import InputError
from trueneg.core.suspects import Suspects

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_LOSSES = ("pairwise", "listwise", "em")
_WAYS = ("refuse", "warn", "allow")
_ROUNDS = 50


class PoolingBiasCorrector(BaseEstimator):
    """Learn relevance and selection together from labels that a pool picked.

    Only what some older system retrieved was shown to a judge, so that "unlabelled" says "not relevant, or never
    shown": P(labelled) = P(relevant) P(selected). One model reads relevance, the other selection, and each corrects
    the other's labels. It is off everywhere in trueneg unless you call it: see Notes.

    Parameters
    ----------
    relevance_estimator, selection_estimator : classifier, optional
        For ``loss="em"``: classifiers with ``sample_weight`` and ``predict_proba``. Default: linear models, which every
        loss takes. For a network use :class:`CoupledLoss`.
    loss : {"pairwise", "listwise", "em"}, default="pairwise"
        "pairwise": each labelled positive against each other pair of its list, which weighs
        ``1 / (1 - sigmoid(score / temperature))`` of the other model (the code of Cai et al.; measured to do neither
        much good nor harm). "listwise": softmax over each list, labelled positives weighted by the inverse of the
        other model's softmax (the dual learning algorithm of Ai et al.; gains more under a pool, harms without). "em":
        no lists; the marginal likelihood of the labels.
    clip : float, default=10
        Largest weight.
    temperature : float, default=10
        Of "pairwise"; the authors' runs had 10, their default is 2.
    l2 : float, default=1e-3
        Penalty on the weights of linear models, on standardised columns, for each list (for each pair, a tenth of it).
    shared : {"refuse", "warn", "allow"}, default="refuse"
        Where X_rel and X_sel share a column, or X_rel predicts a column of X_sel with R2 above .9: the models then can
        change places at equal likelihood.
    unpooled : {"refuse", "warn", "allow"}, default="refuse"
        Where the selection features say nothing of the labels that the relevance features do not say: no pool is seen,
        and the correction was measured to harm.
    random_state : int, default=0
        Of the starts of "em", and of the queries that the test for a pool looks at.

    Attributes
    ----------
    relevance_, propensity_ : (n,) float64
        P(relevant) and P(selected) of each pair, under the model.
    false_negative_proba_ : (n,) float64
        P(relevant | unjudged), 0 for judged pairs. Model-based: only reviewed pairs tell whether it holds.
    label_quality_ : (n,) float64
        One less that.
    suspects_ : Suspects
        Unjudged pairs that are rather relevant than not, the most probable first.
    relevance_coef_, selection_coef_ : arrays
        Weights on the columns as given, the intercept last (linear models only).
    query_ids_, doc_ids_ : arrays
        Ids behind the codes of `suspects_`.
    report_ : dict
        Pairs, lists, lists left out, lists of several positives (the others weigh nothing in "listwise");
        ``effective_sample_size`` (of the weights, as a number of labelled positives or
        of pairs) and ``clipped`` (share of weights at the clip); ``explained`` (highest R2 of a selection feature),
        ``pooling_evidence`` (an Estimate; None where ``unpooled="allow"``), ``starts`` of the likelihood.

    Notes
    -----
    Measured on two collections with hidden labels: it helps where labels come from a pool and the selection features
    are that pool's score and rank, it harms where labels were drawn at random, and the linear models need features of
    both kinds that are not one another's. False negatives are not what it cures: see the page of this system.

    References
    ----------
    Cai, Guo, Fan, Ai, Zhang and Cheng (2022), "Hard Negatives or False Negatives: Correcting Pooling Bias in Training
    Neural Ranking Models", arXiv 2209.05072; Ai, Bi, Luo, Guo and Croft (2018), "Unbiased Learning to Rank with
    Unbiased Propensity Estimation", arXiv 1804.05938.
    """

    def __init__(
        self,
        relevance_estimator: Any = None,
        selection_estimator: Any = None,
        *,
        loss: str = "pairwise",
        clip: float = 10.0,
        temperature: float = 10.0,
        l2: float = 1e-3,
        shared: str = "refuse",
        unpooled: str = "refuse",
        random_state: int = 0,
    ) -> None:
        self.relevance_estimator = relevance_estimator
        self.selection_estimator = selection_estimator
        self.loss = loss
        self.clip = clip
        self.temperature = temperature
        self.l2 = l2
        self.shared = shared
        self.unpooled = unpooled
        self.random_state = random_state

    def fit(
        self,
        query_ids: ArrayLike,
        doc_ids: ArrayLike,
        X_rel: ArrayLike,  # noqa: N803 - scikit-learn's name
        X_sel: ArrayLike,  # noqa: N803
        y: ArrayLike,
    ) -> PoolingBiasCorrector:
        """Learn both models.

        Parameters
        ----------
        query_ids, doc_ids : (n,)
            Of each pair.
        X_rel : (n, p) float
            What relevance is read from; must not hold the pool's own features.
        X_sel : (n, q) float
            What selection is read from: score and rank of the system whose lists were judged.
        y : (n,) int
            1 relevant, 0 judged not relevant, -1 nobody judged it.

        Raises
        ------
        InputError
            Bad input, shared features, no pool seen, or a list loss that would be a plain one: with one labelled
            positive a query every weight of "listwise" is 1.
        """
        self._check_parameters()
        labels = guards.check_labels(y)
        names, query = np.unique(self._ids(query_ids, "query_ids", len(labels)), return_inverse=True)
        documents, document = np.unique(self._ids(doc_ids, "doc_ids", len(labels)), return_inverse=True)
        x, z = _features(X_rel, "X_rel", len(labels)), _features(X_sel, "X_sel", len(labels))
        if x.shape[1] < 1 or z.shape[1] < 1:
            raise InputError("X_rel and X_sel need one column each at least")
        for name in ("score_coef_", "relevance_model_", "selection_model_", "relevance_coef_", "selection_coef_"):
            if hasattr(self, name):  # of an earlier fit with another loss
                delattr(self, name)
        self.report_: dict[str, Any] = {"pairs": len(labels), "labelled": int((labels == 1).sum())}
        self._guard(query, labels, x, z)
        if self.loss == "em":
            self._fit_em(x, z, labels)
        else:
            self._fit_lists(query, labels, x, z)
        self.n_features_ = (x.shape[1], z.shape[1])
        self._record(x, z, labels, query, document)
        self.query_ids_, self.doc_ids_ = names, documents
        self.suspects_ = self._suspects(query, document, labels)
        return self

    def _check_parameters(self) -> None:
        for name, ways in (("loss", _LOSSES), ("shared", _WAYS), ("unpooled", _WAYS)):
            if getattr(self, name) not in ways:
                msg = f"{name}={getattr(self, name)!r}: choose {', '.join(map(repr, ways))}"
                raise InputError(msg)
        for name, least in (("clip", 1.0), ("temperature", 1e-3), ("l2", 0.0)):
            value = getattr(self, name)
            if not np.isfinite(value) or value < least:
                msg = f"{name}={value!r}: give a number, {least:g} or more"
                raise InputError(msg)
        given = (self.relevance_estimator, self.selection_estimator)
        if self.loss != "em" and any(one is not None for one in given):
            msg = f"loss={self.loss!r} needs gradients: leave the estimators out, or train by CoupledLoss"
            raise InputError(msg)

    @staticmethod
    def _ids(given: ArrayLike, name: str, n: int) -> NDArray[Any]:
        ids = np.asarray(given)
        if ids.shape != (n,):
            msg = f"{name} has shape {ids.shape} and y has {n} pairs: give one id a pair"
            raise InputError(msg)
        return ids

    def _guard(self, query: Rows, labels: NDArray[np.int8], x: Any, z: Any) -> None:
        """Refuse or warn, each by its own parameter."""
        r2, same = guards.explained(x, z, query)
        self.report_["explained"] = float(r2.max())
        words = guards.shared_words(r2, same)
        if words:
            self._say(words, self.shared, "shared")
        most = np.bincount(query, weights=labels == 1).max()
        if self.loss == "listwise" and most < 2:
            raise InputError(
                "every query has one labelled positive: each weight of loss='listwise' is then 1 and nothing is "
                "corrected; use loss='pairwise' or 'em'"
            )
        self.report_["pooling_evidence"] = None
        if self.unpooled == "allow":
            return
        seen = guards.pooling_evidence(query, labels == 1, x, z, seed=self.random_state)
        self.report_["pooling_evidence"] = seen
        if seen is not None and seen.low > guards.POOLED:
            return
        told = "too few queries have a label to see one"
        if seen is not None:
            told = f"held-out gain {seen} nats a label; its low end must pass {guards.POOLED:g}"
        self._say(
            f"X_sel does not tell which pairs are labelled beyond X_rel ({told}): without a pool the correction "
            "harms; train on the labels as they are",
            self.unpooled,
            "unpooled",
        )

    @staticmethod
    def _say(words: str, way: str, name: str) -> None:
        if way == "refuse":
            raise InputError(f"{words} (or {name}='warn')")
        if way == "warn":
            warnings.warn(words, UserWarning, stacklevel=4)

    def _fit_em(self, x: Any, z: Any, labels: NDArray[np.int8]) -> None:
        if self.relevance_estimator is None and self.selection_estimator is None:
            self._keep(fit_marginal(x, z, labels, l2=self.l2 / 10, seed=self.random_state))
            return
        from sklearn.linear_model import LogisticRegression

        relevance, selection = (
            LogisticRegression(max_iter=1000) if one is None else clone(one)
            for one in (self.relevance_estimator, self.selection_estimator)
        )
        self.report_["rounds"] = fit_any(relevance, selection, x, z, labels, max_steps=_ROUNDS)
        self.relevance_model_, self.selection_model_ = relevance, selection

    def _keep(self, found: Marginal) -> None:
        self.relevance_coef_, self.selection_coef_ = found.relevance, found.selection
        self.report_ |= {"log_likelihood": found.log_likelihood, "starts": found.starts, "steps": found.steps}
        if not found.converged:
            from sklearn.exceptions import ConvergenceWarning

            warnings.warn("the likelihood had not settled: the models may exchange", ConvergenceWarning, stacklevel=3)

    def _fit_lists(self, query: Rows, labels: NDArray[np.int8], x: Any, z: Any) -> None:
        """Fit the two list losses in turns, then read probabilities off their scores by the marginal likelihood."""
        lists = Lists.of(query, labels == 1)
        if not len(lists.pair):
            raise InputError("no query has a labelled positive beside another pair: there is no list to learn from")
        scaled = [_standard(a[lists.pair]) for a in (x, z)]
        f, g, rounds, weight = self._turns(lists, scaled[0][0], scaled[1][0])
        skipped = len(np.unique(query)) - len(lists.start) + 1
        self.report_ |= {"lists": len(lists.start) - 1, "lists_left_out": skipped, "rounds": rounds}
        self.report_["lists_of_several_positives"] = int((lists.sums(lists.positive.astype(np.float64)) > 1).sum())
        used = weight[weight > 0]
        self.report_["effective_sample_size"] = float(used.sum() ** 2 / (used**2).sum())
        self.report_["clipped"] = float((used >= self.clip * (1 - 1e-9)).mean())
        columns = []
        for a, w, (_, scale) in zip((x, z), (f, g), scaled, strict=True):
            raw = w / scale
            columns.append((np.asarray(a @ raw)[:, None], raw))
        found = fit_marginal(columns[0][0], columns[1][0], labels, l2=self.l2 / 10, n_starts=1)
        self.score_coef_ = columns[0][1]
        self._keep(
            Marginal(
                np.append(columns[0][1] * found.relevance[0], found.relevance[1]),
                np.append(columns[1][1] * found.selection[0], found.selection[1]),
                found.log_likelihood,
                found.starts,
                found.steps,
                found.converged,
            )
        )

    def _turns(self, lists: Lists, x: Floats, z: Floats) -> tuple[Floats, Floats, int, Floats]:
        """Weigh, fit, and weigh again, until the weights stay: each turn is convex."""
        pairwise = self.loss == "pairwise"

        def weights(score: Floats) -> Floats:
            if pairwise:
                return negative_weights(lists, score, self.clip, self.temperature)
            return positive_weights(lists, score, self.clip)

        f, g = np.zeros(x.shape[1]), np.zeros(z.shape[1])
        for_f, for_g = weights(z @ g), weights(x @ f)
        turn, moved = 0, np.inf
        while moved >= 1e-3 and turn < _ROUNDS:
            turn += 1
            f = fit_linear(lists, x, for_f, f, pairwise=pairwise, l2=self.l2)
            g = fit_linear(lists, z, for_g, g, pairwise=pairwise, l2=self.l2)
            new_f, new_g = weights(z @ g), weights(x @ f)
            moved = max(float(np.abs(a - b).max()) for a, b in ((for_f, new_f), (for_g, new_g)))
            for_f, for_g = (for_f + new_f) / 2, (for_g + new_g) / 2  # halfway: full turns may swing
        return f, g, turn, for_f

    def _record(self, x: Any, z: Any, labels: NDArray[np.int8], query: Rows, document: Rows) -> None:
        self.relevance_, self.propensity_ = self._relevant(x), self._selected(z)
        chance = false_negative_chance(self.relevance_, self.propensity_)
        self.false_negative_proba_ = np.where(labels < 0, chance, 0.0)
        self.label_quality_ = 1 - self.false_negative_proba_
        self.report_["false_negative_rate"] = "unknown: give reviewed pairs to estimate_false_negative_rate"

    def _suspects(self, query: Rows, document: Rows, labels: NDArray[np.int8]) -> Suspects:
        chance = self.false_negative_proba_
        rows = np.flatnonzero((labels < 0) & (chance > 0.5))
        rows = rows[np.lexsort((document[rows], query[rows], -chance[rows]))]
        _, first = np.unique(query[rows] * len(self.doc_ids_) + document[rows], return_index=True)
        rows = rows[np.sort(first)]
        return Suspects(
            query[rows],
            document[rows],
            verdict=-1,
            proposed_verdict=1,
            probability=chance[rows],
            row_ids=self.query_ids_,
            candidate_ids=self.doc_ids_,
        )

    def _relevant(self, x: Any) -> Floats:
        return self._chance(x, "relevance")

    def _selected(self, z: Any) -> Floats:
        return self._chance(z, "selection")

    def _chance(self, a: Any, which: str) -> Floats:
        from scipy.special import expit

        model = getattr(self, f"{which}_model_", None)
        if model is not None:
            out: Floats = model.predict_proba(a)[:, list(model.classes_).index(1)]
            return out
        coef = getattr(self, f"{which}_coef_")
        chance: Floats = expit(np.asarray(a @ coef[:-1]) + coef[-1])
        return chance

    def decision_function(self, X_rel: ArrayLike) -> Floats:  # noqa: N803
        """Return the relevance score to rank by, larger = more relevant, shape (n,)."""
        x = _features(X_rel, "X_rel", None, self.n_features_[0])
        if hasattr(self, "score_coef_"):
            out: Floats = np.asarray(x @ self.score_coef_)
            return out
        if hasattr(self, "relevance_model_"):
            return self._relevant(x)
        linear: Floats = np.asarray(x @ self.relevance_coef_[:-1])
        return linear

    def predict_proba(self, X_rel: ArrayLike, X_sel: ArrayLike) -> Floats:  # noqa: N803
        """Return P(relevant | unjudged) of pairs, shape (n,)."""
        x = _features(X_rel, "X_rel", None, self.n_features_[0])
        z = _features(X_sel, "X_sel", len(x), self.n_features_[1])
        return false_negative_chance(self._relevant(x), self._selected(z))

    def pair_scorer(self, features: Callable[[Rows, Rows], tuple[Any, Any]]) -> Callable[[Rows, Rows], Floats]:
        """Return ``score(query rows, document rows) -> P(relevant | unjudged)`` for the filters of a miner.

        Parameters
        ----------
        features : callable
            ``features(query rows, document rows) -> (X_rel, X_sel)`` of these pairs.
        """

        def score(query: Rows, document: Rows) -> Floats:
            return self.predict_proba(*features(query, document))

        return score


def _features(given: ArrayLike, name: str, n: int | None, width: int | None = None) -> NDArray[Any]:
    """Check features; float32 stays float32, anything else becomes float64."""
    a = np.asarray(given)
    if a.ndim != 2 or (n is not None and len(a) != n):
        want = "(n, columns)" if n is None else f"({n}, columns)"
        msg = f"{name} has shape {a.shape}: {want} is needed"
        raise InputError(msg)
    if width is not None and a.shape[1] != width:
        msg = f"{name} has {a.shape[1]} columns, and {width} were fitted"
        raise InputError(msg)
    if a.dtype.kind not in "fiub":
        msg = f"{name} holds {a.dtype}: numbers are needed"
        raise InputError(msg)
    a = a if a.dtype in (np.float32, np.float64) else a.astype(np.float64)
    if not np.isfinite(a).all():
        row, column = (int(at[0]) for at in np.nonzero(~np.isfinite(a)))
        msg = f"{name} holds no number in row {row}, column {column}: fill or drop the pair"
        raise InputError(msg)
    return a


def _standard(a: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return standardised columns and their scale; a column that does not vary is 0."""
    value = a.astype(np.float64)
    value -= value.mean(axis=0)
    scale = value.std(axis=0)
    scale[scale < 1e-12] = np.inf
    return value / scale, scale
