"""After the review: the answers as the number of wrong labels, twice, and joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._survey.answers import about_unsure, count_answers, read_answers, suspect_mask
from trueneg.core._survey.intervals import bounded, by_model, in_bins, join, logit_of, model_free, sigmoid, supports
from trueneg.core._survey.sample import checked_probabilities
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate

if TYPE_CHECKING:
    from trueneg.core._survey.sample import Floats, Sample


@dataclass(frozen=True, eq=False)
class SurveyResult:
    """What a review says about all rows.

    Attributes
    ----------
    total : Estimate
        Number of wrong labels among all rows: the joint interval.
    model_free : Estimate
        By the sample alone.
    model : Estimate
        By the recalibrated probabilities.
    supported : bool
        Whether the answers support the ranking (the guard).
    precision : Estimate
        Share of the suspects that are truly wrong.
    alpha, beta : float
        Posterior means of the recalibration.
    probability : (n_rows,) float64
        Recalibrated probabilities.
    weight : (n,) float64
        Rows that each answered row stands for (inverse inclusion, adjusted for unsure ones); 0 where unsure or open.
    answers : (n,) int8
        1 wrong, 0 right, -1 unsure, -2 not answered, as ``sample.rows``.
    strata : tuple of dict
        ``name, size, drawn, answered, unsure, wrong`` of each stratum.
    notes : tuple of str
        What was done beside the plan: unsure answers, merged strata.
    """

    total: Estimate
    model_free: Estimate
    model: Estimate
    supported: bool
    precision: Estimate
    alpha: float
    beta: float
    probability: Floats
    weight: Floats
    answers: NDArray[np.int8]
    strata: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]

    def explanation(self) -> str:
        """Say in plain words what bounds the number, from below and from above."""
        n_rows = sum(s["size"] for s in self.strata)
        wrong, answered = (sum(s[key] for s in self.strata) for key in ("wrong", "answered"))
        top = [s for s in self.strata if s["kind"] == "top"]
        rest = [s for s in self.strata if s["kind"] == "rest"]
        level = f"{100 * self.total.level:g} %"
        lines = [
            f"About {self.total.value:,.0f} of {n_rows:,} rows carry a wrong label, "
            f"between {self.total.low:,.0f} and {self.total.high:,.0f} ({level}). "
            f"You judged {answered:,} rows and found {wrong:,} wrong.",
            f"By the sample alone: {_span(self.model_free)}. Nothing is assumed about the model.",
            f"With the model's probabilities, recalibrated by your answers: {_span(self.model)}. "
            "This assumes that rows further down go wrong as the fitted curve says.",
        ]
        unseen = f"{_sum(rest, 'wrong'):,} wrong among {_sum(rest, 'answered'):,} judged of the {_sum(rest, 'size'):,}"
        lines.append(f"From below the number is bounded by evidence. The rows ranked last showed {unseen}.")
        if self.supported:
            lines.append(
                "From above it is bounded by an assumption, the curve, which your answers support "
                f"({_sum(top, 'wrong'):,} of {_sum(top, 'answered'):,} wrong at the top). "
                f"Without it, up to {self.model_free.high:,.0f}; only more rows lower that. "
                "If you expect errors that the ranking cannot see, read the interval of the sample alone."
            )
        else:
            lines.append(
                "Your answers do not support the ranking, so that the model is left out: from above the number "
                "is bounded by the sample alone, and only more rows lower it."
            )
        return "\n".join([*lines, *self.notes])


def estimate(
    sample: Sample,
    answers: ArrayLike | Mapping[int, Any],
    probability: ArrayLike,
    *,
    level: float = 0.95,
    suspects: ArrayLike | None = None,
) -> SurveyResult:
    """Turn the answers to a sample into the number of wrong labels, twice, and join the two.

    *Model-free*: Jeffreys' interval in each stratum, combined by MOVER, for the rows at hand (a stratum judged whole
    is known). *Model*: the posterior of ``(alpha', beta')`` in ``sigmoid(alpha' l + beta')``, ``l`` the logit of the
    stated probability, on a fixed grid; the total is what was found plus what the curve puts on the rows not judged,
    with the chance of each of them. *Joint*: ``low`` is the smaller of the two; ``high`` the smaller of the two if the
    answers support the ranking (3 hits or more at the top, and at least twice those of the rest plus one), else that
    of the sample alone.

    Parameters
    ----------
    sample : Sample
        From :func:`plan`.
    answers : array-like of shape (n,), or mapping of row to answer
        ``"accept"`` or 1: the label is wrong; ``"reject"`` or 0: it is right; ``"unsure"`` or -1; None, ``""`` or
        NaN: not answered. Unsure and open rows are left out and the others of their stratum stand in for them.
    probability : array-like of shape (n_rows,)
        The probabilities that the sample was drawn with.
    level : float, default=0.95
        Nominal coverage.
    suspects : bool array-like of shape (n_rows,) or None, default=None
        Rows whose precision is asked for; by default the top stratum.

    Returns
    -------
    SurveyResult

    Raises
    ------
    InputError
        No answer at all, an unknown one, one for a row that is not in the sample, or other probabilities.
    """
    p = checked_probabilities(probability)
    if len(p) != sample.n_rows:
        msg = f"probability has {len(p)} rows and the sample was drawn from {sample.n_rows}: give the same ones."
        raise InputError(msg)
    said = read_answers(sample, answers)
    judged = said >= 0
    if not judged.any():
        n_unsure = int((said == -1).sum())
        msg = f"none of {len(said)} rows has an answer ({n_unsure} unsure): accept or reject at least one."
        raise InputError(msg)
    strata = count_answers(sample, said)
    free, weight, merged = model_free(sample, said, np.ones(sample.n_rows, dtype=bool), level, total=True)
    found = float((said == 1).sum())
    logit = logit_of(p)
    bins = in_bins(logit, np.ones(len(p)), logit)
    rows = sample.rows[judged]
    seen = in_bins(logit[rows], (said[judged] == 1).astype(np.float64), logit)
    model, alpha, beta = by_model(bins, seen, found, level)
    free = bounded(free, found, sample.n_rows - float((said == 0).sum()))
    supported = supports(sample.kind, np.bincount(sample.stratum[said == 1], minlength=len(sample.sizes)))
    mask = suspect_mask(sample, suspects)
    precision, _, _ = model_free(sample, said, mask, level, total=False)
    return SurveyResult(
        total=join(free, model, supported),
        model_free=free,
        model=model,
        supported=supported,
        precision=precision,
        alpha=alpha,
        beta=beta,
        probability=sigmoid(alpha * logit + beta),
        weight=weight,
        answers=said,
        strata=strata,
        notes=(*about_unsure(said), *merged),
    )


def _span(e: Estimate) -> str:
    return f"{e.value:,.0f}, between {e.low:,.0f} and {e.high:,.0f}"


def _sum(strata: list[dict[str, Any]], key: str) -> int:
    return sum(s[key] for s in strata)
