"""What errors cost, and which decisions follow from it.

With costs given: :func:`expected_cost`, :func:`bayes_decisions` and :func:`threshold_by_cost`. Without: no threshold is
"best", and :func:`cost_curve`, :func:`break_even_ratio` and :func:`implied_ratio` say what each choice amounts to.
:func:`risk_coverage` is for a model that may abstain. The functions give plain numbers; for an interval hand
:func:`cost_per_row` to :func:`trueneg.core.intervals.bootstrap`.
"""

from __future__ import annotations

from trueneg.core._costs.curves import CostCurve, RiskCoverage, cost_curve, risk_coverage
from trueneg.core._costs.matrix import CostMatrix, RowCosts, bayes_decisions, cost_per_row, expected_cost
from trueneg.core._costs.thresholds import BreakEven, CostThreshold, break_even_ratio, implied_ratio, threshold_by_cost

__all__ = [
    "BreakEven",
    "CostCurve",
    "CostMatrix",
    "CostThreshold",
    "RiskCoverage",
    "RowCosts",
    "bayes_decisions",
    "break_even_ratio",
    "cost_curve",
    "cost_per_row",
    "expected_cost",
    "implied_ratio",
    "risk_coverage",
    "threshold_by_cost",
]
