"""What named layers of any network give, read by hooks, a batch at a time, on any device."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.devices import batch_of, device_of, through
from trueneg.core.errors import InputError, missing_extra
from trueneg.core.training import on_threads, pictures

try:
    import torch
    from torch import nn
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["activations", "layer_names", "pooled", "recorded", "stages"]


def layer_names(net: nn.Module, layers: Sequence[str] | str | None) -> list[str]:
    """Return the names of layers, checked; None or "auto" are :func:`stages`.

    Raises
    ------
    InputError
        On a name the network does not have, with the nearest one it has.
    """
    if not isinstance(net, nn.Module):
        msg = f"net is of type {type(net).__name__}: give a torch.nn.Module."
        raise InputError(msg)
    if layers is None or layers == "auto":
        return stages(net)
    names = [layers] if isinstance(layers, str) else list(layers)
    known = [name for name, _ in net.named_modules() if name]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known[:8])} ..."
            msg = f"the network has no layer {name!r}; {hint}"
            raise InputError(msg)
    if not names or len(set(names)) < len(names):
        raise InputError("layers must name one layer or more, each once.")
    return names


def stages(net: nn.Module) -> list[str]:
    """Return the names of a network's main parts: the children of its body, without the last layer.

    A child that holds most of the parameters is looked into, so that wrappers do not hide the parts.
    """
    sizes = {n: sum(p.numel() for p in m.parameters()) for n, m in net.named_children()}
    names = [n for n, size in sizes.items() if size]
    if not names:
        raise InputError("the network has no children with parameters: name its layers.")
    total = sum(sizes.values())
    for name in names:
        inner = getattr(net, name)
        deep = [n for n, m in inner.named_children() if any(True for _ in m.parameters())]
        if sizes[name] > 0.6 * total and len(deep) > 1 and not isinstance(inner, nn.Linear) and len(names) <= 2:
            return [f"{name}.{n}" for n in deep]
    return names[:-1] if len(names) > 1 and isinstance(getattr(net, names[-1]), nn.Linear) else names


def pooled(value: torch.Tensor) -> torch.Tensor:
    """Return (n, d): the mean over a map (n, d, h, w) or over tokens (n, t, d); rows stay."""
    if value.ndim == 4:
        return value.mean(dim=(2, 3))
    if value.ndim == 3:
        return value.mean(dim=1)
    if value.ndim == 2:
        return value
    msg = f"a layer gives values of shape {tuple(value.shape)}: rows, tokens or maps can be read."
    raise InputError(msg)


@contextmanager
def recorded(net: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Fill a dict with the pooled values of layers at each call of the network inside of the block.

    Gradients flow through them; the hooks are gone afterwards, whatever happens.
    """
    found: dict[str, torch.Tensor] = {}
    parts = dict(net.named_modules())

    def keep(name: str) -> Any:
        def hook(module: nn.Module, given: Any, value: Any) -> None:
            found[name] = pooled(value[0] if isinstance(value, tuple) else value)

        return hook

    handles = [parts[name].register_forward_hook(keep(name)) for name in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def activations(
    net: nn.Module,
    X: Any,
    layers: Sequence[str] | str | None = None,
    *,
    device: str = "cpu",
    batch_size: int = 256,
) -> Iterator[tuple[slice, dict[str, NDArray[np.float32]]]]:
    """Yield the pooled values of layers for each batch: nothing of all rows is ever held.

    Parameters
    ----------
    net : torch.nn.Module
        Put into evaluation mode and onto ``device``.
    X : array-like or tensor of shape (n, ...)
        uint8 pixels become [0, 1]; pictures may have their channels last.
    layers : sequence of str, str or None, default=None
        Names as in ``net.named_modules()``; None: :func:`stages`.
    device : str, default="cpu"
        Where to compute.
    batch_size : int, default=256
        Rows at a time.

    Yields
    ------
    slice
        Of the rows.
    dict of str to ndarray of float32 of shape (b, d)
        By layer. The network's own output is under the empty name.
    """
    names = layer_names(net, layers)
    images = pictures(X)
    net.to(device_of(device)).eval()
    for start in range(0, len(images), batch_size):
        part = slice(start, min(start + batch_size, len(images)))
        with torch.inference_mode(), on_threads(1 if device == "cpu" else torch.get_num_threads()):
            with recorded(net, names) as found:
                out = through(net, batch_of(net, images[part], device))
            missed = [name for name in names if name not in found]
            if missed:
                msg = f"layer {missed[0]!r} is not used by the network's forward: name another one."
                raise InputError(msg)
            values = {name: found[name].float().cpu().numpy() for name in names}
            values[""] = out.float().cpu().numpy()
        yield part, values
