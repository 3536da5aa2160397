"""The claims about intrusion detection: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.intrusion import IntrusionBudget, IntrusionCombined, IntrusionDetection


@pytest.mark.slow
@pytest.mark.parametrize("claim", [IntrusionDetection, IntrusionBudget, IntrusionCombined])
def test_the_claim_holds_and_its_control_fails(claim, shown):
    """The whole claim under one seed."""
    shown(claim)
