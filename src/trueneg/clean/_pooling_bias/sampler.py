"""Lists to train on: the labelled positives of a query beside negatives drawn from its unlabelled pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ListBatch:
    """Some lists, one a row.

    Attributes
    ----------
    pair : (b, k) int64
        Rows of the pairs; where `mask` is False, the list's own first pair, so that it can be looked up safely.
    labels : (b, k) int8
        1 labelled positive, -1 otherwise.
    mask : (b, k) bool
        Where the list has not ended.
    """

    pair: Rows
    labels: NDArray[np.int8]
    mask: NDArray[np.bool_]


class ListSampler:
    """Draw lists of labelled positives and other pairs, a batch of queries at a time.

    Every query with a labelled positive and another pair is in one list an epoch. Each iteration is a new epoch; the
    draws depend on the seed and the epoch alone.

    Parameters
    ----------
    query_ids : (n,)
        Of each pair.
    y : (n,) int
        1 labelled positive; 0 or -1 anything else.
    n_negatives : int, default=7
        Of each list, at most.
    max_positives : int, optional
        Of each list, drawn at random where there are more. Default: all.
    batch_size : int, default=16
        Lists a batch.
    weights : (n,) float, optional
        Negatives are drawn in proportion, without replacement: ``1 - false_negative_proba_`` spares suspects. A pair
        of weight 0 is never drawn.
    random_state : int, default=0
    """

    def __init__(
        self,
        query_ids: ArrayLike,
        y: ArrayLike,
        *,
        n_negatives: int = 7,
        max_positives: int | None = None,
        batch_size: int = 16,
        weights: ArrayLike | None = None,
        random_state: int = 0,
    ) -> None:
        positive = np.asarray(y) == 1
        query = np.unique(np.asarray(query_ids), return_inverse=True)[1]
        weight = np.ones(len(positive)) if weights is None else np.asarray(weights, dtype=np.float64)
        if positive.ndim != 1 or query.shape != positive.shape or weight.shape != positive.shape:
            raise InputError("query_ids, y and weights need one entry a pair")
        if not ((weight >= 0) & np.isfinite(weight)).all():
            raise InputError("weights must be finite, 0 or more")
        for name, value in (("n_negatives", n_negatives), ("max_positives", max_positives), ("batch_size", batch_size)):
            if value is not None and value < 1:
                msg = f"{name}={value!r}: give 1 or more"
                raise InputError(msg)
        use = positive | (weight > 0)
        pair = np.flatnonzero(use)
        n_positive = np.bincount(query[pair], weights=positive[pair], minlength=query.max(initial=-1) + 1)
        n_other = np.bincount(query[pair], weights=~positive[pair], minlength=len(n_positive))
        if not ((n_positive > 0) & (n_other > 0)).any():
            raise InputError("no query has a labelled positive beside another pair: there is no list to draw")
        self._ready = np.flatnonzero((n_positive > 0) & (n_other > 0))
        self._pair = pair[np.lexsort((~positive[pair], query[pair]))]  # positives first
        self._start = np.searchsorted(query[self._pair], np.arange(len(n_positive) + 1))
        self._positive, self._weight = n_positive.astype(np.int64), weight
        self.n_negatives, self.max_positives, self.batch_size = n_negatives, max_positives, batch_size
        self.random_state, self._epoch = random_state, 0

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return -(-len(self._ready) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration is, as after a restart."""
        self._epoch = int(epoch)

    def __iter__(self) -> Iterator[ListBatch]:
        """Yield the batches of an epoch."""
        rng = np.random.default_rng([self.random_state, self._epoch])
        self._epoch += 1
        order = rng.permutation(self._ready)
        for start in range(0, len(order), self.batch_size):
            yield self._batch(order[start : start + self.batch_size], rng)

    def _batch(self, query: Rows, rng: np.random.Generator) -> ListBatch:
        """Draw the lists of some queries: the smallest keys of each kind win (Efraimidis and Spirakis' draw)."""
        width = self._start[query + 1] - self._start[query]
        column = np.arange(int(width.max()))
        there = column < width[:, None]
        pair = self._pair[np.where(there, self._start[query][:, None] + column, self._start[query][:, None])]
        positive = column < self._positive[query][:, None]
        key = rng.exponential(size=pair.shape)
        key = np.where(positive, key, key / np.where(there & ~positive, self._weight[pair], 1.0))
        most = self.max_positives or int(self._positive[query].max())
        taken = [_first(key, there & kind, n) for kind, n in ((positive, most), (~positive, self.n_negatives))]
        rows = np.concatenate([np.take_along_axis(pair, at, axis=1) for at, _ in taken], axis=1)
        mask = np.concatenate([held for _, held in taken], axis=1)
        labels = np.where(np.arange(rows.shape[1]) < taken[0][0].shape[1], 1, -1)
        labels = np.where(mask, labels, -1).astype(np.int8)
        return ListBatch(np.where(mask, rows, pair[:, :1]), labels, mask)


def _first(key: NDArray[np.float64], there: NDArray[np.bool_], n: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Return the columns of the n smallest keys of each row, and which of them there are."""
    n = min(n, int(there.sum(axis=1).max()))
    at = np.argsort(np.where(there, key, np.inf), axis=1, kind="stable")[:, :n]
    return at, np.take_along_axis(there, at, axis=1)
