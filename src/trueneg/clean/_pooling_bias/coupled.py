"""The coupled losses for networks: two scores a pair in, one number out, under autograd.

The weights are detached, so that one backward pass gives each model the gradient of its own loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "vision")

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["listwise", "pairwise", "em"]
_FORMS = ("listwise", "pairwise", "em")
_REDUCTIONS = ("mean", "sum", "none")


def coupled_loss(
    relevance: Tensor,
    selection: Tensor,
    labels: Tensor,
    *,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    form: Form = "pairwise",
    clip: float = 10.0,
    temperature: float = 10.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """Loss of a relevance and a selection model on lists that a pool labelled.

    Parameters
    ----------
    relevance, selection : (b, k) Tensor
        Scores (logits) of the two models; of any float type. What is below float32 is computed in float32.
    labels : (b, k) Tensor
        1 labelled relevant; 0 or -1 anything else. A list may hold several positives.
    weights : (b,) Tensor, optional
        Of the lists.
    mask : (b, k) bool Tensor, optional
        False where a list has ended. Default: everything counts.
    form : {"pairwise", "listwise", "em"}, default="pairwise"
        "pairwise": mean over (positive, other) of ``w softplus(other - positive)``, with w =
        ``1 / (1 - sigmoid(t / temperature))`` of the *other* model's score t of the other pair (Cai et al. 2022, their
        code). "listwise": ``-sum w log softmax`` over the positives, w the inverse of the other model's softmax against
        the list's best positive (Ai et al. 2018); with one positive a list every w is 1. "em": minus the log likelihood
        of the labels under P(relevant) P(selected), a mean over pairs; the two models share its gradient.
    clip : float, default=10
        Largest weight.
    temperature : float, default=10
        Of "pairwise".
    reduction : {"mean", "sum", "none"}, default="mean"
        Over lists that have a positive and another pair ("em": over lists that are not empty); "none" gives (b,), 0
        for the others.

    Returns
    -------
    Tensor
        The sum of both models' losses; 0, with gradients of 0, where no list can be used.

    References
    ----------
    Cai et al. (2022), arXiv 2209.05072; Ai et al. (2018), arXiv 1804.05938, eq. 8 to 10.
    """
    _check(relevance, selection, labels, form, clip, temperature, reduction)
    with torch.autocast(device_type=relevance.device.type, enabled=False):
        f, g = _full(relevance), _full(selection)
        there = torch.ones_like(f, dtype=torch.bool) if mask is None else mask.bool()
        # What is masked may hold anything, NaN too: it must reach neither value nor gradient.
        f, g = f.masked_fill(~there, 0.0), g.masked_fill(~there, 0.0)
        positive = there & (labels == 1)
        other = there & ~positive
        usable = there.any(dim=1) if form == "em" else positive.any(dim=1) & other.any(dim=1)
        if form == "em":
            each = _marginal(f, g, positive, there)
        elif form == "pairwise":
            each = _pairwise(f, _negative_weights(g, clip, temperature), positive, other)
            each = each + _pairwise(g, _negative_weights(f, clip, temperature), positive, other)
        else:
            each = _listwise(f, _positive_weights(g, positive, clip), positive, there)
            each = each + _listwise(g, _positive_weights(f, positive, clip), positive, there)
        count = usable.to(each.dtype) if weights is None else usable * weights.to(each.dtype)
        each = torch.where(usable, each, torch.zeros_like(each)) * count
        if reduction == "none":
            return each
        return each.sum() if reduction == "sum" else each.sum() / count.sum().clamp_min(1e-12)


class CoupledLoss(nn.Module):
    """:func:`coupled_loss` as a module.

    Parameters
    ----------
    form, clip, temperature, reduction
        As there.

    Notes
    -----
    Score the same lists by a relevance model and by a selection model, and add nothing else: weights are detached, so
    one ``backward`` gives both their gradients. The selection model must not read what the relevance model reads (give
    it score and rank of the pooling system), or the two can change places. At inference the relevance model is used
    alone. Score in evaluation mode for weights without dropout's noise, as the authors do, by a second pass.
    """

    def __init__(
        self,
        form: Form = "pairwise",
        *,
        clip: float = 10.0,
        temperature: float = 10.0,
        reduction: Literal["mean", "sum", "none"] = "mean",
    ) -> None:
        super().__init__()
        self.form, self.clip, self.temperature, self.reduction = form, clip, temperature, reduction

    def forward(
        self,
        relevance: Tensor,
        selection: Tensor,
        labels: Tensor,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the loss; see :func:`coupled_loss`."""
        return coupled_loss(
            relevance,
            selection,
            labels,
            weights=weights,
            mask=mask,
            form=self.form,
            clip=self.clip,
            temperature=self.temperature,
            reduction=self.reduction,
        )


def _check(
    relevance: Tensor, selection: Tensor, labels: Tensor, form: str, clip: float, temperature: float, reduction: str
) -> None:
    if relevance.ndim != 2 or relevance.shape != selection.shape or relevance.shape != labels.shape:
        shapes = f"{tuple(relevance.shape)}, {tuple(selection.shape)} and {tuple(labels.shape)}"
        msg = f"scores and labels have shapes {shapes}: give (lists, pairs) for all three"
        raise InputError(msg)
    if form not in _FORMS or reduction not in _REDUCTIONS:
        msg = f"form={form!r}, reduction={reduction!r}: choose of {_FORMS} and of {_REDUCTIONS}"
        raise InputError(msg)
    if not clip >= 1 or not temperature > 0:
        msg = f"clip={clip!r}, temperature={temperature!r}: clip is 1 or more, temperature above 0"
        raise InputError(msg)


def _full(score: Tensor) -> Tensor:
    """Return float64 as it is, and anything else as float32."""
    return score if score.dtype == torch.float64 else score.float()


def _positive_weights(score: Tensor, positive: Tensor, clip: float) -> Tensor:
    score = score.detach()
    best = score.masked_fill(~positive, -torch.inf).amax(dim=1, keepdim=True)
    best = torch.where(torch.isfinite(best), best, torch.zeros_like(best))
    return torch.where(positive, (best - score).clamp(max=20.0).exp().clamp(max=clip), torch.zeros_like(score))


def _negative_weights(score: Tensor, clip: float, temperature: float) -> Tensor:
    return (1 + (score.detach() / temperature).clamp(max=50.0).exp()).clamp(max=clip)


def _listwise(score: Tensor, weight: Tensor, positive: Tensor, there: Tensor) -> Tensor:
    low = torch.finfo(score.dtype).min
    log_p = score - score.masked_fill(~there, low).logsumexp(dim=1, keepdim=True)
    return -(weight * torch.where(positive, log_p, torch.zeros_like(log_p))).sum(dim=1)


def _pairwise(score: Tensor, weight: Tensor, positive: Tensor, other: Tensor) -> Tensor:
    margin = score[:, None, :] - score[:, :, None]  # (b, positive, other)
    pair = positive[:, :, None] & other[:, None, :]
    value = torch.where(pair, F.softplus(margin) * weight[:, None, :], torch.zeros_like(margin))
    return value.sum(dim=(1, 2)) / pair.sum(dim=(1, 2)).clamp_min(1)


def _marginal(f: Tensor, g: Tensor, positive: Tensor, there: Tensor) -> Tensor:
    log_r, log_s, log_no_r, log_no_s = F.logsigmoid(f), F.logsigmoid(g), F.logsigmoid(-f), F.logsigmoid(-g)
    none = torch.logaddexp(log_no_r, log_r + log_no_s)  # log(1 - r s)
    value = torch.where(positive, log_r + log_s, none)
    total = torch.where(there, value, torch.zeros_like(value)).sum(dim=1)
    return -total / there.sum(dim=1).clamp_min(1)
