"""No test row, no test label and no test row's group reaches a remedy, its preprocessing or its threshold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

import trueneg
from trueneg.jobs.compare.engine import Kept, OpenFold, Runner
from trueneg.jobs.compare.features import Features
from trueneg.jobs.compare.plan import folds_of
from trueneg.jobs.compare.remedies import REMEDIES, Remedy, chosen
from trueneg.jobs.compare.setting import unfit
from trueneg.jobs.compare.task import make_task, open_source


def _task(frame, **columns):
    source = open_source(frame, None, {"label": "label", "positive": "yes", **columns})
    return make_task(source, seed=0, cost_fn=None, cost_fp=None, progress=lambda _: None)


def _runner(task, remedies, splits, kind="linear", metric="mcc"):
    return Runner(task, remedies, splits, kind, metric, 0, Kept(None), lambda *_: None, 1)


def test_a_spy_sees_training_rows_only_and_no_group_on_both_sides(make):
    """A remedy that could peek at the test part would report itself as the best."""
    n = 300
    mark = np.arange(n, dtype=float)
    groups = np.arange(n) // 3
    frame = make(n, mark=mark, doctor=[f"d{g}" for g in groups])
    seen = []

    def spy(fold):
        seen.append(fold)
        return fold.model()

    task = _task(frame, group="doctor", features=["x0", "x1", "mark"])
    splits = [folds_of(task, 4, repeat, 0) for repeat in range(2)]
    runner = _runner(task, [Remedy("spy", "spy", spy)], splits)
    runner.rest({}, None)
    assert len(seen) == 8
    for fold, (train, test) in zip(seen, [one for repeat in splits for one in repeat], strict=True):
        column = fold.X[:, 2]
        # The mark was scaled by training rows: undo it, and every row is known by its mark.
        scale, centre = np.std(mark[train]), np.median(mark[train])
        rows = np.rint(column * scale + centre).astype(int)
        np.testing.assert_array_equal(rows, train)
        np.testing.assert_array_equal(fold.y, task.codes[train])
        assert not set(groups[rows]) & set(groups[test])
        sizes = {len(fold.dense)} | {len(v) for v in vars(fold).values() if isinstance(v, np.ndarray)}
        assert sizes == {len(train)}


@pytest.mark.parametrize("kind", ["linear", "boosting"])
def test_no_remedy_answers_to_the_labels_of_the_test_fold(make, kind, monkeypatch):
    """Every built-in remedy gives the same probabilities and decisions, to the bit, whatever the test labels are."""
    # Ten trees leak what a hundred do.
    few = lambda **given: HistGradientBoostingClassifier(**given | {"max_iter": 10})  # noqa: E731
    monkeypatch.setattr("sklearn.ensemble.HistGradientBoostingClassifier", few)
    rng = np.random.default_rng(0)
    n = 240
    frame = make(n, colour=rng.choice(["red", "green", "blue"], n).tolist(), missed=0.2)
    task = _task(frame)
    train, test = folds_of(task, 3, 0, 0)[0]
    flipped = task.codes.copy()
    flipped[test] = rng.permutation(flipped[test])
    assert (flipped != task.codes).any()
    other = _task(frame)
    other.codes[:] = flipped
    remedies = [r for r in REMEDIES if not unfit(r, task, kind)]
    assert len(remedies) > 15
    one, two = (OpenFold(_runner(t, remedies, [[(train, test)]], kind), 0, 0) for t in (task, other))
    for remedy in remedies:
        models = [remedy.fit(o.fold) for o in (one, two)]
        proba = [m.predict_proba(o.view) for m, o in zip(models, (one, two), strict=True)]
        np.testing.assert_array_equal(*proba, err_msg=remedy.name)
        np.testing.assert_array_equal(models[0].decisions(proba[0]), models[1].decisions(proba[1]))


def test_preprocessing_is_that_of_the_training_rows():
    """Medians, scales, categories and words fitted on all rows would carry test rows into training."""
    texts = [f"common w{i % 7} only{i}" for i in range(60)]
    x = np.arange(60.0)
    x[::9] = np.nan
    frame = pa.table({"x": x, "kind": [f"k{i % 5}" for i in range(60)], "body": texts, "label": ["no", "yes"] * 30})
    task = _task(frame, text="body", features=["x", "kind"])
    train = np.arange(40)
    prepared = task.features.prepare(train, task.codes[train], task.groups[train], "linear", 0)
    changed = Features(
        np.where(np.arange(60)[:, None] < 40, task.features.numeric, 1e6).astype(np.float32),
        np.where(np.arange(60)[:, None] < 40, task.features.categorical, 4),
        task.features.given,
        type(task.features.counts)([t if i < 40 else "quite other words" for i, t in enumerate(texts)]),
        task.features.content,
        "",
        [],
    )
    again = changed.prepare(train, task.codes[train], task.groups[train], "linear", 0)
    assert (prepared.rows(train) != again.rows(train)).nnz == 0
    np.testing.assert_array_equal(prepared.dense(train), again.dense(train))


def test_term_weights_equal_those_of_scikit_learn():
    """Counting once and weighing in each fold must be the same as fitting the vectoriser in the fold."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from trueneg.jobs.compare.features import Counts, TermWeights

    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(80)], 12)) for _ in range(200)]
    counts, train = Counts(texts).of("words"), np.arange(150)
    ours = TermWeights(counts, train).of(counts)
    fitted = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit([texts[i] for i in train])
    np.testing.assert_allclose(ours.toarray(), fitted.transform(texts).toarray(), atol=1e-6)


def test_trusted_rows_are_never_repaired(make):
    """A verified label that a cleaner removes or changes is worse than the error it was looking for."""
    n = 300
    rng = np.random.default_rng(1)
    trusted = rng.random(n) < 0.4
    frame = make(n, missed=0.3, shift=2.5, checked=trusted.tolist())
    task = _task(frame, trusted="checked")
    train, test = folds_of(task, 3, 0, 0)[0]
    remedies = [r for r in REMEDIES if r.kind in ("cleaning", "control") and not unfit(r, task, "linear")]
    assert len(remedies) >= 10
    opened = OpenFold(_runner(task, remedies, [[(train, test)]]), 0, 0)
    fold = opened.fold
    calls = []
    kept = type(fold.learner).fit

    def record(self, X, y, weight=None):
        calls.append((X, np.asarray(y), weight))
        return kept(self, X, y, weight)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(fold.learner), "fit", record)
        for remedy in remedies:
            remedy.fit(fold)
            X, y, weight = calls[-1]
            where = {row.tobytes(): i for i, row in enumerate(X)}
            found = [where.get(row.tobytes(), -1) for row in fold.X[fold.trusted]]
            assert min(found) >= 0, f"{remedy.name} removed a trusted row"
            np.testing.assert_array_equal(y[found], fold.y[fold.trusted], err_msg=remedy.name)
            if weight is not None:
                assert (np.asarray(weight)[found] == 1).all()


def test_equal_rows_stay_on_one_side():
    """A copy of a test row in the training part gives the answer away."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(60, 2)), 3, axis=0)
    y = np.repeat(rng.random(60) < 0.4, 3)
    frame = pa.table({"a": x[:, 0], "b": x[:, 1], "label": np.where(y, "yes", "no").tolist()})
    task = _task(frame)
    for train, test in folds_of(task, 5, 0, 0):
        assert not {tuple(r) for r in x[train]} & {tuple(r) for r in x[test]}


def test_the_three_baselines_are_always_there():
    """A remedy is measured against doing nothing, weights and a moved threshold, or it is not measured."""
    assert [r.name for r in chosen("smote")] == ["nothing", "class-weights", "tuned-threshold", "smote"]
    assert [r.name for r in chosen("all")[:3]] == ["nothing", "class-weights", "tuned-threshold"]
    assert len({r.name for r in REMEDIES}) == len(REMEDIES)
    assert len({r.title for r in REMEDIES}) == len(REMEDIES)


@pytest.mark.slow
def test_same_seed_same_report_whatever_runs_beside(make, monkeypatch):
    """A comparison is reproducible, and the number of threads is no part of the result."""
    import joblib

    frame = make(260, missed=0.2)
    reports = []
    for cores in (1, 3):
        monkeypatch.setattr(joblib, "cpu_count", lambda cores=cores: cores)
        report = trueneg.compare(
            frame, label="label", positive="yes", remedies="smote,ranker-eliminate", folds=3
        ).report
        for row in report["remedies"]:
            row.pop("seconds"), row.pop("peak bytes")
        reports.append([report["summary"], report["advice"], report["remedies"], report["tables"][:-1]])
    assert reports[0] == reports[1]
