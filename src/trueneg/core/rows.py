"""Rows of an estimator, checked as scikit-learn does, and what it says of them in the container they came in.

Tensors are read as arrays, on any device and with gradients, and answered by tensors on their device; frames are
answered by arrays, as scikit-learn does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from trueneg.core._intervals.inputs import array_of
from trueneg.core.class_stats import refuse_not_finite

__all__ = ["array_of", "as_given", "checked_rows", "labels_as_given", "note_labels"]


def as_given(values: NDArray[Any], X: Any) -> Any:
    """Return numbers as a tensor on the device of X where X is one, without gradients; else as they are.

    Their type stays: a score in fewer bits could fall on the other side of a threshold. Where the device has no
    float64 (mps) they are float32.
    """
    if not hasattr(X, "detach") or values.dtype.kind not in "biuf":
        return values
    import torch

    found = torch.from_numpy(np.ascontiguousarray(values))
    return (found.float() if X.device.type == "mps" and values.dtype == np.float64 else found).to(X.device)


def note_labels(estimator: Any, y: Any) -> None:
    """Keep whether labels came as a tensor, None where there were none: :func:`labels_as_given` goes by it."""
    estimator._y_tensor = None if y is None else hasattr(y, "detach")


def labels_as_given(estimator: Any, labels: NDArray[Any], X: Any) -> Any:
    """Return labels as a tensor where those of ``fit`` were one, on the device of X; as X where there were none."""
    tensor = getattr(estimator, "_y_tensor", False)
    if tensor is None or (tensor and hasattr(X, "detach")):
        return as_given(labels, X)
    if not tensor or labels.dtype.kind not in "biuf":
        return labels
    import torch

    return torch.from_numpy(np.ascontiguousarray(labels))


def checked_rows(estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, **options: Any) -> Any:
    """Return X as float64 or float32 (n, d), with y where it is given.

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_`` and feature names are set, or compared.
    X, y
        As for scikit-learn's ``validate_data``; tensors as well.
    reset : bool
        Whether they are set.
    **options
        More for ``validate_data``, another ``dtype`` among them; ``ensure_all_finite="allow-nan"`` lets gaps through.

    Raises
    ------
    InputError
        With the first row that holds NaN or infinity.
    ValueError
        Of scikit-learn, on what else does not fit.
    """
    given = {"dtype": [np.float64, np.float32], "ensure_all_finite": False, **options}
    if reset and not isinstance(y, str):
        note_labels(estimator, y)
    found = validate_data(estimator, array_of(X), array_of(y), reset=reset, **given)
    if not given["ensure_all_finite"]:
        refuse_not_finite(found[0] if isinstance(found, tuple) else found)
    return found
