"""False positives in verified reasoning: accepted answers whose derivation is wrong, and what rules make of them.

An answer check lets pass whatever ends at the right number. :func:`select` holds the rules by which one of N attempts
is returned (pass@N, votes over equal answers, rewards of answers or steps), :func:`dvts` and :func:`mcts` search steps;
:func:`check_steps`, :class:`RuleStepVerifier` and :class:`ModelStepVerifier` look at the derivation;
:func:`false_positive_report` counts what was let pass, by model, data set, difficulty or decoding, and
:func:`kept_for_training` tells how much of it a training set of accepted attempts takes in.

Source: "Examining false positives under inference scaling for mathematical reasoning", arXiv 2502.06217 (EMNLP 2025).
"""

from __future__ import annotations

from trueneg.judge._reasoning.report import FalsePositives, Kept, false_positive_report, kept_for_training, trend
from trueneg.judge._reasoning.search import Path, Step, dvts, mcts
from trueneg.judge._reasoning.selecting import RULES, RuleResult, aggregate_steps, compare_rules, rules_by_n, select
from trueneg.judge._reasoning.steps import (
    AnswerVerifier,
    ModelStepVerifier,
    RuleStepVerifier,
    StepCheck,
    check_steps,
    split_steps,
)

__all__ = [
    "RULES",
    "AnswerVerifier",
    "FalsePositives",
    "Kept",
    "ModelStepVerifier",
    "Path",
    "RuleResult",
    "RuleStepVerifier",
    "Step",
    "StepCheck",
    "aggregate_steps",
    "check_steps",
    "compare_rules",
    "dvts",
    "false_positive_report",
    "kept_for_training",
    "mcts",
    "rules_by_n",
    "select",
    "split_steps",
    "trend",
]
