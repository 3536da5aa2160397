"""What ADORE does around the steps of the one small trainer: queries in any form, shares of processes, what is told."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.core.intervals import Estimate
from trueneg.mine._star_adore.adore_loss import AdoreLoss
from trueneg.mine._star_adore.errors import PairErrors, pair_errors
from trueneg.mine._star_adore.losses import global_mean
from trueneg.mine._star_adore.negatives import Staleness, staleness_of

try:
    import torch
    from torch import Tensor, distributed, nn
except ModuleNotFoundError:
    missing_extra("torch", "text")

__all__ = ["Epoch", "Queries", "Share", "Steps", "world_of"]

Progress = Callable[[str, int, int], None]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Epoch:
    """What was seen after an epoch, on a fixed sample of the training queries; epoch 0 is before training.

    Attributes
    ----------
    epoch : int
    loss : float
        Mean loss of the epoch; NaN for epoch 0.
    errors : PairErrors
        Errors of pairs over the whole collection and within the top K, and MRR@10.
    staleness : Staleness or None
        Of the first lists (those of epoch 0) under the encoder of now; None for epoch 0.
    """

    epoch: int
    loss: float
    errors: PairErrors
    staleness: Staleness | None

    def __str__(self) -> str:
        return f"epoch {self.epoch}: loss {self.loss:.4g}, {self.errors}"


class Queries:
    """Queries in any form, a batch at a time."""

    def __init__(self, given: Any) -> None:
        self.given: Any = given
        if isinstance(given, dict):
            self.given = {name: torch.as_tensor(value) for name, value in given.items()}
            sizes = {len(value) for value in self.given.values()}
            if len(sizes) != 1:
                msg = f"queries hold parts of {sorted(sizes)} rows: give as many rows of each"
                raise InputError(msg)
            self.n = sizes.pop()
        else:
            if not isinstance(given, Tensor) and (isinstance(given, np.ndarray) or not _texts(given)):
                self.given = torch.as_tensor(np.asarray(given))
            if isinstance(self.given, Tensor) and self.given.is_floating_point():
                self.given = self.given.float()
            self.n = len(self.given)
        if self.n < 2:
            msg = f"there are {self.n} queries: 2 or more are needed"
            raise InputError(msg)

    def __len__(self) -> int:
        return self.n

    def batch(self, rows: Rows, device: Any) -> Any:
        """Return some rows, tensors on a device."""
        at = torch.from_numpy(rows)
        if isinstance(self.given, dict):
            return {name: value[at].to(device) for name, value in self.given.items()}
        return self.given[at].to(device) if isinstance(self.given, Tensor) else [self.given[i] for i in rows.tolist()]


class Share(nn.Module):
    """The query encoder on row numbers: each process encodes its share of a batch."""

    def __init__(self, encoder: nn.Module, queries: Queries, autocast: str | None) -> None:
        super().__init__()
        if autocast not in (None, "bfloat16"):
            msg = f"autocast={autocast!r}: give 'bfloat16' or None"
            raise InputError(msg)
        self.encoder, self.queries, self._autocast = encoder, queries, autocast

    def forward(self, rows: Tensor) -> Tensor:
        """Encode this process's share."""
        return self._encoded(mine(rows.cpu()).numpy())

    def _encoded(self, rows: Rows) -> Tensor:
        place = next(self.encoder.parameters()).device
        batch = self.queries.batch(rows, place)
        low = torch.autocast(place.type, dtype=torch.bfloat16) if self._autocast else contextlib.nullcontext()
        with low:
            out = self.encoder(**batch) if isinstance(batch, dict) else self.encoder(batch)
        if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != len(rows):
            shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            msg = f"the query encoder gave {shape} for {len(rows)} queries: a tensor of shape (n, d) is needed"
            raise InputError(msg)
        return out.float()

    def encode(self, rows: Rows | None = None, *, batch_size: int = 512) -> NDArray[np.float32]:
        """Return embeddings in evaluation mode; the mode is put back."""
        rows = np.arange(len(self.queries)) if rows is None else rows
        training = self.encoder.training
        self.encoder.eval()
        try:
            with torch.no_grad():
                parts = [self._encoded(rows[i : i + batch_size]).cpu().numpy() for i in range(0, len(rows), batch_size)]
        finally:
            self.encoder.train(training)
        return np.concatenate(parts)


class Steps(nn.Module):
    """What ADORE does around the trainer's steps: refresh, loss, and what is told."""

    step: Tensor
    sums: Tensor

    def __init__(
        self,
        trainer: Any,
        share: Share,
        loss: AdoreLoss,
        on_epoch: Callable[[Epoch], Any] | None,
        progress: Progress | None,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("sums", torch.zeros(2, dtype=torch.float64))  # of the epoch: losses, queries with a pair
        # Neither the trainer nor the network are parts of this module: their weights are kept once.
        self._held = (trainer, share)
        self._on_epoch, self._tell = on_epoch, progress or (lambda *_: None)
        trainer.history_, trainer.n_steps_ = [], 0
        self._sample: Rows = np.empty(0, dtype=np.int64)
        self._first: Rows = np.empty((0, 0), dtype=np.int64)

    def begin(self, report: int, seed: int) -> None:
        """Look at the encoder as it comes, and make the first lists where they are to last."""
        trainer, share = self._held
        n = len(share.queries)
        self._sample = np.sort(np.random.default_rng(seed).permutation(n)[: min(report, n)])
        if self.loss.fixed:
            self._refresh()
        if len(self._sample):
            self._tell("ADORE: looking at the encoder as it comes", 0, n * trainer.recipe.epochs)
            now = share.encode(self._sample)
            self._first = trainer.sampler_.search(now, trainer.topk)
            self._look(0, float("nan"), now, None)

    def forward(self, out: Tensor, truth: Tensor, rows: Tensor) -> Tensor:
        """Return the loss of a batch."""
        trainer, share = self._held
        every, step = trainer.refresh_every, int(self.step)
        if every > 1 and step and step % every == 0:
            self._refresh()
        each, pairs = self.loss.each(out, mine(rows))
        none = float(len(rows) > rank_of())  # a process without a query of its own computes one that counts nothing
        total, count = none * each.sum(), none * pairs.sum()
        self.step += 1
        self.sums += torch.stack([total.detach().double().cpu(), count.double().cpu()]).to(self.sums)
        trainer.n_steps_ = step + 1
        done = min(step + 1, self._a_pass() * trainer.recipe.epochs)
        n = len(share.queries)
        of = n * trainer.recipe.epochs
        self._tell(f"ADORE: MRR@10 {self.loss.mrr:.3f} of the last batch", min(done * n // self._a_pass(), of), of)
        return global_mean(total, count)

    def end_of_epoch(self, epoch: int, net: nn.Module) -> bool:
        """Measure where the encoder is now."""
        trainer, share = self._held
        sums = self.sums.clone()
        if world_of() > 1:
            distributed.all_reduce(sums)
        loss = float(sums[0] / sums[1].clamp_min(1))
        self.sums.zero_()
        if not len(self._sample):
            return False
        now = share.encode(self._sample)
        entry = self._look(epoch, loss, now, staleness_of(trainer.sampler_.search, self._first, now))
        return self._on_epoch is not None and self._on_epoch(entry) is True

    def _look(self, epoch: int, loss: float, now: NDArray[np.float32], stale: Staleness | None) -> Epoch:
        trainer, share = self._held
        sampler = trainer.sampler_
        errors = pair_errors(sampler.search, sampler.positives, self._sample, now, trainer.topk)
        entry = Epoch(epoch, loss, errors, stale)
        trainer.history_.append(entry)
        n = len(share.queries)
        self._tell(f"ADORE, {entry}", epoch * n, n * trainer.recipe.epochs)
        return entry

    def _refresh(self) -> None:
        trainer, share = self._held
        trainer.sampler_.refresh(share.encode(), report=0)

    def _a_pass(self) -> int:
        n = len(self._held[1].queries)
        size = min(self._held[0].recipe.batch_size, max(n, 2))
        return n // size + (n % size > 1)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        text = json.dumps([asdict(entry) for entry in self._held[0].history_])
        destination[prefix + "history"] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        kept = state_dict.pop(prefix + "history")
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._held[0].history_ = [_epoch_of(one) for one in json.loads(bytes(kept.tolist()).decode())]
        self._held[0].n_steps_ = int(self.step)


def mine(rows: Tensor) -> Tensor:
    """Return this process's share of the rows of a batch; the first where there is none for it."""
    share = rows[rank_of() :: world_of()]
    return share if len(share) else rows[:1]


def rank_of() -> int:
    """Return the number of this process among those that train together."""
    return distributed.get_rank() if world_of() > 1 else 0


def world_of() -> int:
    """Return how many processes train together."""
    there = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if there else 1


def _texts(given: Any) -> bool:
    return isinstance(given, Sequence) and len(given) > 0 and isinstance(given[0], (str, dict))


def _epoch_of(kept: dict[str, Any]) -> Epoch:
    stale = kept["staleness"]
    if stale is not None:
        stale = Staleness(Estimate(**stale["mean_rank"]), Estimate(**stale["kept"]), stale["topk"])
    return Epoch(kept["epoch"], kept["loss"], PairErrors(**kept["errors"]), stale)
