"""The linear model of the audit over words."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from trueneg.jobs.audit.learners import linear_model


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
