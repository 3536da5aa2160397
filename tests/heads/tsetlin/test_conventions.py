"""What of the Tsetlin machine is no head by itself, or a way of working of its own, obeys scikit-learn too."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from trueneg.heads import Binarizer, TsetlinMachineClassifier, TsetlinMachineSearch
from trueneg.testing import head_checks

_REASON = "a weight is a probability to take part in a pass: as good as repetition in the mean, not in each draw"
POOL = TsetlinMachineClassifier(n_clauses=20, clauses="shared")
SEARCH = TsetlinMachineSearch(
    TsetlinMachineClassifier(max_iter=3), n_clauses=(10,), threshold_ratios=(1.0,), specificities=(3.0,)
)


def _expected(estimator):
    kinds = ("dense", "sparse") if isinstance(estimator, TsetlinMachineClassifier) else ()
    return {f"check_sample_weight_equivalence_on_{kind}_data": _REASON for kind in kinds}


@parametrize_with_checks([POOL, SEARCH, Binarizer()], expected_failed_checks=_expected, xfail_strict=True)
def test_scikit_learn_conventions(estimator, check):
    """Pipelines, clones and searches of scikit-learn can use the pool, the search and the binarizer."""
    check(estimator)


@pytest.mark.parametrize("check", list(head_checks()))
def test_the_pool_is_a_head(check):
    """A shared pool with focused sampling can stand where any other head stood."""
    check(POOL)
