"""The linear model of the audit over words."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from trueneg.data.nsl_kdd import read_nsl_kdd
from trueneg.jobs.audit.learners import boosting_model, linear_model
from trueneg.reject.intrusion import FlowEncoder


@pytest.fixture(scope="module")
def words():
    """Single-precision counts of words that lean to one of twenty classes, most of them rare."""
    rng = np.random.default_rng(0)
    n, d = 3000, 4000
    y = np.minimum(rng.geometric(0.4, n) - 1, 19) % 20
    y[:20] = np.arange(20)
    word = np.minimum(rng.zipf(1.3, (n, 12)) - 1, d - 21)
    word[:, 0] = np.where(rng.random(n) < 0.7, d - 20 + y, word[:, 0])
    rows = np.repeat(np.arange(n), 12)
    X = sparse.csr_matrix((np.ones(n * 12, np.float32), (rows, word.ravel())), shape=(n, d))
    return X.multiply(1 / np.sqrt(X.multiply(X).sum(axis=1))).tocsr().astype(np.float32), y


@pytest.mark.filterwarnings("error")
def test_newton_steps_over_words_arrive_at_the_optimum(words):
    """In float32 they stopped far from it where classes are rare, and every probability was 0 or 1."""
    X, y = words
    ours = linear_model(X).fit(X, y)
    peer = LogisticRegression(C=10, max_iter=2000, tol=1e-6).fit(X.astype(np.float64), y)
    ours_loss = log_loss(y, ours.predict_proba(X).astype(float))
    assert ours_loss == pytest.approx(log_loss(y, peer.predict_proba(X)), rel=0.02)
    assert np.abs(ours.predict_proba(X) - peer.predict_proba(X)).max() < 0.02


def test_steps_that_do_not_arrive_are_taken_over(words):
    """One step is too few for Newton; what comes back is L-BFGS's fit, and the setting is as it was."""
    X, y = words
    model = linear_model(X, max_iter=1)
    with pytest.warns(UserWarning, match="converge"):
        model.fit(X, y)
    assert model.solver == "newton-cg"
    assert np.isfinite(model.coef_).all()


@pytest.mark.slow
def test_classes_of_a_few_rows_do_not_break_the_others():
    """Protects every probability: of flows of 16 classes, some of one row, plain boosting has half wrong."""
    folder = Path(os.environ.get("TRUENEG_DATA", "")) / "nsl_kdd"
    if "TRUENEG_DATA" not in os.environ or not folder.exists():
        pytest.skip("TRUENEG_DATA/nsl_kdd is not there")
    flows = read_nsl_kdd(folder, "train")
    some = np.random.default_rng(0).permutation(len(flows.kind))[:6000]
    y = np.unique(flows.kind[some].astype(str), return_inverse=True)[1]
    X = FlowEncoder().fit_transform(flows.X.take(some))
    train, test = np.arange(0, 6000, 2), np.arange(1, 6000, 2)
    assert (boosting_model(y[train], 0).fit(X[train], y[train]).predict(X[test]) == y[test]).mean() > 0.98


def test_steps_are_held_back_where_a_class_has_few_rows_alone():
    """Protects figures of other tables: two classes, and classes with rows for leaves, are boosted as before."""
    assert boosting_model(np.repeat([0, 1, 2], [500, 400, 3]), 0).l2_regularization == 1
    assert boosting_model(np.repeat([0, 1], [500, 3]), 0).l2_regularization == 0
    assert boosting_model(np.repeat([0, 1, 2], [500, 400, 100]), 0).l2_regularization == 0
