"""The step on the input, towards the nearest class of each layer, before it is scored there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trueneg.core.activations import recorded
from trueneg.core.devices import batch_of, evaluating, steps_of, through, unwrapped
from trueneg.core.errors import InputError
from trueneg.core.training import on_threads
from trueneg.reject._mahalanobis.gaussian import Gaussians

__all__ = ["stepped_scores"]


def stepped_scores(model: Any, images: torch.Tensor, eps: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the scores at each layer after its own step (n, n_layers), and the class at the last one (n,).

    At each layer ``x' = x - eps * sign(grad_x 1/2 d^2(f(x), mu_c))`` with c the nearest class at x, sign(0) being 1 as
    in the authors' code; the nearest class is looked for again at x'.
    """
    net, device = unwrapped(model.net), model.device
    out = np.empty((len(images), len(model.layers_)))
    place = np.empty(len(images), np.int64)
    with evaluating(net, device), on_threads(1 if device == "cpu" else torch.get_num_threads()):
        std = _scale(model.input_std, images, device)
        for start in steps_of(len(images), model.batch_size):
            part = slice(start, start + model.batch_size)
            batch = batch_of(net, images[part], device)
            for j, name in enumerate(model.layers_):
                found = model.gaussians_[j]
                moved = batch + (_step(net, batch, name, found, eps) / std).to(batch.dtype)
                with torch.inference_mode(), recorded(net, [name]) as kept:
                    through(net, moved)
                out[part, j], place[part] = found.score(kept[name].float().cpu().numpy())
    return out, place


def _scale(input_std: Any, images: torch.Tensor, device: Any) -> torch.Tensor:
    """Return what the step is divided by: 1, or one number a channel, the dimension after the rows."""
    if input_std is None:
        return torch.ones((), device=device)
    std = torch.as_tensor(np.asarray(input_std, dtype=np.float32).reshape(-1), device=device)
    if images.ndim < 2 or len(std) not in (1, images.shape[1]) or not bool(((std > 0) & torch.isfinite(std)).all()):
        msg = f"input_std={input_std!r} for rows of shape {tuple(images.shape[1:])}: give one number above 0 a channel."
        raise InputError(msg)
    return std.reshape(1, -1, *(1,) * (images.ndim - 2))


def _step(net: torch.nn.Module, batch: torch.Tensor, name: str, found: Gaussians, eps: float) -> torch.Tensor:
    x = batch.detach().clone().requires_grad_(True)
    with torch.enable_grad(), recorded(net, [name]) as kept:
        through(net, x)
        value = kept[name].double()
        center, matrix, means = (
            torch.as_tensor(a).double().to(value.device) for a in (found.center, found.matrix, found.means)
        )
        white = (value - center) @ matrix
        nearest = (white @ means.T - means.square().sum(1) / 2).argmax(1)
        distance = (white - means[nearest]).square().sum() / 2
        (gradient,) = torch.autograd.grad(distance, x)
    return torch.where(gradient >= 0, -eps, eps)
