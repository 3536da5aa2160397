"""Selection rules over 1,000,000 attempts at 20,000 problems against a loop with a counter a problem.

Run: ``python benchmarks/reasoning.py``. The loop is what published scripts do: group the attempts by problem, count the
answers, take the most frequent, the largest reward, and the largest sum of rewards. Both get answer classes, and
their choices must be equal. One process, one thread; the median of three rounds; memory is the peak above the data.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402

NAME = "reasoning: three selection rules, 1M attempts"


def loop(problem, group, reward):
    """Choose by majority, best-of-N and weighted majority, one problem after the other."""
    rows = defaultdict(list)
    for i, p in enumerate(problem.tolist()):
        rows[p].append(i)
    group, reward = group.tolist(), reward.tolist()
    chosen = ([], [], [])
    for p in sorted(rows):
        votes, sums = defaultdict(int), defaultdict(float)
        for i in rows[p]:
            votes[group[i]] += 1
            sums[group[i]] += reward[i]
        mine = rows[p]
        chosen[0].append(max(mine, key=lambda i: votes[group[i]]))
        chosen[1].append(max(mine, key=lambda i: reward[i]))
        chosen[2].append(max(mine, key=lambda i: sums[group[i]]))
    return chosen


def ours(problem, group, reward):
    """Choose by the same three rules, all problems at once."""
    from trueneg.judge.reasoning import select

    rules = ("majority", "best_of_n", "weighted_majority")
    return [select(problem, rule, classes=group, rewards=reward, rescale=False) for rule in rules]


def run(fast=False):
    """Return the one row."""
    n = 50_000 if fast else 1_000_000
    rng = np.random.default_rng(0)
    problem, group = rng.permutation(np.arange(n) // 50), rng.integers(0, 8, n)
    reward = rng.integers(0, 1000, n).astype(float)  # whole numbers: sums are exact in any order
    ours(problem[:1000], group[:1000], reward[:1000])
    before, times = peak(reset=True), []
    for _ in range(3):
        clock = time.perf_counter()
        got = ours(problem, group, reward)
        times.append(time.perf_counter() - clock)
    mib = peak() - before
    slow = []
    for _ in range(3):
        clock = time.perf_counter()
        want = loop(problem, group, reward)
        slow.append(time.perf_counter() - clock)
    if any(list(a) != list(b) for a, b in zip(got, want, strict=True)):
        raise RuntimeError("the two choose other attempts")
    row = {"name": NAME, "peer": "a loop with counters", "ours_wall_s": round(median(times), 3)}
    row |= {"peer_wall_s": round(median(slow), 3), "ratio": round(median(slow) / median(times), 1)}
    return [{**row, "ours_mib": round(mib, 1)}]


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
