"""Pooling bias: the losses held to autograd and to plain loops, the likelihood to scipy, the guards to their cases."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from trueneg.clean import ListSampler, PoolingBiasCorrector, estimate_false_negative_rate
from trueneg.clean._pooling_bias import guards, marginal
from trueneg.clean._pooling_bias import lists as flat
from trueneg.core.errors import InputError
from trueneg.testing.cleaner import check_parameters


def drawn(n=4000, seed=0, correlation=0.0, p=4, q=3, width=20, judged=0.0):
    """Pairs whose labels follow the model: relevant and selected, each from its own features."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(n, p)), rng.normal(size=(n, q))
    k = min(p, q)
    z[:, :k] = correlation * x[:, :k] + np.sqrt(1 - correlation**2) * z[:, :k]
    r = expit(x @ np.linspace(1.2, -0.8, p) - 1.0)
    s = expit(z @ np.linspace(-1.0, 1.3, q) - 0.3)
    relevant, selected = rng.random(n) < r, rng.random(n) < s
    y = np.where(relevant & selected, 1, -1)
    y[selected & ~relevant & (rng.random(n) < judged)] = 0
    return np.arange(n) // width, np.arange(n), x, z, y, r, s, relevant


# ------------------------------------------------------------------------------------------------- flat list losses
def some_lists(seed):
    """Draw seven short lists, their pairs in any order."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(7), rng.integers(1, 9, 7))
    positive = rng.random(len(query)) < 0.4
    rng.shuffle(query)
    return rng, flat.Lists.of(query, positive), query, positive


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_list_losses_are_what_a_plain_loop_gives(seed):
    """Blocks and flat indices change neither loss nor weights: a loop over queries gives the same."""
    rng, lists, query, positive = some_lists(seed)
    if not len(lists.pair):
        return
    score, other = rng.normal(size=len(lists.pair)) * 3, rng.normal(size=len(lists.pair)) * 3
    up, down = flat.positive_weights(lists, other, 5.0), flat.negative_weights(lists, other, 5.0, 2.0)
    soft, pair, n = 0.0, 0.0, 0
    for q in np.unique(lists.query):
        rows = np.flatnonzero(lists.query == q)
        plus, minus = rows[lists.positive[rows]], rows[~lists.positive[rows]]
        assert np.array_equal(np.sort(lists.pair[rows]), np.flatnonzero(query == query[lists.pair[rows[0]]]))
        n += 1
        best = other[plus].max()
        for d in plus:
            assert np.isclose(up[d], min(np.exp(best - other[d]), 5.0))
            soft -= up[d] * (score[d] - np.log(np.exp(score[rows]).sum()))
        for d in minus:
            assert np.isclose(down[d], min(1 / (1 - expit(other[d] / 2.0)), 5.0))
        margins = [down[m] * np.log1p(np.exp(score[m] - score[p])) for p, m in itertools.product(plus, minus)]
        pair += np.mean(margins)
    assert np.isclose(flat.softmax_loss(lists, score, up)[0], soft / n)
    assert np.isclose(flat.pair_loss(lists, score, down)[0], pair / n)
    assert not up[~lists.positive].any()
    assert not down[lists.positive].any()


@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_flat_gradients_are_those_of_autograd(block, monkeypatch):
    """The gradients written by hand equal autograd's of the formula in float64, however the pairs are cut."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(flat, "_BLOCK", block)
    rng, lists, _, _ = some_lists(3)
    score = rng.normal(size=len(lists.pair))
    up, down = flat.positive_weights(lists, score[::-1], 10.0), flat.negative_weights(lists, score[::-1], 10.0, 10.0)
    s = torch.tensor(score, requires_grad=True)
    soft = pair = torch.zeros((), dtype=torch.float64)
    for q in range(len(lists.start) - 1):
        rows = torch.arange(lists.start[q], lists.start[q + 1])
        plus = torch.tensor(lists.positive)[rows]
        soft = soft - (torch.tensor(up)[rows] * torch.log_softmax(s[rows], 0))[plus].sum()
        margin = torch.nn.functional.softplus(s[rows][~plus][None] - s[rows][plus][:, None])
        pair = pair + (margin * torch.tensor(down)[rows][~plus][None]).mean()
    for loss, weight, want in ((flat.softmax_loss, up, soft), (flat.pair_loss, down, pair)):
        (gradient,) = torch.autograd.grad(want / (len(lists.start) - 1), s, retain_graph=True)
        assert np.allclose(loss(lists, score, weight)[1], gradient.numpy(), atol=1e-12)


def test_a_query_without_a_pair_to_compare_is_left_out():
    """Lists of only positives, or of none, teach nothing and are counted as left out."""
    query = np.array([0, 0, 1, 1, 2, 2, 2])
    lists = flat.Lists.of(query, np.array([True, True, False, False, True, False, True]))
    assert lists.pair.tolist() == [4, 5, 6]


# --------------------------------------------------------------------------------------------- marginal likelihood
@pytest.mark.parametrize("judged", [0.0, 0.6])
@pytest.mark.parametrize("block", [97, 1 << 14])
def test_the_likelihood_has_its_maximum_where_scipy_finds_it(judged, block, monkeypatch):
    """Scoring steps over blocks end where a general optimiser of the stated likelihood ends."""
    monkeypatch.setattr(marginal, "_BLOCK", block)
    _, _, x, z, y, *_ = drawn(1500, judged=judged)
    l2 = 1e-3
    xs, zs = ((a - a.mean(0)) / a.std(0) for a in (x, z))

    def objective(theta):
        f, g = xs @ theta[:4] + theta[4], zs @ theta[5:8] + theta[8]
        r, s = expit(f), expit(g)
        value = np.where(y == 1, np.log(r * s), np.where(y == 0, np.log(s * (1 - r)), np.log(1 - r * s)))
        return -value.mean() + l2 / 2 * (theta[:4] @ theta[:4] + theta[5:8] @ theta[5:8])

    best = minimize(objective, np.zeros(9), method="BFGS", options={"gtol": 1e-8})
    found = marginal.fit_marginal(x, z, y.astype(np.int8), l2=l2)
    assert found.converged
    f = np.append(found.relevance[:4] * x.std(0), found.relevance[4] + found.relevance[:4] @ x.mean(0))
    g = np.append(found.selection[:3] * z.std(0), found.selection[3] + found.selection[:3] @ z.mean(0))
    assert np.allclose(np.concatenate([f, g]), best.x, atol=2e-3)
    assert objective(np.concatenate([f, g])) <= best.fun + 1e-9


def test_the_information_is_the_mean_square_of_the_score():
    """Fisher's information of unjudged and labelled pairs is the expected outer product of their gradients."""
    _, _, x, z, y, *_ = drawn(40)
    data = marginal._Data(x, z, y.astype(np.int8))
    theta = np.random.default_rng(1).normal(size=9) * 0.7
    a = np.concatenate([(x - x.mean(0)) / x.std(0), np.ones((40, 1)), (z - z.mean(0)) / z.std(0), np.ones((40, 1))], 1)
    r, s = expit(a[:, :5] @ theta[:5]), expit(a[:, 5:] @ theta[5:])
    want = np.zeros((9, 9))
    for i in range(40):
        for label, chance in ((1, r[i] * s[i]), (0, 1 - r[i] * s[i])):
            slope = np.array([1 - r[i], 1 - s[i]]) * (1 if label else -r[i] * s[i] / (1 - r[i] * s[i]))
            gradient = np.concatenate([slope[0] * a[i, :5], slope[1] * a[i, 5:]])
            want += chance * np.outer(gradient, gradient) / 40
    assert np.allclose(data.step(theta)[2], want)


def test_many_pairs_start_on_some_of_them(monkeypatch):
    """Starts are tried on a part of the pairs; where the climb ends does not depend on it."""
    _, _, x, z, y, *_ = drawn(3000)
    whole = marginal.fit_marginal(x, z, y.astype(np.int8))
    monkeypatch.setattr(marginal, "_FEW", 500)
    part = marginal.fit_marginal(x, z, y.astype(np.int8))
    assert np.allclose(whole.relevance, part.relevance, atol=1e-4)
    assert np.isclose(whole.log_likelihood, part.log_likelihood)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_selection_is_recovered_and_exchanged_features_are_not(correlation):
    """On data that follow the model the estimated P(selected) is the true one; exchanged features miss it."""
    query, doc, x, z, y, _, s, relevant = drawn(5000, correlation=correlation)
    model = PoolingBiasCorrector(loss="em").fit(query, doc, x, z, y)
    assert np.corrcoef(model.propensity_, s)[0, 1] > 0.95
    rate = model.false_negative_proba_[y < 0].mean()
    assert 0.7 < rate / relevant[y < 0].mean() < 1.4
    swapped = PoolingBiasCorrector(loss="em", unpooled="allow").fit(query, doc, z, x, y)
    assert np.corrcoef(swapped.propensity_, s)[0, 1] < 0.6


def test_shared_features_let_the_models_change_places():
    """With all features in both models, starts end at one likelihood with other answers: why the guard is there."""
    _, _, x, z, y, *_ = drawn(5000)
    both = np.concatenate([x, z], axis=1)
    starts = marginal.fit_marginal(both, both, y.astype(np.int8), n_starts=8).starts
    top = max(one.log_likelihood for one in starts)
    rates = [one.false_negative_rate for one in starts if one.log_likelihood > top - 3]
    assert max(rates) > 1.3 * min(rates)


def test_any_classifiers_fit_by_em():
    """With logistic regressions given, EM ends where the direct climb ends; trees run too; no weights, no fit."""
    query, doc, x, z, y, *_ = drawn(1000)
    direct = PoolingBiasCorrector(loss="em", l2=1e-5).fit(query, doc, x, z, y)
    pair = [LogisticRegression(C=1e3, max_iter=500) for _ in range(2)]
    slow = PoolingBiasCorrector(*pair, loss="em").fit(query, doc, x, z, y)
    assert np.corrcoef(direct.false_negative_proba_, slow.false_negative_proba_)[0, 1] > 0.98
    tree = PoolingBiasCorrector(DecisionTreeClassifier(max_depth=3), loss="em").fit(query, doc, x, z, y)
    assert tree.decision_function(x).shape == (1000,)
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(InputError, match="sample_weight"):
        PoolingBiasCorrector(KNeighborsClassifier(), loss="em").fit(query, doc, x, z, y)


# --------------------------------------------------------------------------------------------------- the corrector
@pytest.mark.parametrize("loss", ["listwise", "pairwise", "em"])
def test_what_a_fit_leaves(loss):
    """Probabilities a pair, suspects in order, quality, the report; a refit agrees, read-only input is taken."""
    query, doc, x, z, y, *_ = drawn(3000, judged=0.3)
    for array in (query, doc, x, z, y):
        array.flags.writeable = False
    names = np.array([f"q{i:04}" for i in query])
    model = PoolingBiasCorrector(loss=loss).fit(names, doc, x, z, y)
    assert ((model.false_negative_proba_ >= 0) & (model.false_negative_proba_ <= 1)).all()
    assert not model.false_negative_proba_[y >= 0].any()
    assert np.array_equal(model.label_quality_, 1 - model.false_negative_proba_)
    found = model.suspects_
    assert len(found)
    assert (np.diff(found.probability) <= 0).all()
    assert (found.probability > 0.5).all()
    assert (found.verdict == -1).all()
    assert (found.proposed_verdict == 1).all()
    assert model.query_ids_[found.row[0]] == names[found.candidate[0]]
    assert np.allclose(model.predict_proba(x, z)[y < 0], model.false_negative_proba_[y < 0])
    again = PoolingBiasCorrector(loss=loss).fit(names, doc, x, z, y)
    assert np.array_equal(again.false_negative_proba_, model.false_negative_proba_)
    assert model.report_["pooling_evidence"].low > guards.POOLED
    assert model.report_["explained"] < 0.9
    if loss != "em":
        report = model.report_
        assert report["lists"] + report["lists_left_out"] == 150
        assert report["effective_sample_size"] >= 1
        assert 0 <= report["clipped"] <= 1


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "em"])
def test_order_scale_and_type_do_not_matter(loss):
    """Rows permuted, columns scaled and shifted, float32 in place of float64: the same answers."""
    query, doc, x, z, y, *_ = drawn(1500)
    plain = PoolingBiasCorrector(loss=loss).fit(query, doc, x, z, y).false_negative_proba_
    order = np.random.default_rng(0).permutation(1500)
    mixed = PoolingBiasCorrector(loss=loss, unpooled="warn").fit(query[order], doc[order], x[order], z[order], y[order])
    assert np.allclose(mixed.false_negative_proba_, plain[order], atol=1e-4)
    scaled = PoolingBiasCorrector(loss=loss).fit(query, doc, 1000 * x + 7, 0.01 * z - 3, y)
    assert np.allclose(scaled.false_negative_proba_, plain, atol=1e-4)
    narrow = PoolingBiasCorrector(loss=loss).fit(query, doc, x.astype(np.float32), z.astype(np.float32), y)
    assert np.allclose(narrow.false_negative_proba_, plain, atol=1e-3)


def test_weights_are_clipped_and_counted():
    """A clip of 1 makes the weighted loss the plain one, and every weight is then at the clip."""
    query, doc, x, z, y, *_ = drawn(2000)
    model = PoolingBiasCorrector(loss="listwise", clip=1).fit(query, doc, x, z, y)
    assert model.report_["clipped"] == 1
    assert np.isclose(model.report_["effective_sample_size"], (y == 1).sum())
    lists = flat.Lists.of(query, y == 1)
    part = x[lists.pair]
    part = (part - part.mean(0)) / part.std(0)
    plain = flat.fit_linear(lists, part, lists.positive.astype(float), np.zeros(4), pairwise=False, l2=1e-3)
    assert np.corrcoef(model.decision_function(x[lists.pair]), part @ plain)[0, 1] > 1 - 1e-6


def test_a_fit_forgets_the_one_before():
    """Another loss on the same object gives what a new object gives: nothing of the first fit answers."""
    query, doc, x, z, y, *_ = drawn(1500)
    model = PoolingBiasCorrector(loss="listwise").fit(query, doc, x, z, y)
    model.set_params(loss="em").fit(query, doc, x, z, y)
    fresh = PoolingBiasCorrector(loss="em").fit(query, doc, x, z, y)
    assert np.array_equal(model.decision_function(x), fresh.decision_function(x))


def test_parameters_follow_scikit_learn():
    """The constructor stores what it is given, and clone and set_params agree."""
    check_parameters(PoolingBiasCorrector(loss="em", clip=5.0))


# ----------------------------------------------------------------------------------------------------------- guards
def test_shared_features_are_refused():
    """A shared column, one that differs by scale or a shift a query, one that the others predict: refused."""
    query, doc, x, z, y, *_ = drawn(2000)
    shift = np.random.default_rng(0).normal(size=2000)[query] * 5
    noisy = x[:, 0] + x[:, 1] + 0.2 * z[:, 0]
    for column, words in ((x[:, 1], "column 0 of X_sel is column 1"), (-3 * x[:, 1] + 2, "is column 1")):
        with pytest.raises(InputError, match=words):
            PoolingBiasCorrector().fit(query, doc, x, np.column_stack([column, z]), y)
    for column in (x[:, 2] + shift, noisy):
        with pytest.raises(InputError, match=r"column 3 of X_(sel|rel)"):
            PoolingBiasCorrector().fit(query, doc, x, np.column_stack([z, column]), y)
    with pytest.warns(UserWarning, match="cannot be told apart"):
        PoolingBiasCorrector(shared="warn", unpooled="allow").fit(query, doc, x, np.column_stack([z, noisy]), y)
    constant = np.column_stack([z, np.ones(2000)])
    assert PoolingBiasCorrector().fit(query, doc, x, constant, y).report_["explained"] < 0.1


def test_explained_is_the_r2_of_a_linear_fit():
    """R squared by blocks equals scikit-learn's, adjusted; equal columns of x do not upset it."""
    from sklearn.linear_model import LinearRegression

    _, _, x, z, _, *_ = drawn(500, correlation=0.7)
    x = np.column_stack([x, x[:, 0]])
    r2, _ = guards._r2(x, z, None)
    for j in range(3):
        plain = LinearRegression().fit(x, z[:, j]).score(x, z[:, j])
        assert np.isclose(r2[j], 1 - (1 - plain) * 499 / (499 - 5), atol=1e-8)


def test_one_positive_a_query_is_no_silent_no_op():
    """Listwise weights are all 1 with one positive a query: refused; the other losses take it."""
    query, doc, x, z, y, *_ = drawn(3000)
    first = np.zeros(3000, dtype=bool)
    at = np.flatnonzero(y == 1)
    first[at[np.unique(query[at], return_index=True)[1]]] = True
    y = np.where(first, 1, -1)
    with pytest.raises(InputError, match="each weight of loss='listwise' is then 1"):
        PoolingBiasCorrector(loss="listwise").fit(query, doc, x, z, y)
    for loss in ("pairwise", "em"):
        model = PoolingBiasCorrector(loss=loss, unpooled="warn").fit(query, doc, x, z, y)
        assert 0 < model.false_negative_proba_[y < 0].mean() < 1


def test_labels_without_a_pool_are_refused():
    """Where labels are drawn at random the selection features say nothing of them: refused, or told."""
    query, doc, x, z, _, r, *_ = drawn(4000)
    rng = np.random.default_rng(5)
    y = np.where((rng.random(4000) < r) & (rng.random(4000) < 0.4), 1, -1)
    with pytest.raises(InputError, match="without a pool the correction harms"):
        PoolingBiasCorrector().fit(query, doc, x, z, y)
    with pytest.warns(UserWarning, match="without a pool"):
        PoolingBiasCorrector(unpooled="warn").fit(query, doc, x, z, y)
    few = np.zeros(4000, dtype=np.int64)
    with pytest.raises(InputError, match="too few queries"):
        PoolingBiasCorrector(loss="em").fit(few, doc, x, z, y)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.full(200, -1)}, "no labelled positive"),
        ({"y": np.ones(200, dtype=int)}, "no unjudged pair"),
        ({"y": np.arange(200)}, "1 relevant, 0 judged"),
        ({"X_rel": np.full((200, 4), np.nan)}, "X_rel holds no number in row 0, column 0"),
        ({"X_sel": np.ones(200)}, "X_sel has shape"),
        ({"X_sel": np.ones((200, 0))}, "one column each"),
        ({"X_rel": np.full((200, 4), "a")}, "numbers are needed"),
        ({"query_ids": np.arange(3)}, "query_ids has shape"),
        ({"loss": "softmax"}, "choose 'pairwise'"),
        ({"clip": 0.5}, "clip=0.5"),
        ({"relevance_estimator": LogisticRegression()}, "train by CoupledLoss"),
    ],
)
def test_bad_input_is_one_clear_line(change, words):
    """What cannot be used is refused before anything is fitted, in words that say what to do."""
    query, doc, x, z, y, *_ = drawn(200)
    given = {"query_ids": query, "doc_ids": doc, "X_rel": x, "X_sel": z, "y": y}
    how = {k: v for k, v in change.items() if k not in given}
    with pytest.raises(InputError, match=words):
        PoolingBiasCorrector(**how).fit(**{**given, **{k: v for k, v in change.items() if k in given}})


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "em"])
@pytest.mark.parametrize("kind", ["duplicated", "saturated", "integer", "constant"])
def test_degenerate_features_give_finite_answers(loss, kind):
    """Equal columns, labels that one feature separates, integers and constants: finite, and no crash."""
    query, doc, x, z, y, *_ = drawn(1200)
    if kind == "duplicated":
        x = np.column_stack([x, x])
    elif kind == "saturated":
        z = np.column_stack([z, np.where(y == 1, 1e6, -1e6) + z[:, 0]])
    elif kind == "integer":
        x, z = np.rint(3 * x).astype(int), np.rint(3 * z).astype(np.int16)
    else:
        x, z = np.column_stack([x, np.ones(1200)]), np.column_stack([z, np.zeros(1200)])
    model = PoolingBiasCorrector(loss=loss, unpooled="allow").fit(query, doc, x, z, y)
    assert np.isfinite(model.false_negative_proba_).all()
    assert np.isfinite(model.decision_function(x)).all()


# ----------------------------------------------------------------------------------------------- rate, filter, lists
def test_the_rate_promises_nothing_without_a_review():
    """Model-based: the mean, and an interval that says so; reviewed: the sample, whatever the model says."""
    chance = np.linspace(0, 1, 101)
    model = estimate_false_negative_rate(chance)
    assert (round(model.value, 9), model.low, model.high) == (0.5, 0.0, 1.0)
    assert "model-based" in model.method
    verdict = np.full(101, -1)
    verdict[:60] = 0
    verdict[:12] = 1
    told = estimate_false_negative_rate(chance, reviewed=verdict)
    assert told.value == 0.2
    assert 0.1 < told.low < 0.2 < told.high < 0.33
    assert told.n == 60
    for bad in ({"reviewed": np.full(101, -1)}, {"reviewed": np.zeros(3)}):
        with pytest.raises(InputError, match="reviewed"):
            estimate_false_negative_rate(chance, **bad)
    with pytest.raises(InputError, match="within 0 and 1"):
        estimate_false_negative_rate([])


def test_lists_hold_their_positives_and_what_the_weights_allow():
    """Each query once an epoch; positives first; no negative twice, none of weight 0; draws repeat with the seed."""
    rng = np.random.default_rng(0)
    query = np.repeat(np.arange(30), rng.integers(2, 15, 30))
    y = np.where(rng.random(len(query)) < 0.3, 1, -1)
    weight = np.where(rng.random(len(query)) < 0.3, 0.0, rng.random(len(query)))
    sampler = ListSampler(query, y, n_negatives=4, max_positives=2, batch_size=7, weights=weight, random_state=3)
    first, second = list(sampler), list(sampler)
    assert len(first) == len(sampler)
    seen = []
    for batch in first:
        for rows, labels, mask in zip(batch.pair, batch.labels, batch.mask, strict=True):
            held = rows[mask]
            assert len(set(held.tolist())) == len(held)
            assert len(set(query[rows].tolist())) == 1
            assert np.array_equal(labels[mask] == 1, y[held] == 1)
            assert (weight[held][labels[mask] != 1] > 0).all()
            assert 1 <= (labels == 1).sum() <= 2
            assert 1 <= (mask & (labels != 1)).sum() <= 4
            seen.append(query[rows[0]])
    assert len(set(seen)) == len(seen)
    assert not all(np.array_equal(a.pair, b.pair) for a, b in zip(first, second, strict=True))
    sampler.set_epoch(0)
    assert all(np.array_equal(a.pair, b.pair) for a, b in zip(first, sampler, strict=True))


def test_negatives_are_drawn_in_proportion_to_their_weights():
    """The first draw takes a pair with its share of the weight, and all of them are taken where there is room."""
    weight = np.array([0.0, 1.0, 2.0, 7.0])
    sampler = ListSampler(np.zeros(4), [1, -1, -1, -1], n_negatives=1, weights=weight, random_state=1)
    drawn_rows = np.concatenate([batch.pair[0, 1:] for _ in range(1000) for batch in sampler])
    share = np.bincount(drawn_rows, minlength=4) / 1000
    assert np.allclose(share, weight / 10, atol=0.05)
    with pytest.raises(InputError, match="no list to draw"):
        ListSampler([0, 1], [1, -1])


def test_a_miner_takes_the_probability_as_a_filter():
    """``pair_scorer`` is what the filters of a miner ask, and an unlikely false negative is what they keep."""
    from trueneg.mine import FalseNegativeProbability, hard_negatives

    query, doc, x, z, y, *_ = drawn(3000, width=100)
    model = PoolingBiasCorrector(loss="em").fit(query, doc, x, z, y)
    vectors = np.random.default_rng(0).normal(size=(130, 8)).astype(np.float32)
    score = model.pair_scorer(lambda q, d: (x[q * 100 + d], z[q * 100 + d]))
    rule = FalseNegativeProbability(score, maximum=0.3)
    mined = hard_negatives(vectors[:30], vectors[30:], np.arange(30), n=20, filters=rule)
    assert mined.removed[rule.name] > 0
    assert score(mined.query, mined.document).max() <= 0.3
    bad = FalseNegativeProbability(lambda q, d: q + 5.0)
    with pytest.raises(InputError, match="probability"):
        hard_negatives(vectors[:30], vectors[30:], np.arange(30), filters=bad)
    with pytest.raises(InputError, match="maximum"):
        FalseNegativeProbability(score, maximum=1.5)


@pytest.mark.slow
def test_the_room_is_imported_without_torch():
    """NumPy users pay for no torch: the loss alone loads it."""
    code = "import sys, trueneg.clean.pooling_bias as m; m.PoolingBiasCorrector; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
