"""What the tests of claims share."""

import pytest

from trueneg.core.errors import ClaimNotRun


@pytest.fixture
def shown():
    """Run a whole claim under one seed: it must hold, and its control must fail; skipped where it cannot be run."""

    def run(claim):
        try:
            found = claim().run(0)
        except ClaimNotRun as error:
            pytest.skip(str(error))
        assert found.holds
        assert not found.control_holds

    return run
