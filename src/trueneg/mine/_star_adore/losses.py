"""The losses of STAR and ADORE: pure functions on scores, and the modules that make scores of embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import Tensor, distributed, nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "text")

__all__ = [
    "InBatchPairwiseLoss",
    "delta_discounts",
    "delta_pairwise_loss",
    "global_mean",
    "inbatch_pairwise_loss",
    "scores_of",
]

Reduction = Literal["mean", "sum", "none"]
Metric = Literal["mrr", "ndcg"]
Mask = Callable[[Any, Any], Any]


def inbatch_pairwise_loss(
    scores: Tensor,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Pairwise logistic loss of each query's positive against every other document of the batch.

    ``log(1 + exp(s(q, d-) - s(q, d+)))``, which is the cross-entropy of a softmax over the two.

    Parameters
    ----------
    scores : Tensor of shape (b, m)
        Of b queries by all m documents of the batch, positives and hard negatives alike.
    targets : Tensor of shape (b,), int64
        Column of each query's own positive.
    weights : Tensor that broadcasts to (b, m), optional
        Of the pairs.
    mask : bool Tensor of shape (b, m), optional
        Pairs that count: leave out documents that are known to answer the query. The own positive never counts.
    reduction : {"mean", "sum", "none"}, default="mean"
        The mean over all pairs that count: every pair weighs the same, whatever kind it is of. 0 where none does.

    Returns
    -------
    Tensor
        A scalar, or (b, m) with 0 where a pair does not count.

    References
    ----------
    Zhan et al. (2021), "Optimizing dense retrieval model training with hard negatives", arXiv 2104.08051, section 5.1.
    """
    _reduction(reduction)
    scores = scores.float()
    own = scores.gather(1, targets[:, None])
    keep = torch.arange(scores.shape[1], device=scores.device)[None] != targets[:, None]
    if mask is not None:
        keep = keep & mask
    loss = torch.where(keep, F.softplus(scores - own), 0.0)
    if weights is not None:
        loss = loss * weights
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / keep.sum().clamp_min(1)


def delta_discounts(scores: Tensor, targets: Tensor, *, metric: Metric = "mrr", metric_cut: int | None = 200) -> Tensor:
    """Return what each place in a list is worth under the metric, so that swapping two documents costs the difference.

    Parameters
    ----------
    scores : Tensor of shape (b, m)
        Ranks are taken from these, 1 for the highest; equal scores are in order of their column.
    targets : Tensor of shape (b, m)
        1 relevant, 0 not, -1 no document: it has no rank.
    metric : {"mrr", "ndcg"}, default="mrr"
        ``1 / rank``, or ``1 / log2(1 + rank)``; divide the second by the ideal gain of the query for delta-nDCG.
    metric_cut : int or None, default=200
        Ranks beyond are worth 0.

    Returns
    -------
    Tensor of shape (b, m), float32
        Without gradient.
    """
    if metric not in ("mrr", "ndcg"):
        msg = f"metric={metric!r} is unknown: choose 'mrr' or 'ndcg'"
        raise InputError(msg)
    with torch.no_grad():
        there = targets >= 0
        order = scores.detach().float().masked_fill(~there, -torch.inf).argsort(dim=1, descending=True, stable=True)
        places = torch.arange(1, scores.shape[1] + 1, device=scores.device)
        rank = torch.zeros_like(order).scatter_(1, order, places.expand_as(order))
        worth = 1.0 / rank if metric == "mrr" else 1.0 / torch.log2(1.0 + rank)
        if metric_cut is not None:
            worth = worth.masked_fill(rank > metric_cut, 0.0)
        return worth.masked_fill(~there, 0.0)


def delta_pairwise_loss(
    scores: Tensor,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """RankNet's loss over a query's (relevant, not relevant) pairs, weighed by what swapping the two would change.

    Parameters
    ----------
    scores : Tensor of shape (b, m)
        Of each query by its own list.
    targets : Tensor of shape (b, m)
        1 relevant, 0 not, -1 no document.
    weights : Tensor of shape (b, m), optional
        Worth of the documents' places, as :func:`delta_discounts` gives: a pair weighs ``|w_i - w_j|``. None: 1.
    mask : bool Tensor of shape (b, m), optional
        Documents that count.
    reduction : {"mean", "sum", "none"}, default="mean"
        Of the queries' losses, each a mean over its pairs. The mean is over queries that have a pair; 0 where none has.

    Returns
    -------
    Tensor
        A scalar, or (b,) with 0 for a query without a pair.

    References
    ----------
    Zhan et al. (2021), arXiv 2104.08051, section 5.2; Burges (2010), "From RankNet to LambdaRank to LambdaMART".
    """
    _reduction(reduction)
    scores = scores.float()
    yes, no = targets == 1, targets == 0
    if mask is not None:
        yes, no = yes & mask, no & mask
    # Relevant documents are few: moved to the front, only their columns meet the whole list.
    wide = max(int(yes.sum(1).max()), 1) if len(yes) else 1
    front = yes.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :wide]
    pair = yes.gather(1, front)[:, :, None] & no[:, None, :]
    loss = F.softplus(scores[:, None, :] - scores.gather(1, front)[:, :, None])
    if weights is not None:
        loss = loss * (weights.gather(1, front)[:, :, None] - weights[:, None, :]).abs()
    count = pair.sum((1, 2))
    each = torch.where(pair, loss, 0.0).sum((1, 2)) / count.clamp_min(1)
    if reduction == "none":
        return each
    return each.sum() if reduction == "sum" else each.sum() / (count > 0).sum().clamp_min(1)


class InBatchPairwiseLoss(nn.Module):
    """STAR's loss: all documents of a batch serve every query, random and hard negatives alike, in one pool of pairs.

    Each document is encoded once; a batch of b queries with h hard negatives each has up to ``b (b - 1)`` pairs with
    other queries' positives (random negatives) and ``b b h`` with hard negatives. Sums and counts are pooled, so that
    either kind has the weight of its number. In-batch random negatives keep the sum of all errors down, hard ones those
    at the top; static hard ones alone let the rest drift.

    Parameters
    ----------
    relevant_mask : callable, optional
        ``relevant_mask(query_rows (b, 1), document_rows (1, m)) -> (b, m)`` on int arrays, True where a document is
        known to answer the query, such as ``Positives.known``; such pairs never count. Needs ``rows`` at each call.
        Without it the own positive alone is left out, so that two queries of one positive push it away: draw batches
        that have no two.
    random : bool, default=True
        Whether other queries' positives count; False is training on static hard negatives alone, as a comparison.
    scale : float, default=1.0
        Scores are multiplied by this: 1 for inner products of free length as in the paper; for vectors of length 1
        some 20.
    gather_across_devices : bool, default=False
        Take documents from all processes of torch.distributed. With gradients averaged over processes, as
        ``DistributedDataParallel`` does, they are those of one process with the whole batch.

    References
    ----------
    Zhan et al. (2021), "Optimizing dense retrieval model training with hard negatives", arXiv 2104.08051, section 5.1.
    """

    def __init__(
        self,
        relevant_mask: Mask | None = None,
        *,
        random: bool = True,
        scale: float = 1.0,
        gather_across_devices: bool = False,
    ) -> None:
        super().__init__()
        if not scale > 0:
            msg = f"scale={scale!r}: give a number above 0"
            raise InputError(msg)
        self.relevant_mask, self.random, self.scale = relevant_mask, random, scale
        self.gather_across_devices = gather_across_devices

    def forward(
        self, queries: Tensor, positives: Tensor, hard: Tensor | None = None, *, rows: tuple[Any, ...] | None = None
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        queries, positives : Tensor of shape (b, d)
            Embeddings; row i of the positives answers query i.
        hard : Tensor of shape (b, h, d) or (m, d), optional
            Hard negatives.
        rows : tuple of int Tensors, optional
            Rows of queries (b,), of positives (b,), and of hard negatives (b, h) or (m,), -1 where there is none.

        Returns
        -------
        Tensor
            Mean over the pairs that count.
        """
        if self.relevant_mask is not None and rows is None:
            raise InputError("relevant_mask= needs rows=(query, positive, hard) to look pairs up")
        if not self.random and hard is None:
            raise InputError("random=False leaves no negative without hard ones: pass hard=")
        documents = [positives] if hard is None else [positives, hard.reshape(-1, hard.shape[-1])]
        if rows is not None:
            asked, own, *others = (torch.as_tensor(r, device=queries.device).reshape(-1) for r in rows)
            names: list[Tensor] | None = [own, *others]
            if len(own) != len(positives) or (hard is not None and sum(map(len, others)) != len(documents[1])):
                raise InputError("rows= must hold one row a query, a positive, and a hard negative")
        else:
            asked, names = None, None
        first = 0
        if self.gather_across_devices and _many():
            documents = [_gather(part) for part in documents]
            names = None if names is None else [_gather_rows(part) for part in names]
            first = distributed.get_rank() * len(positives)
        scores = self.scale * scores_of(queries, torch.cat(documents))
        targets = first + torch.arange(len(queries), device=queries.device)
        mask = self._mask(scores, len(documents[0]), asked, names)
        total = inbatch_pairwise_loss(scores, targets, mask=mask, reduction="sum")
        with torch.no_grad():
            own_column = F.one_hot(targets, scores.shape[1]).bool()
            count = (mask & ~own_column).sum()
        return global_mean(total, count) if self.gather_across_devices else total / count.clamp_min(1)

    def _mask(self, scores: Tensor, positives: int, asked: Tensor | None, names: list[Tensor] | None) -> Tensor:
        mask = torch.ones_like(scores, dtype=torch.bool)
        if not self.random:
            mask[:, :positives] = False
        if names is not None and asked is not None:
            documents = torch.cat(names)
            mask &= documents >= 0
            if self.relevant_mask is not None:
                known = self.relevant_mask(_numpy(asked)[:, None], _numpy(documents)[None])
                mask &= ~torch.as_tensor(known, device=mask.device)
        return mask


def scores_of(queries: Tensor, documents: Tensor) -> Tensor:
    """Return inner products in float32 whatever autocast says: (b, d) by (m, d), or by (b, m, d) a list each."""
    with torch.autocast(queries.device.type, enabled=False):
        q, d = queries.float(), documents.float()
        return q @ d.T if d.ndim == 2 else torch.einsum("bd,bmd->bm", q, d)


def global_mean(total: Tensor, count: Tensor) -> Tensor:
    """Return a sum over the count of all processes, such that averaged gradients are those of one process.

    Each process hands in its own sum and count; the result is ``world * total / sum of counts``. Averaging gradients
    over the processes then gives the gradient of the sum of all over the count of all.
    """
    world, everyone = 1, count.detach().clone().to(torch.float64)
    if _many():
        distributed.all_reduce(everyone)
        world = distributed.get_world_size()
    return world * total / everyone.clamp_min(1.0).to(total.dtype)


def _many() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


class _Gather(torch.autograd.Function):
    """Join a tensor of each process, gradients included: theirs come back here.

    torch's own differentiable gather keeps the process group that it was imported under as a default argument: the
    group outlives ``destroy_process_group``, a later one is not seen, and its threads may abort the process at the end.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        return _gather_rows(part)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        everyone = grads[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(everyone)
        return everyone.chunk(distributed.get_world_size())[distributed.get_rank()]


def _gather(part: Tensor) -> Tensor:
    joined: Tensor = _Gather.apply(part)
    return joined


def _gather_rows(part: Tensor) -> Tensor:
    parts = [torch.empty_like(part) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, part.contiguous())
    return torch.cat(parts)


def _numpy(rows: Tensor) -> Any:
    return rows.detach().cpu().numpy()


def _reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        msg = f"reduction={reduction!r} is unknown: choose 'mean', 'sum' or 'none'"
        raise InputError(msg)
