"""Soft labels: a list is learned from what a teacher thinks of each document, not from one positive alone.

With one-hot targets every document of a list but the labelled one weighs as a negative, the false negatives among them
too. A teacher's scores say how much of a negative each one is: the student's distribution over the list is drawn to the
teacher's by the Kullback-Leibler divergence.

References
----------
"LG-ANNA-Embedding technical report" (2025): soft labels from a fused teacher; the divergence from teacher to student is
our reading of it. Gu et al. (2025), "UniME-V2: MLLM-as-a-judge for universal multimodal embedding learning": the
symmetric form, both sides at one temperature, 1e-8 added within logarithms.
"""

from __future__ import annotations

import math
from typing import Literal

from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError:
    missing_extra("torch", "text")

__all__ = ["SoftLabelKLLoss", "soft_label_kl"]

Reduction = Literal["mean", "sum", "none"]
_FLOOR = math.log(1e-8)


def soft_label_kl(
    scores: Tensor,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    reduction: Reduction = "mean",
    temperature: float = 0.02,
    target_temperature: float | None = None,
    symmetric: bool = False,
) -> Tensor:
    r"""Return the divergence of a student's lists from a teacher's.

    With ``p = softmax(scores / T)`` and ``t = softmax(targets / T')`` over what the mask leaves of a list, the loss
    of a list is ``KL(t || p)``, or half of ``KL(t || p) + KL(p || t)``.

    Parameters
    ----------
    scores : Tensor of shape (n, k)
        The student's, such as cosines: any finite value where the mask is True.
    targets : Tensor of shape (n, k)
        The teacher's *scores*, larger for what is more relevant; ``-inf`` is a document that the teacher rules out.
        Probabilities go in as their logarithms with ``target_temperature=1``, so that log one-hot labels are InfoNCE.
        No gradient flows into them.
    weights : Tensor of shape (n,), optional
        Of the lists.
    mask : bool Tensor of shape (n, k), optional
        True where there is a document; what is elsewhere, NaN included, touches neither value nor gradient.
    reduction : {"mean", "sum", "none"}, default="mean"
        The mean is over the weights of the lists that say something: a list of fewer than two documents, or one that
        the teacher rules out as a whole, says nothing and counts 0.
    temperature : float, default=0.02
        T, that of UniME-V2 for cosines. With a teacher on z-scores give ``target_temperature`` about 1.
    target_temperature : float, optional
        T'; by default T, for a teacher on the student's scale.
    symmetric : bool, default=False
        Both directions. In the second one 1e-8 is added to the teacher's probabilities, as published, so that a
        document that the teacher rules out costs much and not everything. The student's are left exact: with 1e-8 added
        a document that the student rules out would get no gradient.

    Returns
    -------
    Tensor
        A number, or (n,) for "none"; float32 or wider under any autocast.

    Raises
    ------
    InputError
        Shapes that differ, a temperature that is not above 0, an unknown reduction.

    Notes
    -----
    When not to use: where the teacher's scores are not comparable within a list, or are those of the student itself.
    """
    keep = _checked(scores, targets, weights, mask, temperature, target_temperature, reduction)
    wide = torch.promote_types(scores.dtype, torch.float32)
    with torch.autocast(scores.device.type, enabled=False):
        teacher = targets.detach().to(wide).masked_fill(~keep, -torch.inf)
        live = (keep.sum(dim=1) > 1) & torch.isfinite(teacher).any(dim=1)
        keep = keep & live[:, None]
        teacher = torch.where(live[:, None], teacher, 0.0)
        log_t = torch.log_softmax(teacher / (target_temperature or temperature), dim=1)
        # A list that says nothing is given equal scores: its rows must not make NaN on the way back either.
        student = torch.where(keep, scores.to(wide), 0.0) / temperature
        student = student.masked_fill(~keep & live[:, None], -torch.inf)
        log_p = torch.log_softmax(student, dim=1)
        log_p = torch.where(keep, log_p, 0.0)
        t = torch.where(keep, log_t.exp(), 0.0)
        loss = torch.xlogy(t, t).sum(dim=1) - (t * log_p).sum(dim=1)
        if symmetric:
            p = torch.where(keep, log_p.exp(), 0.0)
            reverse = (p * (log_p - torch.logaddexp(log_t, log_t.new_tensor(_FLOOR)))).sum(dim=1)
            loss = (loss + reverse) / 2
        weight = live.to(wide) if weights is None else live * weights.to(wide)
        loss = loss * weight
        if reduction == "none":
            return loss
        return loss.sum() if reduction == "sum" else loss.sum() / weight.sum().clamp_min(torch.finfo(wide).tiny)


def _checked(
    scores: Tensor,
    targets: Tensor,
    weights: Tensor | None,
    mask: Tensor | None,
    temperature: float,
    target_temperature: float | None,
    reduction: str,
) -> Tensor:
    """Refuse what does not fit; return the mask."""
    if scores.ndim != 2 or targets.shape != scores.shape:
        msg = f"scores have shape {tuple(scores.shape)}, targets {tuple(targets.shape)}: give (n, k) of each"
        raise InputError(msg)
    for name, value in (("temperature", temperature), ("target_temperature", target_temperature)):
        if value is not None and not 0 < value < math.inf:
            msg = f"{name}={value!r}: give a number above 0"
            raise InputError(msg)
    if reduction not in ("mean", "sum", "none"):
        msg = f"reduction={reduction!r}: choose 'mean', 'sum' or 'none'"
        raise InputError(msg)
    if weights is not None and weights.shape != scores.shape[:1]:
        msg = f"weights have shape {tuple(weights.shape)}: one a list is needed, ({len(scores)},)"
        raise InputError(msg)
    if mask is None:
        return torch.ones_like(scores, dtype=torch.bool)
    if mask.shape != scores.shape or mask.dtype != torch.bool:
        msg = f"the mask is {mask.dtype} of shape {tuple(mask.shape)}: bool of {tuple(scores.shape)} is needed"
        raise InputError(msg)
    return mask


class SoftLabelKLLoss(nn.Module):
    """:func:`soft_label_kl` as a module.

    Parameters
    ----------
    temperature : float, default=0.02
    target_temperature : float, optional
    symmetric : bool, default=False
    reduction : {"mean", "sum", "none"}, default="mean"
        See the function.
    """

    def __init__(
        self,
        temperature: float = 0.02,
        *,
        target_temperature: float | None = None,
        symmetric: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self.temperature, self.target_temperature = temperature, target_temperature
        self.symmetric, self.reduction = symmetric, reduction

    def forward(
        self, scores: Tensor, targets: Tensor, weights: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Return the loss of lists (n, k)."""
        return soft_label_kl(
            scores,
            targets,
            weights=weights,
            mask=mask,
            reduction=self.reduction,
            temperature=self.temperature,
            target_temperature=self.target_temperature,
            symmetric=self.symmetric,
        )

    def extra_repr(self) -> str:
        """Say how it is set."""
        other = "" if self.target_temperature is None else f", target_temperature={self.target_temperature:g}"
        return f"temperature={self.temperature:g}{other}, symmetric={self.symmetric}"
