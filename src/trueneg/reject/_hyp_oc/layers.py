"""The hyperbolic head, what stands in for negatives, and the loss that pulls pairs together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trueneg.core.errors import InputError, missing_extra
from trueneg.reject._hyp_oc.ball import (
    clip_norm,
    distance,
    exponential,
    exponential_at_origin,
    mobius_add,
    project,
    rescale_gradient,
)

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["OneClassNet", "PoincareMLR", "PseudoNegatives", "Steps", "ToBall", "hyperbolic_pairwise_confusion"]


class ToBall(nn.Module):
    """Euclidean features to points of the ball: clip, exponential map at a learned point, project.

    Parameters
    ----------
    dimension : int
        d.
    curvature : float, default=0.1
        c; 0 leaves features as they are, but for the clipping and a learned shift.
    clip_norm : float or None, default=2.0
        Longest feature that is let through; None lets all.
    dtype : torch.dtype, default=torch.float64
        Of the ball: in float32 points near the boundary are not told apart. Autocast leaves float64 alone.

    Notes
    -----
    Takes (n, d) of any type; gives (n, d) of ``dtype``, inside the ball, with Riemannian gradients.
    """

    def __init__(
        self,
        dimension: int,
        *,
        curvature: float = 0.1,
        clip_norm: float | None = 2.0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        self.curvature, self.clip_norm = _curved(curvature), clip_norm
        self.base = nn.Parameter(torch.zeros(dimension, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return the points, (n, d)."""
        x = x.to(self.base.dtype)
        if self.clip_norm is not None:
            x = clip_norm(x, self.clip_norm)
        c = self.curvature
        base = project(exponential_at_origin(self.base, c), c)
        return rescale_gradient(project(exponential(x, base, c), c), c)


class PoincareMLR(nn.Module):
    """Logistic regression on the ball: of each class the signed distance to a hyperplane, in closed form.

    The logit of class k is ``(lambda_p |a| / sqrt c) asinh(2 sqrt c <(-p) + x, a> / ((1 - c |(-p) + x|^2) |a|))`` with
    Moebius addition, ``p`` the exponential map of a free vector and ``a`` scaled by ``1 - c |p|^2``. Since
    ``1 - c |(-p) + x|^2`` is ``(1 - c |p|^2)(1 - c |x|^2)`` over the denominator of the sum, that denominator cancels:
    what is left are the products of x with p and a, (n, K), and no (n, K, d) is made.

    Parameters
    ----------
    dimension, n_classes : int
        d and K.
    curvature : float, default=0.1
        c; at 0 the logits are their limit, ``4 <x - p, a>``.
    dtype : torch.dtype, default=torch.float64
        Of the parameters; points are cast to it.
    """

    def __init__(
        self, dimension: int, n_classes: int, *, curvature: float = 0.1, dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__()
        self.curvature = _curved(curvature)
        reach = 1 / math.sqrt(dimension)
        self.point = nn.Parameter(torch.empty(n_classes, dimension, dtype=dtype).uniform_(-reach, reach))
        self.normal = nn.Parameter(torch.empty(n_classes, dimension, dtype=dtype).uniform_(-reach, reach))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of points of the ball, (n, K)."""
        x = x.to(self.point.dtype)
        c = self.curvature
        p = project(exponential_at_origin(self.point, c), c)
        room = 1 - c * p.square().sum(-1)  # (K,), 1 - c |p|^2
        a = self.normal * room[:, None]
        pa = (p * a).sum(-1)
        if c == 0:
            return 4 * (x @ a.T - pa)
        norm = a.norm(dim=-1).clamp_min(1e-15)
        xx = x.square().sum(-1, keepdim=True)
        lean = x @ a.T - (1 - 2 * c * (x @ p.T) + c * xx) * (pa / room)
        root = math.sqrt(c)
        return (2 / room * norm / root) * torch.asinh(2 * root * lean / ((1 - c * xx).clamp_min(1e-15) * norm))


class OneClassNet(nn.Module):
    """Multilayer perceptron in the type of the features, then the ball and the logistic layer in float64.

    Parameters
    ----------
    dimension : int
        Of the features.
    hidden : sequence of int, default=(256, 64)
        Widths; the last one is the dimension of the ball.
    curvature, clip_norm, dtype
        As in :class:`ToBall`.
    """

    def __init__(
        self,
        dimension: int,
        hidden: Sequence[int] = (256, 64),
        *,
        curvature: float = 0.1,
        clip_norm: float | None = 2.0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        widths = [dimension, *hidden]
        layers: list[nn.Module] = []
        for into, out in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(into, out), nn.ReLU()]
        self.trunk = nn.Sequential(*layers[:-1])  # the last layer is linear: the ball has all directions
        self.ball = ToBall(widths[-1], curvature=curvature, clip_norm=clip_norm, dtype=dtype)
        self.head = PoincareMLR(widths[-1], 2, curvature=curvature, dtype=dtype)

    def points(self, features: Tensor) -> Tensor:
        """Return points of the ball, (n, hidden[-1])."""
        found: Tensor = self.ball(self.trunk(features))
        return found

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of pseudo-negative and real, (n, 2)."""
        found: Tensor = self.head(self.points(features))
        return found


class PseudoNegatives(nn.Module):
    """Draws around the running mean of the features seen, to stand in for the negatives that there are none of.

    ``m <- alpha m + (1 - alpha) mean(batch)``, then ``m + sqrt(scale) * normal``: the noise is the same in every
    direction, so that no covariance is built.

    Parameters
    ----------
    dimension : int
        d.
    alpha : float, default=0.8
        Share of the past, 0 to below 1.
    scale : float, default=1.0
        Variance of the noise in each direction, above 0.
    compat : {None, "reference"}, default=None
        "reference" mixes in the mean of the previous batch alone, as the authors' code does, and ``restart`` forgets
        it; None keeps the running mean of the paper over all epochs, from the first batch on.
    """

    mean: Tensor
    seen: Tensor

    def __init__(self, dimension: int, *, alpha: float = 0.8, scale: float = 1.0, compat: str | None = None) -> None:
        super().__init__()
        if not 0 <= alpha < 1 or not scale > 0:
            msg = f"alpha={alpha!r}, noise scale={scale!r}: alpha is 0 to below 1, the scale above 0."
            raise InputError(msg)
        self.alpha, self.scale, self.compat = alpha, scale, _known(compat)
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def restart(self) -> None:
        """Tell that an epoch begins: nothing happens but under ``compat="reference"``."""
        if self.compat == "reference":
            self.mean.zero_()

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return as many draws as there are features, (n, d), of their type; no gradient passes."""
        with torch.no_grad():
            batch = features.mean(0).to(self.mean.dtype)
            if self.compat == "reference":
                centre = self.alpha * self.mean + (1 - self.alpha) * batch
                self.mean.copy_(batch)
            else:
                # The first batch is its own past: a mean that starts at 0 would take 20 steps to forget it.
                past = torch.where(self.seen, self.mean, batch)
                centre = self.alpha * past + (1 - self.alpha) * batch
                self.mean.copy_(centre)
                self.seen.fill_(True)
            noise = torch.randn(features.shape, generator=generator, dtype=features.dtype, device=features.device)
            return centre.to(features.dtype) + math.sqrt(self.scale) * noise


class Steps(nn.Module):
    """From row numbers to points of the ball: those of the rows, then as many of pseudo-negatives."""

    def __init__(self, features: Any, net: OneClassNet, negatives: PseudoNegatives, encoder: nn.Module | None) -> None:
        super().__init__()
        self.features, self.net, self.negatives, self.encoder = features, net, negatives, encoder

    def train(self, mode: bool = True) -> Steps:
        """Leave the encoder in evaluation mode: its running statistics stay as they are."""
        self.net.train(mode)
        return self

    def forward(self, at: Tensor) -> Tensor:
        """Return (2 b, hidden[-1])."""
        real = self.features(at.cpu().numpy())
        return self.net.points(torch.cat([real, self.negatives(real.detach())]))


def hyperbolic_pairwise_confusion(x: Tensor, *, curvature: float = 0.1, compat: str | None = None) -> Tensor:
    """Return the mean distance of the first half of the points to the second half, pair by pair.

    Added to a loss it pulls rows of one class together. With an odd number the last point has no partner.

    Parameters
    ----------
    x : Tensor of shape (n, d)
        Points of the ball, in random order, at least 2.
    curvature : float, default=0.1
        c; 0 is the plane, where distances are twice the usual ones.
    compat : {None, "reference"}, default=None
        "reference" takes atan for artanh and divides by the number of points, not of pairs, as the authors' code does.

    Returns
    -------
    Tensor of shape ()
        0 or more.

    Raises
    ------
    InputError
        On fewer than 2 points.
    """
    pairs = len(x) // 2
    if not pairs:
        msg = f"{len(x)} points make no pair: give 2 or more."
        raise InputError(msg)
    first, second = x[:pairs], x[pairs : 2 * pairs]
    if _known(compat) is None:
        return distance(first, second, curvature).mean()
    root = math.sqrt(_curved(curvature))
    gap = mobius_add(-first, second, curvature).norm(dim=-1)
    found = 2 * gap if root == 0 else 2 / root * torch.atan(root * gap)
    return found.sum() / len(x)


def _curved(curvature: float) -> float:
    if not (math.isfinite(curvature) and curvature >= 0):
        msg = f"curvature={curvature!r}: give c of the ball of curvature -c, 0 (flat) or above."
        raise InputError(msg)
    return float(curvature)


def _known(compat: str | None) -> str | None:
    if compat not in (None, "reference"):
        msg = f"compat={compat!r}: choose None (the paper) or 'reference' (the authors' code)."
        raise InputError(msg)
    return compat
