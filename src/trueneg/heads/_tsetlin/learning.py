"""How an estimator lets its machine learn: what is checked before, and one pass after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin import device as on_device
from trueneg.heads._tsetlin import held, inputs, labels
from trueneg.heads._tsetlin.chance import rate_of
from trueneg.heads._tsetlin.held import Progress
from trueneg.heads._tsetlin.machine import Machine
from trueneg.heads._tsetlin.rows import Rows, Shape, rows_of
from trueneg.heads._tsetlin.train import Pass, Settings, require_numba, run_pass
from trueneg.heads._tsetlin.vote import votes

__all__ = ["Learning"]


class Learning:
    """The parts of ``fit`` and ``partial_fit``."""

    _second = True  # Type II feedback
    history_: list[dict[str, float]]
    # Of the estimator.
    get_params: Any
    n_jobs: Any
    device: Any
    binarize: Any
    class_weight: Any
    feature_negation: Any
    negative_sampling: Any
    random_state: Any
    n_features_in_: Any
    clauses: Any
    n_state_bits: Any
    n_clauses: Any
    threshold_: Any
    specificity: Any
    mask_bits: Any
    boost_true_positive: Any
    weighted: Any
    max_included_literals: Any
    clause_drop: Any
    literal_drop: Any
    validation_fraction: Any
    max_iter: Any
    n_iter_no_change: Any

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
