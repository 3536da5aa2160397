"""SMOTE, its nominal forms and its baselines: the published algorithm, and the faults of the best-known code of it."""

from __future__ import annotations

import tracemalloc
import warnings

import imblearn.over_sampling as peer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from trueneg.core.errors import InputError
from trueneg.sample import SMOTE, SMOTEN, SMOTENC, OverSampler, SamplingWarning, UnderSampler


def _imbalanced(n=300, minority=40, d=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) < minority).astype(int)
    return rng.normal(size=(n, d)) + y[:, None], y


def _peak(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# -- faults that are not to be repeated --------------------------------------------------------------------------------


def test_children_of_repeated_rows_are_no_copies():
    """A class whose every row comes eight times still gets new points; the peer then only makes copies."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(200, 2)), np.repeat(rng.normal(size=(10, 2)), 8, axis=0)])
    y = np.repeat([0, 1], [200, 80])

    def copies(sampler):
        made = sampler.fit_resample(X, y)[0][len(X) :]
        return (made[:, None] == X[None]).all(axis=2).any(axis=1).mean()

    assert copies(SMOTE(random_state=0)) == 0
    assert copies(peer.SMOTE(random_state=0)) == 1


def test_whole_numbers_are_rounded_and_not_cut():
    """Truncation would shift the mean of every whole-numbered column down by some .4."""
    rng = np.random.default_rng(1)
    X, y = rng.integers(0, 10, size=(5000, 4)), np.arange(5000) % 5 == 0
    shift = SMOTE(random_state=0).fit_resample(X, y)[0][5000:].mean() - X[y].mean()
    cut = peer.SMOTE(random_state=0).fit_resample(X, y)[0][5000:].mean() - X[y].mean()
    assert abs(shift) < 0.05
    assert cut < -0.2


def test_every_class_draws_from_its_own_stream():
    """Two classes of one size must not repeat each other's draws, and a third class must not change the first's."""
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1, 2], [200, 50, 50])
    X = rng.normal(size=(300, 3))
    made = SMOTE(random_state=0).fit(X, y)
    first, second = made.weights_[:150], made.weights_[150:]
    assert len(first) == len(second)
    assert not np.isin(first, second).any()
    alone = SMOTE(random_state=0).fit(X[:250], y[:250])
    np.testing.assert_array_equal(alone.weights_, first)
    np.testing.assert_array_equal(alone.parents_, made.parents_[:150])


def test_every_row_has_equally_many_children():
    """The paper's N / 100 children each, where a draw gives some rows one and others fifteen."""
    X, y = _imbalanced()
    children = np.bincount(SMOTE(amount=800, random_state=0).fit(X, y).parents_[:, 0], minlength=len(y))
    assert set(children[y == 1]) == {8}
    children = np.bincount(SMOTE(random_state=0).fit(X, y).parents_[:, 0], minlength=len(y))[y == 1]
    assert children.max() - children.min() == 1
    drawn = np.bincount(SMOTE(amount=800, allocation="random", random_state=0).fit(X, y).parents_[:, 0])
    assert drawn.max() > 10


def test_float32_stays_float32_and_is_not_widened_on_the_way():
    """A copy of a large table in float64 may not fit: the working set stays below half of the output."""
    X, y = _imbalanced(60_000, 6_000, 20)
    X = X.astype(np.float32)
    SMOTE(random_state=0).fit_resample(X, y)  # compiles
    out = []

    def run():
        out.append(SMOTE(random_state=0).fit_resample(X, y)[0])

    peak = _peak(run)
    assert out[0].dtype == np.float32
    assert peak < 2.5 * out[0].nbytes


@pytest.mark.slow
def test_nominal_columns_need_no_one_hot_table():
    """A few columns of many levels must not cost levels times rows; the peer's memory is the measure."""
    rng = np.random.default_rng(3)
    X = np.c_[rng.normal(size=(3000, 2)), rng.integers(0, 200, size=(3000, 4))]
    y = (np.arange(3000) % 3 == 0).astype(int)
    ours = _peak(lambda: SMOTENC(categorical_features=[2, 3, 4, 5], random_state=0).fit_resample(X, y))
    theirs = _peak(lambda: peer.SMOTENC(categorical_features=[2, 3, 4, 5], random_state=0).fit_resample(X, y))
    assert ours < theirs / 3


# -- the algorithm -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 40), st.integers(1, 8), st.sampled_from(["row", "attribute"]), st.integers(0, 10**6))
def test_children_lie_between_near_rows_of_their_class(minority, k, gap, seed):
    """On the line or in the box of two parents, both of the class, the second among the k nearest of the first."""
    X, y = _imbalanced(100, minority, 2, seed)
    model = SMOTE(k_neighbors=k, gap=gap, random_state=seed)
    out, labels = model.fit_resample(X, y)
    one, two = (X[model.parents_[:, i]] for i in (0, 1))
    assert (y[model.parents_] == (1 if minority < 50 else 0)).all()
    weight = model.weights_ if gap == "attribute" else model.weights_[:, None]
    np.testing.assert_allclose(out[len(X) :], one + weight * (two - one), atol=1e-12)
    assert ((model.weights_ >= 0) & (model.weights_ < 1)).all()
    rows = np.flatnonzero(y == y[model.parents_[0, 0]])
    near = np.linalg.norm(X[rows][None] - one[:, None], axis=2)
    closer = (near < np.linalg.norm(two - one, axis=1)[:, None] - 1e-9).sum(axis=1) - 1
    assert (closer < k).all()
    assert np.bincount(labels).tolist() == [max(minority, 100 - minority)] * 2


def test_partners_are_those_of_the_peer():
    """Same neighbours on the same rows: every pair we draw is a pair that imbalanced-learn could draw, and no other."""
    from sklearn.neighbors import NearestNeighbors

    X, y = _imbalanced(2000, 300, 8)
    rows = np.flatnonzero(y)
    near = NearestNeighbors(n_neighbors=6).fit(X[rows]).kneighbors(X[rows], return_distance=False)[:, 1:]
    pairs = {(int(a), int(b)) for a, row in zip(rows, rows[near], strict=True) for b in row}
    drawn = {tuple(p) for p in SMOTE(amount=20_000, random_state=0).fit(X, y).parents_.tolist()}
    assert drawn == pairs


def test_percentages_are_those_of_the_paper():
    """N % below 100 takes that share of the rows once, above it N / 100 children each; U % is minority / majority."""
    X, y = _imbalanced(1000, 80)
    half = SMOTE(amount=50, random_state=0).fit(X, y)
    assert len(half.parents_) == len(np.unique(half.parents_[:, 0])) == 40
    both = SMOTE(amount=300, under=200, random_state=0)
    labels = both.fit_resample(X, y)[1]
    assert np.bincount(labels).tolist() == [160, 320]
    assert np.bincount(UnderSampler(percent=50, random_state=0).fit_resample(X, y)[1]).tolist() == [160, 80]
    with pytest.raises(InputError, match="multiple of 100"):
        SMOTE(amount=150).fit(X, y)


def test_strategies_mean_what_they_say():
    """Words, ratio and dict against counts made by hand, for over- and under-sampling."""
    y = np.repeat(["a", "b", "c"], [60, 30, 10])
    X = np.random.default_rng(0).normal(size=(100, 2))

    def after(kind, strategy, labels=y):
        out = kind(sampling_strategy=strategy, random_state=0).fit_resample(X[: len(labels)], labels)[1]
        return dict(zip(*(a.tolist() for a in np.unique(out, return_counts=True)), strict=True))

    assert after(SMOTE, "auto") == after(OverSampler, "not majority") == {"a": 60, "b": 60, "c": 60}
    assert after(SMOTE, "minority") == {"a": 60, "b": 30, "c": 60}
    assert after(OverSampler, {"c": 25}) == {"a": 60, "b": 30, "c": 25}
    assert after(UnderSampler, "auto") == {"a": 10, "b": 10, "c": 10}
    assert after(UnderSampler, "majority") == {"a": 10, "b": 30, "c": 10}
    assert after(UnderSampler, {"a": 12}) == {"a": 12, "b": 30, "c": 10}
    assert after(SMOTE, 0.75, y[:90]) == {"a": 60, "b": 45}
    assert after(UnderSampler, 0.75, y[:90]) == {"a": 40, "b": 30}


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        (SMOTE(sampling_strategy="most"), "choose from"),
        (SMOTE(sampling_strategy={"z": 3}), "names class 'z'"),
        (SMOTE(sampling_strategy={1: 3}), "use UnderSampler"),
        (SMOTE(sampling_strategy=0.01), "UnderSampler"),
        (SMOTE(sampling_strategy="all", amount=100), "one of them"),
        (SMOTE(k_neighbors=0), "k_neighbors=0"),
        (SMOTE(gap="both"), "gap='both'"),
        (SMOTE(under=-5), "under=-5"),
        (SMOTE(random_state=-1), "random_state=-1"),
        (UnderSampler(sampling_strategy={0: 10**6}), "OverSampler or SMOTE"),
        (UnderSampler(percent=0), "percent=0"),
        (SMOTENC(categorical_features=[9]), "column 9"),
        (SMOTENC(categorical_features=["x"]), "'x'"),
        (SMOTENC(), "give positions"),
        (SMOTENC(categorical_features=[0, 1, 2]), "use SMOTEN"),
        (SMOTENC(categorical_features=[]), "use SMOTE"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(sampler, words):
    """One line that names the parameter and what to do."""
    X, y = _imbalanced()
    with pytest.raises(InputError, match=words):
        sampler.fit_resample(X, y)


@pytest.mark.parametrize("case", ["one row", "copies", "groups", "no common column"])
def test_a_class_that_cannot_grow_says_why(case):
    """Nothing made is never silent, and names the remedy."""
    X, y = _imbalanced(60, 8)
    rows, groups = np.flatnonzero(y), None
    if case == "one row":
        y[rows[1:]] = 0
    elif case == "copies":
        X[rows] = X[rows[0]]
    elif case == "groups":
        groups = np.arange(60)
    else:
        X = np.where(np.isin(np.arange(60), rows)[:, None], np.nan, X)
    model = SMOTE(random_state=0)
    with pytest.warns(SamplingWarning, match=r"class 1: none of the .* rows asked for was made, since .*OverSampler"):
        out, _ = model.fit_resample(X, y, groups=groups)
    assert len(out) == 60
    assert model.report_[1]["made"] == 0


def test_a_class_smaller_than_k_uses_the_partners_it_has():
    """Three rows and k = 5 are two partners each, not an error."""
    X, y = _imbalanced(60, 3)
    parents = SMOTE(random_state=0).fit(X, y).parents_
    rows = np.flatnonzero(y)
    assert {tuple(p) for p in parents.tolist()} == {(a, b) for a in rows for b in rows if a != b}


def test_missing_values_stay_where_the_nearer_parent_has_them():
    """A child lacks what its nearer parent lacks, has its value where only that one has it, and mixes the others."""
    X, y = _imbalanced(400, 80, 4)
    X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    for data in (X, sparse.csr_matrix(X)):
        model = SMOTE(random_state=0)
        out = model.fit_resample(data, y)[0]
        made = (out.toarray() if sparse.issparse(out) else out)[len(X) :]
        one, two = (X[model.parents_[:, i]] for i in (0, 1))
        near = np.where(model.weights_[:, None] < 0.5, one, two)
        mixed = one + model.weights_[:, None] * (two - one)
        np.testing.assert_allclose(made, np.where(np.isnan(mixed), near, mixed), atol=1e-12)
        assert np.isnan(made).any()


def test_random_states_of_every_kind():
    """A number repeats the plan; a generator moves on from call to call; None differs."""
    X, y = _imbalanced()
    rng = np.random.default_rng(0)
    moving = [SMOTE(random_state=rng).fit(X, y).weights_ for _ in range(2)]
    assert not np.array_equal(*moving)
    again = np.random.default_rng(0)
    np.testing.assert_array_equal(SMOTE(random_state=again).fit(X, y).weights_, moving[0])
    old = [SMOTE(random_state=np.random.RandomState(3)).fit(X, y).weights_ for _ in range(2)]
    np.testing.assert_array_equal(*old)
    assert not np.array_equal(SMOTE().fit(X, y).weights_, SMOTE().fit(X, y).weights_)


# -- nominal columns ---------------------------------------------------------------------------------------------------


def test_a_nominal_value_is_the_vote_of_the_parents_neighbours():
    """SMOTE-NC as published: the majority of the k neighbours, the penalty the median deviation within the class."""
    rng = np.random.default_rng(4)
    X = np.c_[rng.normal(size=(200, 3)) * [1, 2, 5], rng.integers(0, 4, size=(200, 2))]
    y = (np.arange(200) % 4 == 0).astype(int)
    model = SMOTENC(categorical_features=[3, 4], random_state=0)
    made = model.fit_resample(X, y)[0][200:]
    rows = np.flatnonzero(y)
    penalty = np.median(X[rows, :3].std(axis=0))
    assert model.penalties_ == {1: pytest.approx(penalty)}
    number = ((X[rows, None, :3] - X[None, rows, :3]) ** 2).sum(axis=2)
    distance = number + (X[rows, None, 3:] != X[None, rows, 3:]).sum(axis=2) * penalty**2
    np.fill_diagonal(distance, np.inf)
    near = dict(zip(rows.tolist(), rows[np.argsort(distance, axis=1, kind="stable")[:, :5]], strict=True))
    for child, (parent, partner) in zip(made, model.parents_.tolist(), strict=True):
        assert partner in near[parent]
        for column in (3, 4):
            votes = X[near[parent], column].tolist()
            assert votes.count(child[column]) == max(map(votes.count, votes))


def test_constant_numbers_do_not_make_nominal_columns_free():
    """With a median deviation of 0 a differing nominal would cost nothing: the columns that vary stand in."""
    X = np.c_[np.zeros((40, 2)), np.arange(40.0), np.arange(40) % 2]
    y = (np.arange(40) < 10).astype(int)
    model = SMOTENC(categorical_features=[3], k_neighbors=1, random_state=0).fit(X, y)
    assert model.penalties_[1] == pytest.approx(np.arange(10.0).std())
    assert (X[model.parents_[:, 0], 3] == X[model.parents_[:, 1], 3]).all()


def test_smoten_votes_with_the_parent():
    """A child of nominal columns has the most frequent value of its parent and the parent's neighbours."""
    rng = np.random.default_rng(5)
    X = rng.choice(list("abcd"), size=(150, 3)).astype(object)
    X[::7, 0] = None
    y = (np.arange(150) % 5 == 0).astype(int)
    model = SMOTEN(k_neighbors=3, random_state=0)
    out, _ = model.fit_resample(X, y)
    assert out.dtype == object
    partners = {a: set() for a in range(150)}
    for a, b in SMOTEN(k_neighbors=3, amount=9000, random_state=1).fit(X, y).parents_.tolist():
        partners[a].add(b)
    for child, (parent, _) in zip(out[150:].tolist(), model.parents_.tolist(), strict=True):
        voters = [parent, *partners[parent]]
        assert len(voters) == 4
        for column in range(3):
            votes = [X[v, column] for v in voters]
            assert votes.count(child[column]) == max(map(votes.count, votes))


# -- plans: indices, weights, groups -----------------------------------------------------------------------------------


def test_fit_copies_nothing_of_x():
    """The index-only mode on a table that fits memory once only: what it allocates depends on rows, not on columns."""
    X, y = _imbalanced(40_000, 400, 200)
    model = SMOTE(random_state=0)
    model.fit(X[:500], y[:500])
    assert _peak(lambda: model.fit(X, y)) < X.nbytes / 4
    assert not any(np.shares_memory(v, X) for v in vars(model).values() if isinstance(v, np.ndarray))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("under", [None, 150])
def test_a_plan_makes_just_the_rows_asked_for(kind, under):
    """Batches made on demand are the rows of the whole, bit for bit."""
    X, y = _imbalanced()
    data = X if kind == "dense" else sparse.csr_matrix(X)
    model = SMOTE(amount=400, under=under, random_state=0)
    out = model.fit_resample(data, y)[0]
    positions = np.random.default_rng(0).integers(0, out.shape[0], 100)
    some = model.plan_.take(data, positions)
    if kind == "sparse":
        some, out = some.toarray(), out.toarray()
    np.testing.assert_array_equal(some, out[positions])
    with pytest.raises(InputError, match="positions must lie"):
        model.plan_.take(data, [out.shape[0]])


def test_anything_with_an_entry_a_row_is_carried():
    """Ids, weights and costs follow the rows: kept ones their own, made ones their parent's, a mix, or a value."""
    X, y = _imbalanced()
    model = SMOTE(random_state=0).fit(X, y, sample_weight=np.arange(1.0, 301))
    plan, ids = model.plan_, np.array([f"id {i}" for i in range(300)])
    kept, one, two = plan.kept, plan.parents[:, 0], plan.parents[:, 1]
    np.testing.assert_array_equal(plan.carry(ids), np.r_[ids[kept], ids[one]])
    np.testing.assert_array_equal(plan.carry(ids, made="a new one")[300:], "a new one")
    mixed = (1 - plan.weights) * (one + 1) + plan.weights * (two + 1)
    np.testing.assert_allclose(model.sample_weight_, np.r_[kept + 1, mixed])
    np.testing.assert_array_equal(plan.carry(np.arange(300), made=-1)[300:], -1)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6), st.sampled_from([SMOTE, OverSampler, UnderSampler]))
def test_groups_never_mix(n_groups, seed, kind):
    """A child belongs to the group of both its parents, and the groups of the output say so."""
    X, y = _imbalanced(120, 30, 2, seed)
    groups = np.random.default_rng(seed).integers(0, n_groups, 120)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SamplingWarning)
        model = kind(random_state=seed)
        out, labels = model.fit_resample(X, y, groups=groups.tolist())
    own = groups[model.parents_]
    assert (own[:, 0] == own[:, 1]).all()
    kept = model.sample_indices_[model.sample_indices_ >= 0]
    np.testing.assert_array_equal(model.groups_, np.r_[groups[kept], own[:, 0]])
    assert len(out) == len(labels) == len(model.groups_)


def test_a_pipeline_routes_groups_or_refuses():
    """With metadata routing, groups reach the sampler where they are requested, and are refused where nobody said."""
    import sklearn
    from imblearn.pipeline import make_pipeline
    from sklearn.exceptions import UnsetMetadataPassedError
    from sklearn.linear_model import LogisticRegression

    X, y = _imbalanced()
    groups = np.arange(300) // 10
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="groups"):
            make_pipeline(SMOTE(), LogisticRegression()).fit(X, y, groups=groups)
        asks = SMOTE(random_state=0).set_fit_request(groups=True).set_fit_resample_request(groups=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SamplingWarning)
            fitted = make_pipeline(asks, LogisticRegression()).fit(X, y, groups=groups)[0]
    own = groups[fitted.parents_]
    assert (own[:, 0] == own[:, 1]).all()


def test_replication_and_under_sampling_take_any_values():
    """Choosing rows reads none of them: text, infinities and missing values pass."""
    X = np.array([["a", np.inf, None]] * 9 + [["b", np.nan, 1]], dtype=object)
    y = np.repeat([0, 1], [9, 1])
    assert OverSampler(random_state=0).fit_resample(X, y)[0].tolist()[-1] == X[-1].tolist()
    assert UnderSampler(random_state=0).fit_resample(X, y)[0].shape == (2, 3)
    with pytest.raises(ValueError, match="infinity"):
        SMOTE().fit_resample(np.where(np.arange(30)[:, None] == 3, np.inf, np.ones((30, 2))), np.arange(30) % 3 == 0)
