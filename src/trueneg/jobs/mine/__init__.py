"""``trueneg mine``: from a folder of queries, documents and judgments to negatives that a trainer takes."""

from __future__ import annotations

from trueneg.jobs.mine.review import MinedReview, review_mined
from trueneg.jobs.mine.run import Mined, Options, mine

__all__ = ["Mined", "MinedReview", "Options", "mine", "review_mined"]
