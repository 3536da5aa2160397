"""The Tsetlin machine as a scikit-learn classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin import held, labels
from trueneg.heads._tsetlin.deciding import Deciding
from trueneg.heads._tsetlin.held import Progress
from trueneg.heads._tsetlin.learning import Learning
from trueneg.heads._tsetlin.plan import row_chance
from trueneg.heads._tsetlin.reading import Reading

__all__ = ["TsetlinMachineClassifier"]


class TsetlinMachineClassifier(Learning, Deciding, Reading, ClassifierMixin, TransformerMixin, BaseEstimator):
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
