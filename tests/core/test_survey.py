"""The review's design and estimators: known inclusion, what the intervals must hold, what a bad answer says."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from trueneg.core._survey.sample import allocate
from trueneg.core.errors import InputError
from trueneg.core.intervals import stratified
from trueneg.core.survey import Sample, agreement, estimate, expected_width, n_for_width, plan


@pytest.fixture(scope="module")
def rare():
    """Probabilities that keep their word: 5,000 rows, about 1 % wrong."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.02, 2, 5000)
    return p, rng.random(5000) < p


def _answers(sample, wrong):
    return wrong[sample.rows].astype(int)


# -- the design ----------------------------------------------------------------------------------------------------


def test_strata_are_the_top_m_the_next_3m_and_the_rest(rare):
    """The strata follow the rank, with m the number of wrong labels that the probabilities announce."""
    p, _ = rare
    sample = plan(p, random_state=0)
    m = max(20, round(p.sum()))
    assert sample.sizes.tolist() == [m, 3 * m, 5000 - 4 * m]
    assert sample.names == ("top", "next", "rest")
    rank = np.empty(5000, int)
    rank[np.argsort(-p, kind="stable")] = np.arange(5000)
    assert np.array_equal(sample.member, np.digitize(rank, [m, 4 * m]))
    assert sample.drawn.tolist() == [20, 20, 20]


def test_inclusion_probabilities_are_those_of_the_draws(rare):
    """What the sample says of itself must be what happens: the weights of every later figure rest on it."""
    p = rare[0][:200]
    times = np.zeros(200)
    told = np.full(200, np.nan)
    for seed in range(600):
        first = plan(p, n=18, random_state=seed)
        sample = plan(p, n=12, random_state=seed + 10_000, earlier=first)
        times[sample.rows] += 1
        told[sample.rows] = sample.inclusion
    assert not np.isnan(told).any()
    # 4.5 standard errors of 600 draws; the largest of 200 rows
    assert np.all(np.abs(times / 600 - told) <= 4.5 * np.sqrt(told * (1 - told) / 600) + 1e-9)


def test_a_further_round_keeps_the_earlier_rows_and_draws_none_twice(rare):
    """Answers already given must count, and a row drawn twice would count twice."""
    p, _ = rare
    first = plan(p, n=30, random_state=1)
    second = plan(p, n=45, random_state=1, earlier=first)
    assert np.array_equal(second.rows[:30], first.rows)
    assert len(np.unique(second.rows)) == 75
    assert second.drawn.tolist() == [25, 25, 25]
    assert second.round.tolist() == [0] * 30 + [1] * 45


def test_a_round_with_other_probabilities_is_refused(rare):
    """Strata that moved between rounds would make every inclusion probability wrong."""
    p, _ = rare
    with pytest.raises(InputError, match="other probabilities"):
        plan(p[::-1], earlier=plan(p))


def test_a_saved_sample_comes_back_and_binds_to_its_probabilities(rare):
    """A review lasts days: its sample must survive a file, and refuse another audit's probabilities."""
    p, wrong = rare
    sample = plan(p, n=40, random_state=3)
    saved = json.loads(json.dumps(sample.to_dict()))
    again = Sample.from_dict(saved, p)
    assert np.array_equal(again.rows, sample.rows)
    assert np.array_equal(again.inclusion, sample.inclusion)
    a, b = (estimate(s, _answers(s, wrong), p) for s in (sample, again))
    assert a.total == b.total
    with pytest.raises(InputError, match="other probabilities"):
        Sample.from_dict(saved, np.roll(p, 1))


def test_classes_get_strata_of_their_own(rare):
    """With classes asked for, every class must be seen at its own top and in its own rest."""
    p, _ = rare
    by = np.repeat(["cat", "dog"], 2500)
    sample = plan(p, n=60, by=by)
    assert sample.names[:3] == ("cat: top", "cat: next", "cat: rest")
    assert sample.drawn.tolist() == [10] * 6
    for h, name in enumerate(sample.names):
        assert set(by[sample.member == h]) == {name.split(":")[0]}
    with pytest.raises(InputError, match="2 classes"):
        plan(p, n=1, by=by)


@pytest.mark.parametrize("sizes", [[20, 60, 900], [20, 20, 20], [5, 1, 300]])
@pytest.mark.parametrize("n", [1, 3, 7, 60, 61, 10_000])
def test_allocation_is_even_and_never_more_than_there_is(sizes, n):
    """What a small stratum cannot take must go to the others: no row of the budget is lost."""
    sizes = np.array(sizes)
    drawn = np.minimum(sizes, [3, 0, 1])
    share = allocate(sizes, n, drawn)
    assert share.min() >= 0
    assert np.all(drawn + share <= sizes)
    assert share.sum() == min(n, (sizes - drawn).sum())
    after = drawn + share
    open_ = (after < sizes) & (share > 0)
    if open_.any():  # whoever got a row and could take more is at most one above every other open stratum
        assert after[open_].max() - after[after < sizes].min() <= 1


# -- the estimate --------------------------------------------------------------------------------------------------


def test_model_free_is_the_stratified_interval(rare):
    """The interval of the sample alone is the shared one, with the sizes of the design."""
    p, wrong = rare
    sample = plan(p, random_state=5)
    result = estimate(sample, _answers(sample, wrong), p)
    hits = np.bincount(sample.stratum, weights=wrong[sample.rows], minlength=3)
    peer = stratified(hits, sample.drawn, sample.sizes, total=True, finite=True)
    assert result.model_free.value == pytest.approx(peer.value)
    assert result.model_free.high == pytest.approx(peer.high)
    assert result.model_free.low == pytest.approx(max(peer.low, hits.sum()))


def test_model_is_the_posterior_by_brute_force(rare):
    """Grid, bins and quantiles must agree with draws from an exact posterior, row by row."""
    p, wrong = rare
    sample = plan(p, random_state=6)
    y = _answers(sample, wrong)
    result = estimate(sample, y, p)
    rng = np.random.default_rng(0)
    x = logit(np.clip(p, 1e-6, 1 - 1e-6))
    a, b = rng.normal(1, 0.35, 40_000), rng.normal(0, 1.2, 40_000)
    z = a[:, None] * x[sample.rows] + b[:, None]
    log = np.where(y, np.log(expit(z)), np.log(expit(-z))).sum(axis=1)
    keep = rng.choice(40_000, 3000, p=np.exp(log - log.max()) / np.exp(log - log.max()).sum())
    unseen = np.setdiff1d(np.arange(len(p)), sample.rows)
    totals = y.sum() + np.array([(rng.random(len(unseen)) < expit(a[i] * x[unseen] + b[i])).sum() for i in keep])
    low, middle, high = np.quantile(totals, [0.025, 0.5, 0.975])
    assert result.model.value == pytest.approx(middle, rel=0.06)
    assert result.model.low == pytest.approx(low, rel=0.08)
    assert result.model.high == pytest.approx(high, rel=0.08)
    assert result.alpha == pytest.approx(a[keep].mean(), abs=0.03)
    assert result.beta == pytest.approx(b[keep].mean(), abs=0.06)


def test_joint_is_the_smaller_ends_when_supported_and_model_free_when_not(rare):
    """The guard decides the upper end, and nothing else does."""
    p, wrong = rare
    sample = plan(p, random_state=7)
    good = estimate(sample, _answers(sample, wrong), p)
    assert good.supported
    assert good.total.low == min(good.model.low, good.model_free.low)
    assert good.total.high == min(good.model.high, good.model_free.high)
    bad = estimate(sample, (sample.stratum == 2).astype(int), p)
    assert not bad.supported
    assert bad.total.high == bad.model_free.high
    assert bad.total.low == min(bad.model.low, bad.model_free.low)


@pytest.mark.parametrize(("top", "rest", "supported"), [(2, 0, False), (3, 0, True), (3, 1, True), (4, 2, False)])
def test_guard_counts_three_hits_and_twice_the_rest_plus_one(rare, top, rest, supported):
    """The rule is the one that was frozen before the coverage was looked at."""
    p, _ = rare
    sample = plan(p, random_state=8)
    said = np.zeros(60, int)
    said[np.flatnonzero(sample.stratum == 0)[:top]] = 1
    said[np.flatnonzero(sample.stratum == 2)[:rest]] = 1
    assert estimate(sample, said, p).supported is supported


def test_everything_judged_is_known():
    """Whoever judges all rows must get their number, with no width."""
    rng = np.random.default_rng(1)
    p = rng.random(70)
    wrong = rng.random(70) < p
    sample = plan(p, n=1000)
    assert sorted(sample.rows) == list(range(70))
    result = estimate(sample, _answers(sample, wrong), p)
    assert (result.total.low, result.total.value, result.total.high) == (wrong.sum(),) * 3


def test_no_interval_goes_below_what_was_found(rare):
    """Wrong labels that were seen are there: from below the number is bounded by evidence."""
    p, wrong = rare
    for seed in range(10):
        sample = plan(p, n=150, random_state=seed)
        y = _answers(sample, wrong)
        result = estimate(sample, y, p)
        for e in (result.total, result.model_free, result.model):
            assert y.sum() <= e.low <= e.value <= e.high <= len(p) - (y == 0).sum()


def test_weights_add_up_to_the_population_and_unsure_rows_get_none(rare):
    """Rows left out must be stood for by the others of their stratum, and the reader must be told."""
    p, wrong = rare
    sample = plan(p, random_state=9)
    said = _answers(sample, wrong).astype(object)
    said[:5] = "unsure"
    said[5] = None
    result = estimate(sample, said, p)
    assert result.weight.sum() == pytest.approx(len(p))
    assert not result.weight[:6].any()
    for h in range(3):
        assert result.weight[sample.stratum == h].sum() == pytest.approx(sample.sizes[h])
    assert "5 unsure" in result.explanation()
    assert "1 not answered" in result.explanation()


def test_a_stratum_all_unsure_joins_its_neighbour_and_says_so(rare):
    """Unsure rows in the whole of a stratum must neither crash nor silently drop its rows."""
    p, wrong = rare
    sample = plan(p, random_state=10)
    said = np.where(sample.stratum == 1, -1, _answers(sample, wrong))
    result = estimate(sample, said, p)
    assert result.weight.sum() == pytest.approx(len(p))
    assert any("'next'" in note for note in result.notes)


def test_answers_by_row_equal_answers_in_order(rare):
    """A page exports answers by row: both forms must mean the same."""
    p, wrong = rare
    sample = plan(p, random_state=11)
    words = {int(r): ("accept" if wrong[r] else "Reject ") for r in sample.rows[::-1]}
    assert estimate(sample, words, p).total == estimate(sample, _answers(sample, wrong), p).total
    stranger = int(np.setdiff1d(np.arange(len(p)), sample.rows)[0])
    with pytest.raises(InputError, match="was not drawn"):
        estimate(sample, {stranger: 1}, p)


def test_recalibration_repairs_odds_that_are_off():
    """Probabilities stated three times too high must come down after the review, and keep their order."""
    rng = np.random.default_rng(2)
    true = rng.beta(0.3, 2, 4000)
    stated = expit(logit(np.clip(true, 1e-9, 1 - 1e-9)) + np.log(3))
    wrong = rng.random(4000) < true
    sample = plan(stated, n=240)
    result = estimate(sample, _answers(sample, wrong), stated)
    before, after = (abs(q.sum() - wrong.sum()) for q in (stated, result.probability))
    assert after < before / 3
    assert np.all(np.diff(result.probability[np.argsort(stated, kind="stable")]) >= 0)


def test_precision_of_any_set_of_suspects(rare):
    """The precision must hold the truth for the default suspects and for a list of the user's."""
    p, wrong = rare
    held = []
    for seed in range(40):
        sample = plan(p, n=120, random_state=seed)
        said = _answers(sample, wrong)
        for mask in (sample.member == 0, p >= np.sort(p)[-150]):
            e = estimate(sample, said, p, suspects=mask).precision
            held.append(e.low <= wrong[mask].mean() <= e.high)
        assert estimate(sample, said, p).precision == estimate(sample, said, p, suspects=sample.member == 0).precision
    assert np.mean(held) >= 0.88


def test_many_answers_narrow_the_model_below_the_grid():
    """A posterior narrower than the grid's steps must be resolved, not rounded to one point."""
    rng = np.random.default_rng(3)
    p = rng.beta(1, 3, 30_000)
    wrong = rng.random(30_000) < p
    sample = plan(p, n=20_000)
    result = estimate(sample, _answers(sample, wrong), p)
    assert result.alpha == pytest.approx(1, abs=0.1)
    assert result.model.low < wrong.sum() < result.model.high
    unseen = np.setdiff1d(np.arange(30_000), sample.rows)
    floor = 2 * 1.96 * np.sqrt((p[unseen] * (1 - p[unseen])).sum())  # the chance of the rows not seen
    assert floor * 0.9 < result.model.high - result.model.low < floor * 2


def test_t_interval_of_the_sabotage_collapses_where_no_row_departs_from_its_probability():
    """The claim's control must be the known fault: no error among the rows seen, hence no width."""
    from trueneg.claims.survey import difference_t_interval

    p = np.repeat([0.02, 0.01], 300)
    sample = plan(p, n=30)
    low, high = difference_t_interval(sample, np.zeros(30), p)
    assert high - low < 0.01 * estimate(sample, np.zeros(30, int), p).model_free.high + 3
    n, gap = sample.drawn, 0 - p[sample.rows]
    by_hand = sum(sample.sizes[h] * gap[sample.stratum == h].mean() for h in range(len(n))) + p.sum()
    assert (low + high) / 2 == pytest.approx(by_hand, abs=1e-9)


# -- before the start ----------------------------------------------------------------------------------------------


def test_expected_width_is_near_what_reviews_then_give(rare):
    """The promise made before the work must be kept on the median, when the probabilities keep theirs."""
    p, _ = rare
    rng = np.random.default_rng(4)
    promised = expected_width(p, 90)
    got = []
    for _ in range(40):
        sample = plan(p, n=90, random_state=rng)
        result = estimate(sample, _answers(sample, rng.random(len(p)) < p), p)
        got.append(result.total.high - result.total.low)
    assert 0.6 < promised.rows / np.median(got) < 1.6


def test_n_for_width_is_the_smallest_that_keeps_it(rare):
    """The number of rows asked of a person must suffice, and one fewer must not."""
    p, _ = rare
    n = n_for_width(p, 0.01)
    assert expected_width(p, n).share <= 0.01 < expected_width(p, n - 1).share
    assert len(plan(p, width=0.01).rows) == n
    first = plan(p, n=20)
    assert len(plan(p, width=0.01, earlier=first).rows) == n
    assert n_for_width(p, 1e-9) == len(p)


# -- degenerate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "p",
    [np.zeros(300), np.full(300, 0.3), np.ones(300), np.array([0.4]), np.array([0.9, 0.1]), np.linspace(0, 1, 5)],
    ids=["zero", "ties", "ones", "one row", "two rows", "five rows"],
)
@pytest.mark.parametrize("n", [1, 2, 3, 60])
@pytest.mark.parametrize("said", [0, 1])
def test_degenerate_probabilities_and_few_rows_give_a_finite_interval(p, n, said):
    """No suspects, no rank, fewer rows than strata, one answer only: an interval that holds its value, or nothing."""
    sample = plan(p, n=n)
    assert len(sample.rows) == min(n, len(p))
    assert sample.drawn.min() >= 1 or n < 3
    result = estimate(sample, np.full(len(sample.rows), said), p)
    for e in (result.total, result.model_free, result.model, result.precision):
        assert np.isfinite([e.low, e.value, e.high]).all()
        assert e.low <= e.value <= e.high
    assert np.isfinite(result.probability).all()
    assert np.isfinite(expected_width(p, n).share)
    assert "rows" in result.explanation()


def test_ties_are_one_stratum_and_never_support_a_ranking():
    """Without a rank there is nothing for the answers to support."""
    sample = plan(np.full(400, 0.2), n=60)
    assert sample.names == ("rest",)
    assert not estimate(sample, np.ones(60, int), np.full(400, 0.2)).supported


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: plan([]), "at least one"),
        (lambda: plan([0.1, 1.2]), r"probability\[1\]"),
        (lambda: plan([0.1, np.nan]), r"probability\[1\]"),
        (lambda: plan([0.1, 0.2], n=0), "at least one row"),
        (lambda: plan([0.1, 0.2], width=0), "above 0"),
        (lambda: plan([0.1, 0.2], by=["a"]), "shape"),
        (lambda: estimate(plan([0.1, 0.2]), ["unsure", None], [0.1, 0.2]), "accept or reject at least one"),
        (lambda: estimate(plan([0.1, 0.2]), ["yes", 1], [0.1, 0.2]), "answer 0"),
        (lambda: estimate(plan([0.1, 0.2]), [1], [0.1, 0.2]), "1 answers for 2 rows"),
        (lambda: estimate(plan([0.1, 0.2]), [1, 1], [0.1]), "drawn from 2"),
        (lambda: agreement([1, 0], [1]), "same order"),
        (lambda: agreement([1, -1], [None, 0]), "judged by both"),
    ],
)
def test_bad_input_is_one_clear_line(call, match):
    """Every refusal must say what is wrong and what to do."""
    with pytest.raises(InputError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)


# -- two reviewers -------------------------------------------------------------------------------------------------


def test_kappa_agrees_with_scikit_learn_and_leaves_unsure_out():
    """The coefficient is the textbook one, on the rows that both judged."""
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(5)
    a = rng.integers(0, 2, 80)
    b = np.where(rng.random(80) < 0.8, a, 1 - a)
    found = agreement([*a.tolist(), "unsure"], [*b.tolist(), "accept"])
    assert found.kappa.value == pytest.approx(cohen_kappa_score(a, b))
    assert (found.n, found.left_out) == (80, 1)
    assert found.kappa.low < found.kappa.value < found.kappa.high
    assert found.share.value == pytest.approx((a == b).mean())


def test_kappa_interval_covers():
    """The interval must hold the true kappa about as often as it says."""
    rng = np.random.default_rng(6)
    held = []
    for _ in range(200):
        a = rng.random(60) < 0.3
        b = np.where(rng.random(60) < 0.7, a, rng.random(60) < 0.3)
        e = agreement(a.astype(int), b.astype(int)).kappa
        held.append(e.low <= 0.7 <= e.high)
    assert 0.9 <= np.mean(held) <= 0.99


def test_full_agreement_on_few_rows_promises_little():
    """Five equal answers are no proof of a perfect reviewer; one answer throughout leaves kappa undefined."""
    few = agreement([1, 0, 1, 1, 0], [1, 0, 1, 1, 0]).kappa
    assert few.high == 1
    assert few.low < 0.5
    assert np.isnan(agreement([0, 0, 0], [0, 0, 0]).kappa.value)
