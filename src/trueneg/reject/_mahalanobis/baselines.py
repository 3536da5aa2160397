"""What Mahalanobis is compared with: ODIN on the logits, and the local intrinsic dimension of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from trueneg.core.activations import activations, layer_names
from trueneg.core.devices import batch_of, evaluating, steps_of, tensor_of, through
from trueneg.core.errors import InputError
from trueneg.core.rows import array_of, as_given
from trueneg.core.training import on_threads, pictures

__all__ = ["LidDetector", "local_dimension", "odin_scores"]


def odin_scores(
    net: Any,
    X: Any,
    *,
    temperature: float = 1000.0,
    eps: float = 0.0014,
    device: str = "cpu",
    batch_size: int = 256,
) -> Any:
    """Largest softmax probability at a high temperature, after a step on the input that raises it.

    Parameters
    ----------
    net : torch.nn.Module
        Gives logits.
    X : array-like of shape (n, ...)
        Its inputs.
    temperature : float, default=1000.0
        Divides the logits.
    eps : float, default=0.0014
        Step, in the units of the input; the paper chooses it on unknown rows.
    device, batch_size
        As elsewhere.

    Returns
    -------
    ndarray of float64 of shape (n,), or tensor where X is one
        Higher = more familiar; minus log-probability of not being the answer cannot be told at this temperature, so it
        is the log-probability itself.

    References
    ----------
    Liang, Li and Srikant (2018), "Enhancing the reliability of out-of-distribution image detection".
    """
    if not (0 < temperature < np.inf and 0 <= eps < np.inf):
        msg = f"temperature={temperature!r}, eps={eps!r}: give a temperature above 0 and a step of 0 or more."
        raise InputError(msg)
    images, found = pictures(X), []

    def logits(x: torch.Tensor) -> torch.Tensor:
        return tensor_of(through(net, x))

    threads = 1 if device == "cpu" else torch.get_num_threads()
    with evaluating(net, device), on_threads(threads), torch.enable_grad():
        for start in steps_of(len(images), batch_size):
            x = batch_of(net, images[start : start + batch_size], device).requires_grad_(True)
            if eps:
                best = torch.log_softmax(logits(x) / temperature, 1).max(1).values
                (gradient,) = torch.autograd.grad(-best.sum(), x)
                x = x - eps * torch.where(gradient >= 0, 1.0, -1.0)
            with torch.no_grad():
                found.append(torch.log_softmax(logits(x).double() / temperature, 1).max(1).values.cpu().numpy())
    return as_given(np.concatenate(found) if found else np.zeros(0), X)


def local_dimension(X: ArrayLike, reference: ArrayLike, *, k: int = 20) -> Any:
    """Return the local intrinsic dimension of rows among reference rows, by maximum likelihood.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows.
    reference : array-like of shape (m, d)
        Rows of known classes; a distance of 0 (the row itself) is left out.
    k : int, default=20
        Neighbours, fewer than m.

    Returns
    -------
    ndarray of float64 of shape (n,)
        ``-k / sum_i log(d_i / d_k)``; infinite where all k are equally far.

    References
    ----------
    Ma et al. (2018), "Characterizing adversarial subspaces using local intrinsic dimensionality".
    """
    rows, known = np.asarray(array_of(X), np.float64), np.asarray(array_of(reference), np.float64)
    fits = rows.ndim == known.ndim == 2 and rows.shape[1] == known.shape[1]
    if not fits or not (np.isfinite(rows).all() and np.isfinite(known).all()):
        msg = f"X of shape {rows.shape} among rows of shape {known.shape}: give finite numbers (n, d) and (m, d)."
        raise InputError(msg)
    if not isinstance(k, int | np.integer) or not 2 <= k < len(known):
        msg = f"k={k!r} with {len(known)} reference rows: give 2 neighbours or more, and fewer than there are rows."
        raise InputError(msg)
    center = known.mean(axis=0)
    rows, known = rows - center, known - center
    squares, out = np.square(known).sum(axis=1), np.empty(len(rows))
    for start in range(0, len(rows), 1024):
        part = rows[start : start + 1024]
        own = np.square(part).sum(axis=1)[:, None]
        d = np.maximum(own + squares - 2 * part @ known.T, 0.0)
        d[d <= 1e-12 * (own + squares)] = np.inf
        near = np.sort(np.partition(d, k - 1, axis=1)[:, :k], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(near / near[:, -1:]) / 2
        total = np.where(np.isfinite(logs), logs, 0.0).sum(axis=1)
        with np.errstate(divide="ignore"):
            out[start : start + 1024] = np.where(total < 0, -k / np.minimum(total, -1e-300), np.inf)
    return as_given(out, X)


class LidDetector:
    """Local intrinsic dimension at each layer of a network; answers ``layer_scores`` as the Gaussians do.

    Parameters
    ----------
    net : torch.nn.Module
        Whose layers are read.
    layers : sequence of str or None, default=None
        None: the main parts.
    k : int, default=20
        Neighbours; the paper chooses among 10, 20, ..., 90 on validation rows.
    n_reference : int, default=1000
        Rows kept to look for neighbours among.
    device : str, default="cpu"
        Of the network.
    random_state : int, Generator or None, default=None
        Which rows are kept.
    """

    def __init__(
        self,
        net: Any,
        *,
        layers: Sequence[str] | None = None,
        k: int = 20,
        n_reference: int = 1000,
        device: str = "cpu",
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        self.net, self.layers, self.k, self.n_reference = net, layers, k, n_reference
        self.device, self.random_state = device, random_state

    def fit(self, X: Any, y: ArrayLike | None = None) -> LidDetector:
        """Keep what the layers give for a sample of X."""
        self.layers_ = layer_names(self.net, self.layers)
        images, rng = pictures(X), np.random.default_rng(self.random_state)
        picked = np.sort(rng.permutation(len(images))[: self.n_reference])
        self.reference_ = self._values(images[picked])
        return self

    def layer_scores(self, X: Any, *, eps: float = 0.0) -> Any:
        """Return minus the logarithm of the local dimension at each layer (n, n_layers); it takes no step."""
        if not hasattr(self, "reference_"):
            raise InputError("this LidDetector is not fitted: call fit with rows of known classes.")
        if eps:
            raise InputError("the local dimension has no input preprocessing: leave eps at 0.")
        pairs = zip(self._values(X), self.reference_, strict=True)
        found = np.column_stack([-np.log(local_dimension(rows, known, k=self.k)) for rows, known in pairs])
        return as_given(np.maximum(found, -50.0), X)

    def _values(self, X: Any) -> list[NDArray[Any]]:
        batches = [v for _, v in activations(self.net, X, self.layers_, device=self.device)]
        return [np.concatenate([v[name] for v in batches]) for name in self.layers_]
