"""The claims about mined negatives: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.mining import FnReviewClaim, SecondOpinionClaim


@pytest.mark.slow
@pytest.mark.parametrize("claim", [FnReviewClaim, SecondOpinionClaim])
def test_a_claim_holds_and_its_control_fails(claim, shown):
    """The whole claim under one seed."""
    shown(claim)
