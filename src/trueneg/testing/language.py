"""Conformance checks of the Generator and Verifier shapes: as many answers as asked, and no yes that nobody said.

Every check raises ``AssertionError`` with a sentence that says what is broken. They ask a few short questions, so that
they may run against a model that costs something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from trueneg.core.verdicts import OUTCOMES, check_verdicts
from trueneg.testing._checking import require

__all__ = ["check_generator", "check_verifier", "generator_checks", "verifier_checks"]

_PROMPTS = ("Name a colour.", "Count to three.", "Name a colour.")
_ITEMS, _CANDIDATES = ("1 + 1?", "2 + 2?", "1 + 1?"), ("2", "5", "2")


def check_counts(generator: Any) -> None:
    """``n`` texts come for each prompt, in the order of the prompts, and none for none."""
    for n in (1, 3):
        found = generator.generate(list(_PROMPTS), n, 0)
        require(len(found) == len(_PROMPTS), f"{len(_PROMPTS)} prompts gave {len(found)} lists of texts")
        require(all(len(row) == n for row in found), f"n={n} gave {[len(row) for row in found]} texts")
        require(all(isinstance(text, str) for row in found for text in row), "an answer is no text")
    require(list(generator.generate([], 2, 0)) == [], "no prompt gave an answer")


def check_seed(generator: Any) -> None:
    """The same seed gives the same texts, whatever was asked before, and the prompts stay as they were."""
    prompts = list(_PROMPTS)
    first = generator.generate(prompts, 2, 7)
    require(prompts == list(_PROMPTS), "the prompts were changed")
    generator.generate(prompts[::-1], 1, 8)
    require(generator.generate(prompts, 2, 7) == first, "the same seed gave other texts the second time")
    require(first[0] == first[2], "one prompt, twice in a batch, gave different texts under one seed")


def check_shape(verifier: Any) -> None:
    """One verdict comes for each pair, with an outcome that fits it; nothing said is never a yes."""
    found = check_verdicts(verifier.verify(list(_ITEMS), list(_CANDIDATES)), n=len(_ITEMS))
    said = np.asarray(found.accept)
    require(np.isin(said, (-1, 0, 1)).all(), f"verdicts are 1, 0 or -1, not {sorted(set(said.tolist()))}")
    if found.outcome is not None:
        outcome = np.asarray(found.outcome)
        require(np.isin(outcome, OUTCOMES).all(), f"outcomes are {', '.join(OUTCOMES)}")
        require(((outcome == "accept") == (said == 1)).all(), "an outcome other than accept has the verdict 1")
    require(len(found.reason) == len(_ITEMS), "there is not one reason a pair")


def check_order(verifier: Any) -> None:
    """A verdict belongs to its pair: another order, or a batch of one, changes none; equal pairs get equal verdicts."""
    whole = np.asarray(verifier.verify(list(_ITEMS), list(_CANDIDATES)).accept)
    turned = np.asarray(verifier.verify(list(_ITEMS[::-1]), list(_CANDIDATES[::-1])).accept)[::-1]
    require((whole == turned).all(), "verdicts depend on the order of the batch")
    alone = [_one(verifier, item, candidate) for item, candidate in zip(_ITEMS, _CANDIDATES, strict=True)]
    require(whole.tolist() == alone, "verdicts depend on what else is in the batch")
    require(whole[0] == whole[2], "equal pairs got different verdicts")


def check_nothing(verifier: Any) -> None:
    """An empty batch gives no verdict."""
    require(len(verifier.verify([], []).accept) == 0, "no pair gave a verdict")


def _one(verifier: Any, item: Any, candidate: Any) -> int:
    return int(np.asarray(verifier.verify([item], [candidate]).accept)[0])


_GENERATOR: Sequence[Callable[[Any], None]] = (check_counts, check_seed)
_VERIFIER: Sequence[Callable[[Any], None]] = (check_shape, check_order, check_nothing)


def generator_checks() -> Iterator[Callable[[Any], None]]:
    """Yield the checks of a Generator one by one."""
    yield from _GENERATOR


def verifier_checks() -> Iterator[Callable[[Any], None]]:
    """Yield the checks of a Verifier one by one."""
    yield from _VERIFIER


def check_generator(generator: Any) -> None:
    """Run every check of the Generator shape.

    Parameters
    ----------
    generator : Generator
        ``generate(prompts, n, seed)``; it is asked about twenty short questions.

    Raises
    ------
    AssertionError
        At the first check that fails.
    """
    for check in _GENERATOR:
        check(generator)


def check_verifier(verifier: Any) -> None:
    """Run every check of the Verifier shape.

    Parameters
    ----------
    verifier : Verifier
        ``verify(items, candidates)``; it judges twelve short pairs.

    Raises
    ------
    AssertionError
        At the first check that fails.
    """
    for check in _VERIFIER:
        check(verifier)
