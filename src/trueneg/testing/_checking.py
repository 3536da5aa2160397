"""What the checks of every shape do alike: say what is broken, prepare a clone, and watch the global generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["prepared", "require", "with_global_seed"]


def require(condition: Any, message: str) -> None:
    """Raise AssertionError with a sentence where the condition fails."""
    if not condition:
        raise AssertionError(message)


def with_global_seed(seed: int, call: Callable[[], Any]) -> Any:
    """Call with NumPy's global generator in another state: whoever draws from it is found out."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        return call()
    finally:
        np.random.set_state(state)  # noqa: NPY002


def prepared(estimator: Any) -> Any:
    """Return a clone that is deterministic, where it draws at all."""
    from sklearn.base import clone

    model = clone(estimator)
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=0)
    return model
