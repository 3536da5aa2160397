"""Rank and calibrate suspected label errors from probabilities and, where there are any, neighbours.

The score is the largest log margin of another label over the given one, where a label's support
is ``a log P + b log(neighbour lift)`` and the weights are fitted on the given labels themselves:
neighbours that know nothing get a weight near zero. Probabilities come from the confident joint
and are a strictly increasing function of the score.
"""

from __future__ import annotations

from trueneg.clean._ranking.estimator import SuspectRanker

__all__ = ["SuspectRanker"]
