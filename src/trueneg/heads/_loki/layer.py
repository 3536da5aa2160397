"""The rule as the last layer of a network, to be trained through in four ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trueneg.core.errors import InputError, missing_extra
from trueneg.heads._loki.space import MetricLabelSpace

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["FrechetLayer"]

_WAYS = ("exact", "straight-through", "negative-identity", "polytope")


class FrechetLayer(nn.Module):
    """Takes probabilities of the observed labels (n, k) to all labels (n, K), differentiably.

    Parameters
    ----------
    space : MetricLabelSpace
        All K labels and their distances.
    observed : array-like of shape (k,) or None, default=None
        The labels of the columns; all of ``space.labels`` by default.
    backward : {"exact", "straight-through", "negative-identity", "polytope"}, default="exact"
        "exact" gives minus the expected squared distances, logits for a cross-entropy. The others give the Frechet
        mean itself, one-hot, and a gradient in its place, since its own is zero: that of the probabilities
        ("straight-through"), of minus the expected squared distances, what all labels share taken off
        ("negative-identity"), or of these after a gradient step from the answer and back onto the simplex ("polytope").
    step : float, default=1.0
        Length of the step of "polytope", above 0.

    Attributes
    ----------
    labels : ndarray of shape (K,)
        Those of the columns of the output, ``space.labels``.

    Raises
    ------
    InputError
        On an unknown way, a step that is not above 0, labels without a distance, and columns that are not k.

    Notes
    -----
    It is for networks whose k outputs are given. Where there are rows of all K labels, give each its output and answer
    by :func:`frechet_predict`: on 20 newsgroups that has half the squared distance of 8 outputs trained through the
    layer (6.4 against 11 to 13; 15 without training through).

    Holds k x K squared distances in float32 and moves with ``to``; for more labels than some thousands train without
    it and predict by :func:`frechet_predict`. Distances are as they are: divide lengths by their mean, or scale the
    logits, where a cross-entropy of "exact" is too sharp.

    References
    ----------
    Roberts et al. (2023), arXiv 2307.12226, whose variants these are; Sahoo et al. (2023), arXiv 2205.15213, the
    identity as a gradient; Peng, Thomson and Smith (2018), arXiv 1805.04658, the projected step (SPIGOT).
    """

    squares: Tensor
    at: Tensor

    def __init__(
        self,
        space: MetricLabelSpace,
        observed: ArrayLike | None = None,
        *,
        backward: str = "exact",
        step: float = 1.0,
    ) -> None:
        super().__init__()
        if backward not in _WAYS:
            msg = f"backward={backward!r}: choose {', '.join(_WAYS)}."
            raise InputError(msg)
        if not step > 0:
            msg = f"step={step!r}: give a number above 0."
            raise InputError(msg)
        names = space.labels if observed is None else np.asarray(observed)
        self.labels, self.backward_, self.step = space.labels, backward, float(step)
        squares = np.ascontiguousarray(space.squared_distances(names).T, dtype=np.float32)
        self.register_buffer("squares", torch.from_numpy(squares))
        self.register_buffer("at", torch.from_numpy(space.places(names)))

    def forward(self, proba: Tensor) -> Tensor:
        """Return minus the expected squared distances, or the Frechet means one-hot, (n, K)."""
        if proba.ndim != 2 or proba.shape[1] != len(self.at):
            msg = f"proba has shape {tuple(proba.shape)}: give one column for each of the {len(self.at):,} labels."
            raise InputError(msg)
        squares = self.squares.to(proba.dtype)
        if self.backward_ == "exact":
            return -(proba @ squares)
        found: Tensor = _Mean.apply(proba, squares, self.at, self.backward_, self.step)
        return found

    def extra_repr(self) -> str:
        """Return the sizes and the way."""
        return f"{self.squares.shape[0]} -> {self.squares.shape[1]}, backward={self.backward_!r}"


class _Mean(torch.autograd.Function):
    """The Frechet mean, one-hot, with a gradient in place of its own."""

    @staticmethod
    def forward(ctx: Any, proba: Tensor, squares: Tensor, at: Tensor, way: str, step: float) -> Tensor:
        """Return one-hot answers; the first of equals."""
        best = (proba @ squares).argmin(dim=1)
        answer = torch.zeros(len(proba), squares.shape[1], dtype=proba.dtype, device=proba.device)
        answer.scatter_(1, best[:, None], 1.0)
        ctx.save_for_backward(answer, squares, at)
        ctx.way, ctx.step = way, step
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the probabilities."""
        (grad,) = grads
        answer, squares, at = ctx.saved_tensors
        if ctx.way == "straight-through":
            return grad[:, at], None, None, None, None
        if ctx.way == "polytope":
            grad = answer - _onto_simplex(answer - ctx.step * grad)
        else:
            grad = grad - grad.mean(dim=1, keepdim=True)  # what all labels share moves no answer
        return -(grad @ squares.T), None, None, None, None


def _onto_simplex(points: Tensor) -> Tensor:
    """Return the nearest probabilities to each row (n, K); by sorting, exactly."""
    ranked = points.sort(dim=1, descending=True).values
    over = ranked.cumsum(dim=1) - 1
    count = torch.arange(1, points.shape[1] + 1, device=points.device, dtype=points.dtype)
    last = (ranked * count > over).sum(dim=1, keepdim=True)
    return (points - over.gather(1, last - 1) / last).clamp_min(0.0)
