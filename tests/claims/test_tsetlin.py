"""The claims about the Tsetlin machine: their figures are right, their sabotages are sabotages, no row leaks."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from trueneg.claims import tsetlin as claim
from trueneg.core.errors import ClaimNotRun


def test_scores_are_those_of_scikit_learn():
    """A wrong F1 would decide the claim."""
    rng = np.random.default_rng(0)
    y, found = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    expected = [score(y, found) for score in (f1_score, precision_score, recall_score)]
    assert claim._scores(y, found) == pytest.approx(expected)
    assert claim._scores(y, np.zeros(200)) == (0.0, 0.0, 0.0)


def test_the_paired_test_counts_documents_on_which_one_errs():
    """A test that forgot the pairing would call any two models alike, or apart."""
    y = np.array([1] * 12)
    assert claim._mcnemar(y, y, y) == 1.0
    assert claim._mcnemar(y, y, np.r_[np.zeros(10), 1, 1]) == pytest.approx(2 / 2**10)


@pytest.mark.slow
def test_sabotages_take_away_what_they_name():
    """A sabotage that changed nothing would make the claim prove nothing."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (300, 6))
    y = X[:, 0] & (1 - X[:, 1])
    setting = {"n_clauses": 10, "specificity": 4.0, "max_iter": 5}
    kinds = ("whole", *claim.TsetlinClinical.SABOTAGES, "empty clauses vote")
    states = [claim._machine(0, kind)(setting).fit(X, y).machine_.states() for kind in kinds]
    assert not np.array_equal(states[0], states[1])
    assert states[2].shape[-1] == 6
    assert np.array_equal(states[0], states[3])


def test_no_document_is_judged_by_a_model_that_saw_it(monkeypatch):
    """Nested cross-validation in which settings or terms saw the judged documents would flatter every model."""
    try:
        X, y = claim.clinical()
    except ClaimNotRun as error:
        pytest.skip(str(error))
    assert (X.shape, int(y.sum())) == ((431, 38876), 187)
    seen = []

    class Spy:
        def __init__(self, best):
            self.best = best

        def fit(self, X, y):
            seen.append(X.shape)
            return self

        def predict(self, X):
            return np.full(X.shape[0], self.best)

    grid = [{"best": 0}, {"best": 1}]
    found = claim.TsetlinClinical()._nested(X, y, {"spy": (lambda p: Spy(**p), grid)}, 0, 5)
    assert (found["spy"] == 1).all()  # F1 inside each fold prefers it
    sizes = {shape[0] for shape in seen}
    assert max(sizes) < 431 * 0.81
    assert all(shape[1] == 3000 for shape in seen)


def _reviews(root, n=60):
    """Write a folder laid out as that of the IMDb reviews."""
    rng = np.random.default_rng(0)
    words = {"neg": ["dull", "bad", "boring"], "pos": ["good", "great", "moving"]}
    for part in ("train", "test"):
        for name, own in words.items():
            place = root / "aclImdb" / part / name
            place.mkdir(parents=True)
            for i in range(n):
                said = [*rng.choice(own, 2), *rng.choice(["film", "plot", "cast", "scene"], 3)]
                rating = 2 if name == "neg" else 9
                (place / f"{i}_{rating}.txt").write_text("<br />".join(rng.permutation(said)), encoding="utf-8")


@pytest.mark.slow
def test_the_claim_on_reviews_runs_where_the_folder_is(monkeypatch, tmp_path):
    """A claim that counted as held without its data would claim what nobody saw."""
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    with pytest.raises(ClaimNotRun, match="aclImdb"):
        claim.TsetlinReviews().run(0)
    _reviews(tmp_path)
    small = claim.TsetlinReviews.SETTING | {"n_clauses": 20, "threshold": 20, "max_iter": 10}
    monkeypatch.setattr(claim.TsetlinReviews, "SETTING", small)
    with pytest.warns(UserWarning, match="k=5000"):
        found = claim.TsetlinReviews().run(0)
    assert found.holds
    assert found.measured["machine"] > 0.95
