"""Mahalanobis: the formula, precision, new classes, layers of a network, the ensemble, stored models."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import EmpiricalCovariance

from trueneg.core.activations import activations
from trueneg.core.detection import auroc_of
from trueneg.core.errors import InputError
from trueneg.core.nets import ResNet
from trueneg.core.training import Recipe, seeded, train
from trueneg.reject import FeatureEnsembleDetector, MahalanobisDetector
from trueneg.reject._mahalanobis.ensemble import LogisticLayers

SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, n=60, d=4, k=3, scale=1.0):
    """Rows of k classes, correlated, in units of their own a feature, far from zero."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % k)
    X = 3 * rng.normal(size=(k, d))[y] + rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return 5.0 + scale * X, np.array([f"class {i}" for i in range(k)])[y]


def written_out(X, y, at):
    """The paper's formulas, one step after another; the precision by scikit-learn's pseudo-inverse."""
    kinds = np.unique(y)
    means = [X[y == c].mean(axis=0) for c in kinds]
    residuals = np.concatenate([X[y == c] - m for c, m in zip(kinds, means, strict=True)])
    precision = EmpiricalCovariance(assume_centered=True).fit(residuals).precision_
    terms = np.array([[-0.5 * (x - m) @ precision @ (x - m) for m in means] for x in at])
    return terms.max(axis=1), kinds[terms.argmax(axis=1)]


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_scores_are_the_papers_formula(seed):
    """Whitening and one product give what the written-out quadratic form gives, and the same nearest class."""
    X, y = draw(seed)
    model = MahalanobisDetector(shrinkage=None).fit(X, y)
    at = np.concatenate([X[:10], X[:10] + 5])
    scores, said = written_out(X, y, at)
    got, nearest = model.score_samples(at, return_class=True)
    np.testing.assert_allclose(got, scores, rtol=1e-8)
    np.testing.assert_array_equal(nearest, said)


@given(SEEDS, st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_batches_give_what_all_rows_at_once_do(seed, parts):
    """partial_fit is exact, whatever the batches, new classes among them included."""
    X, y = draw(seed, n=40)
    whole = MahalanobisDetector().fit(X, y)
    model = MahalanobisDetector()
    order = np.argsort(y, kind="stable")
    for rows in np.array_split(order, parts):
        model.partial_fit(X[rows], y[rows])
    np.testing.assert_array_equal(model.classes_, whole.classes_)
    np.testing.assert_allclose(model.score_samples(X), whole.score_samples(X), rtol=1e-7, atol=1e-9)


def test_parts_fitted_apart_are_merged_into_the_whole():
    """Statistics of two halves, merged, give the scores of all rows, and the half that is merged in stays as it was."""
    X, y = draw(1)
    first, second = MahalanobisDetector().fit(X[:25], y[:25]), MahalanobisDetector().fit(X[25:], y[25:])
    before = second.score_samples(X)
    first.merge(second)
    np.testing.assert_allclose(first.score_samples(X), MahalanobisDetector().fit(X, y).score_samples(X), rtol=1e-8)
    np.testing.assert_array_equal(second.score_samples(X), before)
    with pytest.raises(InputError, match="same layers"):
        first.merge(MahalanobisDetector(widths=(2, 2)).fit(X, y))


def conditioned(cond, n=4000, d=40, k=5):
    """Rows whose covariance within classes has this condition number."""
    rng = np.random.default_rng(7)
    spread = np.sqrt(np.geomspace(cond, 1.0, d)) / cond**0.25
    q = np.linalg.qr(rng.normal(size=(d, d)))[0]
    y = np.arange(n) % k
    rows = (rng.normal(size=(n, d)) + 2 * rng.normal(size=(k, d))[y]) * spread
    return rows @ q + 3.0, y


def exact(X, y, at):
    """Scores in extended precision, by a QR decomposition of the residuals instead of their products."""
    means = np.array([X[y == c].mean(axis=0) for c in np.unique(y)])
    r = np.linalg.qr((X - means[y]) / np.sqrt(len(X)), mode="r").astype(np.longdouble)
    out = []
    for x in at:
        best = np.inf
        for m in means.astype(np.longdouble):
            rest, z = x.astype(np.longdouble) - m, np.zeros(len(x), np.longdouble)
            for i in range(len(x)):  # forward substitution with r'
                z[i] = (rest[i] - r[:i, i] @ z[:i]) / r[i, i]
            best = min(best, z @ z)
        out.append(-best / 2)
    return np.array(out, float)


@pytest.mark.parametrize(
    ("cond", "dtype", "bar"), [(1e8, "float64", 1e-4), (1e2, "float64", 1e-9), (1e2, "float32", 1e-3)]
)
def test_precision_at_a_condition_number(cond, dtype, bar):
    """float64 whitening errs by less than 1e-4 at a condition number of 1e8; float32 by less than 1e-3 at 1e2."""
    X, y = conditioned(cond)
    at = np.concatenate([X[:30], X[:10] + np.random.default_rng(0).normal(size=(10, X.shape[1]))])
    found = MahalanobisDetector(shrinkage=None, dtype=dtype).fit(X, y).score_samples(at)
    want = exact(X, y, at)
    assert np.abs(found / want - 1).max() < bar


def test_units_of_measurement_do_not_matter():
    """The cut is relative: rows in other units get the same scores, tiny ones included."""
    X, y = draw(3)
    a = MahalanobisDetector(shrinkage=None).fit(X, y).score_samples(X)
    b = MahalanobisDetector(shrinkage=None).fit(X * 1e-9, y).score_samples(X * 1e-9)
    np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("rule", ["counts", "paper"])
def test_a_new_class_by_both_rules(rule):
    """By "counts" it is fitting all rows at once; by "paper" it mixes the covariances as algorithm 2 writes it."""
    X, y = draw(5, n=90, k=4)
    new = y == "class 3"
    model = MahalanobisDetector(shrinkage=None).fit(X[~new], y[~new])
    before = model.stats_[0].covariance()
    model.add_class(X[new], "class 3", rule=rule)
    if rule == "counts":
        want = MahalanobisDetector(shrinkage=None).fit(X, y)
        np.testing.assert_allclose(model.score_samples(X), want.score_samples(X), rtol=1e-7)
    else:
        own = np.cov(X[new].T, bias=True)
        np.testing.assert_allclose(model.stats_[0].covariance(), 3 / 4 * before + own / 4, rtol=1e-10)
    assert model.score_samples(X[new][:1], return_class=True)[1].dtype.kind == "U"
    with pytest.raises(InputError, match="partial_fit"):
        model.add_class(X[new], "class 3")
    with pytest.raises(InputError, match="give one label"):
        model.add_class(X[new], ("class", 4))


def test_shrinkage_rules_are_those_of_scikit_learn():
    """Ledoit-Wolf and OAS on the residuals give scikit-learn's covariance, and scores by it."""
    from sklearn.covariance import OAS, LedoitWolf

    X, y = draw(11, n=30, d=12)
    for rule, peer in (("ledoit_wolf", LedoitWolf), ("oas", OAS)):
        model = MahalanobisDetector(shrinkage=rule).fit(X, y)
        means = {c: X[y == c].mean(axis=0) for c in np.unique(y)}
        residuals = X - np.array([means[c] for c in y])
        precision = peer(assume_centered=True).fit(residuals).precision_
        want = np.max([[-0.5 * (x - m) @ precision @ (x - m) for m in means.values()] for x in X], axis=1)
        np.testing.assert_allclose(model.score_samples(X), want, rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda X, y: MahalanobisDetector().fit(X, ["a"] * len(X)),
        lambda X, y: MahalanobisDetector().fit(X[:3], ["a", "b", "c"]),
        lambda X, y: MahalanobisDetector().fit(np.where(X > 7, np.nan, X), y),
        lambda X, y: MahalanobisDetector(dtype="float16").fit(X, y),
        lambda X, y: MahalanobisDetector(eps=0.1).fit(X, y),
        lambda X, y: MahalanobisDetector(widths=(2, 3)).fit(X, y),
        lambda X, y: MahalanobisDetector(shrinkage=2).fit(X, y),
        lambda X, y: MahalanobisDetector(shrinkage="ledoit_wolf").partial_fit(X, y),
        lambda X, y: MahalanobisDetector().fit(X, y).predict(X),
        lambda X, y: MahalanobisDetector().fit(X, y).calibrate(X, target_fpr=0.05),
        lambda X, y: MahalanobisDetector.from_state({"about": np.array("{}")}),
        lambda X, y: FeatureEnsembleDetector(MahalanobisDetector()).fit(X, y, known=X),
        lambda X, y: FeatureEnsembleDetector(MahalanobisDetector(), calibrate_on="fgsm").fit(X, y, known=X),
        lambda X, y: FeatureEnsembleDetector(MahalanobisDetector()).fit(X, y, known=X[:1], unknown=X[:1]),
    ],
)
def test_bad_input_is_one_clear_line(call):
    """One class, single rows only, NaN, bad options, decisions without calibration: one line with the remedy."""
    with pytest.raises(InputError) as caught:
        call(*draw(0))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) > 30


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [(slice(0, 12), {"shrinkage": None}, "take shrinkage"), (np.r_[0:59, 60], {}, "has one row")],
)
def test_few_rows_are_told(rows, options, words):
    """More features than rows, and a class of one row, still give finite scores, and a line that says what it means."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(61, 20)), np.append(np.arange(60) % 3, 3)
    y[60] = 3 if not options else 0
    with pytest.warns(UserWarning, match=words):
        model = MahalanobisDetector(**options).fit(X[rows], y[rows])
    assert np.isfinite(model.score_samples(X)).all()


def stored(model):
    """Write to a file without pickle, and read."""
    file = io.BytesIO()
    np.savez(file, **model.to_state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def test_a_stored_detector_answers_and_learns_as_before():
    """Scores, answers, the threshold with its rates, and new classes survive being stored without pickle."""
    X, y = draw(2)
    model = MahalanobisDetector(widths=(1, 3), shrinkage=0.1).fit(X, y).calibrate(X, target_tpr=0.9)
    again = MahalanobisDetector.from_state(stored(model))
    np.testing.assert_array_equal(again.predict(X + 1), model.predict(X + 1))
    np.testing.assert_allclose(again.score_samples(X), model.score_samples(X), rtol=1e-12)
    assert str(again.threshold_) == str(model.threshold_)
    for m in (model, again):
        m.add_class(X[:9] + 40, "new")
    np.testing.assert_allclose(again.score_samples(X), model.score_samples(X), rtol=1e-9)


def test_ready_features_need_no_torch():
    """A table of features must not pay for the import of torch."""
    code = (
        "import sys, numpy as np\nfrom trueneg.reject import MahalanobisDetector\n"
        "X = np.random.default_rng(0).normal(size=(30, 2))\n"
        "MahalanobisDetector().fit(X, np.arange(30) % 2).score_samples(X)\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- networks --------------------------------------------------------------------------------------------------


def pictures_of(n, seed, low=0):
    """Draw pictures of three colours."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = rng.integers(low, low + 80, (n, 3, 12, 12))
    for c in range(3):
        X[y == c, c] += 100
    return X.astype(np.uint8), y


@pytest.fixture(scope="module")
def net():
    """A network that tells three colours apart."""
    X, y = pictures_of(150, 0)
    with seeded(0):
        made = ResNet(3, depth=8, width=4)
    train(made, X, y, recipe=Recipe(epochs=3, batch_size=32, lr=0.05, warmup=0.5), random_state=0)
    return made


def test_layers_of_a_network_are_read_and_scored_apart(net):
    """Scores at each layer equal those of a detector on the layer's own values; batches do not matter."""
    X, y = pictures_of(90, 1)
    model = MahalanobisDetector(net, batch_size=32, shrinkage=0.05).fit(X, y)
    assert model.layers_ == ["body.stem", "body.stage1", "body.stage2", "body.stage3"]
    scores = model.layer_scores(X)
    values = [v for _, v in activations(net, X)]
    for j, name in enumerate(model.layers_):
        rows = np.concatenate([v[name] for v in values])
        one = MahalanobisDetector(shrinkage=0.05).fit(rows, y)
        np.testing.assert_allclose(scores[:, j], one.score_samples(rows), rtol=1e-4)
    side = np.concatenate([np.concatenate([v[name] for v in values]) for name in model.layers_], axis=1)
    ready = MahalanobisDetector(widths=[s.n_features for s in model.stats_], shrinkage=0.05).fit(side, y)
    np.testing.assert_allclose(ready.layer_scores(side), scores, rtol=1e-4)


def test_the_step_on_the_input_raises_the_score_as_its_gradient_says(net):
    """A small step towards the nearest class raises the score by eps times the sum of the gradient's size."""
    X, y = pictures_of(60, 2)
    floats = (X / np.float32(255)).astype(np.float32)
    model = MahalanobisDetector(net, layers=["body.stage2"], shrinkage=0.1).fit(floats, y)
    eps, x = 1e-4, floats[:4]
    gain = model.layer_scores(x, eps=eps)[:, 0] - model.layer_scores(x)[:, 0]
    size = np.zeros(4)
    for i in range(4):  # central differences along the sign of the gradient are too many: use autograd on one row
        t = torch.tensor(x[i : i + 1], requires_grad=True)
        from trueneg.core.activations import recorded

        with recorded(net, ["body.stage2"]) as kept:
            net(t)
        g = model.gaussians_[0]
        white = (kept["body.stage2"].double() - torch.tensor(g.center)) @ torch.tensor(g.matrix)
        d = (white - torch.tensor(g.means)).square().sum(1).min() / 2
        size[i] = float(torch.autograd.grad(d, t)[0].abs().sum())
    np.testing.assert_allclose(gain, eps * size, rtol=0.05)
    assert (model.layer_scores(x, eps=0.002) >= model.layer_scores(x)).all()


@pytest.mark.parametrize("way", ["ood", "fgsm"])
def test_the_ensemble_learns_which_layers_tell(net, way):
    """Weights learned from unknown rows, or from attacks alone, tell odd pictures; halves do not mix."""
    X, y = pictures_of(150, 3)
    known, _ = pictures_of(60, 4)
    odd = np.random.default_rng(5).integers(0, 256, (60, 3, 12, 12)).astype(np.uint8)
    model = FeatureEnsembleDetector(
        MahalanobisDetector(net), calibrate_on=way, eps_grid=(0.0, 0.002), random_state=0
    ).fit(X, y, known=known, **({"unknown": odd[:30]} if way == "ood" else {}))
    fresh = pictures_of(60, 6)[0]
    scores = model.score_samples(np.concatenate([fresh, odd[30:]]))
    if way == "ood":
        assert auroc_of(np.repeat([1, 0], [60, 30]), scores) > 0.95
    assert set(model.validation_) == {0.0, 0.002}
    assert model.weights_.shape == (4,)
    model.calibrate(fresh, target_tpr=0.9)
    assert model.threshold_.tpr.value >= 0.9


def test_with_one_step_all_rows_fit_the_weights():
    """Nothing is chosen on ready features, so that no row is set aside: the weights are those of all, in any order."""
    X, y = draw(8, n=160)
    odd = X[:40] + np.random.default_rng(0).normal(size=(40, 4)) * 6
    base = MahalanobisDetector(widths=(2, 2)).fit(X[:60], y[:60])
    made = [
        FeatureEnsembleDetector(base, eps_grid=grid, random_state=0).fit_layers(base, known=X[60:], unknown=odd)
        for grid in (None, (0.0,))
    ]
    want = LogisticLayers(base.layer_scores(X[60:]), base.layer_scores(odd), 1)
    for model in made:
        assert model.validation_ == {}
        np.testing.assert_allclose(model.model_.center, want.center)
        np.testing.assert_allclose(model.model_.scale, want.scale)
    small = FeatureEnsembleDetector(base).fit_layers(base, known=X[60:62], unknown=odd[:2])
    assert small.weights_.shape == (2,)
    with pytest.raises(InputError, match="1 validation rows of a kind: they fit"):
        FeatureEnsembleDetector(base).fit_layers(base, known=X[60:61], unknown=odd)


def test_the_ensemble_has_the_rejecter_shape_on_ready_features():
    """On ready features it scores, decides and names the unknown as every rejecter does."""
    X, y = draw(8, n=120)
    rng = np.random.default_rng(0)
    odd = X[:60] + rng.normal(size=(60, 4)) * 12
    model = FeatureEnsembleDetector(MahalanobisDetector(widths=(2, 2)), random_state=0)
    model.fit(X[:60], y[:60], known=X[60:], unknown=odd[:30])
    said = model.calibrate(X[60:], target_tpr=0.9).predict(odd[30:])
    assert said.dtype.kind == "U"
    assert (said == "unknown").mean() > 0.6
    nearest = model.score_samples(odd, return_class=True)[1]
    np.testing.assert_array_equal(nearest, model.base_.score_samples(odd, return_class=True)[1])
    with pytest.raises(InputError, match="eps"):
        model.base_.layer_scores(X, eps=0.1)


def test_a_detector_with_a_network_is_stored_without_it(net):
    """Only the statistics are stored; the network is handed over again, and asked for in one line."""
    X, y = pictures_of(60, 1)
    model = MahalanobisDetector(net).fit(X, y)
    state = stored(model)
    np.testing.assert_allclose(
        MahalanobisDetector.from_state(state, net=net).score_samples(X), model.score_samples(X), rtol=1e-9
    )
    with pytest.raises(InputError, match="net="):
        MahalanobisDetector.from_state(state)


@pytest.mark.parametrize("network", [True, False])
def test_a_stored_ensemble_answers_as_before(net, network, tmp_path):
    """The method of the paper in full is kept without pickle: weights, step, threshold, and the Gaussians below."""
    rng = np.random.default_rng(0)
    if network:
        rows, y = rng.random((60, 3, 12, 12)).astype(np.float32), np.arange(60) % 3
        odd, base = 1 - rows[:20], MahalanobisDetector(net)
    else:
        rows, y = (
            rng.normal(size=(60, 6)) + 3 * np.eye(6)[np.arange(60) % 3],
            np.array(["a", "b", "c"])[np.arange(60) % 3],
        )
        odd, base = rng.normal(size=(20, 6)) + 4 * np.eye(6)[5], MahalanobisDetector(widths=(2, 4))
    grid = (0.0, 0.01) if network else (0.0,)
    model = FeatureEnsembleDetector(base, eps_grid=grid, random_state=0).fit(rows, y, known=rows[:30], unknown=odd)
    model.calibrate(rows[30:], target_tpr=0.9)
    np.savez(tmp_path / "m.npz", **model.to_state())
    with np.load(tmp_path / "m.npz") as state:
        again = FeatureEnsembleDetector.from_state(state, net=net if network else None)
    assert np.allclose(again.score_samples(rows), model.score_samples(rows), rtol=1e-9, atol=1e-9)
    assert (again.predict(odd) == model.predict(odd)).all()
    assert (again.validation_, again.eps_, str(again.threshold_)) == (
        model.validation_,
        model.eps_,
        str(model.threshold_),
    )
    with pytest.raises(InputError, match="no stored ensemble"):
        FeatureEnsembleDetector.from_state(model.base_.to_state(), net=net if network else None)
