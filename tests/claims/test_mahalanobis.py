"""The claims about Mahalanobis: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.mahalanobis import MahalanobisAttacks, MahalanobisHarsh, MahalanobisUnknown
from trueneg.core.errors import ClaimNotRun


def test_the_long_claim_says_so():
    """A claim that takes minutes must not start without being asked to."""
    with pytest.raises(ClaimNotRun, match="--full"):
        MahalanobisAttacks().run(0)


@pytest.mark.slow
@pytest.mark.parametrize("claim", [MahalanobisUnknown, MahalanobisHarsh])
def test_the_claim_holds_and_its_control_fails(claim, shown):
    """The whole claim under one seed."""
    shown(claim)
