"""What the reviewers said, counted, and how far two of them agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core._survey.sample import KINDS, REST, TOP
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, jeffreys

if TYPE_CHECKING:
    from trueneg.core._survey.sample import Floats, Sample


_ANSWERS = {"accept": 1, "reject": 0, "unsure": -1, "": -2, None: -2}
_OPEN = -2


@dataclass(frozen=True)
class Agreement:
    """How far two reviewers agree.

    Attributes
    ----------
    kappa : Estimate
        Cohen's kappa; NaN where both gave one and the same answer throughout, which leaves it undefined.
    share : Estimate
        Share of rows on which both said the same.
    n : int
        Rows that both judged.
    left_out : int
        Rows that either left open or was unsure about.
    """

    kappa: Estimate
    share: Estimate
    n: int
    left_out: int


def agreement(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Agreement:
    """Compare two reviewers of the same rows: Cohen's kappa and the plain share, each with its interval.

    The interval of kappa is the posterior of the 2 x 2 table under Jeffreys' prior (Dirichlet, 1/2 a cell), by fixed
    draws, so that five rows in full agreement do not promise a kappa of exactly 1. It speaks of rows like those
    judged; suspects are harder than the average row.

    Parameters
    ----------
    first, second : array-like of shape (n,)
        Answers as in :func:`estimate`; a row that either left open or was unsure about is left out and counted.
    level : float, default=0.95
        Nominal coverage.

    Returns
    -------
    Agreement

    References
    ----------
    Cohen (1960), "A coefficient of agreement for nominal scales".
    """
    a, b = _codes_of_answers(first), _codes_of_answers(second)
    if len(a) != len(b):
        msg = f"the reviewers answered {len(a)} and {len(b)} rows: give both lists in the same order."
        raise InputError(msg)
    both = (a >= 0) & (b >= 0)
    n = int(both.sum())
    if n == 0:
        raise InputError("no row was judged by both reviewers: give rows that both accepted or rejected.")
    table = np.bincount(2 * a[both].astype(np.int64) + b[both], minlength=4).astype(np.float64)
    share = jeffreys(table[0] + table[3], n, level=level)
    draws = _kappa(np.random.default_rng(0).dirichlet(table + 0.5, 20_000))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    value = float(_kappa(table[None, :] / n)[0])
    if not math.isnan(value):  # Jeffreys' convention: the interval holds its own estimate
        low, high = min(low, value), max(high, value)
    kappa = Estimate(value, float(low), float(high), level, "Cohen's kappa, Jeffreys posterior", n)
    return Agreement(kappa, share, n, len(a) - n)


def _codes_of_answers(answers: Any) -> NDArray[np.int8]:
    given = list(answers)
    codes = np.empty(len(given), dtype=np.int8)
    for i, answer in enumerate(given):  # a few hundred answers of a person, of any type
        key = answer.item() if isinstance(answer, np.generic) else answer
        key = key.strip().lower() if isinstance(key, str) else key
        if isinstance(key, float) and math.isnan(key):
            key = None
        code = _ANSWERS.get(key) if key is None or isinstance(key, str) else key
        if code not in (1, 0, -1, _OPEN):
            msg = f"answer {i} is {answer!r}: choose 'accept', 'reject' or 'unsure' (1, 0, -1), or leave it empty."
            raise InputError(msg)
        codes[i] = int(code)
    return codes


def read_answers(sample: Sample, answers: ArrayLike | Mapping[int, Any]) -> NDArray[np.int8]:
    if isinstance(answers, Mapping):
        strange = set(answers) - set(sample.rows.tolist())
        if strange:
            msg = f"row {min(strange)} is answered and was not drawn ({len(strange)} such): give this sample's answers."
            raise InputError(msg)
        return _codes_of_answers([answers.get(row) for row in sample.rows.tolist()])
    codes = _codes_of_answers(answers)
    if len(codes) != len(sample.rows):
        msg = f"{len(codes)} answers for {len(sample.rows)} rows: give one a row, empty where there is none."
        raise InputError(msg)
    return codes


def count_answers(sample: Sample, said: NDArray[np.int8]) -> tuple[dict[str, Any], ...]:
    n = len(sample.sizes)

    def per(chosen: NDArray[np.bool_]) -> list[int]:
        return np.bincount(sample.stratum[chosen], minlength=n).tolist()

    columns = zip(
        sample.names, sample.kind.tolist(), sample.sizes.tolist(), sample.drawn.tolist(),
        per(said >= 0), per(said == -1), per(said == 1), strict=True,
    )  # fmt: skip
    keys = ("name", "kind", "size", "drawn", "answered", "unsure", "wrong")
    return tuple({**dict(zip(keys, row, strict=True)), "kind": KINDS[row[1]]} for row in columns)


def about_unsure(said: NDArray[np.int8]) -> tuple[str, ...]:
    notes = []
    if n_unsure := int((said == -1).sum()):
        notes.append(
            f"{n_unsure} unsure: left out; the other rows of their stratum stand in for them, which is right only "
            "if unsure rows are wrong as often as those."
        )
    if n_open := int((said == _OPEN).sum()):
        notes.append(f"{n_open} not answered yet: left out.")
    return tuple(notes)


def suspect_mask(sample: Sample, suspects: ArrayLike | None) -> NDArray[np.bool_]:
    if suspects is None:
        first = TOP if (sample.kind == TOP).any() else REST
        return (sample.kind == first)[sample.member]
    mask = np.asarray(suspects)
    if mask.dtype != bool or mask.shape != (sample.n_rows,):
        msg = f"suspects must be a mask of shape ({sample.n_rows},), not {mask.dtype} of shape {mask.shape}."
        raise InputError(msg)
    return mask


def _kappa(table: Floats) -> Floats:
    """Cohen's kappa of 2 x 2 tables of shares, shape (m, 4); NaN where chance agreement is 1."""
    same = table[:, 0] + table[:, 3]
    first, second = table[:, 2] + table[:, 3], table[:, 1] + table[:, 3]
    chance = first * second + (1 - first) * (1 - second)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1, (same - chance) / (1 - chance), np.nan)
