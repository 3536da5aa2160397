"""The Poincare ball of curvature -c: addition, exponential maps, distance; at ``c = 0`` the plane they tend to."""

from __future__ import annotations

import math

from trueneg.core.errors import missing_extra

try:
    import torch
    from torch import Tensor
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = [
    "clip_norm",
    "conformal",
    "distance",
    "exponential",
    "exponential_at_origin",
    "mobius_add",
    "project",
    "rescale_gradient",
]

_MARGIN = 1e-3  # of the radius, that points stay inside the boundary: float32 resolves 1 - c|x|^2 there to 1e-4
_TINY = 1e-15


def mobius_add(x: Tensor, y: Tensor, c: float) -> Tensor:
    """Return the Moebius sum of points of the ball, (..., d); the sum itself at ``c = 0``."""
    xy = (x * y).sum(-1, keepdim=True)
    xx, yy = x.square().sum(-1, keepdim=True), y.square().sum(-1, keepdim=True)
    above = (1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y
    return above / (1 + 2 * c * xy + c * c * xx * yy)


def conformal(x: Tensor, c: float) -> Tensor:
    """Return by how much the metric stretches lengths at points of the ball, ``2 / (1 - c |x|^2)``, (..., 1)."""
    return 2 / (1 - c * x.square().sum(-1, keepdim=True))


def exponential_at_origin(v: Tensor, c: float) -> Tensor:
    """Return where the geodesic that leaves the origin with velocity ``v`` is after unit time, (..., d)."""
    return v * _tanh_over(math.sqrt(c) * v.norm(dim=-1, keepdim=True))


def exponential(v: Tensor, base: Tensor, c: float) -> Tensor:
    """Return where the geodesic that leaves ``base`` with velocity ``v`` is after unit time, (..., d)."""
    half = conformal(base, c) / 2
    step = v * half * _tanh_over(math.sqrt(c) * half * v.norm(dim=-1, keepdim=True))
    return mobius_add(base, step, c)


def distance(x: Tensor, y: Tensor, c: float) -> Tensor:
    """Return the length of the geodesic between points of the ball, (...,).

    As ``(2 / sqrt c) asinh(sqrt c |x - y| / sqrt((1 - c|x|^2)(1 - c|y|^2)))``: the same number as the usual
    ``(2 / sqrt c) artanh(sqrt c |(-x) + y|)``, symmetric to the last bit and without a singularity at the boundary.
    """
    gap = torch.linalg.vector_norm(x - y, dim=-1)
    if c == 0:
        return 2 * gap
    room = (1 - c * x.square().sum(-1)) * (1 - c * y.square().sum(-1))
    root = math.sqrt(c)
    return 2 / root * torch.asinh(root * gap / room.clamp_min(_TINY).sqrt())


def project(x: Tensor, c: float) -> Tensor:
    """Return points drawn back to ``(1 - 1e-3) / sqrt(c)`` of the origin, where rounding has put them further out."""
    if c == 0:
        return x
    limit = (1 - _MARGIN) / math.sqrt(c)
    norm = x.norm(dim=-1, keepdim=True).clamp_min(_TINY)
    return x * (limit / norm).clamp_max(1.0)


def clip_norm(x: Tensor, radius: float) -> Tensor:
    """Return vectors no longer than ``radius``, so that their images keep off the boundary, where gradients vanish."""
    return x * (radius / (x.norm(dim=-1, keepdim=True) + 1e-5)).clamp_max(1.0)


def rescale_gradient(x: Tensor, c: float) -> Tensor:
    """Return ``x``; gradients that pass become Riemannian ones, times ``((1 - c |x|^2) / 2)^2``."""
    still = x.detach()
    return still + (x - still) * ((1 - c * still.square().sum(-1, keepdim=True)) / 2).square()


def _tanh_over(t: Tensor) -> Tensor:
    """Return tanh(t) / t, 1 at 0."""
    small = t < 1e-4  # there the second term of the series is below float32 and its error below float64 squared
    safe = torch.where(small, torch.ones_like(t), t)
    return torch.where(small, 1 - t * t / 3, torch.tanh(safe) / safe)
