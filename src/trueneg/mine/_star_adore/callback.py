"""The callback that renews negatives while a trainer of transformers or sentence-transformers runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueneg.core.errors import InputError, missing_extra
from trueneg.mine._star_adore.negatives import NegativeSampler, Staleness

try:
    from transformers import TrainerCallback
except ModuleNotFoundError:
    missing_extra("transformers", "text")

__all__ = ["RefreshNegatives"]


class RefreshNegatives(TrainerCallback):
    """Renews a sampler's lists when training begins and every so many steps.

    Parameters
    ----------
    sampler : NegativeSampler
    encode : callable
        ``encode(model) -> (n_queries, d)``, embeddings of all training queries by the model of now, such as
        ``lambda model: model.encode(queries)``.
    every : int, default=100
        Steps.
    after : callable, optional
        Called with the sampler after each renewal, for instance to hand its lists to a :class:`StarSampler`.

    Attributes
    ----------
    staleness : list of (int, Staleness)
        Step, and how far the lists had fallen behind when they were renewed.
    """

    def __init__(
        self,
        sampler: NegativeSampler,
        encode: Callable[[Any], Any],
        *,
        every: int = 100,
        after: Callable[[NegativeSampler], Any] | None = None,
    ) -> None:
        if every < 1:
            msg = f"every={every!r}: give a number of steps from 1"
            raise InputError(msg)
        self.sampler, self.encode, self.every, self.after = sampler, encode, every, after
        self.staleness: list[tuple[int, Staleness]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **rest: Any) -> None:
        """Make the first lists, or renew those that there are."""
        self._renew(model, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **rest: Any) -> None:
        """Renew the lists where it is time."""
        if state.global_step % self.every == 0 and state.global_step < state.max_steps:
            self._renew(model, state.global_step)

    def _renew(self, model: Any, step: int) -> None:
        training = model.training
        model.eval()
        told = self.sampler.refresh(self.encode(model))
        model.train(training)
        if told is not None:
            self.staleness.append((step, told))
        if self.after is not None:
            self.after(self.sampler)
