"""The claims about judgments: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.pools import JudgmentsReviewClaim, PoolingSeenClaim


@pytest.mark.slow
@pytest.mark.parametrize("claim", [JudgmentsReviewClaim, PoolingSeenClaim])
def test_a_claim_holds_and_its_control_fails(claim, shown):
    """The whole claim under one seed."""
    shown(claim)
