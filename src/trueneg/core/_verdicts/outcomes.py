"""What a verifier said of each candidate, and why it said nothing where it did not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError
from trueneg.core.shapes import Verdicts

OUTCOMES = ("accept", "reject", "abstain", "timeout", "error", "unparsed")
_ACCEPT = {"accept": 1, "reject": 0}


def make_verdicts(
    outcome: Sequence[str] | ArrayLike,
    *,
    probability: ArrayLike | None = None,
    reason: Sequence[str] | None = None,
    cost: ArrayLike | None = None,
) -> Verdicts:
    """Make verdicts out of outcomes; only ``accept`` is a yes.

    Parameters
    ----------
    outcome : sequence of str of shape (n,)
        ``accept``, ``reject``, ``abstain``, ``timeout``, ``error`` or ``unparsed``; the last four give ``accept`` -1.
    probability : array-like of shape (n,), optional
        That the candidate is correct, in [0, 1]; NaN (the default) where the verifier gives none.
    reason : sequence of str of shape (n,), optional
        One text each, empty by default.
    cost : array-like of shape (n,), optional
        What each verdict cost, in the verifier's own unit; 0 by default.

    Returns
    -------
    Verdicts

    Raises
    ------
    InputError
        An outcome that is none of the six, a probability outside [0, 1], or columns of different lengths.
    """
    said = np.asarray(outcome, dtype=np.str_).reshape(-1)
    known, code = np.unique(said, return_inverse=True)
    unknown = [str(name) for name in known if str(name) not in OUTCOMES]
    if unknown:
        msg = f"outcome {unknown[0]!r} is unknown: use {', '.join(OUTCOMES)}."
        raise InputError(msg)
    table = np.array([_ACCEPT.get(str(name), -1) for name in known], dtype=np.int8)
    accept = table[code.reshape(-1)] if len(said) else np.zeros(0, dtype=np.int8)
    return check_verdicts(
        Verdicts(
            accept,
            np.full(len(said), np.nan) if probability is None else np.asarray(probability, dtype=np.float64),
            [""] * len(said) if reason is None else list(reason),
            np.zeros(len(said)) if cost is None else np.asarray(cost, dtype=np.float64),
            said,
        )
    )


def check_verdicts(verdicts: Any, *, n: int | None = None) -> Verdicts:
    """Check what a verifier returned, and fill in the outcomes where it gave none.

    Parameters
    ----------
    verdicts : Verdicts
        From any verifier, a user's own among them.
    n : int, optional
        Candidates that it was asked about.

    Returns
    -------
    Verdicts
        With ``accept`` int8 and ``outcome`` filled in.

    Raises
    ------
    InputError
        Lengths that differ, ``accept`` other than 1, 0 and -1, a yes whose outcome is none, probabilities outside
        [0, 1].
    """
    fields: list[Any] = [getattr(verdicts, name, None) for name in ("accept", "probability", "reason", "cost")]
    if any(field is None for field in fields):
        msg = f"a verifier returned {type(verdicts).__name__}: return trueneg.core.shapes.Verdicts."
        raise InputError(msg)
    accept = verdict_of(fields[0], "accept")
    probability = np.asarray(fields[1], dtype=np.float64)
    cost = np.asarray(fields[3], dtype=np.float64)
    said = getattr(verdicts, "outcome", None)
    outcome = np.array(["abstain", "reject", "accept"])[accept + 1] if said is None else np.asarray(said, dtype=np.str_)
    wanted = len(accept) if n is None else n
    for name, length in zip(
        ("accept", "probability", "reason", "cost", "outcome"),
        (len(accept), len(probability), len(fields[2]), len(cost), len(outcome)),
        strict=True,
    ):
        if length != wanted:
            msg = f"{name} has {length} entries for {wanted} candidates: give one each, in their order."
            raise InputError(msg)
    yes, no = outcome == "accept", outcome == "reject"
    if (yes != (accept == 1)).any() or (no != (accept == 0)).any():
        i = int(np.flatnonzero((yes != (accept == 1)) | (no != (accept == 0)))[0])
        msg = (
            f"candidate {i} has accept {accept[i]} and outcome {str(outcome[i])!r}: 1 is 'accept' alone, "
            "0 'reject' alone, and all other outcomes are -1."
        )
        raise InputError(msg)
    if ((probability < 0) | (probability > 1)).any():
        msg = f"probability runs from {np.nanmin(probability):g} to {np.nanmax(probability):g}: give it in [0, 1]."
        raise InputError(msg)
    return Verdicts(accept, probability, fields[2], cost, outcome)


def verdict_of(values: ArrayLike, name: str, *, known: bool = False) -> NDArray[np.int8]:
    """Read a column of 1, 0 and -1 (``known``: of 1 and 0); booleans and whole floats are read as numbers."""
    a = np.asarray(values)
    if a.ndim != 1:
        msg = f"{name} has shape {a.shape}: give one entry a candidate."
        raise InputError(msg)
    if a.size and a.dtype.kind not in "biuf":
        msg = f"{name} holds {a.dtype}: give 1 (yes), 0 (no){'' if known else ' or -1 (nothing said)'}."
        raise InputError(msg)
    allowed = (a == 1) | (a == 0) if known else (a == 1) | (a == 0) | (a == -1)
    if not allowed.all():
        i = int(np.flatnonzero(~allowed)[0])
        msg = f"{name}[{i}] is {a[i]}: give 1 (yes), 0 (no){'' if known else ' or -1 (nothing said)'}."
        raise InputError(msg)
    return a.astype(np.int8)


def outcome_counts(verdicts: Verdicts) -> dict[str, int]:
    """Count the outcomes, in the order of ``OUTCOMES``; those that did not occur are left out."""
    said = check_verdicts(verdicts).outcome
    names, counts = np.unique(np.asarray(said), return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return {name: found[name] for name in OUTCOMES if name in found}
