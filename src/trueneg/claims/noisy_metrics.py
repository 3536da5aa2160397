"""Claim: label errors keep the order of models under some metrics, and known rates undo what they do to values."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun, InputError
from trueneg.data.registry import folder
from trueneg.judge.noisy_metrics import (
    METRICS,
    NoiseRates,
    confusion_counts,
    corrected_confusion,
    corrected_metrics,
    expected_auroc,
    expected_observed,
    ranking_distortion,
)

__all__ = ["CLAIM_IDS", "NoisyMetricsClaim"]

CLAIM_IDS = ("noisy-metrics",)

_PREVALENCES = (0.05, 0.01, 0.002)
_NOISE = ((0.3, 0.001), (0.3, 0.005), (0.1, 0.01), (0.2, 0.002))  # (miss, false alarm)
_CORRECTED = ((0.01, 0.3, 0.005), (0.05, 0.3, 0.001))  # (prevalence, miss, false alarm)
_METRICS = ("f1", "mcc", "recall")
_SIZES = (300, 1000, 4000)
_ALARMS = (0.001, 0.005, 0.02, 0.08)  # shares of training normals above the four thresholds
_BOUND = 0.35
_AUDITED = (100, 400)  # rows looked at again among the observed positives; four times as many among the negatives
_JUDGED = (49, 57, 61, 65)  # logistic regression, neighbours, tree, forest: largest training size, second threshold
_LEVEL, _COVERAGE = 0.9, 0.80
_TRAIN, _TEST = "KDDTrain+_20Percent.txt", "KDDTest+.txt"


class NoisyMetricsClaim:
    """Order and values of metrics under label errors, with 72 classifiers on network intrusions."""

    id = "noisy-metrics"
    system = "judge.noisy_metrics"
    paper = "Kulatilleke and Samarakoon, arXiv 2208.11904"
    statement = (
        "Under label errors that ignore the prediction, precision, MCC, balanced accuracy and AUROC keep the order of "
        "models, and F1 and g-mean do not in every setting; with known rates, correction leaves at most 0.35 of the "
        "error of F1 and MCC, and of recall where false alarms are not rare against positives; with rates from an "
        "audit of 100 or 400 observed positives and four times as many negatives, 90 % intervals hold the truth in "
        "at least 0.80 of the draws."
    )
    control = "rates swapped; misses that follow the score; intervals that take the audited rates for exact"

    def run(self, seed: int) -> Evidence:
        """Train the models, then check the order (exactly), the correction (by draws) and both controls."""
        y, scores, preds = _models(seed)
        rng = np.random.default_rng(seed)
        order, measured = _order(y, scores, preds)
        values, swapped, more = _correction(y, preds, rng)
        measured |= more
        covered, bare, more = _coverage(y, preds, rng)
        measured |= more
        dependent, per_cell, more = _dependent(y, scores, preds, rng)
        measured |= more
        measured["errors that follow the score: global correction still holds"] = float(dependent)
        return Evidence(
            holds=order and values and covered and per_cell,
            control_holds=swapped or bare or dependent,
            measured=measured,
        )


# ------------------------------------------------------------------------------------------------------- data
def _rows(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise ClaimNotRun(f"{path.name} of NSL-KDD is not in {path.parent}; fetch the data set nsl_kdd.")
    with path.open(newline="", encoding="utf-8") as handle:
        return [row for row in csv.reader(handle) if len(row) >= 42]


def _features(train: list[list[str]], test: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """log1p of the 38 numeric columns, standardised on training rows; one-hot of the three names."""
    names = (1, 2, 3)
    numeric = [c for c in range(41) if c not in names]  # columns 41 (label) and 42 (difficulty) would leak
    levels = [sorted({r[c] for r in train}) for c in names]
    out = []
    for rows in (train, test):
        table = np.log1p(np.array([[float(r[c]) for c in numeric] for r in rows], dtype=np.float32))
        hot = [np.array([r[c] for r in rows])[:, None] == np.array(lv) for c, lv in zip(names, levels, strict=True)]
        out.append((table, np.hstack(hot).astype(np.float32)))
    mean, spread = out[0][0].mean(axis=0), out[0][0].std(axis=0)
    spread[spread == 0] = 1.0
    a, b = (np.hstack([np.clip((t - mean) / spread, -10, 10), h]) for t, h in out)
    return a, b


def _learners(seed: int) -> list[Callable[[], Any]]:
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    return [
        lambda: LogisticRegression(max_iter=200),
        lambda: GaussianNB(var_smoothing=1e-3),
        lambda: KNeighborsClassifier(15),
        lambda: DecisionTreeClassifier(min_samples_leaf=10, random_state=seed),
        lambda: RandomForestClassifier(30, min_samples_leaf=2, random_state=seed),
        lambda: ExtraTreesClassifier(30, min_samples_leaf=2, random_state=seed),
    ]


def _models(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth (n,), scores (18, n) and predictions (72, n) on the test rows."""
    where = Path(folder("nsl_kdd"))
    train, test = _rows(where / _TRAIN), _rows(where / _TEST)
    x, x_test = _features(train, test)
    y, y_test = (np.array([r[41] != "normal" for r in rows], dtype=np.int64) for rows in (train, test))
    order = np.random.default_rng(seed).permutation(y.size)
    held = order[-4000:][y[order[-4000:]] == 0]  # normals that set the thresholds, never trained on
    scores, preds = [], []
    for size, make in itertools.product(_SIZES, _learners(seed)):
        model = make().fit(x[order[:size]], y[order[:size]])
        both = model.predict_proba(np.vstack([x_test, x[held]]))[:, 1]
        on_test, on_held = both[: y_test.size], both[y_test.size :]
        scores.append(on_test)
        preds += [on_test > np.quantile(on_held, 1 - alarms) for alarms in _ALARMS]
    return y_test, np.array(scores), np.array(preds, dtype=np.int64)


def _table(y: np.ndarray, preds: np.ndarray) -> np.ndarray:
    """Counts (models, 4) of predictions (models, n)."""
    tp, predicted = preds @ y, preds.sum(axis=1)
    return np.stack([tp, predicted - tp, y.sum() - tp, y.size - y.sum() - predicted + tp], axis=1).astype(np.float64)


# --------------------------------------------------------------------------------------------------- A: the order
def _order(y: np.ndarray, scores: np.ndarray, preds: np.ndarray) -> tuple[bool, dict[str, float | str]]:
    counts = _table(y, preds)
    tau: dict[str, list[float]] = {name: [] for name in METRICS}
    gap = 0.0
    for prevalence, (miss, alarm) in itertools.product(_PREVALENCES, _NOISE):
        weight = prevalence / (1 - prevalence) * (1 - y).sum() / y.sum()
        true, rates = counts * np.array([weight, 1, weight, 1]), NoiseRates(miss, alarm)
        for name, value in ranking_distortion(true, rates).items():
            tau[name].append(value)
        seen = (1 - miss) * prevalence + alarm * (1 - prevalence)
        ratio = (1 - miss - alarm) * np.sqrt(prevalence * (1 - prevalence) / (seen * (1 - seen)))
        difference = METRICS["mcc"](expected_observed(true, rates)) - ratio * METRICS["mcc"](true)
        gap = max(gap, float(np.nanmax(np.abs(difference))))
    auroc_gap, auroc_tau = _auroc(y, scores)
    kept = min(min(tau[name]) for name in ("precision", "mcc", "balanced_accuracy"))
    broken = max(min(tau[name]) for name in ("f1", "g_mean"))
    lost = {name: sum(t < 0.95 for t in tau[name]) for name in ("f1", "g_mean")}
    measured: dict[str, float | str] = {f"least tau, {name}": round(min(t), 4) for name, t in tau.items()}
    measured |= {f"settings of 12 with tau < 0.95, {name}": float(n) for name, n in lost.items()}
    measured |= {"MCC: largest gap to the formula": gap, "AUROC: largest gap to the formula": auroc_gap}
    holds = kept > 1 - 1e-9 and broken < 0.95 and max(gap, auroc_gap) < 1e-9 and auroc_tau
    return bool(holds), measured


def _auroc(y: np.ndarray, scores: np.ndarray) -> tuple[float, bool]:
    """Gap between the formula and a weighted AUROC in which each row carries both of its possible labels."""
    from sklearn.metrics import roc_auc_score

    rates = NoiseRates(0.3, 0.005)
    # Every 20th attack: massively imbalanced, the same rows for all models.
    keep = (y == 0) | (np.cumsum(y) % 20 == 0)
    y, scores = y[keep], scores[:, keep]
    both = np.repeat([1, 0], y.size)
    as_one = np.where(y == 1, 1 - rates.miss, rates.false_alarm)
    weight = np.concatenate([as_one, 1 - as_one])
    true = np.array([roc_auc_score(y, s) for s in scores])
    seen = np.array([roc_auc_score(both, np.tile(s, 2), sample_weight=weight) for s in scores])
    gap = np.abs(seen - expected_auroc(true, float(y.mean()), rates)).max()
    return float(gap), bool(
        (np.argsort(true.round(10), kind="stable") == np.argsort(seen.round(10), kind="stable")).all()
    )


# ---------------------------------------------------------------------------------------------- B: the correction
def _sample(y: np.ndarray, prevalence: float, rng: np.random.Generator) -> np.ndarray:
    """Row numbers: all normals and as many attacks as the prevalence asks for."""
    normal, attack = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    n = round(prevalence / (1 - prevalence) * normal.size)
    return np.concatenate([normal, rng.choice(attack, size=n, replace=False)])


def _error(counts: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean absolute error of each metric in _METRICS over models; an undefined value counts as 0."""
    return np.array(
        [np.abs(np.nan_to_num(METRICS[m](counts)) - np.nan_to_num(METRICS[m](true))).mean() for m in _METRICS]
    )


def _correction(
    y: np.ndarray, preds: np.ndarray, rng: np.random.Generator, n_draws: int = 20
) -> tuple[bool, bool, dict[str, float | str]]:
    measured: dict[str, float | str] = {}
    holds, control = True, True
    for prevalence, miss, alarm in _CORRECTED:
        rates, swapped = NoiseRates(miss, alarm), NoiseRates(alarm, miss)
        errors = np.zeros((3, len(_METRICS)))
        for _ in range(n_draws):
            rows = _sample(y, prevalence, rng)
            truth, said = y[rows], preds[:, rows]
            chance = np.where(truth == 1, 1 - miss, alarm)
            seen = _table((rng.random(rows.size) < chance).astype(np.int64), said)
            tables = (seen, corrected_confusion(seen, rates)[0], corrected_confusion(seen, swapped)[0])
            errors += [_error(t, _table(truth, said)) for t in tables]
        errors /= n_draws
        # With hardly a false alarm, observed recall is near the truth and there is nothing to correct.
        judged = len(_METRICS) if alarm * (1 - prevalence) > 0.1 * prevalence else len(_METRICS) - 1
        holds &= bool((errors[1] <= _BOUND * errors[0])[:judged].all())
        control &= bool((errors[2] <= _BOUND * errors[0])[:judged].all())
        for row, kind in zip(errors, ("observed", "corrected", "control: rates swapped"), strict=True):
            for name, value in zip(_METRICS, row, strict=True):
                measured[f"mean error of {name}, prevalence {prevalence}, {kind}"] = round(float(value), 4)
    return holds, control, measured


# ------------------------------------------------------------------------------------ C: rates from an audit
def _coverage(
    y: np.ndarray, preds: np.ndarray, rng: np.random.Generator, n_draws: int = 100, n: int = 20_000
) -> tuple[bool, bool, dict[str, float | str]]:
    """Whether 90 % intervals cover, with what the audit left open and, as the control, without it.

    Each draw takes ``n`` rows of the test set, one in twenty an attack, so that the truth is known exactly: it is
    that of the test rows weighted alike.
    """
    prevalence, miss, alarm = 0.05, 0.3, 0.001
    attack, normal, said = np.flatnonzero(y == 1), np.flatnonzero(y == 0), preds[list(_JUDGED)]
    weight = np.array([prevalence / attack.size, (1 - prevalence) / normal.size] * 2)
    true = _table(y, said) * weight
    want = np.array([METRICS[m](true) for m in _METRICS]).T
    hits, width = np.zeros((2, len(_AUDITED), len(_METRICS))), np.zeros((2, len(_AUDITED), len(_METRICS)))
    for _ in range(n_draws):
        attacks = rng.binomial(n, prevalence)
        rows = np.concatenate([rng.choice(attack, attacks), rng.choice(normal, n - attacks)])
        seen = (rng.random(n) < np.where(y[rows] == 1, 1 - miss, alarm)).astype(np.int64)
        for at, m in enumerate(_AUDITED):
            rates = _look_again(seen, y[rows], m, rng)
            for how, used in enumerate((rates, NoiseRates(rates.miss, rates.false_alarm))):
                for p, goal in zip(said, want, strict=True):
                    got = corrected_metrics(
                        seen, p[rows], used, metrics=_METRICS, level=_LEVEL, n_draws=1000, random_state=rng
                    )
                    ends = np.array([(e.low, e.high) for e in got.values()])
                    hits[how, at] += (ends[:, 0] <= goal) & (goal <= ends[:, 1])
                    width[how, at] += ends[:, 1] - ends[:, 0]
    hits, width = hits / (n_draws * len(said)), width / (n_draws * len(said))
    measured: dict[str, float | str] = {}
    for how, kind in enumerate(("", ", control: rates taken for exact")):
        for at, m in enumerate(_AUDITED):
            for k, name in enumerate(_METRICS):
                measured[f"coverage of {name}, {m} observed positives audited{kind}"] = round(
                    float(hits[how, at, k]), 4
                )
                measured[f"width of {name}, {m} observed positives audited{kind}"] = round(float(width[how, at, k]), 4)
    return bool((hits[0] >= _COVERAGE).all()), bool((hits[1] >= _COVERAGE).all()), measured


def _look_again(seen: np.ndarray, truth: np.ndarray, m: int, rng: np.random.Generator) -> NoiseRates:
    """Look again at m of the observed positives and 4 m of the observed negatives."""
    rows, weights = [], []
    for label, size in ((1, m), (0, 4 * m)):
        at = np.flatnonzero(seen == label)
        take = rng.choice(at, min(size, at.size), replace=False)
        rows.append(take)
        weights.append(np.full(take.size, at.size / take.size))
    at = np.concatenate(rows)
    return NoiseRates.from_audit(seen[at], truth[at], weights=np.concatenate(weights))


# ------------------------------------------------------------------------- D: errors that follow the score
def _dependent(
    y: np.ndarray, scores: np.ndarray, preds: np.ndarray, rng: np.random.Generator, n_draws: int = 5
) -> tuple[bool, bool, dict[str, float | str]]:
    """Misses sit where models score low; returns (global still holds, per cell helps and global is refused)."""
    prevalence, miss, alarm = 0.05, 0.3, 0.001
    errors, refused, audits = np.zeros((3, len(_METRICS))), 0, 0
    rank = np.argsort(np.argsort(scores, axis=1), axis=1).mean(axis=0)
    for _ in range(n_draws):
        rows = _sample(y, prevalence, rng)
        truth, said = y[rows], preds[::6, rows]
        position = np.argsort(np.argsort(rank[rows][truth == 1])) / truth.sum()
        chance = np.where(truth == 1, 1.0, alarm)
        # The same share of misses as before, all within the third of the attacks that models score lowest.
        chance[truth == 1] = np.where(position < 1 / 3, 1 - 3 * miss, 1.0)
        seen_y = (rng.random(rows.size) < chance).astype(np.int64)
        seen, true = _table(seen_y, said), _table(truth, said)
        by_cell = np.empty_like(seen)
        for k, p in enumerate(said):
            rates = _audit(seen_y, truth, p, rng)
            by_cell[k] = corrected_metrics(seen_y, p, rates, metrics="f1", n_draws=1, random_state=0).confusion
            refused, audits = refused + _refuses(seen_y, p, rates), audits + 1
        overall = corrected_confusion(seen, NoiseRates(miss, alarm))[0]
        errors += [_error(t, true) for t in (seen, overall, by_cell)]
    errors /= n_draws
    measured: dict[str, float | str] = {
        f"mean error of {name}, errors follow the score, {kind}": round(float(v), 4)
        for row, kind in zip(errors, ("observed", "corrected globally", "corrected per cell"), strict=True)
        for name, v in zip(_METRICS, row, strict=True)
    }
    measured["share of audits that refuse the global correction"] = refused / audits
    still = bool((errors[1] <= _BOUND * errors[0]).all())
    return still, bool((errors[2] < errors[0]).all()), measured


def _audit(seen: np.ndarray, truth: np.ndarray, pred: np.ndarray, rng: np.random.Generator) -> NoiseRates:
    """Look again at up to 200 rows of each (observed, predicted) cell."""
    rows, weights = [], []
    for o, p in itertools.product((0, 1), (0, 1)):
        cell = np.flatnonzero((seen == o) & (pred == p))
        take = rng.permutation(cell)[:200]
        rows.append(take)
        weights.append(np.full(take.size, cell.size / max(take.size, 1)))
    at = np.concatenate(rows)
    return NoiseRates.from_audit(seen[at], truth[at], pred[at], weights=np.concatenate(weights), min_cell=1)


def _refuses(seen: np.ndarray, pred: np.ndarray, rates: NoiseRates) -> int:
    try:
        corrected_metrics(confusion_counts(seen, pred), None, rates, metrics="f1", n_draws=1, correction="global")
    except InputError:
        return 1
    return 0
