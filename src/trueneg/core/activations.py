"""What named layers of any network give, read by hooks, a batch at a time, on any device."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.devices import batch_of, evaluating, parts_of, steps_of, tensor_of, through, unwrapped
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
        On a name the network does not have, with the nearest one it has; on what is no network, or TorchScript.
    """
    if not isinstance(net, nn.Module):
        msg = f"net is of type {type(net).__name__}: give a torch.nn.Module."
        raise InputError(msg)
    if isinstance(unwrapped(net), torch.jit.ScriptModule):
        raise InputError("layers of TorchScript cannot be read: give the network that it was made of.")
    if layers is None or layers == "auto":
        return stages(net)
    names = [layers] if isinstance(layers, str) else list(layers)
    known = list(parts_of(net))
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

    A child that holds most of the parameters is looked into, and one that holds all of them is passed through, so that
    wrappers do not hide the parts.
    """
    net, path = unwrapped(net), ""
    while True:
        sizes = {n: sum(p.numel() for p in m.parameters()) for n, m in net.named_children()}
        names = [n for n, size in sizes.items() if size]
        if not names:
            raise InputError("the network has no children with parameters: name its layers.")
        inner = getattr(net, names[0])
        if len(names) > 1 or not any(True for m in inner.children() for _ in m.parameters()):
            break
        net, path = inner, f"{path}{names[0]}."
    total, parts = sum(sizes.values()), []
    for name in names:
        deep = [n for n, m in getattr(net, name).named_children() if any(True for _ in m.parameters())]
        most = len(names) <= 2 and sizes[name] > 0.6 * total and len(deep) > 1
        parts += [f"{name}.{n}" for n in deep] if most else [name]
    if len(parts) > 1 and _is_head(net.get_submodule(parts[-1])):
        parts.pop()
    return [path + part for part in parts]


def _is_head(part: nn.Module) -> bool:
    """Tell whether a part's weights are those of one linear layer: what it gives are logits, not features."""
    own = [m for m in part.modules() if next(m.parameters(recurse=False), None) is not None]
    return len(own) == 1 and isinstance(own[0], nn.Linear)


_SIGNALS = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
)
_TOKENS = (nn.Linear, nn.LayerNorm, nn.MultiheadAttention, nn.RNNBase, nn.Embedding)


def pooled(value: torch.Tensor, layer: nn.Module | None = None) -> torch.Tensor:
    """Return (n, d): the mean over a map (n, d, h, w) or volume (n, d, t, h, w), or over tokens (n, t, d); rows stay.

    Parameters
    ----------
    value : Tensor
        What a layer gives.
    layer : torch.nn.Module or None, default=None
        Which one: where the last of its parts that tells is a convolution or a batch norm, three dimensions are
        (n, d, t), and not tokens.
    """
    if value.ndim in (4, 5):
        return value.mean(dim=tuple(range(2, value.ndim)))
    if value.ndim == 3:
        told = [m for m in ([] if layer is None else layer.modules()) if isinstance(m, _SIGNALS + _TOKENS)]
        return value.mean(dim=2 if told and isinstance(told[-1], _SIGNALS) else 1)
    if value.ndim in (1, 2):
        return value.reshape(len(value), -1)
    msg = f"a layer gives values of shape {tuple(value.shape)}: rows, tokens, maps or volumes can be read."
    raise InputError(msg)


@contextmanager
def recorded(net: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Fill a dict with the pooled values of layers at each call of the network inside of the block.

    A layer that gives a tuple, a list or a mapping counts with its first tensor, and one that is called several times
    with its last call. Gradients flow through them; the hooks are gone afterwards, whatever happens.
    """
    found: dict[str, torch.Tensor] = {}
    parts = parts_of(net)

    def keep(name: str) -> Any:
        def hook(module: nn.Module, given: Any, value: Any) -> None:
            found[name] = pooled(tensor_of(value), module)

        return hook

    handles: list[Any] = []
    try:
        for name in layers:
            handles.append(parts[name].register_forward_hook(keep(name)))  # noqa: PERF401 - kept where the next fails
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
        Put onto ``device``; in evaluation mode until the last batch, and as it was afterwards. Of one that
        ``torch.compile`` or ``DataParallel`` wraps, the network inside is run.
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
        By layer. The network's own output is under the empty name, where it is a tensor or holds one.

    Raises
    ------
    InputError
        On layers that are not there, not used, or give no row for each row.
    """
    names = layer_names(net, layers)
    images = pictures(X)
    inner = unwrapped(net)
    with evaluating(inner, device):
        for start in steps_of(len(images), batch_size):
            part = slice(start, min(start + batch_size, len(images)))
            with torch.inference_mode(), on_threads(1 if device == "cpu" else torch.get_num_threads()):
                with recorded(net, names) as found:
                    out = through(inner, batch_of(inner, images[part], device))
                values = {name: _read(found, name, part) for name in names}
                if not _is_empty(out):
                    values[""] = tensor_of(out).float().cpu().numpy()
            yield part, values


def _read(found: dict[str, torch.Tensor], name: str, part: slice) -> NDArray[np.float32]:
    if name not in found:
        msg = f"layer {name!r} is not used by the network's forward: name another one."
        raise InputError(msg)
    rows, n = found[name], part.stop - part.start
    if len(rows) != n:
        msg = f"layer {name!r} gives {len(rows)} rows for {n}: name one that keeps rows first and apart."
        raise InputError(msg)
    values = np.asarray(rows.float().cpu().numpy())
    if not np.isfinite(values).all():
        first = part.start + int((~np.isfinite(values).all(axis=1)).argmax())
        msg = (
            f"layer {name!r} gives NaN or infinity for row {first}: the network's weights or their type do not hold it."
        )
        raise InputError(msg)
    return values


def _is_empty(out: Any) -> bool:
    try:
        tensor_of(out)
    except InputError:
        return True
    return False
