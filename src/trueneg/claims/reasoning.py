"""Claims: false positives in verified reasoning, on solutions that people judged, and judges held against them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.claims.evidence import Evidence
from trueneg.core.errors import InputError
from trueneg.core.intervals import jeffreys
from trueneg.core.verdicts import Calibration, corrected_rate
from trueneg.judge.reasoning import trend

__all__ = ["ReasoningJudges", "ReasoningPassAtN", "ReasoningTasks", "ReasoningVerifier"]

# Counts and verdicts alone: accepted solutions and wrong ones among them by method, model, benchmark and N; the human
# verdict and that of three judges (-1: no True or False in what it said) on 453 accepted solutions; chains of BIG-Bench
# Mistake with a right answer, and those with a mistake among them; correctness of GSM8K's published model solutions.
_TABLE = Path(__file__).parent / "tables" / "reasoning.json"
_JUDGES = ("GPT-4o", "Qwen", "Llama")
_CALIBRATED, _SPLITS = 150, 300
_PAPER = "Wang et al., arXiv 2502.06217"


class ReasoningPassAtN:
    """More attempts under an oracle that sees the answer alone take in false positives; picking one does not."""

    id = "reasoning-pass-at-n"
    system = "judge.reasoning"
    paper = _PAPER
    statement = (
        "On 90 competition problems the false positives of pass@N grow from N = 4 to 64 (one-sided p < .05), the "
        "gain in truth is at most 0.6 of the gain counted, and at 64 pass@N takes in a larger share than best-of-N "
        "(one-sided p < .05); for best-of-N, weighted votes and tree search the share does not fall from 4 to 256 "
        "(no interval of the difference lies below 0)."
    )
    control = "the human verdicts handed out at random among all accepted solutions"

    def run(self, seed: int) -> Evidence:
        """Count, then count with the verdicts shuffled."""
        runs = [r for r in _content()["runs"] if r[1] == "Qwen72B" and r[2] == "AIME"]
        counts = {(r[0], r[3]): (r[4], r[5]) for r in runs}
        found, measured = _pass_at_n(counts)
        never_falls, worst = _no_fall()
        keys = list(counts)
        sizes = np.array([counts[k][0] for k in keys])
        wrong = int(sum(counts[k][1] for k in keys))
        drawn = np.random.default_rng(seed).multivariate_hypergeometric(sizes, wrong)
        shuffled, _ = _pass_at_n({k: (int(n), int(w)) for k, n, w in zip(keys, sizes, drawn, strict=True)})
        measured["smallest upper end of a difference from 4 to 256"] = worst
        return Evidence(holds=found and never_falls, control_holds=shuffled, measured=measured)


class ReasoningJudges:
    """A judge's own count of false positives is far off, and 150 human verdicts set it right."""

    id = "reasoning-judges"
    system = "judge.reasoning"
    paper = _PAPER
    statement = (
        "On 453 accepted solutions of which 63 are false positives, each of three language models misses their "
        "share by 8 points or more; post-stratified with 150 human verdicts the mean error over 300 splits is at "
        "most a third of the judge's, and 95 % intervals hold the share in at least 0.87 of the splits."
    )
    control = "gold labels made by the judge itself"

    def run(self, seed: int) -> Evidence:
        """Split 300 times; then calibrate every judge on its own verdicts."""
        rows = np.array([r[1:] for r in _content()["judged"]], dtype=np.int8)
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(len(rows)) for _ in range(_SPLITS)]
        holds, fooled = True, True
        measured: dict[str, float | str] = {}
        for name, verdict in zip(_JUDGES, rows[:, 1:].T, strict=True):
            figures = _corrected(rows[:, 0], verdict, orders)
            own = _corrected(rows[:, 0], verdict, orders, gold=np.maximum(verdict, 0))
            holds = holds and figures["off by"] >= 0.08 and _ok(figures)
            fooled = fooled and _ok(own)
            measured |= {f"{name}: {key}": value for key, value in figures.items()}
        return Evidence(holds=holds, control_holds=fooled, measured=measured)


class ReasoningTasks:
    """Equal accuracy of answers says nothing of the chains behind them."""

    id = "reasoning-tasks"
    system = "judge.reasoning"
    paper = "Tyen et al., BIG-Bench Mistake, arXiv 2311.08516"
    statement = (
        "On four tasks with 45 right answers of 300 each, the share of right answers that rest on a mistake "
        "differs by 50 points or more, and the intervals of the largest and the smallest are apart."
    )
    control = "mistakes handed out at random among all right answers"

    def run(self, seed: int) -> Evidence:
        """Count by task, then with the mistakes shuffled."""
        counts = {name: v[1:] for name, v in _content()["mistakes"].items() if v[:2] == [300, 45]}
        right, wrong = (np.array(c) for c in zip(*counts.values(), strict=True))
        drawn = np.random.default_rng(seed).multivariate_hypergeometric(right, int(wrong.sum()))
        holds, gap = _apart(right, wrong)
        control, also = _apart(right, drawn)
        measured: dict[str, float | str] = {f"wrong, {n}": w / r for n, (r, w) in counts.items()}
        return Evidence(
            holds=holds, control_holds=control, measured={**measured, "difference": gap, "difference, shuffled": also}
        )


class ReasoningVerifier:
    """A learned verifier that picks one of 100 solutions is worth more than thirty times the parameters."""

    id = "reasoning-verifier"
    system = "judge.reasoning"
    paper = "Cobbe et al., arXiv 2110.14168"
    statement = (
        "On 1,319 problems of GSM8K the small model with a verifier solves more than the model thirty times its "
        "size without one (95 % interval of the paired difference above 0), and the large one gains from a "
        "verifier too."
    )
    control = "the two columns exchanged at random, problem by problem"

    def run(self, seed: int) -> Evidence:
        """Compare problem by problem."""
        kept = {k: np.array([int(c) for c in v]) for k, v in _content()["gsm8k"].items()}
        gap, low = _paired(kept["6b_verification"], kept["175b_finetuning"])
        more, floor = _paired(kept["175b_verification"], kept["175b_finetuning"])
        swap = np.random.default_rng(seed).random(len(kept["6b_verification"])) < 0.5
        first = np.where(swap, kept["175b_finetuning"], kept["6b_verification"])
        second = np.where(swap, kept["6b_verification"], kept["175b_finetuning"])
        return Evidence(
            holds=low > 0 and floor > 0,
            control_holds=_paired(first, second)[1] > 0,
            measured={"small with verifier less large": gap, "its lower end": low, "large: gain": more},
        )


@cache
def _content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return found


def _pass_at_n(counts: dict[tuple[str, int], tuple[int, int]]) -> tuple[bool, dict[str, float | str]]:
    n, wrong = (np.array([counts["Pass at N", k][i] for k in (4, 16, 64)]) for i in (0, 1))
    z, p = trend(wrong, n)
    ratio = float((n[2] - wrong[2] - n[0] + wrong[0]) / (n[2] - n[0]))
    best_n, best_wrong = counts["BoN", 64]
    _, against = trend([best_wrong, wrong[2]], [best_n, n[2]])
    measured: dict[str, float | str] = {
        "false positives of pass@4, 16, 64": ", ".join(f"{w / m:.3f}" for w, m in zip(wrong, n, strict=True)),
        "trend z": z,
        "trend p": p,
        "true gain over counted gain": ratio,
        "false positives of best-of-64": best_wrong / best_n,
        "p of pass@64 against best-of-64": against,
    }
    return bool(p < 0.05 and ratio <= 0.6 and against < 0.05), measured


def _no_fall() -> tuple[bool, float]:
    """Whether no method's share falls from 4 to 256, and the smallest upper end of the differences (Newcombe)."""
    counts = {(r[0], r[1], r[2], r[3]): (r[4], r[5]) for r in _content()["runs"]}
    ends = []
    for method, model, bench, n in counts:
        if n == 4 and (method, model, bench, 256) in counts:
            few, many = (
                jeffreys(counts[method, model, bench, k][1], counts[method, model, bench, k][0]) for k in (4, 256)
            )
            change = many.value - few.value
            ends.append(change + float(np.hypot(many.high - many.value, few.value - few.low)))
    return all(e >= 0 for e in ends), min(ends)


def _corrected(
    valid: NDArray[np.int8], verdict: NDArray[np.int8], orders: list[NDArray[np.int64]], gold: Any = None
) -> dict[str, float]:
    """Errors of the false-positive share of the part not calibrated, as the judge counts and corrected, over splits."""
    truth = valid if gold is None else gold
    spoken = verdict >= 0
    off = abs(float((verdict[spoken] == 0).mean()) - float((valid == 0).mean()))
    naive, fixed, spread, held, refused = [], [], [], [], 0
    for order in orders:
        known, rest = order[:_CALIBRATED], order[_CALIBRATED:]
        share = float((valid[rest] == 0).mean())
        calibration = Calibration.of(truth[known], verdict[known])
        try:
            found = corrected_rate(verdict[rest], calibration)
            other = corrected_rate(verdict[rest], calibration, method="rogan_gladen")
        except InputError:  # no better than chance, as far as 150 can tell
            refused += 1
            continue
        naive.append(abs(1 - found.naive.value - share))
        fixed.append(abs(1 - found.corrected.value - share))
        spread.append(abs(1 - other.corrected.value - share))
        held.append(found.corrected.low <= 1 - share <= found.corrected.high)
    return {
        "off by": off,
        "mean error as judged": float(np.mean(naive)),
        "mean error post-stratified": float(np.mean(fixed)),
        "mean error Rogan-Gladen": float(np.mean(spread)),
        "coverage": float(np.mean(held)),
        "splits refused": float(refused),
    }


def _ok(figures: dict[str, float]) -> bool:
    third = figures["mean error post-stratified"] <= figures["mean error as judged"] / 3
    return bool(third and figures["coverage"] >= 0.87)


def _apart(right: NDArray[Any], wrong: NDArray[Any]) -> tuple[bool, float]:
    shares = [jeffreys(float(w), float(r)) for r, w in zip(right, wrong, strict=True)]
    low, high = min(shares, key=lambda e: e.value), max(shares, key=lambda e: e.value)
    gap = high.value - low.value
    return gap >= 0.5 and high.low > low.high, gap


def _paired(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[float, float]:
    gap = (a - b).astype(np.float64)
    return float(gap.mean()), float(gap.mean() - 1.96 * gap.std(ddof=1) / np.sqrt(len(gap)))
