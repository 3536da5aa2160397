"""The parts of :mod:`trueneg.core.training`: one training under way, which can be kept and gone on with."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.devices import batch_of, tensor_of
from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import nn
except ModuleNotFoundError:
    missing_extra("torch", "vision")

if TYPE_CHECKING:
    from trueneg.core.training import Augment, History, Recipe


@dataclass
class Run:
    """A training under way: what is trained, on what, and how far it is."""

    net: nn.Module
    images: torch.Tensor | None
    target: torch.Tensor
    how: Recipe
    criterion: Any
    step: torch.optim.Optimizer
    augment: Augment | None
    draw: torch.Generator
    rng: np.random.Generator
    history: History
    epoch: int = 0
    start: int = 0  # rows of the epoch that are done
    steps: int = 0
    sums: tuple[float, int, int] = (0.0, 0, 0)  # loss, right, rows of the epoch
    seed: int | None = None
    before: Any = None  # state of rng before the order of the epoch was drawn
    bounded: list[nn.Parameter] = field(default_factory=list)  # what clipping counts together

    def one_epoch(self) -> None:
        """Go once over the rows, or over those that are left of an epoch."""
        self.net.train()
        self.before = self.rng.bit_generator.state
        order = torch.as_tensor(self.rng.permutation(len(self.target)))
        for start in range(self.start, len(order), self.how.batch_size):
            rows = order[start : start + self.how.batch_size]
            if len(rows) < 2 and start:
                continue
            self.one_step(rows, self.epoch + start / len(order))
            self.start, self.steps = start + self.how.batch_size, self.steps + 1
            if self.how.checkpoint_every and self.steps % self.how.checkpoint_every == 0:
                self.keep()
        self.history.loss.append(self.sums[0] / self.sums[2])
        self.history.accuracy.append(self.sums[1] / self.sums[2])
        self.epoch, self.start, self.sums = self.epoch + 1, 0, (0.0, 0, 0)
        self.before = self.rng.bit_generator.state
        self.net.eval()

    def one_step(self, rows: torch.Tensor, now: float) -> None:
        """Take one batch."""
        device = next(self.net.parameters()).device
        for group in self.step.param_groups:
            group["lr"] = self.how.rate(now)
        batch = rows.to(device) if self.images is None else batch_of(self.net, self.images[rows], device)
        if self.augment is not None:
            batch = self.augment(batch, self.draw)
        truth = self.target[rows].to(device)
        out = computed(self.net, batch, self.how.precision)
        value = self.criterion(out, truth, rows)
        value = value.mean() if value.ndim else value
        told = float(value.detach())
        if not math.isfinite(told):
            msg = f"the loss is {told} in epoch {self.epoch + 1}: lower the learning rate, or set clip_norm."
            raise InputError(msg)
        self.step.zero_grad(set_to_none=True)
        value.backward()
        if self.how.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.bounded, self.how.clip_norm)
        self.step.step()
        classes = out.ndim == 2 and len(out) == len(truth)
        right = int((out.detach().argmax(1) == truth).sum()) if classes else 0
        self.sums = (self.sums[0] + told * len(rows), self.sums[1] + right, self.sums[2] + len(rows))

    def keep(self) -> None:
        """Write a checkpoint, by the first of several processes."""
        from torch import distributed

        if self.how.checkpoint is None or (distributed.is_initialized() and distributed.get_rank()):
            return
        from trueneg.core import checkpoints

        tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        if isinstance(self.criterion, nn.Module):
            tensors |= {f"criterion.{k}": v for k, v in self.criterion.state_dict().items()}
        tensors |= {f"optimizer.{k}": v for k, v in checkpoints.optimizer_tensors(self.step).items()}
        tensors |= {"random.torch": torch.get_rng_state(), "random.draw": self.draw.get_state()}
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        about = {name: getattr(self, name) for name in ("epoch", "start", "steps", "sums")}
        about |= {"of": self.of(), "order": self.before, "history": asdict(self.history)}
        checkpoints.save(self.how.checkpoint, self.steps, tensors, about)

    def resume(self, seed: int | None) -> None:
        """Go on from a checkpoint, where there is one."""
        from trueneg.core import checkpoints

        self.seed = seed
        found = checkpoints.latest(self.how.checkpoint or "")
        if found is None:
            return
        tensors, about = found
        if about["of"] != json.loads(json.dumps(self.of())):
            msg = f"{self.how.checkpoint} is of another training: name another folder, or remove it."
            raise InputError(msg)

        def of(prefix: str) -> dict[str, torch.Tensor]:
            return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}

        self.net.load_state_dict(of("net."))
        if isinstance(self.criterion, nn.Module):
            self.criterion.load_state_dict(of("criterion."))
        checkpoints.restore_optimizer(self.step, of("optimizer."))
        torch.set_rng_state(tensors["random.torch"])
        self.draw.set_state(tensors["random.draw"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        self.rng.bit_generator.state = about["order"]
        self.history = type(self.history)(**about["history"])
        self.epoch, self.start, self.steps = about["epoch"], about["start"], about["steps"]
        self.sums = tuple(about["sums"])

    def of(self) -> dict[str, Any]:
        """Return what a checkpoint must be of."""
        left_out = ("threads", "checkpoint", "checkpoint_every")
        recipe = {key: value for key, value in asdict(self.how).items() if key not in left_out}
        shapes = [[key, list(value.shape)] for key, value in self.net.state_dict().items()]
        return {"recipe": recipe, "rows": len(self.target), "seed": self.seed, "net": shapes}


def computed(net: Any, batch: torch.Tensor, precision: str) -> Any:
    """Return what a network gives for a batch; of products in bfloat16 as float32."""
    if precision == "float32":
        return net(batch)
    if batch.ndim == 4:
        batch = batch.contiguous(memory_format=torch.channels_last)
    with torch.autocast(batch.device.type, dtype=torch.bfloat16):
        return tensor_of(net(batch)).float()


def optimizer_of(how: Recipe, parameters: list[Any]) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe."""
    if how.optimizer == "adam":
        return torch.optim.AdamW(parameters, lr=how.lr, weight_decay=how.weight_decay)
    nesterov = how.momentum > 0
    return torch.optim.SGD(parameters, how.lr, how.momentum, weight_decay=how.weight_decay, nesterov=nesterov)
