"""The claims about STAR and ADORE: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.star_adore import AdoreRandom, StarStability


@pytest.mark.slow
@pytest.mark.parametrize("claim", [AdoreRandom, StarStability])
def test_a_claim_holds_and_its_control_fails(claim, shown):
    """The whole claim under one seed."""
    shown(claim)
