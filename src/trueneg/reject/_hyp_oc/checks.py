"""Settings of the one-class classifier: what each must be, told in one line before anything is learned."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from trueneg.core.devices import device_of
from trueneg.core.errors import InputError, missing_extra

try:
    from torch import nn
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["check_settings", "rate_of"]

_LEAST, _MOST = 1e-12, 1e4  # below, curvature is lost in rounding; above, all points lie on the boundary


def check_settings(model: Any) -> None:
    """Refuse a setting that cannot be learned with, by its name."""
    hidden = model.hidden if isinstance(model.hidden, list | tuple) else ()
    for name, ok, want in (
        ("epochs", _whole(model.epochs), "a whole number above 0"),
        ("batch_size", _whole(model.batch_size), "a whole number above 0"),
        ("learning_rate", _number(rate_of(model)), "a number above 0, or 'auto'"),
        ("weight_decay", _number(model.weight_decay, zero=True), "0 or more"),
        ("clip_gradient", _number(model.clip_gradient), "a number above 0"),
        ("pc_weight", _number(model.pc_weight, zero=True), "a weight of 0 or more"),
        ("clip_norm", model.clip_norm is None or _number(model.clip_norm), "a norm above 0 or None"),
        ("curvature", _curved(model.curvature), f"c of the ball of curvature -c, 0 (flat) or {_LEAST:g} to {_MOST:g}"),
        ("alpha", _number(model.alpha, zero=True) and model.alpha < 1, "a share from 0 to below 1"),
        ("noise_scale", _auto(model.noise_scale) or _number(model.noise_scale), "a variance above 0, or 'auto'"),
        ("encoder", model.encoder is None or isinstance(model.encoder, nn.Module), "a torch.nn.Module or None"),
        (
            "trained",
            model.trained is None or isinstance(model.trained, str),
            "how names of parameters begin, or None",
        ),
        ("hidden", len(hidden) > 0 and all(map(_whole, hidden)), "one width or more, such as (256, 64)"),
    ):
        if not ok:
            msg = f"{name}={getattr(model, name)!r}: give {want}."
            raise InputError(msg)
    device_of(model.device)


def rate_of(model: Any) -> Any:
    """Return the learning rate: at 1e-3 an encoder forgets what it knew."""
    auto = 1e-3 if model.encoder is None else 1e-4
    return auto if _auto(model.learning_rate) else model.learning_rate


def _curved(value: Any) -> bool:
    return _number(value, zero=True) and (value == 0 or _LEAST <= value <= _MOST)


def _auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def _number(value: Any, *, zero: bool = False) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    number = float(value)
    return (number >= 0 if zero else number > 0) and number < math.inf


def _whole(value: Any) -> bool:
    return _number(value) and value == int(value)
