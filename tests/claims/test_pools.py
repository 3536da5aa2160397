"""The claims about judgments: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.pools import JudgmentsReviewClaim, PoolingSeenClaim
from trueneg.core.errors import ClaimNotRun


@pytest.mark.slow
@pytest.mark.parametrize("claim", [JudgmentsReviewClaim, PoolingSeenClaim])
def test_a_claim_holds_and_its_control_fails(claim):
    """The whole claim under one seed."""
    try:
        found = claim().run(0)
    except ClaimNotRun as error:
        pytest.skip(str(error))
    assert found.holds
    assert not found.control_holds
