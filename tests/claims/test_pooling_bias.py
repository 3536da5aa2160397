"""The claims about pooling bias: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.pooling_bias import CetScope, PoolingIsNotFn, PoolingRecovery


def test_selection_is_recovered_and_the_control_fails():
    """The short claim under one seed."""
    found = PoolingRecovery().run(0)
    assert found.holds
    assert not found.control_holds


@pytest.mark.slow
@pytest.mark.parametrize("claim", [PoolingIsNotFn, CetScope])
def test_a_claim_holds_and_its_control_fails(claim, shown):
    """The whole claim under one seed, where the vectors are in the cache."""
    shown(claim)
