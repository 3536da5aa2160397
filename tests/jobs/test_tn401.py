"""TN401: rows of no class planted into real data are found, better than by the nearest row alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from trueneg.core.errors import ClaimNotRun


def _context(X, codes, seed=0):
    """Make what the check looks at, from features and codes."""
    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.context import Context
    from trueneg.jobs.audit.represent import Representation
    from trueneg.jobs.audit.stages import Stages

    scale = np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    rows = ((X - np.median(X, axis=0)) / scale).astype(np.float32)
    data = Representation(rows, rows, rows, np.arange(len(rows)), "features")
    classes = list(range(int(codes.max()) + 1))
    return Context(
        arrow=None,
        roles=Roles(label="label"),
        codes=codes,
        classes=classes,
        path="data.csv",
        seed=seed,
        quick=False,
        data=data,
        probability=None,
        model="",
        groups=None,
        trusted=None,
        progress=lambda _: None,
        stages=Stages(None, {}),
    )


def _pendigits():
    from sklearn.datasets import load_svmlight_file

    from trueneg.data.registry import folder

    try:
        X, y = load_svmlight_file(str(folder("uci") / "pendigits"), n_features=16)
    except ClaimNotRun as error:
        pytest.skip(str(error))
    keep = np.random.default_rng(0).permutation(len(y))[:4000]
    return X.toarray()[keep], y[keep].astype(int)


def _digits():
    X, y = load_digits(return_X_y=True)
    return X, y


@pytest.mark.slow
@pytest.mark.parametrize("data", [_digits, _pendigits])
def test_planted_rows_of_a_held_out_class_rank_first(data):
    """Protects the order: over held-out classes its mean AUROC is above that of the nearest row alone."""
    from trueneg.jobs.audit.checks import tn401_unfamiliar as check
    from trueneg.jobs.audit.checks._familiar import reach_of

    X, y = data()
    new, old = [], []
    for held in range(10):
        rng = np.random.default_rng(held)
        known = np.flatnonzero(y != held)
        odd = rng.permutation(np.flatnonzero(y == held))[: max(5, len(known) // 50)]
        rows = np.concatenate([known, odd])
        truth = np.repeat([0, 1], [len(known), len(odd)])
        codes = np.unique(y[known], return_inverse=True)[1]
        codes = np.concatenate([codes, rng.integers(0, codes.max() + 1, len(odd))])
        context = _context(X[rows], codes)
        nearest = context.neighbors
        embedding = context.data.embedding
        one = check._similarity(embedding, np.arange(len(rows)), nearest[:, 0])
        old.append(roc_auc_score(truth, -one))
        new.append(roc_auc_score(truth, -reach_of(context, np.arange(len(rows)))))
    assert np.mean(new) > np.mean(old) + 0.1


def test_rows_from_elsewhere_are_told_with_threshold_and_command():
    """Protects the finding: gross outliers lead its rows, the threshold keeps 99 %, unlabelled rows get a rate."""
    from trueneg.jobs.audit.checks import tn401_unfamiliar as check

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 900)
    X = rng.normal(size=(900, 5)) + 4 * np.eye(5)[codes]
    X[:6] = rng.normal(size=(6, 5)) * 3 - 25
    X[:6, 0] += np.arange(6) * 9  # far from the classes and from each other
    codes[850:] = -1
    X[850:875] += 30.0
    found = check.run(_context(X, codes))
    assert found.status == "advice"
    assert set(range(6)) <= set(found.rows)
    assert found.message.count("keeps 0.99") == 3
    assert "of the 50 rows without a label they refuse" in found.message
    assert "0.50 [0.37, 0.63] by the distance score" in found.message  # 25 of 50 were put far away
    assert found.command == "trueneg fit mahalanobis data.csv --label label --keep 0.99 --out model"
    assert found.estimate.low > 0


@pytest.mark.parametrize("labelled", [True, False])
def test_foreign_rows_that_came_together_are_told(labelled):
    """Protects against another source: its rows are each other's nearest, and the spread is learned from them too."""
    from trueneg.jobs.audit.checks import tn401_unfamiliar as check

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 900)
    X = rng.normal(size=(900, 30)) + 8 * np.eye(30)[codes] + 8 * np.eye(30)[codes + 3]
    X[:25] = 0.2 * rng.normal(size=(25, 30)) + 8 * np.eye(30)[10] - 4 * np.eye(30)[:6].sum(axis=0)
    codes[:25] = rng.integers(0, 3, 25) if labelled else -1
    context = _context(X, codes)
    found = check.run(context)
    assert set(range(25)) <= set(found.rows)
    assert len(found.rows) < 40
    if labelled:
        nearest = check._similarity(context.data.embedding, np.arange(900), context.neighbors[:, 0])
        assert roc_auc_score(np.arange(900) < 25, -nearest) < 0.1


def test_a_rare_class_is_like_itself():
    """Protects rare classes: their rows lie far from most others, and near a fifth of their own class."""
    from trueneg.jobs.audit.checks._familiar import reach_of

    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [400, 400, 8])
    context = _context(rng.normal(size=(808, 10)) + 8 * np.eye(10)[codes], codes)
    reach = reach_of(context, np.arange(808))
    assert reach[-8:].min() > np.quantile(reach, 0.01)
    context.codes = np.where(codes == 2, rng.integers(0, 2, 808), codes)
    assert reach_of(context, np.arange(808))[-8:].max() < reach[-8:].min()


def test_few_rows_a_class_leave_the_similarity_alone():
    """Protects small tables: without two classes of 50 rows there is no distance, no threshold and no command."""
    from trueneg.jobs.audit.checks import tn401_unfamiliar as check

    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1], [60, 20])
    found = check.run(_context(rng.normal(size=(80, 4)), codes))
    assert found.command is None
    assert "threshold" not in found.message


def test_no_row_is_scored_by_a_model_that_saw_its_twin():
    """Protects honesty: rows of equal content share a fold, so that a duplicated outlier stays one."""
    from trueneg.jobs.audit.checks._familiar import scores_of

    rng = np.random.default_rng(2)
    codes = np.repeat([0, 1], 100)
    X = rng.normal(size=(200, 3))
    X[:20] = [40.0, 0.0, 0.0]
    context = _context(X, codes)
    alone = scores_of(context)
    context = _context(X, codes)
    context.data.duplicate_of[:20] = 0
    together = scores_of(context)
    assert together[:20].max() < alone[:20].min()
