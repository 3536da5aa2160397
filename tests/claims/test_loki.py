"""The claims about Loki: names make the tree they spell, and one seed of each holds while its control fails."""

import numpy as np
import pytest

from trueneg.claims import loki as claim
from trueneg.claims._loki import softmax
from trueneg.core.errors import ClaimNotRun


def test_names_make_the_tree_they_spell():
    """The metric must come from the names alone, each dot a step."""
    edges = claim.name_tree(["a.b.c", "a.b.d", "e"])
    assert edges == [("", "a"), ("", "e"), ("a", "a.b"), ("a.b", "a.b.c"), ("a.b", "a.b.d")]


def test_the_long_claim_says_so():
    """A claim that takes minutes must not start without being asked to."""
    with pytest.raises(ClaimNotRun, match="--full"):
        claim.LokiPhotographs().run(0)


def test_probabilities_of_cosines_sum_to_one_however_far_apart():
    """Cosines times twenty and logits alike become probabilities: no overflow, the order kept."""
    logits = np.array([[1000.0, 999.0, -1000.0], [0.0, 0.0, 0.0]])
    found = softmax(logits)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found[0].argmax() == 0
    np.testing.assert_allclose(found[1], 1 / 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [claim.LokiNewsgroups, claim.LokiRandomTrees, claim.LokiNextClass, claim.LokiZeroShot])
def test_the_claim_holds_and_its_control_fails(kind):
    """The whole claim under one seed."""
    try:
        found = kind().run(0)
    except ClaimNotRun as error:
        pytest.skip(str(error))
    assert found.holds
    assert not found.control_holds
