"""Everything public in clean, judge and core on the inputs that break reference code."""

import importlib
import inspect

import numpy as np
import pytest

from trueneg import clean
from trueneg.clean.confident_learning import confident_joint
from trueneg.core import cells, class_stats, costs, intervals, neighbors, survey, suspects
from trueneg.core.errors import InputError
from trueneg.judge import noisy_metrics
from trueneg.testing import DEGENERATE, check_degenerate, degenerate_case

MODULES = ("core.cells", "core.class_stats", "core.costs", "core.intervals", "core.neighbors", "core.survey")
MODULES += ("core.suspects", "judge.noisy_metrics", "clean.confident_learning")

COSTS = costs.CostMatrix(fn=5.0, fp=1.0)
RATES = noisy_metrics.NoiseRates(miss=0.2, false_alarm=0.05)


def _matrix(k):
    return noisy_metrics.NoiseMatrix(np.full((k, k), 0.1 / max(k - 1, 1)) + np.eye(k) * (0.9 - 0.1 / max(k - 1, 1)))


def _decided(c):
    return (c.score > 0.5).astype(np.int64)


def _counts(c):
    return noisy_metrics.confusion_counts(c.positive, _decided(c))


def _class_counts(c):
    return noisy_metrics.class_confusion(c.y, c.proba.argmax(axis=1), list(range(c.n_classes)))


def _bootstrap(method, groups):
    def call(c):
        return intervals.bootstrap(
            lambda a: float(a.mean()),
            c.score,
            n_boot=50,
            method=method,
            groups=c.groups if groups else None,
            random_state=0,
        )

    return call


def _estimate(c):
    sample = survey.plan(c.score, n=12)
    return survey.estimate(sample, c.positive[sample.rows], c.score)


def _worlds(c):
    sample = survey.plan(c.score, n=12)
    return survey.worlds(sample, c.positive[sample.rows], c.score, c.positive, n_draws=50)


def _stats(spread, tied):
    return lambda c: class_stats.ClassStats(spread=spread, tied=tied).update(c.X, c.y)


def _suspects(c):
    rows = np.flatnonzero(c.positive == 0)
    found = suspects.Suspects(
        row=rows,
        candidate=np.zeros(len(rows), dtype=np.int64),
        proposed_candidate=np.ones(len(rows), dtype=np.int64),
        probability=c.score[rows],
        candidate_ids=np.arange(c.n_classes),
        n_rows=len(c.y),
    )
    return [found.decide(action) for action in suspects.ACTIONS]


def _learning(**options):
    return lambda c: clean.ConfidentLearning(**options).fit(None, c.y, pred_proba=c.proba, groups=c.groups)


def _pairs(**options):
    """Fit the corrector on pairs whose selection column is not the relevance columns."""

    def call(c):
        labels = np.where(c.positive == 1, 1, -1)
        return clean.PoolingBiasCorrector(unpooled="allow", **options).fit(
            c.groups, np.arange(len(c.y)), c.X, c.score[:, None], labels
        )

    return call


def _lists(c):
    return list(clean.ListSampler(c.groups, c.positive, random_state=0))


def _coupled(make):
    def call(c):
        torch = pytest.importorskip("torch")
        score = torch.as_tensor(np.asarray(c.score, dtype=np.float32))[None]
        labels = torch.as_tensor(np.where(c.positive == 1, 1, -1))[None]
        return make()(score, -score, labels).numpy()

    return call


def _shards(c):
    half, n = len(c.X) // 2, len(c.X)
    parts = [
        neighbors.shard_top_k(c.X, c.X[a:b], 3, start=a, n_pool=n, exclude=np.arange(n))
        for a, b in ((0, half), (half, n))
    ]
    return neighbors.merge_top_k(parts).result()


CALLS = {
    "ConfidentLearning": _learning(),
    "ConfidentLearning, both": _learning(filter_by="both"),
    "ConfidentLearning, joint": _learning(filter_by="confident_learning"),
    "ConfidentLearning, from X": lambda c: clean.ConfidentLearning().fit(c.X, c.y, groups=c.groups),
    "NeighborNegativeCleaner": lambda c: clean.NeighborNegativeCleaner(negative_label=0).fit(c.X, c.y, groups=c.groups),
    "NeighborNegativeCleaner, given": lambda c: clean.NeighborNegativeCleaner(negative_label=0).fit(
        c.X, c.y, pred_proba=c.proba
    ),
    "NeighborNegativeCleaner, extrinsic": lambda c: clean.NeighborNegativeCleaner(
        negative_label=0, strategy="extrinsic"
    ).fit(c.X, c.y, trusted=np.arange(len(c.y)) % 3 == 0),
    "PoolingBiasCorrector": _pairs(),
    "PoolingBiasCorrector, em": _pairs(loss="em"),
    "ListSampler": _lists,
    "CoupledLoss": _coupled(lambda: clean.CoupledLoss()),
    "coupled_loss": _coupled(lambda: clean.coupled_loss),
    "estimate_false_negative_rate": lambda c: clean.estimate_false_negative_rate(c.score),
    "estimate_false_negative_rate, reviewed": lambda c: clean.estimate_false_negative_rate(
        c.score, reviewed=c.positive
    ),
    "SuspectRanker": lambda c: clean.SuspectRanker().fit(None, c.y, pred_proba=c.proba, groups=c.groups),
    "SuspectRanker, from X": lambda c: clean.SuspectRanker().fit(c.X, c.y, groups=c.groups),
    "confident_joint": lambda c: confident_joint(c.y, c.proba),
    "Cells": lambda c: cells.Cells.from_labels(c.y).to_labels(),
    "Cells, multilabel": lambda c: cells.Cells.from_multilabel(
        np.eye(c.n_classes, dtype=int)[c.y], absent=0
    ).to_multilabel(),
    "Cells, runs": lambda c: cells.Cells.from_run(c.groups, np.arange(len(c.y)), c.score).to_run(),
    "Cells, bags": lambda c: cells.Cells.from_bags(c.groups, np.zeros(len(c.y), dtype=int)).to_bags(),
    "Cells, attempts": lambda c: cells.Cells.from_attempts(c.groups, c.positive).to_attempts(),
    "Cells, boxes": lambda c: cells.Cells.from_boxes(c.groups, np.zeros((len(c.y), 4)), c.y).to_boxes(),
    "Cells, versions": lambda c: cells.Cells.from_versions({"a": c.y, "b": c.positive}, c.y).to_versions(),
    "ClassStats": _stats("diagonal", False),
    "ClassStats, full": _stats("full", True),
    "bayes_decisions": lambda c: costs.bayes_decisions(c.score, COSTS),
    "break_even_ratio": lambda c: costs.break_even_ratio(c.positive, _decided(c)),
    "cost_curve": lambda c: costs.cost_curve(c.positive, c.score),
    "cost_per_row": lambda c: costs.cost_per_row(c.positive, _decided(c), COSTS),
    "expected_cost": lambda c: costs.expected_cost(c.positive, COSTS, proba=c.score),
    "risk_coverage": lambda c: costs.risk_coverage((_decided(c) != c.positive).astype(float), c.score),
    "threshold_by_cost": lambda c: costs.threshold_by_cost(c.positive, c.score, COSTS),
    "RowCosts": lambda c: costs.threshold_by_cost(c.positive, c.score, costs.RowCosts(fn=c.score, fp=1 - c.score)),
    "bootstrap": _bootstrap("percentile", False),
    "bootstrap, bca": _bootstrap("bca", False),
    "bootstrap, groups": _bootstrap("bca", True),
    "corrected_resampled_t": lambda c: intervals.corrected_resampled_t(c.score, n_train=90, n_test=10),
    "jeffreys": lambda c: intervals.jeffreys(c.positive.sum(), len(c.y)),
    "wilson": lambda c: intervals.wilson(c.positive.sum(), len(c.y)),
    "stratified": lambda c: intervals.stratified(c.positive, np.ones(len(c.y)), np.full(len(c.y), 3), finite=True),
    "matched": lambda c: intervals.matched(c.score, -c.score, c.positive, at="fpr", value=0.1),
    "sweep": lambda c: intervals.sweep(c.positive, c.score),
    "top_k": lambda c: neighbors.top_k(c.X, c.X, 3, exclude=np.arange(len(c.y))),
    "Pool": lambda c: neighbors.top_k(c.X, neighbors.Pool(c.X), 3),
    "top_k, groups": lambda c: neighbors.top_k(c.X, c.X, 3, query_groups=c.groups, pool_groups=c.groups),
    "top_k, zero vectors": lambda c: neighbors.top_k(0 * c.X, 0 * c.X, 50, metric="euclidean"),
    "shard_top_k": _shards,
    "merge_top_k": _shards,
    "agreement": lambda c: survey.agreement(c.positive, _decided(c)),
    "estimate": _estimate,
    "worlds": _worlds,
    "expected_width": lambda c: survey.expected_width(c.score, 12),
    "n_for_width": lambda c: survey.n_for_width(c.score, 0.2),
    "plan": lambda c: survey.plan(c.score, n=12, by=c.groups[: len(c.y)] * 0),
    "Suspects": _suspects,
    "class_confusion": _class_counts,
    "confusion_counts": _counts,
    "metric_values": lambda c: noisy_metrics.metric_values(_counts(c)),
    "corrected_confusion": lambda c: noisy_metrics.corrected_confusion(_counts(c), RATES),
    "corrected_metrics": lambda c: noisy_metrics.corrected_metrics(
        c.positive, _decided(c), RATES, n_draws=50, random_state=0
    ),
    "corrected_auroc": lambda c: noisy_metrics.corrected_auroc(c.positive, c.score, RATES, n_draws=50, random_state=0),
    "expected_observed": lambda c: noisy_metrics.expected_observed(_counts(c), RATES),
    "expected_class_confusion": lambda c: noisy_metrics.expected_class_confusion(
        _class_counts(c), _matrix(c.n_classes)
    ),
    "corrected_class_confusion": lambda c: noisy_metrics.corrected_class_confusion(
        _class_counts(c), _matrix(c.n_classes)
    ),
    "corrected_class_metrics": lambda c: noisy_metrics.corrected_class_metrics(
        c.y, c.proba.argmax(axis=1), _matrix(c.n_classes), n_draws=50, random_state=0
    ),
    "compare": lambda c: noisy_metrics.compare(
        {"a": _decided(c), "b": 1 - _decided(c)}, RATES, y_observed=c.positive, n_draws=50, random_state=0
    ),
    "ranking_distortion": lambda c: noisy_metrics.ranking_distortion(np.stack([_counts(c), _counts(c)[::-1]]), RATES),
    "trusted_metric": lambda c: noisy_metrics.trusted_metric(
        np.stack([_counts(c), _counts(c)[::-1]]), RATES, cost=(5, 1)
    ),
}
NO_TABLE = {
    "CorrectedMetrics": "a record",
    "CostMatrix": "costs of a class, not rows",
    "NoiseMatrix": "rates, not rows",
    "NoiseRates": "rates, not rows",
    "Whitening": "a record",
    "expected_auroc": "takes a figure",
    "f_beta": "takes a number",
    "implied_ratio": "takes a number",
    "merge_labels": "the list of classes, not rows",
    "parse_memory": "takes a size",
    "rank_preserving": "takes the name of a metric",
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_or_one_clear_line(name, case):
    """No public function may end in an error of the depths, or in a warning of NumPy, on degenerate data."""
    check_degenerate(CALLS[name], case)


def test_every_public_name_is_tried():
    """A function that is added to clean, judge or core must be tried here, or say why there is no table to try."""
    tried = {name.split(",")[0] for name in CALLS} | set(NO_TABLE)
    inner = {
        "blocks",
        "check_action",
        "check_probabilities",
        "encode_labels",
        "refuse_in_sample",
        "refuse_not_finite",
        "resampled",
        "trusted_flags",
    }
    public = set(clean.__all__)
    for name in MODULES:
        module = importlib.import_module(f"trueneg.{name}")
        public |= {n for n in module.__all__ if callable(getattr(module, n)) and not _record(getattr(module, n))}
    assert public - inner - tried == set()


def _record(kind):
    """A dataclass of results, which nobody builds from a table."""
    return (
        inspect.isclass(kind) and hasattr(kind, "__dataclass_fields__") and kind.__name__ not in ("Cells", "Suspects")
    )


def test_the_cases_are_what_they_are_called():
    """A case that lost its defect would make every test above pass for nothing."""
    case = {name: degenerate_case(name) for name in DEGENERATE}
    assert len(case["empty"].y) == 0
    assert not case["all_negative"].positive.any()
    assert set(np.unique(case["saturated"].proba)) == {0.0, 1.0}
    assert len(np.unique(case["duplicated"].X, axis=0)) == 1
    assert case["integer"].X.dtype.kind == case["integer"].score.dtype.kind == "i"
    assert case["two_classes"].proba.shape[1] == 2
    assert len(np.unique(case["ties"].score)) == 1
    assert len(np.unique(case["one_group"].groups)) == 1
    with pytest.raises(InputError, match="choose from empty"):
        degenerate_case("emtpy")


def test_a_crash_a_warning_and_a_mute_refusal_are_caught():
    """The check itself must bite."""

    def mute(_):
        raise InputError("no")

    for bad in (lambda c: c.y[0], lambda c: np.divide(1.0, np.float64(len(c.y))), mute):
        with pytest.raises(AssertionError):
            check_degenerate(bad, "empty")
