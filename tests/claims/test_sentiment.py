"""The claims about automatic labels: each holds under one seed while its control fails."""

import pytest

from trueneg.claims.sentiment import SentimentAudit, SentimentCleaning, SentimentEmotion, SentimentMisses


@pytest.mark.slow
@pytest.mark.parametrize("claim", [SentimentAudit, SentimentCleaning, SentimentEmotion, SentimentMisses])
def test_the_claim_holds_and_its_control_fails(claim, shown):
    """The whole claim under one seed."""
    shown(claim)
