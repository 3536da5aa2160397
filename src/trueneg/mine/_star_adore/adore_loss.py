"""The loss of ADORE: queries against frozen documents, negatives found by the batch itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.mine._star_adore.losses import Metric, delta_discounts, delta_pairwise_loss, scores_of
from trueneg.mine._star_adore.negatives import NegativeSampler, as_numpy

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError:
    missing_extra("torch", "text")

__all__ = ["AdoreLoss"]

Rows = NDArray[np.int64]


class AdoreLoss(nn.Module):
    """The loss of a batch of query embeddings against frozen documents, negatives found by the batch itself.

    Each query meets the first `topk` documents under the encoder of now; known positives among them are labelled, and
    where there is none, all of the query's positives are added behind. Each pair (relevant, not relevant) of the list
    weighs by what swapping the two would change in the metric, and pairs are averaged within a query.

    Parameters
    ----------
    sampler : NegativeSampler
        Holds documents, positives, and length of the lists.
    metric : {"mrr", "ndcg"} or None, default="mrr"
        ``|1 / rank_i - 1 / rank_j|``, or delta-nDCG; None weighs all pairs the same.
    metric_cut : int or None, default=200
        Ranks beyond are worth 0 to the metric.
    scale : float, default=1.0
        Scores are multiplied by this (RankNet's sigma).
    fixed : bool, default=False
        Take the sampler's lists as they are (whoever refreshes them), instead of those of now.

    References
    ----------
    Zhan et al. (2021), "Optimizing dense retrieval model training with hard negatives", arXiv 2104.08051, section 5.2.
    """

    def __init__(
        self,
        sampler: NegativeSampler,
        *,
        metric: Metric | None = "mrr",
        metric_cut: int | None = 200,
        scale: float = 1.0,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        if metric not in ("mrr", "ndcg", None):
            msg = f"metric={metric!r} is unknown: choose 'mrr', 'ndcg' or None"
            raise InputError(msg)
        if metric_cut is not None and metric_cut < 1:
            msg = f"metric_cut={metric_cut!r}: give a rank from 1, or None"
            raise InputError(msg)
        if not scale > 0:
            msg = f"scale={scale!r}: give a number above 0"
            raise InputError(msg)
        self.sampler, self.metric, self.metric_cut, self.scale, self.fixed = sampler, metric, metric_cut, scale, fixed
        ideal = torch.cumsum(1.0 / torch.log2(torch.arange(2.0, 2.0 + max(int(sampler.positives.count.max()), 1))), 0)
        self.ideal = ideal.numpy()
        self.mrr = float("nan")  # MRR@10 of the batch seen last, within its lists

    def forward(self, queries: Tensor, rows: Any) -> Tensor:
        """Return the mean over the queries that have a pair.

        Parameters
        ----------
        queries : Tensor of shape (b, d)
            Embeddings; the gradient flows into these alone.
        rows : int array or Tensor of shape (b,)
            Which queries they are.
        """
        each = self.each(queries, rows)
        return each[0].sum() / each[1].sum().clamp_min(1)

    def each(self, queries: Tensor, rows: Any) -> tuple[Tensor, Tensor]:
        """Return the loss of each query (b,), and whether it had a pair (b,)."""
        who = np.asarray(rows.cpu() if isinstance(rows, Tensor) else rows, dtype=np.int64)
        document, label = self.lists(who, queries)
        targets = torch.from_numpy(label).to(queries.device)
        found = self.sampler.search.rows(np.maximum(document, 0)).to(queries.device)
        if self.sampler.search.similarity == "cosine":
            queries = nn.functional.normalize(queries.float(), dim=1)
            found = nn.functional.normalize(found, dim=-1)
        scores = self.scale * scores_of(queries, found)
        with torch.no_grad():
            best = scores.masked_fill(targets != 1, -torch.inf).amax(1, keepdim=True)
            above = ((scores > best) & (targets == 0)).sum(1)
            self.mrr = float(torch.where(above < 10, 1.0 / (above + 1), 0.0).mean())
        loss = delta_pairwise_loss(scores, targets, weights=self._worth(scores, targets, who), reduction="none")
        return loss, (targets == 1).any(1) & (targets == 0).any(1)

    def lists(self, query: Rows, embeddings: Tensor) -> tuple[Rows, NDArray[np.int8]]:
        """Return documents (b, m) and their labels: 1 relevant, 0 not, -1 no document."""
        sampler = self.sampler
        if self.fixed:
            if sampler.lists is None:
                raise InputError("the sampler has no lists yet: call its refresh first, or set fixed=False")
            document = sampler.lists[query].astype(np.int64)
        else:
            document = sampler.find(query, as_numpy(embeddings))
        label = np.where(document < 0, -1, sampler.relevant(query, document)).astype(np.int8)
        lost = np.flatnonzero(~(label == 1).any(axis=1))
        if len(lost):
            place, missing = sampler.positives.pairs(query[lost])
            column = np.arange(len(place)) - np.searchsorted(place, place)
            more = np.full((len(query), int(column.max()) + 1), -1, dtype=np.int64)
            more[lost[place], column] = missing
            document = np.concatenate([document, more], axis=1)
            label = np.concatenate([label, np.where(more >= 0, 1, -1).astype(np.int8)], axis=1)
        return document, label

    def _worth(self, scores: Tensor, targets: Tensor, query: Rows) -> Tensor | None:
        if self.metric is None:
            return None
        worth = delta_discounts(scores, targets, metric=self.metric, metric_cut=self.metric_cut)
        if self.metric == "ndcg":
            most = self.sampler.positives.count[query]
            most = most if self.metric_cut is None else np.minimum(most, self.metric_cut)
            worth = worth / torch.from_numpy(self.ideal[most - 1]).to(worth.device)[:, None]
        return worth

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Keep the lists in a checkpoint where they are not those of now."""
        if self.fixed and self.sampler.lists is not None:
            destination[prefix + "lists"] = torch.from_numpy(self.sampler.lists)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        if prefix + "lists" in state_dict:
            self.sampler.lists = state_dict[prefix + "lists"].cpu().numpy().copy()
