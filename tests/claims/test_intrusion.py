"""The claims about intrusion detection: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.intrusion import IntrusionBudget, IntrusionCombined, IntrusionDetection
from trueneg.core.errors import ClaimNotRun


@pytest.mark.slow
@pytest.mark.parametrize("claim", [IntrusionDetection, IntrusionBudget, IntrusionCombined])
def test_the_claim_holds_and_its_control_fails(claim):
    """The whole claim under one seed."""
    try:
        found = claim().run(0)
    except ClaimNotRun as error:
        pytest.skip(str(error))
    assert found.holds
    assert not found.control_holds
