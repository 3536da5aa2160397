"""The Tsetlin machine as a scikit-learn classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin import device as on_device
from trueneg.heads._tsetlin import held, inputs, labels
from trueneg.heads._tsetlin.chance import rate_of
from trueneg.heads._tsetlin.held import Progress
from trueneg.heads._tsetlin.machine import Machine
from trueneg.heads._tsetlin.plan import row_chance
from trueneg.heads._tsetlin.reading import Reading
from trueneg.heads._tsetlin.rows import Rows, Shape, rows_of
from trueneg.heads._tsetlin.train import Pass, Settings, require_numba, run_pass
from trueneg.heads._tsetlin.vote import clause_outputs, votes

__all__ = ["TsetlinMachineClassifier"]


class TsetlinMachineClassifier(Reading, ClassifierMixin, TransformerMixin, BaseEstimator):
    """A classifier whose knowledge is rules: conjunctions of features that are present or absent, which vote.

    Each class has clauses for and against it. A clause is learned by one small automaton for each feature and each
    negated feature, which decides whether the clause asks for it. Rows are binary, dense or sparse; other numbers are
    cut into steps (``binarize``).

    Parameters
    ----------
    n_clauses : int, default=500
        Clauses a class, or in all where ``clauses="shared"``. More cost time in proportion.
    threshold : int or None, default=None
        T: votes beyond which a class learns no more from a row. None takes ``n_clauses``; double both together.
    specificity : float, default=2.0
        s: a clause forgets a literal with probability 1 / s. About 2 is accurate on text and gives long rules of
        absent words; 10 and more gives shorter ones.
    weighted : bool, default=True
        Clauses learn how many votes they have; fewer of them are needed.
    boost_true_positive : bool, default=True
        A true clause takes up what holds with certainty, instead of with probability (s - 1) / s.
    max_included_literals : int or None, default=None
        Above this many literals a clause sheds some; it may stand a few above it for a while.
    feature_negation : bool, default=True
        Whether rules may ask for absent features. Without it rules are short and readable, and less accurate.
    clause_drop, literal_drop : float, default=0.0
        Share of clauses, or of literals, left out in each pass. A clause drop of 0.5 halves the work.
    n_state_bits : int, default=8
        Bits of an automaton's memory. Fewer are faster and forget faster.
    negative_sampling : {"uniform", "focused"}, default="uniform"
        How the other class that learns from a row is drawn: each as likely, or by its votes. Focused sampling couples
        the classes, and so runs in one thread.
    clauses : {"class", "shared"}, default="class"
        A bank of clauses for each class, or one pool with a signed weight for each class.
    mask_bits : int or None, default=None
        Binary digits of 1 / s; None takes the fewest within 2 %.
    binarize : {"auto", "presence"} or int, default="auto"
        A value above zero is a feature that is present; or a feature is cut at this many quantiles of the rows
        fitted. ``"auto"``: presence for sparse rows and for zeros and ones, else 8 cuts.
    max_iter : int, default=20
        Passes over the rows.
    class_weight : dict, "balanced" or None, default=None
        Multiplies ``sample_weight``.
    early_stopping : bool, default=False
        Set rows aside, stop where accuracy on them rises no more, and keep the best pass.
    validation_fraction : float, default=0.1
        Share of rows set aside.
    n_iter_no_change : int, default=5
        Passes to wait for a better one.
    warm_start : bool, default=False
        A further ``fit`` goes on, by ``max_iter`` passes, bit for bit as if it had never stopped.
    n_jobs : int or None, default=None
        Threads; -1 for all. Their number never changes a result.
    device : str or None, default=None
        A torch device, such as ``"cuda"``, to learn and predict on, with the same result; None takes the compiled
        loops, which are far faster on a processor. For uniform sampling and ``clauses="class"`` alone.
    random_state : int, Generator, RandomState or None, default=None
        All chance follows from it.

    Attributes
    ----------
    classes_ : ndarray
        Labels, sorted; columns of y where a row has several labels.
    n_iter_ : int
        Passes in all.
    history_ : list of dict
        Of each pass of the last call: ``pass``, ``update_probability``, ``literals``, and ``validation``.
    machine_ : Machine
        Automata and weights.
    cuts_ : list of ndarray or None
        Cuts of each feature.

    Notes
    -----
    A row of weight w takes part in a pass with probability w over the largest weight. Training needs numba (the extra
    ``fast``); prediction falls back on sparse products without it. Memory: 2 n_features n_clauses n_classes bytes.

    References
    ----------
    Berge et al. (2019), arXiv 1809.04547; Granmo (2018), arXiv 1804.01508; weights: Abeyrathna et al. (2020), arXiv
    2005.05131; shared clauses: Glimsdal and Granmo (2021), arXiv 2108.07594; drop: Sharma et al. (2021), arXiv
    2105.14506; budget: Abeyrathna et al. (2023), arXiv 2301.08190.
    """

    _second = True  # Type II feedback
    _empty = False  # whether a clause without literals votes when predicting

    def __init__(
        self,
        *,
        n_clauses: int = 500,
        threshold: int | None = None,
        specificity: float = 2.0,
        weighted: bool = True,
        boost_true_positive: bool = True,
        max_included_literals: int | None = None,
        feature_negation: bool = True,
        clause_drop: float = 0.0,
        literal_drop: float = 0.0,
        n_state_bits: int = 8,
        negative_sampling: str = "uniform",
        clauses: str = "class",
        mask_bits: int | None = None,
        binarize: str | int = "auto",
        max_iter: int = 20,
        class_weight: dict[Any, float] | str | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        n_jobs: int | None = None,
        device: str | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_clauses = n_clauses
        self.threshold = threshold
        self.specificity = specificity
        self.weighted = weighted
        self.boost_true_positive = boost_true_positive
        self.max_included_literals = max_included_literals
        self.feature_negation = feature_negation
        self.clause_drop = clause_drop
        self.literal_drop = literal_drop
        self.n_state_bits = n_state_bits
        self.negative_sampling = negative_sampling
        self.clauses = clauses
        self.mask_bits = mask_bits
        self.binarize = binarize
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.device = device
        self.random_state = random_state

    # -- learning --------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        progress: Progress | None = None,
    ) -> TsetlinMachineClassifier:
        """Learn from rows (n, d) and labels (n,), or a 0 / 1 indicator of several labels (n, n_labels).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Rows; sparse ones are never made dense.
        y : array-like of shape (n,) or (n, n_labels)
            Labels of any type.
        sample_weight : array-like of shape (n,) or None
            Weights; only their ratios matter.
        progress : callable or None
            Called after each pass with a text, the passes done, and ``max_iter``.

        Raises
        ------
        InputError
            A parameter is out of range, or ``warm_start`` meets other classes or another kind of features.
        MissingExtraError
            numba is not installed.
        """
        go_on = self.warm_start and hasattr(self, "machine_")
        rows, y, weight = self._take(X, y, sample_weight, reset=not go_on)
        codes, classes = labels.codes(y)
        if go_on and not np.array_equal(classes, self.classes_):
            raise InputError("warm_start goes on with the classes of before, and y has others: use partial_fit, or fit")
        if not go_on:
            self._begin(classes, codes.ndim == 2)
        chance = None if weight is None else row_chance(weight)
        self.history_: list[dict[str, float]] = []
        if self.early_stopping:
            self._until_no_better(rows, codes, chance, progress)
        else:
            for done in range(self.max_iter):
                self._pass(rows, codes, chance)
                held.tell(progress, self.history_[-1], done + 1, self.max_iter)
        self.n_iter_ = self.machine_.passes
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> TsetlinMachineClassifier:
        """Make one pass over some rows; classes may be new.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`; weights are compared within the call. Cuts are learned from the first call's rows.
        classes : array-like or None, default=None
            Labels to expect. Never needed.
        """
        first = not hasattr(self, "machine_")
        if self.class_weight == "balanced":
            raise InputError("class_weight='balanced' needs all rows at once: give partial_fit a dict, or use fit.")
        rows, y, weight = self._take(X, y, sample_weight, reset=first)
        codes, seen = labels.codes(y)
        several = codes.ndim == 2
        known = seen if first else self.classes_
        if not first and several != self.multilabel_:
            raise InputError("y has several labels a row in one call of partial_fit and one in another.")
        if several and len(known) != len(seen):
            msg = f"y has {len(seen)} label columns, and {len(known)} before: the columns must stay."
            raise InputError(msg)
        wanted = known if several else np.union1d(known, seen)
        if classes is not None and not several:
            wanted = np.union1d(wanted, np.asarray(classes))
        if first:
            self._begin(wanted, several)
        elif len(wanted) > len(known):
            self.machine_ = self.machine_.insert(np.searchsorted(wanted, known), len(wanted), self.seed_)
            self.classes_ = wanted
        if not several:
            codes = np.searchsorted(self.classes_, y)
        self.history_ = []
        self._pass(rows, codes, None if weight is None else row_chance(weight))
        self.n_iter_ = self.machine_.passes
        return self

    def _take(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> tuple[Rows, NDArray[Any], Any]:
        """Check everything; return rows for the machine, labels and weights."""
        inputs.check_parameters(self.get_params(deep=False))
        inputs.jobs(self.n_jobs)
        if self.device is None:
            require_numba()
        X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, reset=reset)
        check_classification_targets(y)
        y = labels.one_column(y)
        X = inputs.canonical(X)
        if reset:
            self.cuts_ = inputs.cuts_for(X, self.binarize)
            self._told = self.binarize == "presence" or sp.issparse(X)
        classes = np.unique(y) if y.ndim == 1 else y
        weight = inputs.row_weights(X.shape[0], sample_weight, self.class_weight, classes, y)
        X = inputs.reached(X, self.cuts_, told=self._told)
        return rows_of(X, Shape(X.shape[1], bool(self.feature_negation))), y, weight

    def _begin(self, classes: NDArray[Any], several: bool) -> None:
        if several and self.negative_sampling == "focused":
            raise InputError("negative_sampling='focused' knows one class a row: use 'uniform' with several labels.")
        self.classes_, self.multilabel_ = classes, several
        self.seed_ = inputs.seed_of(self.random_state)
        features = self.n_features_in_ if self.cuts_ is None else sum(map(len, self.cuts_))
        shape = Shape(features, bool(self.feature_negation))
        pool = self.clauses == "shared"
        bits = int(self.n_state_bits)
        self.machine_ = Machine.new(len(classes), int(self.n_clauses), shape, bits=bits, pool=pool, seed=self.seed_)

    def _settings(self) -> Settings:
        return Settings(
            threshold=self.threshold_,
            rate=rate_of(float(self.specificity), self.mask_bits),
            boost=bool(self.boost_true_positive),
            weighted=bool(self.weighted),
            budget=self.max_included_literals,
            clause_drop=float(self.clause_drop),
            literal_drop=float(self.literal_drop),
            focused=self.negative_sampling == "focused" and len(self.classes_) > 1,
            seed=self.seed_,
            n_jobs=inputs.jobs(self.n_jobs),
            second=self._second,
        )

    def _pass(self, rows: Rows, codes: NDArray[Any], chance: Any) -> Pass:
        size = (int(self.n_clauses), int(self.n_state_bits), bool(self.feature_negation), self.clauses == "shared")
        machine = self.machine_
        if size != (machine.weight.shape[1], machine.bits, machine.shape.negation, machine.pool):
            raise InputError(
                "n_clauses, n_state_bits, feature_negation and clauses cannot change between two calls that go on: "
                "set them back, or fit anew."
            )
        if self.device is None:
            found = run_pass(machine, rows, codes, self._settings(), chance=chance)
        else:
            found = on_device.run_pass(machine, rows, codes, self._settings(), chance=chance, device=self.device)
        stats = {"pass": machine.passes, "update_probability": found.update_probability, "literals": found.literals}
        self.history_.append(stats)
        return found

    def _until_no_better(self, rows: Rows, codes: NDArray[Any], chance: Any, progress: Progress | None) -> None:
        """Learn from some rows until accuracy on the others rises no more; keep the best machine."""
        aside = held.aside(codes, float(self.validation_fraction), self.seed_)
        kept = np.where(aside, 0.0, 1.0 if chance is None else chance)
        judged = held.subset(rows, aside)
        best, best_score, waited = None, -1.0, 0
        for done in range(self.max_iter):
            self._pass(rows, codes, kept)
            score = held.accuracy(votes(self.machine_, judged, n_jobs=inputs.jobs(self.n_jobs)), codes[aside])
            self.history_[-1]["validation"] = score
            held.tell(progress, self.history_[-1], done + 1, self.max_iter)
            if score > best_score:
                best, best_score, waited = self.machine_.copy(), score, 0
            else:
                waited += 1
            if waited >= self.n_iter_no_change:
                break
        if best is not None:
            self.machine_ = best

    # -- deciding --------------------------------------------------------------------------------------------------

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

    # -- keeping ---------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the machine, whole or not at all, as npz without pickle; training can go on from it bit for bit."""
        from trueneg.heads._tsetlin.stored import save

        check_is_fitted(self, "machine_")
        save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> TsetlinMachineClassifier:
        """Read what :meth:`save` wrote; InputError where it is none, or damaged."""
        from trueneg.heads._tsetlin.stored import load

        return load(cls(), Path(path))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        tags.transformer_tags.preserves_dtype = []
        return tags
