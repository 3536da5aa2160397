"""The limits of resampling with an imperfect verifier: how many attempts are worth it, and when to abstain.

Draw attempts until the verifier accepts one, return that, else abstain: a correct answer brings 1, a wrong one costs
``cost_fp``, none is 0. With a verifier that errs, more attempts also bring more wrong answers, and some number ``K*``
is the best; it may be 0. :class:`AttemptTable` computes every curve exactly from recorded attempts, without shuffling;
:func:`optimal_k` says ``K*``, how sure that is and how little it may matter; :class:`ResamplingModel` is the theory, of
two types of tasks or a beta distribution of them, and :class:`AcceptOrQuit` its rule for deciding online.

Source: Stroebl, Kapoor and Narayanan, "The limits of inference scaling through resampling", arXiv 2411.17501 (ICLR
2026); the exact form, the intervals, the beta-binomial form and the online rule are this project's own.
"""

from __future__ import annotations

from trueneg.judge._resampling.model import AcceptOrQuit, ResamplingModel
from trueneg.judge._resampling.models import Reach, reaches, side_by_side, slope
from trueneg.judge._resampling.optimum import Optimum, optimal_k
from trueneg.judge._resampling.quality import MEASURES, code_quality, quality_gap
from trueneg.judge._resampling.readers import read_evalplus, read_inspect
from trueneg.judge._resampling.table import AttemptTable, Curve

__all__ = [
    "MEASURES",
    "AcceptOrQuit",
    "AttemptTable",
    "Curve",
    "Optimum",
    "Reach",
    "ResamplingModel",
    "code_quality",
    "optimal_k",
    "quality_gap",
    "read_evalplus",
    "read_inspect",
    "reaches",
    "side_by_side",
    "slope",
]
