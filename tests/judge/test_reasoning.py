"""Selection rules, tree search, step checks, and the report of false positives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.judge.reasoning import (
    AnswerVerifier,
    ModelStepVerifier,
    RuleStepVerifier,
    Step,
    aggregate_steps,
    check_steps,
    compare_rules,
    dvts,
    false_positive_report,
    kept_for_training,
    mcts,
    rules_by_n,
    select,
    split_steps,
    trend,
)


def test_a_vote_counts_equal_answers():
    """1/2 and 0.5 vote together, ties go to the first seen, and no answer has no vote."""
    answers = ["7", "1/2", "0.5", "7", "0.50", None, None, None, None]
    assert select([0] * 9, "majority", answers=answers, equal="text").tolist() == [1]
    assert select([0] * 3, "majority", answers=["a", "b", None], equal="text").tolist() == [0]
    assert select([0, 1], "majority", answers=[None, "x"], equal="text").tolist() == [-1, 1]


def test_rewards_choose_and_weigh():
    """Best-of-N takes the largest reward; negative rewards are rescaled before they are summed."""
    answers, rewards = ["a", "a", "b"], [-3.0, -3.0, -1.0]
    assert select([0] * 3, "best_of_n", rewards=rewards).tolist() == [2]
    assert select([0] * 3, "weighted_majority", answers=answers, rewards=rewards).tolist() == [2]
    assert select([0] * 3, "weighted_majority", answers=answers, rewards=[1.0] * 3).tolist() == [0]
    assert select([0] * 2, "best_of_n", rewards=[math.nan, -9.0]).tolist() == [1]
    assert select([0] * 3, "first_accepted", accepted=[0, -1, 1]).tolist() == [2]
    with pytest.raises(InputError, match="needs rewards"):
        select([0], "best_of_n")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3), st.integers(0, 4)), min_size=1, max_size=30))
def test_rules_are_those_of_a_plain_loop(rows):
    """Every rule over many problems at once chooses what a loop over one problem after the other would."""
    problem, group, reward = (np.array(c) for c in zip(*rows, strict=True))
    for rule in ("majority", "best_of_n", "weighted_majority"):
        got = select(problem, rule, classes=group, rewards=reward, rescale=False)
        for row, p in zip(got.tolist(), np.unique(problem).tolist(), strict=True):
            mine = np.flatnonzero(problem == p)
            score = {}
            for i in mine.tolist():
                votes = [j for j in mine.tolist() if group[j] == group[i]]
                value = {
                    "majority": len(votes),
                    "best_of_n": reward[i],
                    "weighted_majority": sum(reward[j] for j in votes),
                }[rule]
                if rule == "best_of_n" or group[i] >= 0:
                    score[i] = value
            assert row == (max(score, key=lambda i: (score[i], -i)) if score else -1)


def test_rewards_of_steps_become_one():
    """Minimum, mean, last and product; an attempt without steps is never preferred."""
    steps = [[0.5, 0.2, 0.9], [], [1.0]]
    for how, first in (("min", 0.2), ("mean", 1.6 / 3), ("last", 0.9), ("prod", 0.09)):
        assert aggregate_steps(steps, how).tolist() == pytest.approx([first, -math.inf, 1.0])


def _count_up(problem, steps, n, seed):
    """Steps are digits; a path of three is done."""
    digits = np.random.default_rng(seed).permutation(10)[:n]
    return [Step(str(d), done=len(steps) == 2) for d in digits.tolist()]


def _sum_of(problem, paths):
    return [sum(map(int, p)) / 27 for p in paths]


@pytest.mark.parametrize("search", [dvts, mcts])
def test_tree_search_follows_the_reward(search):
    """Guided by the sum of digits, the search finds larger sums than chance; the same seed gives the same paths."""
    found = search("", _count_up, _sum_of, n=8, width=4, seed=1)
    assert len(found) == 8
    assert all(len(p.steps) == 3 and p.done and len(p.rewards) == 3 for p in found)
    assert max(p.rewards[-1] for p in found) > 0.75
    assert found == search("", _count_up, _sum_of, n=8, width=4, seed=1)


def test_tree_search_ends():
    """A generator that runs dry, or never finishes, ends the search; leaves must fit the width."""
    assert dvts("", lambda *a: [], _sum_of, n=4) == []
    assert mcts("", lambda *a: [], _sum_of, n=4) == []
    endless = lambda problem, steps, n, seed: [Step("1")] * n  # noqa: E731
    assert mcts("", endless, lambda p, paths: [0.0] * len(paths), n=2, max_steps=2) == []
    assert not any(p.done for p in dvts("", endless, lambda p, paths: [0.0] * len(paths), n=4, max_steps=3))
    with pytest.raises(InputError, match="multiple of width"):
        dvts("", _count_up, _sum_of, n=6, width=4)
    with pytest.raises(InputError, match="1 numbers for 4 paths"):
        dvts("", _count_up, lambda p, paths: [0.0], n=4)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("3 + 4 * 2 = 11", None),
        ("3 + 4 * 2 = 14", 0),
        ("$1,000 / 3 = 333.33$", None),
        ("10 - -3 = 13", None),
        ("so x + 3 + 4 = 9", None),  # a name before it: not numbers alone
        ("2^3 + 1 = 9", None),
        ("2(3 + 4) = 14", None),
        ("7 + 8 = 3 \\pmod{12}", None),
        ("5 / 0 = 7", None),
        ("2 + 2 = 4\n\nthen 4 \\times 3 = 13", 1),
        ("2 + 3 = 5 + 1", None),  # goes on: not a whole equation
    ],
)
def test_arithmetic_is_checked_exactly(text, first):
    """False equations of numbers are found at their step, and nothing that is not one is called false."""
    assert check_steps(text).first_wrong == first


def test_step_checks_name_the_kind_of_error():
    """No step, and a last step that does not come to the answer, are told apart from arithmetic."""
    assert check_steps("").error == "empty"
    assert check_steps("We get 4.", answer="5").error == "answer"
    assert check_steps("We get \\boxed{1,234}.", answer=1234).error is None
    assert split_steps("a\n\nb\n## Step 2: c") == ["a", "b", "## Step 2: c"]
    said = RuleStepVerifier().verify(["", ""], ["1 + 1 = 3", "fine"])
    assert said.outcome.tolist() == ["reject", "abstain"]


def test_a_judge_that_cannot_be_parsed_abstains():
    """The last True or False counts; a text without one is unparsed, never an acceptance."""
    texts = ["It is not False: True.", "Step 2 fails. False", "I cannot say"]
    said = ModelStepVerifier(lambda prompts: texts).verify(["p"] * 3, ["s"] * 3)
    assert said.accept.tolist() == [1, 0, -1]
    assert said.outcome.tolist()[2] == "unparsed"

    class Votes:
        def generate(self, prompts, n, seed):
            return [["True", "False", "True", "hm"][:n] for _ in prompts]

    said = ModelStepVerifier(Votes(), n=4).verify(["p"], ["s"])
    assert said.probability.tolist() == pytest.approx([2 / 3])
    with pytest.raises(InputError, match="also the judge"):
        ModelStepVerifier(lambda p: ["True"] * len(p)).calibrate(["p"], ["s"], [1], gold_by="m1", judge="M-1")


def test_the_answer_check_is_blind_but_never_guesses():
    """Equal answers pass, other ones do not, and no answer is unparsed."""
    said = AnswerVerifier("text").verify(["1/2", "2", "3"], ["0.5", "3", None])
    assert said.outcome.tolist() == ["accept", "reject", "unparsed"]


def test_the_report_counts_by_group_and_problem():
    """Shares by group with intervals that count problems; the naive figure beside the corrected one."""
    problem = np.repeat(np.arange(20), 5)
    accepted = np.ones(100, int)
    truth = np.r_[np.zeros(25, int), np.ones(75, int)]  # five problems are wrong throughout
    model = np.where(np.arange(100) < 50, "small", "large")
    found = false_positive_report(accepted, truth, problem=problem, groups={"model": model})
    assert found.share.value == 0.25
    assert (found.naive.value, found.corrected.value) == (1.0, 0.75)
    assert found.groups["model"]["small"].value == 0.5
    alone = false_positive_report(accepted, truth)
    assert found.share.high - found.share.low > 1.5 * (alone.share.high - alone.share.low)
    assert len({problem[i] for i in found.examples[:5]}) == 5
    with pytest.raises(InputError, match="none of 2 accepted attempts has a known truth"):
        false_positive_report([1, 1], [-1, -1])


def test_training_sets_take_in_false_ones():
    """The share among what is kept moves with how many a problem are kept."""
    problem = np.repeat(np.arange(10), 8)
    accepted = np.tile([1] * 8, 10)
    truth = np.ones(80, int)
    truth[:8] = 0
    accepted[1:8] = 0  # the hard problem has one accepted attempt, and it is wrong
    every = kept_for_training(accepted, truth, problem=problem)
    one = kept_for_training(accepted, truth, problem=problem, per_problem=1)
    assert (every.kept, one.kept) == (73, 10)
    assert every.false_share.value < one.false_share.value == 0.1
    assert one.false_number.low < 1 < one.false_number.high


def test_rules_side_by_side():
    """pass@N and the votes are told as the verifier counts and as it is."""
    problem = np.repeat([0, 1, 2, 3], 3)
    accepted = [1, 1, 0] * 4
    truth = [0, 1, 0] * 4
    found = {
        r.rule: r
        for r in compare_rules(
            problem, accepted=accepted, truth=truth, answers=["a", "b", "b"] * 4, rewards=[0, 1, 0] * 4
        )
    }
    assert (found["pass@N"].naive.value, found["pass@N"].true.value) == (1.0, 0.0)
    assert found["best_of_n"].true.value == found["majority"].true.value == 1.0
    assert found["pass@N"].false_share.value == 1.0


def test_trend_is_that_of_the_textbook():
    """Cochran-Armitage on 2/21, 8/37, 17/48 false positives: z 2.37 and one-sided p .009."""
    z, p = trend([2, 8, 17], [21, 37, 48])
    assert z == pytest.approx(2.37, abs=0.01)
    assert p == pytest.approx(0.009, abs=0.001)


@pytest.mark.parametrize(
    "verifier", [AnswerVerifier("text"), RuleStepVerifier(), ModelStepVerifier(lambda p: ["True"] * len(p))]
)
def test_verifiers_keep_to_the_shape(verifier):
    """Every verifier passes the public conformance checks: lengths, abstention, nothing said is no acceptance."""
    from trueneg.testing import check_verifier

    check_verifier(verifier)


def test_rules_with_more_attempts():
    """With all attempts, any order gives what the rule gives; with one, all rules give the mean of the attempts."""
    rng = np.random.default_rng(0)
    problem, accepted = np.repeat(np.arange(30), 16), rng.integers(-1, 2, 480)
    truth = rng.integers(0, 2, 480)
    found = rules_by_n(
        problem, accepted=accepted, truth=truth, rewards=rng.permutation(480), sizes=[1, 16], repeats=200
    )
    assert set(found) == {"pass@N", "best_of_n"}
    solved = np.bincount(problem, weights=accepted == 1) > 0
    assert found["pass@N"][16][0] == pytest.approx(solved.mean())
    one = float(((accepted == 1) & (truth == 1)).mean())
    assert found["pass@N"][1][1] == pytest.approx(one, abs=0.02)
    assert found["best_of_n"][1][1] == pytest.approx(one, abs=0.02)
    with pytest.raises(InputError, match="use N from 1 to 16"):
        rules_by_n(problem, accepted=accepted, truth=truth, sizes=[17])
