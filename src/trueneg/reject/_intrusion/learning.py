"""How the deep detectors learn: layers in torch, through the one trainer, and back as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "vision")

from trueneg.core.training import Recipe, seeded, train

__all__ = ["arrays_of", "layers_of", "teach_labels", "teach_rebuilding"]

Progress = Callable[[str, int, int], None]


def layers_of(sizes: Sequence[int], rng: np.random.Generator) -> list[Any]:
    """Return the linear layers between widths, He's start, drawn on the CPU so that every device starts alike."""
    found = []
    with seeded(int(rng.integers(2**31))):
        for a, b in zip(sizes[:-1], sizes[1:], strict=True):
            layer: Any = nn.Linear(a, b)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            found.append(layer)
    return found


def teach_rebuilding(
    settings: Any,
    encoder: Sequence[Any],
    decoder: Sequence[Any],
    rows: NDArray[np.float32],
    epochs: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> None:
    """Teach layers to rebuild rows from a sparse code, in place."""
    net = _Rebuilding(_stack(encoder), nn.Sequential(_stack(decoder[:-1]), decoder[-1]), settings.sparsity)
    _teach(settings, net, rows, np.zeros(len(rows)), lambda out, target, which: out, epochs, rng, progress)


def teach_labels(
    settings: Any,
    layers: Sequence[Any],
    rows: NDArray[np.float32],
    attack: NDArray[np.bool_],
    rng: np.random.Generator,
    progress: Progress | None,
) -> None:
    """Teach layers the log odds of an attack, with dropout after each but the last, in place."""
    net = nn.Sequential(_stack(layers[:-1], settings.dropout), layers[-1], nn.Flatten(0))

    def loss(out: torch.Tensor, target: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(out, target.float())

    _teach(settings, net, rows, attack, loss, settings.epochs, rng, progress)


def arrays_of(layers: Sequence[Any]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return (weight, bias) of each layer, inputs in rows; InputError where training diverged."""
    found = [
        tuple(np.ascontiguousarray(part.detach().cpu().numpy()) for part in (layer.weight.T, layer.bias))
        for layer in layers
    ]
    if not all(np.isfinite(part).all() for layer in found for part in layer):
        raise InputError("training diverged: lower learning_rate, or scale the features (FlowEncoder does).")
    return found  # type: ignore[return-value]


class _Rebuilding(nn.Module):
    """Gives each row the loss of a sparse autoencoder: what it misses of the row, and how much code it uses."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, sparsity: float) -> None:
        super().__init__()
        self.encoder, self.decoder, self.sparsity = encoder, decoder, sparsity

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        code = self.encoder(rows)
        gap = self.decoder(code) - rows
        return gap.square().mean(1) + self.sparsity * code.abs().mean(1)


def _stack(layers: Sequence[Any], dropout: float = 0.0) -> nn.Sequential:
    """Return the layers with a rectifier after each."""
    parts: list[nn.Module] = []
    for layer in layers:
        parts += [layer, nn.ReLU(), nn.Dropout(dropout)] if dropout else [layer, nn.ReLU()]
    return nn.Sequential(*parts)


def _teach(
    settings: Any,
    net: nn.Module,
    rows: NDArray[np.float32],
    target: Any,
    loss: Any,
    epochs: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> None:
    """Adam over shuffled batches, the step size falling to nothing along a cosine."""
    recipe = Recipe(
        epochs=epochs,
        batch_size=settings.batch_size,
        optimizer="adam",
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup=0.0,
        floor=0.0,
    )
    told = None if progress is None else lambda _, done, total: progress("network", done, total)
    train(net, rows, target, recipe=recipe, loss=loss, device=settings.device, random_state=rng, progress=told)
