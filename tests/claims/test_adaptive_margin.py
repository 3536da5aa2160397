"""The claims about adaptive margins, fused teachers and soft labels: each holds under one seed, its control fails."""

import pytest

from trueneg.claims.adaptive_margin import AdaptiveMarginYield, SoftLabels, TeacherFusionClaim


@pytest.mark.slow
@pytest.mark.parametrize("claim", [AdaptiveMarginYield, TeacherFusionClaim, SoftLabels])
def test_a_claim_holds_and_its_control_fails(claim, shown):
    """The whole claim under one seed."""
    shown(claim)
