"""ADORE: train the query encoder alone, against the documents that it ranks first at this very step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.core.training import Recipe, seeded, train
from trueneg.mine._mining.filters import Filter
from trueneg.mine._star_adore.adore_loss import AdoreLoss
from trueneg.mine._star_adore.losses import Metric
from trueneg.mine._star_adore.negatives import NegativeSampler
from trueneg.mine._star_adore.search import Similarity
from trueneg.mine._star_adore.steps import Epoch, Progress, Queries, Share, Steps, world_of

try:
    from torch import nn
except ModuleNotFoundError:
    missing_extra("torch", "text")

__all__ = ["AdoreTrainer"]


class AdoreTrainer:
    """Trains a query encoder on dynamic hard negatives; documents are encoded once and never change.

    Parameters
    ----------
    query_encoder : torch.nn.Module
        Takes a batch of `queries` as :meth:`fit` gets them, gives (b, d). Trained in place.
    doc_embeddings : ndarray of shape (n_documents, d), or Tensor
        May be a ``numpy.memmap`` and of float16; a tensor on a GPU is searched there.
    topk : int, default=200
        Documents that a query meets at each step, as in the paper.
    metric, metric_cut, scale : see :class:`AdoreLoss`
    similarity : {"inner", "cosine"}, default="inner"
    refresh_every : int, default=1
        Steps between two searches: 1 searches with the batch of each step; more encodes and searches for all training
        queries so often, and trains on what was found then (positions are taken anew from the scores of now); 0 never
        searches again, which is training on static negatives.
    filters : Filter, optional
        Against false negatives, see :class:`NegativeSampler`.
    recipe : Recipe, optional
        By default that of the paper: AdamW at 5e-6, 6 epochs of batches of 32, gradients clipped at 1. That rate is for
        a transformer; a head or linear map wants some 5e-4. ``checkpoint=`` makes training resumable.

    Attributes
    ----------
    history_ : list of Epoch
        An entry before training, and one after each epoch.
    sampler_ : NegativeSampler
    n_steps_ : int
        Batches seen.

    References
    ----------
    Zhan, Mao, Liu, Guo, Zhang and Ma (2021), "Optimizing dense retrieval model training with hard negatives", SIGIR,
    arXiv 2104.08051.
    """

    def __init__(
        self,
        query_encoder: nn.Module,
        doc_embeddings: Any,
        *,
        topk: int = 200,
        metric: Metric | None = "mrr",
        metric_cut: int | None = 200,
        scale: float = 1.0,
        similarity: Similarity = "inner",
        refresh_every: int = 1,
        filters: Filter | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        if isinstance(refresh_every, bool) or refresh_every < 0:
            msg = f"refresh_every={refresh_every!r}: give a number of steps, or 0 for never"
            raise InputError(msg)
        if not any(p.requires_grad for p in query_encoder.parameters()):
            raise InputError("the query encoder has no parameter that can be trained: unfreeze some")
        self.query_encoder, self.doc_embeddings, self.topk = query_encoder, doc_embeddings, topk
        self.metric, self.metric_cut, self.scale, self.similarity = metric, metric_cut, scale, similarity
        self.refresh_every, self.filters = int(refresh_every), filters
        self.recipe = recipe or Recipe(
            epochs=6, batch_size=32, optimizer="adam", lr=5e-6, weight_decay=0.01, warmup=0.2, clip_norm=1.0
        )

    def fit(
        self,
        queries: Any,
        qrels: Any,
        *,
        index: Any = None,
        memory: int | str = "512MB",
        device: str = "cpu",
        autocast: Literal["bfloat16"] | None = None,
        report: int = 256,
        on_epoch: Callable[[Epoch], Any] | None = None,
        random_state: int | np.random.Generator | None = None,
        progress: Progress | None = None,
    ) -> AdoreTrainer:
        """Train the encoder; under torch.distributed each process takes its share of every batch.

        Parameters
        ----------
        queries : array or Tensor of shape (n, ...), dict of such, or sequence
            What the encoder takes, a batch of it at a time: rows of an array; ``encoder(**batch)`` for a dict, such as
            token numbers and mask; a list for any other sequence, such as texts.
        qrels : Cells, Positives, or rows
            Known positives, as in :func:`trueneg.mine.hard_negatives`; several a query are welcome.
        index : callable, optional
            ``index(queries, k) -> (scores, ids)`` of an approximate index over the documents.
        memory : int or str, default="512MB"
            Bound on what a search holds.
        device : str, default="cpu"
        autocast : {"bfloat16"} or None, default=None
            Precision of the encoder; scores and loss stay float32.
        report : int, default=256
            Training queries, drawn by `random_state`, on which errors and staleness are told after each epoch; 0: none.
        on_epoch : callable, optional
            Called with each :class:`Epoch`; True ends the training.
        random_state : int, Generator or None, default=None
        progress : callable, optional
            Called with a text, queries done and their number over all epochs.

        Returns
        -------
        AdoreTrainer

        Raises
        ------
        InputError
            On a query without a positive, embeddings of two widths or with NaN, or a loss that is no number.
        """
        if on_epoch is not None and not report:
            raise InputError("on_epoch= needs a sample of queries to look at: give report=256 or so")
        held = Queries(queries)
        rng = np.random.default_rng(random_state)
        seed = int(rng.integers(2**31))
        self.sampler_ = NegativeSampler(
            self.doc_embeddings,
            qrels,
            topk=self.topk,
            similarity=self.similarity,
            filters=self.filters,
            index=index,
            memory=memory,
            n_queries=len(held),
        )
        loss = AdoreLoss(
            self.sampler_,
            metric=self.metric,
            metric_cut=self.metric_cut,
            scale=self.scale,
            fixed=self.refresh_every != 1,
        )
        share = Share(self.query_encoder, held, autocast)
        share.to(device)
        run = Steps(self, share, loss, on_epoch, progress)
        with seeded(seed):
            run.begin(report, seed)
        net: nn.Module = share
        if world_of() > 1:
            net = nn.parallel.DistributedDataParallel(share)
        batch = replace(self.recipe, batch_size=min(self.recipe.batch_size, max(len(held), 2)))
        train(
            net,
            range(len(held)),
            np.zeros(len(held), np.int64),
            recipe=batch,
            loss=run,
            on_epoch=run.end_of_epoch,
            device=device,
            random_state=None if random_state is None else seed,
        )
        return self

    def encode(self, queries: Any, *, batch_size: int = 512) -> NDArray[np.float32]:
        """Return embeddings of queries, float32 (n, d), by the encoder of now in evaluation mode."""
        return Share(self.query_encoder, Queries(queries), None).encode(batch_size=batch_size)
