"""Hyp-OC: what is familiar, learned on the Poincare ball from familiar rows alone.

Narayan and Patel (2024), "Hyp-OC: Hyperbolic One Class Classification for Face Anti-Spoofing", arXiv 2404.14406.
Features of real faces, and draws around their running mean that stand in for attacks, go through a small network onto
the Poincare ball; a hyperbolic logistic layer tells the two apart, and pairs of real faces are pulled together.

- :class:`HyperbolicOneClass`: the rejecter, on features or on an encoder whose last block learns too.
- :class:`ToBall`, :class:`PoincareMLR`, :class:`PseudoNegatives`, :func:`hyperbolic_pairwise_confusion`: its parts.
- :func:`mobius_add`, :func:`exponential`, :func:`exponential_at_origin`, :func:`distance`, :func:`project`: the ball.
- :func:`read_frames`, :func:`video_scores`: folders of real and attack frames, and scores of whole videos.
- :func:`recapture`: a simulated presentation attack, for tests where no real one may be had.
"""

from __future__ import annotations

from trueneg.reject._hyp_oc.ball import distance, exponential, exponential_at_origin, mobius_add, project
from trueneg.reject._hyp_oc.frames import Frames, read_frames, recapture, video_of, video_scores
from trueneg.reject._hyp_oc.layers import (
    OneClassNet,
    PoincareMLR,
    PseudoNegatives,
    ToBall,
    hyperbolic_pairwise_confusion,
)
from trueneg.reject._hyp_oc.model import HyperbolicOneClass

__all__ = [
    "Frames",
    "HyperbolicOneClass",
    "OneClassNet",
    "PoincareMLR",
    "PseudoNegatives",
    "ToBall",
    "distance",
    "exponential",
    "exponential_at_origin",
    "hyperbolic_pairwise_confusion",
    "mobius_add",
    "project",
    "read_frames",
    "recapture",
    "video_of",
    "video_scores",
]
