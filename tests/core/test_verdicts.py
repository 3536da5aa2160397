"""Verdicts, calibration, corrected rates, pass@k and equal answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.core.shapes import Verdicts
from trueneg.core.verdicts import (
    METHODS,
    OUTCOMES,
    Calibration,
    answer_classes,
    check_verdicts,
    corrected_rate,
    make_verdicts,
    outcome_counts,
    pass_at_k,
    pass_hat_k,
    same_answer,
)


def sample(rng, n, prevalence, tpr=0.9, fpr=0.2, silent=0.0):
    """Return gold and verdicts of n candidates."""
    gold = (rng.random(n) < prevalence).astype(int)
    verdict = (rng.random(n) < np.where(gold == 1, tpr, fpr)).astype(int)
    return gold, np.where(rng.random(n) < silent, -1, verdict)


def test_only_accept_is_a_yes():
    """A timeout, an error, an unparsed answer and an abstention never count as accepted."""
    said = make_verdicts(OUTCOMES)
    assert said.accept.tolist() == [1, 0, -1, -1, -1, -1]
    assert outcome_counts(said) == dict.fromkeys(OUTCOMES, 1)
    with pytest.raises(InputError, match="candidate 1 has accept 1 and outcome 'timeout'"):
        check_verdicts(
            Verdicts(np.array([1, 1]), np.full(2, np.nan), ["", ""], np.zeros(2), np.array(["accept", "timeout"]))
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": ["maybe"]}, "'maybe' is unknown"),
        ({"outcome": ["accept"], "probability": [1.5]}, "give it in"),
        ({"outcome": ["accept"], "reason": []}, "reason has 0 entries for 1"),
    ],
)
def test_bad_verdicts_are_refused_in_one_line(change, words):
    """A verifier that returns nonsense is told what and where."""
    with pytest.raises(InputError, match=words) as caught:
        make_verdicts(**change)
    assert "\n" not in str(caught.value)


def test_gold_by_the_judge_itself_is_refused():
    """A model's agreement with itself is never taken for its accuracy, however its name is spelt."""
    with pytest.raises(InputError, match="also the judge"):
        Calibration.of([1, 0], [1, 0], gold_by="GPT-4o", judge="openai/gpt4o")
    with pytest.raises(InputError, match="none of 2 verdicts has gold"):
        Calibration.of([-1, -1], [1, 0])


@pytest.mark.parametrize("method", METHODS)
def test_a_verifier_no_better_than_chance_raises(method):
    """No rate is corrected by verdicts that tell nothing."""
    useless = Calibration.of([1, 1, 0, 0] * 10, [1, 0, 1, 0] * 10)
    with pytest.raises(InputError, match="no better than chance"):
        corrected_rate([1, 0, 1], useless, method=method)


@pytest.mark.parametrize("interval", ["closed", "bootstrap"])
@pytest.mark.parametrize("method", METHODS[:2])
def test_a_calibration_without_an_error_leaves_a_width(method, interval):
    """100 calibrated verdicts without an error do not show that there is none: up to 2.5 in 100 must stay possible."""
    gold = np.array([1] * 80 + [0] * 20)
    found = corrected_rate(gold.repeat(100), Calibration.of(gold, gold), method=method, interval=interval).corrected
    assert found.value == pytest.approx(0.8, abs=0.01)
    assert found.low < 0.785
    assert found.high > 0.805


def test_formulas_by_hand():
    """The point estimates are those of the papers, nothing said being a state of its own."""
    gold = np.array([1] * 40 + [0] * 40 + [1] * 10 + [0] * 10)
    verdict = np.array([1] * 36 + [0] * 4 + [1] * 8 + [0] * 32 + [-1] * 20)
    calibration = Calibration.of(gold, verdict)
    target = np.array([1] * 50 + [0] * 40 + [-1] * 10)
    post = corrected_rate(target, calibration).corrected.value
    assert post == pytest.approx(0.5 * 36 / 44 + 0.4 * 4 / 36 + 0.1 * 0.5)
    spread = corrected_rate(target, calibration, method="rogan_gladen").corrected.value
    assert spread == pytest.approx((0.5 - 8 / 50) / (36 / 50 - 8 / 50))
    assert calibration.table().tolist() == [[32, 8, 10], [4, 36, 10]]
    assert calibration.wrong_among_accepted().value == pytest.approx(8 / 44)


@pytest.mark.parametrize("method", METHODS)
def test_copies_of_an_item_add_no_certainty(method):
    """Five copies of every calibration row, named as one item each, give no narrower interval than one."""
    rng = np.random.default_rng(0)
    gold, verdict = sample(rng, 300, 0.6)
    _, target = sample(rng, 2000, 0.6)
    alone = corrected_rate(target, Calibration.of(gold, verdict), method=method).corrected
    copied = Calibration.of(gold.repeat(5), verdict.repeat(5), item=np.arange(300).repeat(5))
    again = corrected_rate(target, copied, method=method).corrected
    assert again.high - again.low == pytest.approx(alone.high - alone.low, rel=0.08)
    naive = corrected_rate(target, Calibration.of(gold.repeat(5), verdict.repeat(5)), method=method).corrected
    assert naive.high - naive.low < 0.75 * (alone.high - alone.low)


def test_states_without_gold_are_told():
    """Verdicts whose kind was never calibrated widen the interval by all they may hold, and a note says so."""
    found = corrected_rate([1] * 50 + [0] * 40 + [-1] * 10, Calibration.of([1, 1, 0, 0] * 20, [1, 1, 0, 0] * 20))
    assert "no gold among the not judged (10.0% of all)" in found.notes[0]
    assert found.corrected.high - found.corrected.low > 0.09


@given(st.integers(1, 7), st.data())
def test_pass_rates_are_those_of_all_subsets(n, data):
    """pass@k and pass^k are the shares over all subsets of k attempts."""
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    right = [True] * c + [False] * (n - c)
    drawn = list(itertools.combinations(right, k))
    assert pass_at_k(n, [c], k).values[0, 0] == pytest.approx(np.mean([any(d) for d in drawn]))
    assert pass_hat_k(n, [c], k).values[0, 0] == pytest.approx(np.mean([all(d) for d in drawn]))


def test_pass_rates_of_many_problems():
    """Several k at once, intervals over problems, and a k that some problem cannot give is refused by name."""
    found = pass_at_k([10, 10, 20], [0, 10, 10], [1, 5])
    assert found[1].value == pytest.approx(0.5)
    assert found[1].low < found[1].value < found[1].high
    with pytest.raises(InputError, match=r"problem 1 has 3: use k from 1 to 3"):
        pass_at_k([10, 3], [1, 1], 5)
    assert pass_at_k(5, [5, 5], 5)[5].low < 0.9  # two problems solved are no proof


def test_votes_count_equal_answers_as_one():
    """1/2, 0.5, a LaTeX fraction and 50 % are one class by text alone; no answer belongs to none."""
    answers = ["1/2", "0.5", r"$\frac{1}{2}$", "50%", "2", None, " ", "1,000", "1000.", r"\text{Yes}", "yes"]
    assert answer_classes(answers, equal="text").tolist() == [0, 0, 0, 0, 1, -1, -1, 2, 2, 3, 3]
    assert not same_answer(None, None)
    assert answer_classes([1, 11, 21], equal=lambda a, b: a % 10 == b % 10).tolist() == [0, 0, 0]


def test_mathematics_decides_where_text_does_not():
    """With math-verify, sqrt(8) and 2 sqrt(2) are one answer; a peer's verdict, not ours."""
    pytest.importorskip("math_verify", reason="needs the extra llm")
    assert answer_classes([r"2\sqrt{2}", r"\sqrt{8}", r"\sqrt{2}"], equal="math").tolist() == [0, 0, 1]


def _audits(method, interval, regime, n_audits=1000):
    """Simulate audits; returns coverage, median width, and the width of an interval that knows the sampling noise."""
    rng = np.random.default_rng(7)
    held, width, value = [], [], []
    for seed in range(n_audits):
        target, calibration, item, truth = regime(rng)
        found = corrected_rate(
            target, calibration, method=method, interval=interval, item=item, n_boot=1000, random_state=seed
        ).corrected
        held.append(found.low <= truth <= found.high)
        width.append(found.high - found.low)
        value.append(found.value)
    return float(np.mean(held)), float(np.median(width)), 2 * 1.96 * float(np.std(value))


def _same_population(rng):
    gold, verdict = sample(rng, 200, 0.6, silent=0.03)
    return sample(rng, 5000, 0.6, silent=0.03)[1], Calibration.of(gold, verdict), None, 0.6


def _other_prevalence(rng):
    gold, verdict = sample(rng, 400, 0.5)
    return sample(rng, 5000, 0.3)[1], Calibration.of(gold, verdict), None, 0.3


def _eight_an_item(rng, n_items, a=2.0, b=2.0):
    item = np.arange(n_items).repeat(8)
    gold = (rng.random(len(item)) < rng.beta(a, b, n_items)[item]).astype(int)
    odds = np.where(gold == 1, 9.0, 0.25) * np.exp(rng.standard_normal(n_items))[item]
    return gold, (rng.random(len(item)) < odds / (1 + odds)).astype(int), item


def _by_item(rng):
    gold, verdict, item = _eight_an_item(rng, 60)
    _, target, of = _eight_an_item(rng, 400)
    return target, Calibration.of(gold, verdict, item=item), of, 0.5


def _rare_errors(rng):
    gold, verdict = sample(rng, 150, 0.8, tpr=0.995, fpr=0.005)
    return sample(rng, 5000, 0.8, tpr=0.995, fpr=0.005)[1], Calibration.of(gold, verdict), None, 0.8


_REGIMES = [(m, r) for m in METHODS[:2] for r in (_same_population, _by_item)]
_REGIMES += [(METHODS[2], r) for r in (_other_prevalence, _by_item)]


@pytest.mark.slow
@pytest.mark.parametrize("interval", ["closed", "bootstrap"])
@pytest.mark.parametrize(("method", "regime"), _REGIMES)
def test_intervals_cover_and_are_no_wider_than_they_must(method, regime, interval):
    """95 % intervals cover in 93 % of 1,000 audits, at no more than 1.25 of the width of one that knows the noise."""
    covered, width, oracle = _audits(method, interval, regime)
    assert covered >= 0.93
    assert width <= 1.25 * oracle


@pytest.mark.slow
@pytest.mark.parametrize("interval", ["closed", "bootstrap"])
@pytest.mark.parametrize("method", METHODS[:2])
def test_intervals_cover_where_the_calibration_shows_hardly_an_error(method, interval):
    """The guard: with one error in 200 and 150 calibrated, intervals still cover (a t interval would hold .78)."""
    assert _audits(method, interval, _rare_errors)[0] >= 0.93
