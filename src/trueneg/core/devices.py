"""A batch to any network on any device: the device that is named, the type of its weights, and errors in one line."""

from __future__ import annotations

from typing import Any

from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import nn
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["batch_of", "device_of", "through"]


def device_of(name: str | torch.device) -> torch.device:
    """Return a device by its name.

    Raises
    ------
    InputError
        Where there is none of that name here.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        msg = f"device={name!r} is not here ({why}): name one that torch finds, such as 'cpu'."
        raise InputError(msg) from error
    return device


def batch_of(net: Any, batch: torch.Tensor, device: Any) -> torch.Tensor:
    """Return rows as a network takes them: on its device, of the type of its weights, pixels in [0, 1].

    Whole numbers stay what they are where the network begins with an embedding: they are tokens.

    Parameters
    ----------
    net : torch.nn.Module or method of one
        Whose weights have a type; float32 where there are none.
    batch : Tensor of shape (b, ...)
        uint8 counts as 0 to 255.
    device : str or torch.device
        Where the network is.
    """
    module = net if isinstance(net, nn.Module) else getattr(net, "__self__", None)
    weights = [p for p in module.parameters() if p.is_floating_point()] if isinstance(module, nn.Module) else []
    kind = weights[0].dtype if weights else torch.float32
    if batch.dtype == torch.uint8:
        return (batch.to(device).float() / 255).to(kind)
    if not batch.is_floating_point() and isinstance(module, nn.Module):
        first = next((m for m in module.modules() if next(m.parameters(recurse=False), None) is not None), None)
        if isinstance(first, nn.Embedding | nn.EmbeddingBag):
            return batch.to(device)
    return batch.to(device, kind)


def through(net: Any, batch: torch.Tensor) -> Any:
    """Return what a network gives for a batch; InputError where its layers do not fit the rows."""
    try:
        return net(batch)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, IndexError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        msg = f"the network does not take rows of shape {tuple(batch.shape[1:])} and type {batch.dtype}: {why}"
        raise InputError(msg) from error
