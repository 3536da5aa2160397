"""The claims about Loki: names make the tree they spell, and one seed of each holds while its control fails."""

import pytest

from trueneg.claims import loki as claim
from trueneg.core.errors import ClaimNotRun


def test_names_make_the_tree_they_spell():
    """The metric must come from the names alone, each dot a step."""
    edges = claim.name_tree(["a.b.c", "a.b.d", "e"])
    assert edges == [("", "a"), ("", "e"), ("a", "a.b"), ("a.b", "a.b.c"), ("a.b", "a.b.d")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [claim.LokiNewsgroups, claim.LokiRandomTrees, claim.LokiNextClass])
def test_the_claim_holds_and_its_control_fails(kind):
    """The whole claim under one seed."""
    try:
        found = kind().run(0)
    except ClaimNotRun as error:
        pytest.skip(str(error))
    assert found.holds
    assert not found.control_holds
