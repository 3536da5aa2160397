"""Resampling: exact curves, K*, the theory, the online rule, readers of result files, how programs are written."""

from __future__ import annotations

import itertools
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.judge.resampling import (
    AcceptOrQuit,
    AttemptTable,
    ResamplingModel,
    code_quality,
    optimal_k,
    quality_gap,
    reaches,
    read_evalplus,
    read_inspect,
    side_by_side,
    slope,
)

EXAMPLE = ResamplingModel([0.87, 0.13], [0.58, 0.42], soundness=0.75)


def brute(attempts, k, cost):
    """Average utility of all orders of (accepted, correct) attempts: take the first accepted of the first k."""
    found = []
    for order in itertools.permutations(attempts):
        first = next((right for yes, right in order[:k] if yes), None)
        found.append(0.0 if first is None else 1.0 if first else -cost)
    return float(np.mean(found))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=5), st.floats(0, 8))
def test_curves_are_those_of_all_orders(attempts, cost):
    """The closed form gives what every possible order of the recorded attempts gives on average."""
    yes = np.array([a for a, _ in attempts]).astype(int)
    table = AttemptTable.of(np.zeros(len(attempts)), yes, np.array([c for _, c in attempts]).astype(int))
    curve = table.curve(cost, n_boot=2)
    for k in range(len(attempts) + 1):
        assert curve.utility[k] == pytest.approx(brute(attempts, k, cost), abs=1e-12)


def test_dearer_errors_never_ask_for_more_attempts():
    """K* does not grow with the cost of a wrong answer, and is 0 once no number of attempts is worth it."""
    rng = np.random.default_rng(0)
    accepted = rng.integers(0, 20, 60)
    table = AttemptTable(20, accepted, rng.binomial(accepted, rng.beta(1, 1, 60)))
    found = [optimal_k(table, c, n_boot=50).k for c in (0, 0.5, 1, 2, 4, 1e6)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 20
    assert found[-1] == 0
    assert "abstain (K* = 0)" in str(optimal_k(table, 1e6, n_boot=50))
    assert optimal_k(table, 0.5, cost_attempt=0.9, n_boot=50).k <= 1  # attempts that cost nearly what they bring


def test_an_optimum_says_how_flat_it_is():
    """Where the utility is the same over a stretch of K, the stretch is told and not a bare K*."""
    table = AttemptTable([50] * 10, [50] * 10, [40] * 10)  # all accepted: the first attempt decides
    found = optimal_k(table, 1.0)
    assert (found.k, found.flat_low, found.flat_high) == (1, 1, 50)
    assert "any K from 1 to 50 loses at most 0.01" in str(found)


def test_the_belief_after_rejects_is_not_counted_twice():
    """By simulation the prior form is right, and weighing by the posterior, as published, is not."""
    prior = EXAMPLE.prior
    k = np.arange(800)[:, None]
    still = prior * EXAMPLE.rejected**k
    belief = still / still.sum(axis=1, keepdims=True)
    for cost, true in ((1.0, 0.4325), (4.0, -0.418)):
        gain = EXAMPLE.passed_right - cost * EXAMPLE.passed_wrong
        published = float(((EXAMPLE.rejected**k * belief).sum(axis=1) * (belief @ gain)).sum())
        rng = np.random.default_rng(1)
        kind = rng.choice(2, 200_000, p=prior)
        ends = EXAMPLE.passed_right[kind] + EXAMPLE.passed_wrong[kind]
        waited = rng.geometric(ends)
        right = rng.random(len(kind)) < EXAMPLE.passed_right[kind] / ends
        simulated = float(np.where(waited > 800, 0.0, np.where(right, 1.0, -cost)).mean())
        assert EXAMPLE.value(800, cost)[-1] == pytest.approx(simulated, abs=4 * (1 + cost) / 2 / np.sqrt(200_000) * 1.5)
        assert EXAMPLE.value(800, cost)[-1] == pytest.approx(true, abs=1e-3)
        assert abs(published - simulated) > 0.03
    assert [EXAMPLE.optimal_k(c) for c in (0.3, 0.5, 0.7, 1, 2, 4, 8)] == [80, 77, 3, 2, 1, 1, 0]


def test_a_beta_distribution_of_tasks_is_exact():
    """The nodes give the closed form of the beta functions, and a fit finds the parameters that drew the tasks."""
    from scipy.special import beta as B

    a, b, s, c, top = 0.6, 1.7, 0.9, 2.0, 300
    model = ResamplingModel.from_beta(a, b, s)
    k = np.arange(1, top + 1)
    terms = s ** (k - 1) * (B(a + 1, b + k - 1) - c * (1 - s) * B(a, b + k)) / B(a, b)
    assert np.allclose(model.value(top, c)[1:], np.cumsum(terms), atol=1e-10)
    rng = np.random.default_rng(0)
    right = rng.binomial(50, rng.beta(a, b, 3000))
    wrong_passed = rng.binomial(50 - right, 1 - s)
    fitted = ResamplingModel.fit_beta(AttemptTable(50, right + wrong_passed, right, right))
    assert fitted.soundness == pytest.approx(s, abs=0.01)
    assert np.abs(fitted.accuracy(20) - model.accuracy(20)).max() < 0.01


def test_two_types_are_fitted_from_counts():
    """The fit takes shares and means of easy and hard tasks, and both rates of the verifier."""
    table = AttemptTable(10, [9, 9, 2, 2], [8, 8, 1, 1], [8, 8, 1, 1])
    found = ResamplingModel.fit(table)
    assert found.correct.tolist() == pytest.approx([0.8, 0.1])
    assert found.prior.tolist() == [0.5, 0.5]
    assert found.soundness == pytest.approx(1 - 4 / 22)


def test_online_rule_earns_what_the_theory_promises():
    """Attempt by attempt, accept-or-quit earns the value of the best K, and gives up when the belief has turned."""
    rule = AcceptOrQuit(EXAMPLE, cost_fp=1.0)
    assert rule.stop_after() == 2
    rng = np.random.default_rng(3)
    earned = []
    for kind in rng.choice(2, 20_000, p=EXAMPLE.prior):
        step = rule.begin()
        gain = 0.0
        while step == "again":
            right = rng.random() < EXAMPLE.correct[kind]
            accepted = right or rng.random() > EXAMPLE.soundness
            step = rule.next(accepted)
            if step == "accept":
                gain = 1.0 if right else -1.0
        earned.append(gain)
    assert np.mean(earned) == pytest.approx(EXAMPLE.value(2, 1.0)[2], abs=4 * np.std(earned) / np.sqrt(20_000))
    assert AcceptOrQuit(EXAMPLE, cost_fp=8.0).begin() == "quit"


def test_attempts_without_an_answer_are_not_accepted():
    """A timeout lowers nothing but the number of answers; unknown truth among the accepted is refused."""
    table = AttemptTable.of(["a"] * 4, [1, -1, -1, 0], [1, 0, 0, 0])
    assert (table.n.tolist(), table.accepted.tolist(), table.true_accepted.tolist()) == ([4], [1], [1])
    with pytest.raises(InputError, match="1 accepted attempts have no truth"):
        AttemptTable.of(["a", "a"], [1, 0], [-1, 0])
    with pytest.raises(InputError, match="use K from 0 to 4"):
        table.accuracy_at(5)


def test_weak_models_and_strong_ones():
    """A weak model whose false passes grow reaches no strong one, and the gap has its interval."""
    weak = AttemptTable(10, [6] * 20, [2] * 20, [2] * 20)
    strong = AttemptTable(10, [8] * 20, [8] * 20, [8] * 20)
    found = reaches(weak, strong)
    assert found.k is None
    assert found.gap.high < 0
    assert found.weak_ceiling.value == pytest.approx(1 / 3)
    assert list(side_by_side({"strong": strong, "weak": weak})) == ["weak", "strong"]
    assert slope([0.1, 0.2, 0.4], [0.5, 0.6, 0.8]) == pytest.approx((1.0, 1.0))


def test_evalplus_files_of_both_forms(tmp_path):
    """Both layouts of the result file read alike; a timeout stays a timeout, an unrun plus test unknown."""
    new = {"eval": {"T/0": [{"base_status": "pass", "plus_status": "fail"}, {"base_status": "timeout"}]}}
    old = {"eval": {"T/0": {"base": [["pass", []], ["timeout", []]], "plus": [["fail", []], [None, []]]}}}
    for name, content in (("new", new), ("old", old)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        found = read_evalplus(path)
        assert found["accepted"].tolist() == [1, -1]
        assert found["correct"].tolist() == [0, -1]
        assert found["outcome"].tolist() == ["accept", "timeout"]
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(InputError, match="has no 'eval' table"):
        read_evalplus(tmp_path / "bad.json")


def test_inspect_logs_of_both_forms(tmp_path):
    """JSON and zipped logs read alike: epochs are attempts, NaN is nothing said, an error is an error."""
    samples = [
        {"id": "q", "epoch": 1, "scores": {"judge": {"value": "C"}, "human": {"value": "I"}}},
        {"id": "q", "epoch": 2, "scores": {"judge": {"value": float("nan")}, "human": {"value": 1.0}}},
        {"id": "q", "epoch": 3, "scores": {"judge": {"value": "C"}}, "error": {"message": "boom"}},
    ]
    (tmp_path / "log.json").write_text(json.dumps({"samples": samples}))
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as log:
        for i, one in enumerate(samples):
            log.writestr(f"samples/q_epoch_{i}.json", json.dumps(one))
    for name in ("log.json", "log.eval"):
        found = read_inspect(tmp_path / name)
        assert found["accepted"].tolist() == [1, -1, -1]
        assert found["correct"].tolist() == [0, 1, -1]
        assert found["outcome"].tolist() == ["accept", "abstain", "error"]
    (tmp_path / "twice.json").write_text(json.dumps({"samples": [*samples, samples[0]]}))
    with pytest.raises(InputError, match=r"attempt 1 at q is there twice \(samples 1 and 4\)"):
        read_inspect(tmp_path / "twice.json")
    with pytest.raises(InputError, match="has no scorer 'x'"):
        read_inspect(tmp_path / "log.json", verifier="x")


def test_how_a_program_is_written():
    """Names, line length and comments are measured on the tree, never by running; what is no Python has no figures."""
    good = 'def sum_of(values):\n    """Add."""\n    total = 0  # start\n    return total + sum(values)\n'
    bad = "def F(x):\n    Y = " + "x+" * 50 + "x\n    return Y\n"
    a, b = code_quality(good), code_quality(bad)
    assert (a["snake_names"], a["comments"], a["long_lines"]) == (1.0, 0.5, 0.0)
    assert (b["snake_names"], b["short_names"]) == (pytest.approx(1 / 3), 1.0)
    assert b["long_lines"] == pytest.approx(1 / 3)
    assert np.isnan(code_quality("def")["comments"])
    gap = quality_gap([good, good, bad, bad], [1, 1, 0, 0], n_boot=50)
    assert gap["snake_names"][2].value == pytest.approx(2 / 3)
