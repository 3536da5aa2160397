"""Rows of an estimator, checked as scikit-learn does, and refused by the number of the first that is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from trueneg.core.class_stats import refuse_not_finite

__all__ = ["checked_rows"]


def checked_rows(estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, **options: Any) -> Any:
    """Return X as float64 or float32 (n, d), with y where it is given.

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_`` and feature names are set, or compared.
    X, y
        As for scikit-learn's ``validate_data``.
    reset : bool
        Whether they are set.
    **options
        More for ``validate_data``, another ``dtype`` among them.

    Raises
    ------
    InputError
        With the first row that holds NaN or infinity.
    ValueError
        Of scikit-learn, on what else does not fit.
    """
    given = {"dtype": [np.float64, np.float32], **options}
    found = validate_data(estimator, X, y, reset=reset, ensure_all_finite=False, **given)
    refuse_not_finite(found[0] if isinstance(found, tuple) else found)
    return found
