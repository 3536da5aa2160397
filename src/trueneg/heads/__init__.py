"""Which decision rule on the features? Naive Bayes, its sample complexity beside logistic regression."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "DiscreteNaiveBayes": "naive_bayes",
    "GaussianNaiveBayes": "naive_bayes",
    "linear_evaluation": "naive_bayes",
    "logistic_consistency_bound": "naive_bayes",
    "measure_regime": "naive_bayes",
    "regime_advice": "naive_bayes",
    "sample_complexity_curve": "naive_bayes",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Load a system when it is first asked for, so that importing the room is free."""
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
