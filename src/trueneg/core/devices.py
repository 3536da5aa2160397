"""A batch to any network on any device: the device that is named, the type of its weights, and errors in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import nn
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["batch_of", "device_of", "evaluating", "parts_of", "steps_of", "tensor_of", "through", "unwrapped"]


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


@contextmanager
def evaluating(net: nn.Module, device: Any) -> Iterator[nn.Module]:
    """Put a network onto a device, and into evaluation mode inside of the block: each part has its own mode afterwards.

    Raises
    ------
    InputError
        On what is no network, or one whose weights were never loaded.
    """
    if not isinstance(net, nn.Module):
        msg = f"net is of type {type(net).__name__}: give a torch.nn.Module."
        raise InputError(msg)
    if any(t.is_meta for t in (*net.parameters(), *net.buffers())):
        raise InputError("the network is on the meta device and has no weights yet: load them first.")
    modes = [(part, part.training) for part in net.modules()]
    net.to(device_of(device)).eval()
    try:
        yield net
    finally:
        for part, mode in modes:
            part.training = mode


def unwrapped(net: nn.Module) -> nn.Module:
    """Return the network inside of ``torch.compile`` and of what spreads it over devices."""
    while (names := [name for name, _ in net.named_children()]) in (["_orig_mod"], ["module"]):
        net = getattr(net, names[0])
    return net


def parts_of(net: nn.Module) -> dict[str, nn.Module]:
    """Return the parts of a network by name; those of a wrapped one have the names without the wrapper as well."""
    inner = {name: part for name, part in unwrapped(net).named_modules() if name}
    return inner | {name: part for name, part in net.named_modules() if name}


def tensor_of(value: Any) -> torch.Tensor:
    """Return the tensor in what a network or a layer gives: logits of a mapping, else the first of what is in it.

    Raises
    ------
    InputError
        Where there is none.
    """
    found = value
    while not isinstance(found, torch.Tensor):
        if isinstance(found, Mapping):
            found = found.get("logits", next(iter(found.values()), None))
        elif isinstance(found, tuple | list):
            found = found[0] if found else None
        else:
            kind = "nothing" if value is None else f"a {type(value).__name__} without a tensor in it"
            msg = f"the network, or a layer of it, gives {kind}: give one that returns a tensor first."
            raise InputError(msg)
    return found


def steps_of(n: int, batch_size: Any) -> range:
    """Return where the batches of n rows start; InputError on a batch of no row."""
    if not isinstance(batch_size, int) or batch_size < 1:
        msg = f"batch_size={batch_size!r}: give 1 row or more at a time."
        raise InputError(msg)
    return range(0, n, batch_size)


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
