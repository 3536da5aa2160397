"""A review: draw the rows that a person should judge, give a page to judge on, read the answers back.

The next audit reads the answers, so what is named here loads no audit; :func:`trueneg.review` draws.
"""

from __future__ import annotations

from trueneg.jobs.review.answers import Answered, Answers, OtherDataError, load

__all__ = ["Answered", "Answers", "OtherDataError", "load"]
