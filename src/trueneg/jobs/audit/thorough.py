"""``--thorough``: both kinds of model on all rows, three rounds of cross-validation, and the blend that fits best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.jobs.audit.folds import grouped_folds, possible_folds
from trueneg.jobs.audit.out_of_fold import families, fold_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.jobs.audit.represent import Representation

REPEATS, FOLDS = 3, 5
STEPS = 20
FLOOR = 1e-6


def thorough_out_of_fold(
    data: Representation,
    codes: np.ndarray,
    n_classes: int,
    *,
    groups: np.ndarray | None,
    random_state: int,
    progress: Callable[[str], None],
) -> tuple[np.ndarray, str, str]:
    """Return probabilities of models that never saw the row or its group, averaged over rounds and blended.

    A round's probabilities depend on how its folds fell; the mean of three rounds less so. The blend's one weight is
    the one of 21 with the least log loss on all labelled rows, each held out.

    Parameters
    ----------
    data : Representation
    codes : (n,) int array
        -1 where there is no label; such rows train nothing and get the mean of all models' predictions.
    n_classes : int
    groups : (n,) int array or None
        Rows of one group stay in one fold; by default rows of equal content.
    random_state : int
        Seed; round r uses ``random_state + r``.
    progress : callable
        Called with one line a fold.

    Returns
    -------
    proba : (n, n_classes) float32
    model : str
        What was blended.
    told : str
        What it was measured to gain.
    """
    labelled = np.flatnonzero(codes >= 0)
    y = codes[labelled]
    together = data.duplicate_of if groups is None else groups
    folds = possible_folds(y, together[labelled], FOLDS)
    rounds = [grouped_folds(y, together[labelled], folds, random_state + r) for r in range(REPEATS)]
    found, first = {}, {}
    for name, make, inputs in families(data, codes[labelled], n_classes):
        sums = np.zeros((len(codes), n_classes), np.float32)
        for r, split in enumerate(rounds):
            say = f"{name}, round {r + 1} of {REPEATS}"
            sums += fold_probabilities(make(random_state + r), inputs, codes, labelled, split, n_classes, say, progress)
            if r == 0:
                first[name] = _loss(sums[labelled], y)
        found[name] = sums / REPEATS
    losses = {name: _loss(p[labelled], y) for name, p in found.items()}
    proba, weights = _blend(found, labelled, y)
    best = _loss(proba[labelled], y)
    parts = [f"{w:.2f} {name}" for name, w in weights.items() if w > 0]
    model = f"{' + '.join(parts)}, {REPEATS} rounds of {folds} folds"
    once = min(first.values())
    gain = 100 * (1 - best / max(once, 1e-12))
    gained = f"so it gained {gain:.1f} %" if gain >= 0.05 else "so it gained nothing"
    told = (
        f"--thorough fitted {REPEATS} rounds of {folds} folds on all labelled rows: held-out log loss "
        + ", ".join(f"{loss:.4f} by {name}" for name, loss in losses.items())
        + (f", {best:.4f} by their blend" if len(losses) > 1 else "")
        + f"; one round of the better one has {once:.4f}, {gained}"
    )
    return proba, model, told


def _loss(proba: np.ndarray, y: np.ndarray) -> float:
    """Return the mean log loss of given labels; rows are scaled to sum to one."""
    own = proba[np.arange(len(y)), y] / np.maximum(proba.sum(axis=1), 1e-12)
    return float(-np.log(np.maximum(own.astype(float), FLOOR)).mean())


def _blend(found: dict[str, np.ndarray], labelled: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Return the mixture of least held-out loss, and its weights."""
    names = list(found)
    if len(names) == 1:
        return found[names[0]], {names[0]: 1.0}
    one, two = (found[name] for name in names)
    own = np.arange(len(y))
    a, b = (p[labelled][own, y].astype(float) for p in (one, two))
    grid = np.linspace(0, 1, STEPS + 1)
    losses = [-np.log(np.maximum(w * a + (1 - w) * b, FLOOR)).mean() for w in grid]
    w = float(grid[int(np.argmin(losses))])
    return (np.float32(w) * one + np.float32(1 - w) * two), {names[0]: w, names[1]: 1 - w}
