"""Random numbers by counter: each is a hash of seed, pass, class, row, clause and word, and of nothing else.

So a result cannot depend on threads, on the order of classes, or on what was skipped because it had no effect. The
compiled loops (:mod:`trueneg.heads._tsetlin.learn`) draw the same numbers as the functions here, which are the
definition: tests hand them to a machine written out automaton by automaton.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["GAMMA", "clause_keys", "coins", "event_key", "key_of", "mask_words", "rate_of"]

Words = NDArray[np.uint64]
GAMMA = 0x9E3779B97F4A7C15
_FULL = 2**64


def _mix(z: int) -> int:
    """Scramble a 64-bit number (the finaliser of SplitMix64)."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % _FULL
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % _FULL
    return z ^ (z >> 31)


def key_of(seed: int, *parts: int) -> int:
    """Return the key of a stream: ``seed`` and, for example, pass and class."""
    key = _mix(int(seed) % _FULL)
    for part in parts:
        key = _mix((key + GAMMA * (int(part) + 1)) % _FULL)
    return key


def event_key(stream: int, row: int) -> int:
    """Return the key of one row's update in a stream."""
    return _mix((int(stream) + GAMMA * (int(row) + 1)) % _FULL)


def words_of(key: int, n: int) -> Words:
    """Return n random words of a key: SplitMix64 at counters 1 to n."""
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.uint64(GAMMA) * np.arange(1, n + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def coins(event: int, n: int) -> NDArray[np.float64]:
    """Return one number of [0, 1) for each of n clauses; a clause gets feedback where it is below p."""
    return (words_of(event, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def clause_keys(event: int, n: int) -> list[int]:
    """Return the key of the automata of each of n clauses in one update."""
    return [_mix((_mix(event ^ GAMMA) + GAMMA * (clause + 1)) % _FULL) for clause in range(n)]


def mask_words(key: int, n: int, rate: tuple[int, int]) -> Words:
    """Return n words whose bits are one with probability numerator / 2**digits, ``rate``.

    One random word is spent on each binary digit of the probability, from the lowest up: OR where the digit is one,
    AND where it is zero. The first word of a place is a hash, those after it are xorshift steps of it.
    """
    numerator, digits = rate
    if numerator >> digits:
        return np.full(n, _FULL - 1, dtype=np.uint64)
    z = words_of(key, n)
    mask = z.copy()
    for digit in range(1, digits):
        z = z ^ (z << np.uint64(13))
        z ^= z >> np.uint64(7)
        z ^= z << np.uint64(17)
        mask = mask | z if (numerator >> digit) & 1 else mask & z
    return mask


def rate_of(specificity: float, digits: int | None = None) -> tuple[int, int]:
    """Return 1 / s as numerator and number of binary digits.

    Parameters
    ----------
    specificity : float
        s, at least 1.
    digits : int or None, default=None
        Binary digits to spend; None takes the fewest that come within 2 % of 1 / s. Each costs a random word for 64
        automata.

    Returns
    -------
    tuple of int
        Numerator, odd unless it is 1 / 1, and digits.
    """
    wanted = 1.0 / specificity
    if digits is None:
        digits = next((d for d in range(20) if abs(round(wanted * 2**d) / 2**d / wanted - 1.0) <= 0.02), 20)
    numerator = max(1, round(wanted * 2**digits))
    while digits > 0 and numerator % 2 == 0:
        numerator, digits = numerator // 2, digits - 1
    return numerator, digits
