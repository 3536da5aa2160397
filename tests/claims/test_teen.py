"""The claim about TEEN: it holds under one seed while its control fails."""

import pytest

from trueneg.claims.teen import TeenOmniglot
from trueneg.core.errors import ClaimNotRun


@pytest.mark.slow
def test_the_claim_holds_and_its_control_fails():
    """The whole claim under one seed."""
    try:
        found = TeenOmniglot().run(0)
    except ClaimNotRun as error:
        pytest.skip(str(error))
    assert found.holds
    assert not found.control_holds
