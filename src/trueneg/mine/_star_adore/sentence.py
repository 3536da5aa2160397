"""STAR and ADORE as losses of sentence-transformers' own trainer: token features in, a scalar out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trueneg.core.errors import InputError, missing_extra
from trueneg.mine._star_adore.adore_loss import AdoreLoss
from trueneg.mine._star_adore.losses import InBatchPairwiseLoss, Mask, Metric
from trueneg.mine._star_adore.negatives import NegativeSampler

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError:
    missing_extra("torch", "text")

__all__ = ["SentenceAdoreLoss", "SentenceStarLoss"]


class SentenceStarLoss(nn.Module):
    """STAR's loss over columns (query, positive, hard negatives ...) of texts.

    Parameters
    ----------
    model : SentenceTransformer
        Called with token features; gives ``sentence_embedding``.
    relevant_mask : callable, optional
        As in :class:`InBatchPairwiseLoss`. The data set then has a column ``label`` with the rows of each line's query,
        positive and hard negatives, a list of 2 + h numbers. Without it draw batches without duplicates
        (``BatchSamplers.NO_DUPLICATES``), or a positive that two queries share is pushed away.
    scale : float, default=20.0
        For embeddings of length 1; 1 where their length is free.
    gather_across_devices : bool, default=False
        Take documents from all processes.
    """

    def __init__(
        self, model: Any, relevant_mask: Mask | None = None, *, scale: float = 20.0, gather_across_devices: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = InBatchPairwiseLoss(relevant_mask, scale=scale, gather_across_devices=gather_across_devices)

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> Tensor:
        """Return the loss of a batch of token features, one entry a column."""
        query, positive, *hard = (self.model(features)["sentence_embedding"] for features in sentence_features)
        rows = None
        if labels is not None and labels.ndim == 2:
            if labels.shape[1] != 2 + len(hard):
                msg = f"label holds {labels.shape[1]} rows a line and there are {2 + len(hard)} columns: give one each"
                raise InputError(msg)
            rows = (labels[:, 0], labels[:, 1], labels[:, 2:])
        stacked = torch.stack(hard, dim=1) if hard else None
        out: Tensor = self.loss(query, positive, stacked, rows=rows if hard or rows is None else rows[:2])
        return out

    def get_config_dict(self) -> dict[str, Any]:
        """Return what a model card tells."""
        return {"scale": self.loss.scale, "gather_across_devices": self.loss.gather_across_devices}


class SentenceAdoreLoss(nn.Module):
    """ADORE's loss over one column of queries, whose rows are in the column ``label``; documents never pass the model.

    Parameters
    ----------
    model : SentenceTransformer
    sampler : NegativeSampler
        Over the documents' embeddings, which another copy of the model made before.
    metric, metric_cut : see :class:`AdoreLoss`
    scale : float, default=20.0
        For embeddings of length 1; 1 where their length is free.
    fixed : bool, default=False
        Train on the sampler's lists, which :class:`RefreshNegatives` renews every so many steps, instead of a search at
        each step.
    """

    def __init__(
        self,
        model: Any,
        sampler: NegativeSampler,
        *,
        metric: Metric | None = "mrr",
        metric_cut: int | None = 200,
        scale: float = 20.0,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = AdoreLoss(sampler, metric=metric, metric_cut=metric_cut, scale=scale, fixed=fixed)

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> Tensor:
        """Return the loss of a batch of token features."""
        (query,) = (self.model(features)["sentence_embedding"] for features in sentence_features)
        if labels is None or labels.ndim != 1:
            raise InputError("give the data set a column 'label' with the row of each query")
        out: Tensor = self.loss(query, labels)
        return out

    def get_config_dict(self) -> dict[str, Any]:
        """Return what a model card tells."""
        return {"metric": self.loss.metric, "metric_cut": self.loss.metric_cut, "scale": self.loss.scale}
