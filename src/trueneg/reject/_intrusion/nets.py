"""The deep detectors: a network on attacks and normal flows, and a sparse autoencoder on normal flows alone.

Both are trained with torch and scored with NumPy: a fitted one is a list of weight matrices and biases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = ["FlowNetwork", "SparseAutoencoder", "forward"]

_ROWS = 8192  # rows whose hidden layers are held at once
Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
Progress = Callable[[str, int, int], None]


def forward(layers: Layers, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the last layer's output (n, k): ReLU between layers, none after the last."""
    for i, (weight, bias) in enumerate(layers):
        X = X @ weight
        X += bias
        if i < len(layers) - 1:
            np.maximum(X, 0.0, out=X)
    return X


class FlowNetwork:
    """Tells attacks from normal flows: hidden layers, first taught to rebuild the flows sparsely, then to label them.

    Parameters
    ----------
    hidden : sequence of int, default=(128, 64, 32)
        Units of the hidden layers.
    dropout : float, default=0.2
        Share of hidden units left out in training.
    pretrain : int, default=5
        Passes of the sparse autoencoder whose encoder the network starts from; 0 for none.
    epochs : int, default=15
        Passes over the rows.
    sparsity : float, default=1e-3
        Weight of the mean absolute code in pretraining.
    batch_size, learning_rate, weight_decay : int, float, float
        Of Adam, its decay decoupled.
    device : str, default="cpu"
        Where torch trains.
    random_state : int or None, default=None
        Of weights, batches and dropout.

    Attributes
    ----------
    layers_ : list of (weight, bias)
        Float32, in order.
    """

    needs_attacks = True

    def __init__(
        self,
        hidden: Sequence[int] = (128, 64, 32),
        *,
        dropout: float = 0.2,
        pretrain: int = 5,
        epochs: int = 15,
        sparsity: float = 1e-3,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-5,
        device: str = "cpu",
        random_state: int | None = None,
    ) -> None:
        self.hidden, self.dropout, self.pretrain, self.epochs = tuple(hidden), dropout, pretrain, epochs
        self.sparsity, self.batch_size = sparsity, batch_size
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.device, self.random_state = device, random_state

    def fit(
        self, X: NDArray[np.float32], attack: NDArray[np.bool_], *, progress: Progress | None = None
    ) -> FlowNetwork:
        """Learn from rows (n, d) and which of them are attacks (n,)."""
        from trueneg.reject._intrusion.learning import arrays_of, layers_of, teach_labels, teach_rebuilding

        _settings(self)
        if not (attack.any() and (~attack).any()):
            raise InputError("the network needs both attacks and normal flows; without attacks use 'autoencoder'.")
        rng = np.random.default_rng(self.random_state)
        encoder = layers_of((X.shape[1], *self.hidden), rng)
        if self.pretrain:
            back = layers_of((*reversed(self.hidden), X.shape[1]), rng)
            teach_rebuilding(self, encoder, back, X, self.pretrain, rng, progress)
        layers = [*encoder, *layers_of((self.hidden[-1], 1), rng)]
        teach_labels(self, layers, X, attack, rng, progress)
        self.layers_: Layers = arrays_of(layers)
        return self

    def score_samples(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log odds of being normal (n,)."""
        return -_blocks(X, lambda rows: forward(self.layers_, rows)[:, 0])


class SparseAutoencoder:
    """Learns to rebuild normal flows from a small sparse code; what it rebuilds badly is unfamiliar.

    Parameters
    ----------
    hidden : sequence of int, default=(64, 16)
        Units of the encoder's layers, the code last; the decoder mirrors them.
    sparsity : float, default=1e-3
        Weight of the mean absolute code.
    epochs, batch_size, learning_rate, weight_decay, device, random_state
        As in :class:`FlowNetwork`.

    Attributes
    ----------
    layers_ : list of (weight, bias)
        Float32, encoder and decoder in order.
    """

    needs_attacks = False
    dropout = 0.0

    def __init__(
        self,
        hidden: Sequence[int] = (64, 16),
        *,
        sparsity: float = 1e-3,
        epochs: int = 20,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-5,
        device: str = "cpu",
        random_state: int | None = None,
    ) -> None:
        self.hidden, self.sparsity, self.epochs, self.batch_size = tuple(hidden), sparsity, epochs, batch_size
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.device, self.random_state = device, random_state

    def fit(self, X: NDArray[np.float32], attack: Any = None, *, progress: Progress | None = None) -> SparseAutoencoder:
        """Learn from normal rows (n, d); rows that are attacks are left out."""
        from trueneg.reject._intrusion.learning import arrays_of, layers_of, teach_rebuilding

        _settings(self)
        rows = X if attack is None else X[~np.asarray(attack, dtype=bool)]
        rng = np.random.default_rng(self.random_state)
        sizes = (X.shape[1], *self.hidden)
        encoder, decoder = layers_of(sizes, rng), layers_of((*reversed(sizes),), rng)
        teach_rebuilding(self, encoder, decoder, rows, self.epochs, rng, progress)
        self.layers_: Layers = arrays_of([*encoder, *decoder])
        return self

    def score_samples(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return minus the mean squared error of rebuilding each row (n,)."""

        def familiar(rows: NDArray[np.float32]) -> NDArray[np.float32]:
            gap = forward(self.layers_, rows)
            gap -= rows
            return -np.einsum("ij,ij->i", gap, gap) / np.float32(rows.shape[1])

        return _blocks(X, familiar)


def _blocks(X: NDArray[np.float32], score: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> NDArray[np.float32]:
    out = np.empty(len(X), dtype=np.float32)
    for start in range(0, len(X), _ROWS):
        out[start : start + _ROWS] = score(X[start : start + _ROWS])
    return out


def _settings(net: FlowNetwork | SparseAutoencoder) -> None:
    if not net.hidden or min(net.hidden) < 1:
        msg = f"hidden={net.hidden!r}: give at least one layer of one unit."
        raise InputError(msg)
    if net.epochs < 1 or net.batch_size < 2:
        msg = f"epochs={net.epochs}, batch_size={net.batch_size}: give 1 or more epochs, and 2 or more rows a batch."
        raise InputError(msg)
    if not 0 <= net.dropout < 1:
        msg = f"dropout={net.dropout!r}: give a share from 0 up to, not including, 1."
        raise InputError(msg)
