"""A review of a few rows: which ones to judge, and what the answers say about all the others.

A ranked list has no denominator: it does not say how many errors lie below the last row that was read. A stratified
random sample with known inclusion probabilities does. :func:`plan` draws it, :func:`expected_width` and
:func:`n_for_width` say beforehand what it will be worth, :func:`estimate` turns the answers into the number of wrong
labels with two intervals, one from the sample alone and one that trusts the shape of the ranking, and joins the two
under a guard. :func:`agreement` compares two reviewers.

*Wrong* is what the reviewer accepts (the suspicion is right, the given label is not). ``probability`` is that of being
wrong, for every row that can be: where only negatives are suspected, give the negatives only.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, jeffreys, stratified

__all__ = [
    "Agreement",
    "Sample",
    "SurveyResult",
    "Width",
    "agreement",
    "estimate",
    "expected_width",
    "n_for_width",
    "plan",
]

_TOP, _NEXT, _REST = 0, 1, 2
_KINDS = ("top", "next", "rest")
_LEAST = 20  # rows of a stratum: with fewer the top says nothing, and a rest this small is no rest
_ANSWERS = {"accept": 1, "reject": 0, "unsure": -1, "": -2, None: -2}
_OPEN = -2

# Priors of (alpha', beta') in sigmoid(alpha' l + beta'): the stated probability is about right (alpha' = 1,
# beta' = 0), its odds off by a factor of 10 at two deviations. Set on other data than the coverage test's.
_ALPHA, _ALPHA_SD, _N_ALPHA = 1.0, 0.35, 39
_BETA, _BETA_SD, _N_BETA = 0.0, 1.2, 65
_BINS = 200
_CLIP = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows to judge and how they were drawn.

    Attributes
    ----------
    rows : (n,) int64
        Rows of ``probability``, round by round, each round in random order: whoever stops early still leaves a random
        sample.
    stratum : (n,) int64
        Index into ``sizes`` and ``names``.
    inclusion : (n,) float64
        Probability with which each row was drawn, known by design.
    round : (n,) int64
        0 for the first round.
    sizes : (n_strata,) int64
        Rows of the population in each stratum.
    names : tuple of str
        ``top``, ``next``, ``rest``, with the class before it where strata are made by class.
    kind : (n_strata,) int64
        0 top, 1 next, 2 rest.
    levels : int
        Strata by rank that were asked for.
    member : (n_rows,) int32
        The stratum of every row of the population.
    """

    rows: NDArray[np.int64]
    stratum: NDArray[np.int64]
    inclusion: Floats
    round: NDArray[np.int64]
    sizes: NDArray[np.int64]
    names: tuple[str, ...]
    kind: NDArray[np.int64]
    levels: int
    member: NDArray[np.int32]

    @property
    def n_rows(self) -> int:
        """Rows of the population."""
        return len(self.member)

    @property
    def drawn(self) -> NDArray[np.int64]:
        """Rows drawn from each stratum, shape (n_strata,)."""
        return np.bincount(self.stratum, minlength=len(self.sizes)).astype(np.int64)

    @property
    def design(self) -> str:
        """Fingerprint of the strata: the same for the same probabilities (in rank and sum) and classes."""
        return hashlib.blake2b(np.ascontiguousarray(self.member).tobytes(), digest_size=8).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; :meth:`from_dict` rebuilds the strata from the probabilities."""
        return {
            "rows": self.rows.tolist(),
            "stratum": self.stratum.tolist(),
            "round": self.round.tolist(),
            "levels": self.levels,
            "sizes": self.sizes.tolist(),
            "names": list(self.names),
            "design": self.design,
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], probability: ArrayLike, *, by: ArrayLike | None = None) -> Sample:
        """Rebuild a sample from :meth:`to_dict` and the probabilities that it was drawn with.

        Raises
        ------
        InputError
            Where the probabilities (or classes) are others than those of the sample.
        """
        p = _probabilities(probability)
        empty = _layout(p, _codes(by, len(p)), int(saved["levels"]))
        if empty.design != saved["design"]:
            raise InputError(_OTHER)
        rows = np.asarray(saved["rows"], dtype=np.int64)
        return _with(empty, rows, np.asarray(saved["round"], dtype=np.int64))


@dataclass(frozen=True)
class Width:
    """What a review of ``n`` rows is expected to be worth, if the probabilities are right.

    Attributes
    ----------
    n : int
        Rows to judge.
    share : float
        Expected width of the interval, as a share of all rows.
    rows : float
        The same as a number of rows.
    model_free, model : float
        Width of either interval, as a share.
    supported : bool
        Whether the expected answers support the ranking, so that the model's upper end counts.
    expected : float
        Number of wrong labels by the probabilities.
    """

    n: int
    share: float
    rows: float
    model_free: float
    model: float
    supported: bool
    expected: float


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


# -- the design ----------------------------------------------------------------------------------------------------


def plan(
    probability: ArrayLike,
    *,
    n: int = 60,
    width: float | None = None,
    level: float = 0.95,
    by: ArrayLike | None = None,
    random_state: int | np.random.Generator = 0,
    earlier: Sample | None = None,
) -> Sample:
    """Draw the rows to judge: a random sample, stratified by rank.

    The strata are the top ``m = clip(round(sum probability), 20, N / 4)`` rows, the next ``3 m``, and the rest (merged
    into the next where it holds fewer than 20 rows). Each gets an equal share; what a small one cannot take goes to
    the others. Where all probabilities are equal there is no rank and one stratum.

    Parameters
    ----------
    probability : array-like of shape (n_rows,)
        Of being wrong, in [0, 1]. Ties are ranked by row number.
    n : int, default=60
        Rows to draw (in this round). With more than there are, all are drawn.
    width : float or None, default=None
        In place of ``n``: the wished width of the interval as a share of all rows; see :func:`n_for_width`.
    level : float, default=0.95
        Level of the interval that ``width`` speaks of.
    by : array-like of shape (n_rows,) or None, default=None
        Classes: each then has strata of its own.
    random_state : int or Generator, default=0
        Draws the rows.
    earlier : Sample or None, default=None
        Add a round to this sample, drawn with the same probabilities and classes: its rows stay, none is drawn
        twice, and every inclusion probability is that of both rounds together. The answers to the earlier round
        must not decide which stratum gets more, and here they do not.

    Returns
    -------
    Sample
        With ``earlier``, its rows first.

    Raises
    ------
    InputError
        Probabilities outside [0, 1] or missing, ``n`` below 1, fewer rows than classes, or an earlier sample of other
        probabilities.
    """
    p = _probabilities(probability)
    codes = _codes(by, len(p))
    if width is not None:
        n = _rows_for_width(p, codes, width, level) - (0 if earlier is None else len(earlier.rows))
        n = max(n, 0 if earlier is not None else 1)
    elif n < 1:
        msg = f"n={n}: a review needs at least one row."
        raise InputError(msg)
    base = _layout(p, codes, _levels(n, codes) if earlier is None else earlier.levels)
    if earlier is None:
        earlier = base
    elif earlier.design != base.design:
        raise InputError(_OTHER)
    rng = np.random.default_rng(random_state)
    share = _allocate(base.sizes, n, earlier.drawn)
    free = np.ones(len(p), dtype=bool)
    free[earlier.rows] = False
    picks = [
        rng.choice(np.flatnonzero(free & (base.member == h)), k, replace=False) for h, k in enumerate(share.tolist())
    ]
    new = rng.permutation(np.concatenate(picks)).astype(np.int64)
    next_round = int(earlier.round.max()) + 1 if len(earlier.rows) else 0
    rounds = np.append(earlier.round, np.full(len(new), next_round))
    return _with(base, np.append(earlier.rows, new), rounds)


def expected_width(probability: ArrayLike, n: int = 60, *, level: float = 0.95, by: ArrayLike | None = None) -> Width:
    """Say what ``n`` rows are expected to be worth before anybody judges one.

    The answers are set to what the probabilities promise. If the ranking turns out worthless, the width is that of
    the sample alone (``model_free``).

    Parameters
    ----------
    probability : array-like of shape (n_rows,)
    n : int, default=60
    level : float, default=0.95
    by : array-like of shape (n_rows,) or None, default=None

    Returns
    -------
    Width
    """
    p = _probabilities(probability)
    if n < 1:
        msg = f"n={n}: a review needs at least one row."
        raise InputError(msg)
    return _expected(p, _codes(by, len(p)), n, level)


def n_for_width(probability: ArrayLike, width: float, *, level: float = 0.95, by: ArrayLike | None = None) -> int:
    """Return how many rows a wished width needs, if the probabilities are right.

    Parameters
    ----------
    probability : array-like of shape (n_rows,)
    width : float
        Of the interval, end to end, as a share of all rows: above 0.
    level : float, default=0.95
    by : array-like of shape (n_rows,) or None, default=None

    Returns
    -------
    int
        At most ``n_rows``: who judges all of them knows the number.
    """
    p = _probabilities(probability)
    return _rows_for_width(p, _codes(by, len(p)), width, level)


# -- the estimate --------------------------------------------------------------------------------------------------


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
    p = _probabilities(probability)
    if len(p) != sample.n_rows:
        msg = f"probability has {len(p)} rows and the sample was drawn from {sample.n_rows}: give the same ones."
        raise InputError(msg)
    said = _read(sample, answers)
    judged = said >= 0
    if not judged.any():
        n_unsure = int((said == -1).sum())
        msg = f"none of {len(said)} rows has an answer ({n_unsure} unsure): accept or reject at least one."
        raise InputError(msg)
    strata = _counts(sample, said)
    free, weight, merged = _model_free(sample, said, np.ones(sample.n_rows, dtype=bool), level, total=True)
    found = float((said == 1).sum())
    logit = _logit(p)
    bins = _bin(logit, np.ones(len(p)), logit)
    rows = sample.rows[judged]
    seen = _bin(logit[rows], (said[judged] == 1).astype(np.float64), logit)
    model, alpha, beta = _model(bins, seen, found, level)
    free = _bounded(free, found, sample.n_rows - float((said == 0).sum()))
    supported = _supports(sample.kind, np.bincount(sample.stratum[said == 1], minlength=len(sample.sizes)))
    mask = _suspect_mask(sample, suspects)
    precision, _, _ = _model_free(sample, said, mask, level, total=False)
    return SurveyResult(
        total=_join(free, model, supported),
        model_free=free,
        model=model,
        supported=supported,
        precision=precision,
        alpha=alpha,
        beta=beta,
        probability=_sigmoid(alpha * logit + beta),
        weight=weight,
        answers=said,
        strata=strata,
        notes=(*_about_unsure(said), *merged),
    )


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


# -- private: the design -------------------------------------------------------------------------------------------

_OTHER = (
    "the sample was drawn with other probabilities or classes: give those it was drawn with "
    "(not the recalibrated ones), or start a new review."
)


def _probabilities(probability: ArrayLike) -> Floats:
    try:
        p = np.asarray(probability, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("probability must hold numbers between 0 and 1.") from None
    if p.ndim != 1 or p.size == 0:
        msg = f"probability has shape {p.shape}: give one entry for each row that can be wrong, at least one."
        raise InputError(msg)
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        msg = f"probability[{i}] is {p[i]}: it must lie between 0 and 1; leave rows without one out."
        raise InputError(msg)
    return p


def _codes(by: ArrayLike | None, n: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if by is None:
        return np.zeros(n, dtype=np.int64), ("",)
    a = np.asarray(by)
    if a.shape != (n,):
        msg = f"by has shape {a.shape}; give one class a row, shape ({n},)."
        raise InputError(msg)
    names, code = np.unique(a.astype(str) if a.dtype == object else a, return_inverse=True)
    return code.astype(np.int64), tuple(str(name) for name in names)


def _levels(n: int, codes: tuple[NDArray[np.int64], tuple[str, ...]]) -> int:
    """Strata by rank that ``n`` rows can fill in every class."""
    n_classes = len(codes[1])
    if n < n_classes:
        msg = f"n={n} rows for {n_classes} classes: draw at least one a class, or leave the classes out."
        raise InputError(msg)
    return min(3, n // n_classes)


def _layout(p: Floats, codes: tuple[NDArray[np.int64], tuple[str, ...]], levels: int) -> Sample:
    """Put every row in its stratum; no row is drawn yet."""
    code, classes = codes
    order = np.lexsort((-p, code))  # stable: ties by row number
    member = np.empty(len(p), dtype=np.int32)
    sizes: list[int] = []
    names: list[str] = []
    kinds: list[int] = []
    start = 0
    for name, n in zip(classes, np.bincount(code, minlength=len(classes)).tolist(), strict=True):
        rows = order[start : start + n]
        start += n
        place = 0
        for kind, size in _cuts(p[rows], levels):
            member[rows[place : place + size]] = len(sizes)
            place += size
            sizes.append(size)
            kinds.append(kind)
            names.append(f"{name}: {_KINDS[kind]}" if name else _KINDS[kind])
    none = np.empty(0, dtype=np.int64)
    return Sample(
        none, none, np.empty(0), none, np.array(sizes, dtype=np.int64), tuple(names), np.array(kinds), levels, member
    )


def _cuts(ranked: Floats, levels: int) -> list[tuple[int, int]]:
    """Return (kind, size) of the strata of one class, whose probabilities come in rank order."""
    n = len(ranked)
    if levels == 1 or n < 2 or ranked[0] == ranked[-1]:
        return [(_REST, n)]
    top = max(1, min(max(round(float(ranked.sum())), _LEAST), n // 4))
    if levels == 2 or n - 4 * top < _LEAST:
        return [(_TOP, top), (_REST, n - top)]
    return [(_TOP, top), (_NEXT, 3 * top), (_REST, n - 4 * top)]


def _allocate(sizes: NDArray[np.int64], n: int, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Spread ``n`` further rows so that all strata end up even, as far as their sizes allow."""
    n = min(n, int((sizes - drawn).sum()))
    low, high = 0, int(sizes.max())
    while low < high:
        mid = (low + high + 1) // 2
        if np.clip(np.minimum(sizes, mid) - drawn, 0, None).sum() <= n:
            low = mid
        else:
            high = mid - 1
    share: NDArray[np.int64] = np.clip(np.minimum(sizes, low) - drawn, 0, None)
    left = n - int(share.sum())
    share[np.flatnonzero((drawn + share < sizes) & (drawn + share <= low))[:left]] += 1  # from the top down
    return share


def _with(base: Sample, rows: NDArray[np.int64], rounds: NDArray[np.int64]) -> Sample:
    stratum = base.member[rows].astype(np.int64)
    inclusion = (np.bincount(stratum, minlength=len(base.sizes)) / base.sizes)[stratum]
    return replace(base, rows=rows, stratum=stratum, inclusion=inclusion, round=rounds)


def _expected(p: Floats, codes: tuple[NDArray[np.int64], tuple[str, ...]], n: int, level: float) -> Width:
    """Run the estimate on the answers that the probabilities promise, in fractions of a row."""
    n = min(n, len(p))
    base = _layout(p, codes, _levels(n, codes))
    share = _allocate(base.sizes, n, np.zeros_like(base.sizes)).astype(np.float64)
    mean = np.bincount(base.member, weights=p, minlength=len(base.sizes)) / base.sizes
    hits = share * mean
    free = stratified(hits, share, base.sizes, level=level, total=True, finite=True)
    logit = _logit(p)
    inclusion = (share / base.sizes)[base.member]
    model, _, _ = _model(
        _bin(logit, np.ones(len(p)), logit), _bin(logit, inclusion * p, logit, inclusion), float(hits.sum()), level
    )
    supported = _supports(base.kind, hits)
    joint = _join(free, model, supported)
    widths = [(e.high - e.low) / len(p) for e in (joint, free, model)]
    return Width(n, widths[0], widths[0] * len(p), widths[1], widths[2], supported, float(p.sum()))


def _rows_for_width(p: Floats, codes: tuple[NDArray[np.int64], tuple[str, ...]], width: float, level: float) -> int:
    if not width > 0:
        msg = f"width={width}: give a share of the rows above 0, for example 0.02."
        raise InputError(msg)
    low, high = len(codes[1]), len(p)  # the width falls with n but for rounding of the shares
    while low < high:
        mid = (low + high) // 2
        if _expected(p, codes, mid, level).share <= width:
            high = mid
        else:
            low = mid + 1
    return low


# -- private: answers ----------------------------------------------------------------------------------------------


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


def _read(sample: Sample, answers: ArrayLike | Mapping[int, Any]) -> NDArray[np.int8]:
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


def _counts(sample: Sample, said: NDArray[np.int8]) -> tuple[dict[str, Any], ...]:
    n = len(sample.sizes)

    def per(chosen: NDArray[np.bool_]) -> list[int]:
        return np.bincount(sample.stratum[chosen], minlength=n).tolist()

    columns = zip(
        sample.names, sample.kind.tolist(), sample.sizes.tolist(), sample.drawn.tolist(),
        per(said >= 0), per(said == -1), per(said == 1), strict=True,
    )  # fmt: skip
    keys = ("name", "kind", "size", "drawn", "answered", "unsure", "wrong")
    return tuple({**dict(zip(keys, row, strict=True)), "kind": _KINDS[row[1]]} for row in columns)


def _about_unsure(said: NDArray[np.int8]) -> tuple[str, ...]:
    notes = []
    if n_unsure := int((said == -1).sum()):
        notes.append(
            f"{n_unsure} unsure: left out; the other rows of their stratum stand in for them, which is right only "
            "if unsure rows are wrong as often as those."
        )
    if n_open := int((said == _OPEN).sum()):
        notes.append(f"{n_open} not answered yet: left out.")
    return tuple(notes)


def _suspect_mask(sample: Sample, suspects: ArrayLike | None) -> NDArray[np.bool_]:
    if suspects is None:
        first = _TOP if (sample.kind == _TOP).any() else _REST
        return (sample.kind == first)[sample.member]
    mask = np.asarray(suspects)
    if mask.dtype != bool or mask.shape != (sample.n_rows,):
        msg = f"suspects must be a mask of shape ({sample.n_rows},), not {mask.dtype} of shape {mask.shape}."
        raise InputError(msg)
    return mask


# -- private: the two intervals ------------------------------------------------------------------------------------


def _model_free(
    sample: Sample, said: NDArray[np.int8], mask: NDArray[np.bool_], level: float, *, total: bool
) -> tuple[Estimate, Floats, tuple[str, ...]]:
    """Return the stratified estimate over the rows of ``mask``, the rows each answer stands for, and notes."""
    n_strata = len(sample.sizes)
    inside = mask[sample.rows]
    judged = (said >= 0) & inside
    size = np.bincount(sample.member[mask], minlength=n_strata)
    n = np.bincount(sample.stratum[judged], minlength=n_strata)
    if not n.any():
        return Estimate(math.nan, 0.0, 1.0, level, "no suspect was judged", 0), np.zeros(len(said)), ()
    lonely = np.flatnonzero((size > 0) & (n == 0))
    have = np.flatnonzero(n > 0)
    into = np.arange(n_strata)
    # A stratum without an answer joins the nearest one that has some; strata are listed class by class, top down.
    into[lonely] = have[np.abs(have[None, :] - lonely[:, None]).argmin(axis=1)] if len(lonely) else 0
    notes = tuple(
        f"No answer in '{sample.names[h]}' ({size[h]:,} rows): taken together with '{sample.names[into[h]]}'."
        for h in lonely.tolist()
    )
    size = np.bincount(into, weights=size, minlength=n_strata)
    hits = np.bincount(sample.stratum[judged & (said == 1)], minlength=n_strata)
    used = n > 0
    found = stratified(hits[used], n[used], size[used], level=level, total=total, finite=True)
    weight = np.where(judged, size[sample.stratum] / np.maximum(n[sample.stratum], 1), 0.0)
    return found, weight, notes


def _supports(kind: NDArray[np.int64], hits: NDArray[Any]) -> bool:
    """Tell whether the answers support the ranking: else the model may not bound the number from above."""
    top, rest = float(hits[kind == _TOP].sum()), float(hits[kind == _REST].sum())
    return top >= 3 and top >= 2 * rest + 1


def _bounded(found: Estimate, least: float, most: float) -> Estimate:
    """What was judged is known: no interval goes below the wrong labels found or above all but the right ones."""
    low, high = max(found.low, least), min(found.high, most)
    return replace(found, low=min(low, found.value), high=max(high, found.value))


def _join(free: Estimate, model: Estimate, supported: bool) -> Estimate:
    low = min(free.low, model.low)
    if not supported:
        return replace(free, low=low, method="joint: model-free, the ranking is not supported")
    high = min(free.high, model.high)
    value = min(max(model.value, low), high)
    return Estimate(value, low, high, free.level, "joint: model's upper end, the smaller lower end", free.n)


def _logit(p: Floats) -> Floats:
    q = np.clip(p, _CLIP, 1 - _CLIP)
    return np.log(q) - np.log1p(-q)


def _sigmoid(x: Floats) -> Floats:
    from scipy.special import expit

    out: Floats = expit(x)
    return out


def _bin(x: Floats, hits: Floats, over: Floats, count: Floats | None = None) -> tuple[Floats, Floats, Floats]:
    """Return mean logit, count and hits in 200 equally wide bins over the range of ``over``, empty ones kept."""
    low, high = float(over.min()), float(over.max())
    place = np.zeros(len(x), dtype=np.int64)
    if high > low:  # equally wide, not equally full: the few rows at the top carry the errors
        place = np.minimum(((x - low) / (high - low) * _BINS).astype(np.int64), _BINS - 1)
    c = np.ones(len(x)) if count is None else count
    n = _sums(place, c)
    return _sums(place, c * x) / np.where(n > 0, n, 1.0), n, _sums(place, hits)


def _sums(place: NDArray[np.int64], values: Floats) -> Floats:
    return np.bincount(place, weights=values, minlength=_BINS).astype(np.float64)


def _model(
    rows: tuple[Floats, Floats, Floats], seen: tuple[Floats, Floats, Floats], found: float, level: float
) -> tuple[Estimate, float, float]:
    """Return the posterior of the total (wrong labels found + those among rows not judged), and of alpha', beta'."""
    from scipy.special import ndtr

    alpha, beta, weight = _posterior(seen)
    x, n, _ = rows
    unseen = np.maximum(n - seen[1], 0.0)
    kept = unseen > 1e-9  # expected answers come in fractions, and rounding is no row
    # A bin's rows that were judged leave it; the mean of the others moves accordingly.
    rest = (n * x - seen[1] * seen[0])[kept] / unseen[kept]
    mu = _sigmoid(alpha[:, None] * rest + beta[:, None])
    mean = found + mu @ unseen[kept]
    # The number of wrong labels is one outcome, not an expectation: each unseen row adds its own chance.
    sd = np.sqrt(np.maximum((mu * (1 - mu)) @ unseen[kept], 1e-18))
    ends = []
    for tail in ((1 - level) / 2, 0.5, (1 + level) / 2):
        low, high = float((mean - 10 * sd).min()), float((mean + 10 * sd).max())
        for _ in range(50):
            mid = (low + high) / 2
            low, high = (mid, high) if float(weight @ ndtr((mid - mean) / sd)) < tail else (low, mid)
        ends.append(min(max((low + high) / 2, found), found + float(unseen.sum())))
    answered = int(round(float(seen[1].sum())))
    made = Estimate(ends[1], ends[0], ends[2], level, "model: posterior of the recalibrated probabilities", answered)
    return made, float(weight @ alpha), float(weight @ beta)


def _posterior(seen: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    """Return grid points and weights of the posterior of (alpha', beta'), points of no weight left out."""
    a = _ALPHA + _ALPHA_SD * np.linspace(-3.5, 3.5, _N_ALPHA)
    b = _BETA + _BETA_SD * np.linspace(-4.0, 4.0, _N_BETA)
    alpha, beta, weight = _weigh(a, b, seen)
    # Many answers make the posterior narrower than the grid's steps: then look again, closer.
    for _ in range(2):
        centre = [float(weight @ v) for v in (alpha, beta)]
        sd = [math.sqrt(float(weight @ (v - m) ** 2)) for v, m in zip((alpha, beta), centre, strict=True)]
        steps = [float(a[1] - a[0]), float(b[1] - b[0])]
        if sd[0] >= 1.5 * steps[0] and sd[1] >= 1.5 * steps[1]:
            break
        reach = [5 * max(s, step / 2) for s, step in zip(sd, steps, strict=True)]
        a = np.linspace(centre[0] - reach[0], centre[0] + reach[0], _N_ALPHA)
        b = np.linspace(centre[1] - reach[1], centre[1] + reach[1], _N_BETA)
        alpha, beta, weight = _weigh(a, b, seen)
    kept = weight > 1e-10
    return alpha[kept], beta[kept], weight[kept] / weight[kept].sum()


def _weigh(a: Floats, b: Floats, seen: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    from scipy.special import log_expit

    x, n, hits = (v[seen[1] > 0] for v in seen)
    alpha, beta = np.repeat(a, len(b)), np.tile(b, len(a))
    z = alpha[:, None] * x + beta[:, None]
    log = log_expit(z) @ hits + log_expit(-z) @ (n - hits)
    log -= ((alpha - _ALPHA) / _ALPHA_SD) ** 2 / 2 + ((beta - _BETA) / _BETA_SD) ** 2 / 2
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    return alpha, beta, weight


def _kappa(table: Floats) -> Floats:
    """Cohen's kappa of 2 x 2 tables of shares, shape (m, 4); NaN where chance agreement is 1."""
    same = table[:, 0] + table[:, 3]
    first, second = table[:, 2] + table[:, 3], table[:, 1] + table[:, 3]
    chance = first * second + (1 - first) * (1 - second)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1, (same - chance) / (1 - chance), np.nan)


def _span(e: Estimate) -> str:
    return f"{e.value:,.0f}, between {e.low:,.0f} and {e.high:,.0f}"


def _sum(strata: list[dict[str, Any]], key: str) -> int:
    return sum(s[key] for s in strata)
