"""Tree search over reasoning steps, guided by a reward of paths: diverse verifier tree search, and MCTS."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from trueneg.core.errors import InputError

# Continue a path: (problem, steps so far, how many, seed) -> steps; a step that ends the solution says so.
Expand = Callable[[str, Sequence[str], int, int], Sequence["Step"]]
# Reward of the last step of each path: (problem, paths) -> one number each, larger is better.
Reward = Callable[[str, Sequence[Sequence[str]]], Sequence[float]]


@dataclass(frozen=True)
class Step:
    """One step of reasoning; ``done`` where it ends the solution."""

    text: str
    done: bool = False


@dataclass(frozen=True)
class Path:
    """A solution, or the part of one that the search got to.

    Attributes
    ----------
    steps : tuple of str
        The steps.
    rewards : tuple of float
        One a step; :func:`trueneg.judge.reasoning.aggregate_steps` makes one of them.
    done : bool
        Whether it ended; an unfinished one is no answer.
    """

    steps: tuple[str, ...] = ()
    rewards: tuple[float, ...] = ()
    done: bool = False


def dvts(
    problem: str,
    expand: Expand,
    reward: Reward,
    *,
    n: int,
    width: int = 4,
    max_steps: int = 40,
    seed: int = 0,
) -> list[Path]:
    """Diverse verifier tree search: ``n / width`` trees of their own, each followed greedily by the reward.

    Parameters
    ----------
    problem : str
        What to solve.
    expand, reward : callable
        Any step generator and any reward of paths, see :data:`Expand` and :data:`Reward`.
    n : int
        Leaves in all; a multiple of ``width``. Independent trees keep the answers diverse, where one beam would fill up
        with near copies of its best path.
    width : int, default=4
        Continuations tried at each step of a tree.
    max_steps : int, default=40
        Steps after which a path is given up.
    seed : int, default=0
        Handed on to ``expand``, another one at each call.

    Returns
    -------
    list of Path
        All ``width`` continuations of the last step of every tree, so ``n`` in all where no step ran dry.
    """
    if n < 1 or width < 1 or n % width:
        msg = f"n={n} and width={width}: n must be a multiple of width, which is the number of leaves of one tree."
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    leaves: list[Path] = []
    for _ in range(n // width):
        best = Path()
        for step in range(max_steps):
            tried = _continued(problem, best, expand, reward, width, int(rng.integers(2**31)))
            if not tried:
                break
            best = max(tried, key=lambda p: p.rewards[-1])  # the first of equals
            if best.done or step == max_steps - 1:
                leaves += tried
                break
    return leaves


@dataclass
class _Node:
    path: Path
    parent: _Node | None = None
    children: list[_Node] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0

    def upper(self, explore: float) -> float:
        if self.visits == 0:
            return math.inf
        above = self.parent.visits if self.parent is not None else self.visits
        return self.total / self.visits + explore * math.sqrt(math.log(max(above, 1)) / self.visits)


def mcts(
    problem: str,
    expand: Expand,
    reward: Reward,
    *,
    n: int,
    width: int = 4,
    max_steps: int = 40,
    explore: float = 1.0,
    max_rounds: int | None = None,
    seed: int = 0,
) -> list[Path]:
    """Monte-Carlo tree search over steps: UCT down to a leaf, ``width`` continuations, their rewards handed back up.

    Parameters
    ----------
    problem, expand, reward, width, max_steps, seed
        As in :func:`dvts`; rewards in [0, 1], or ``explore`` scaled to theirs.
    n : int
        Finished solutions to collect.
    explore : float, default=1.0
        Weight of what was tried seldom.
    max_rounds : int, optional
        Expansions at most; by default ``n * max_steps``.

    Returns
    -------
    list of Path
        Finished solutions, up to ``n``, in the order in which they were found.
    """
    if n < 1 or width < 1:
        msg = f"n={n} and width={width} must be 1 or more."
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    root = _Node(Path())
    found: list[Path] = []
    for _ in range(n * max_steps if max_rounds is None else max_rounds):
        node: _Node | None = root
        while node is not None and node.children:
            open_ones = [c for c in node.children if not _closed(c)]
            node = max(open_ones, key=lambda c: c.upper(explore)) if open_ones else None
        if node is None or len(found) >= n:
            break
        tried = []
        if len(node.path.steps) < max_steps:
            tried = _continued(problem, node.path, expand, reward, width, int(rng.integers(2**31)))
        if not tried:
            node.children = []
            node.path = Path(node.path.steps, node.path.rewards, True)  # a dead end: closed, and no solution
            if node is root:
                break
            continue
        node.children = [_Node(p, node) for p in tried]
        found += [p for p in tried if p.done]
        for child in node.children:
            _hand_up(child, child.path.rewards[-1])
    return found[:n]


def _closed(node: _Node) -> bool:
    return node.path.done or (bool(node.children) and all(_closed(c) for c in node.children))


def _hand_up(node: _Node, value: float) -> None:
    up: _Node | None = node
    while up is not None:
        up.visits += 1
        up.total += value
        up = up.parent


def _continued(problem: str, path: Path, expand: Expand, reward: Reward, width: int, seed: int) -> list[Path]:
    steps = list(expand(problem, path.steps, width, seed))[:width]
    if not steps:
        return []
    longer = [(*path.steps, s.text) for s in steps]
    rewards = [float(r) for r in reward(problem, longer)]
    if len(rewards) != len(steps) or any(math.isnan(r) for r in rewards):
        msg = f"the reward gave {len(rewards)} numbers for {len(steps)} paths: return one number each, none missing."
        raise InputError(msg)
    return [Path(p, (*path.rewards, r), s.done) for p, r, s in zip(longer, rewards, steps, strict=True)]
