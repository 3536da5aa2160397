"""The audit of attempts: false passes, corrected rates, rules, curves, silence, the review, and bad lines."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from trueneg.cli import main
from trueneg.core.errors import InputError
from trueneg.jobs.audit.run import audit
from trueneg.jobs.review.run import review


def attempts(n_problems=40, each=12, seed=0, known=1.0):
    """Rows of attempts: half of the problems hard; a fifth of the wrong ones pass; some run out of time."""
    rng = np.random.default_rng(seed)
    rows = []
    for p in range(n_problems):
        r = 0.8 if p % 2 else 0.2
        for a in range(each):
            right = rng.random() < r
            accepted = 1 if right or rng.random() < 0.2 else 0
            if rng.random() < 0.04:
                accepted = -1
            rows.append(
                {
                    "problem": f"p{p}",
                    "attempt": a,
                    "accepted": accepted,
                    "outcome": {1: "accept", 0: "reject", -1: "timeout"}[accepted],
                    "truth": int(right) if rng.random() < known else None,
                    "answer": "1/2" if right else str(rng.integers(3)),
                    "solution": "1 + 1 = 2\n\nso it is" if right or rng.random() < 0.5 else "1 + 1 = 3",
                    "reward": float(right + rng.normal()),
                    "model": "small" if a % 2 else "large",
                }
            )
    return rows


def write(path, rows):
    """Write rows as JSONL; return the path."""
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    return path


def by_code(result):
    """Return the findings by code."""
    return {f.code: f for f in result.findings}


def test_all_checks_with_truth(tmp_path):
    """With truth for all, the share of false passes is exact, every rule is told twice, and K* follows the cost."""
    rows = attempts()
    result = audit(write(tmp_path / "a.jsonl", rows), cost_fp=1)
    found = by_code(result)
    assert sorted(found) == ["TN601", "TN602", "TN603", "TN604", "TN605"]
    accepted = [r for r in rows if r["accepted"] == 1]
    wrong = sum(r["truth"] == 0 for r in accepted)
    assert found["TN601"].estimate.value == pytest.approx(wrong / len(accepted))
    assert found["TN601"].details["by model"].keys() == {"small", "large"}
    assert found["TN601"].details["wrong ones by kind of error that rules find"]["arithmetic"] > 0
    truly = np.mean([r["truth"] for r in rows])
    assert found["TN602"].estimate.value == pytest.approx(
        truly, abs=0.001
    )  # all are judged: nothing is left to correct
    assert set(found["TN603"].details) == {"pass@N", "majority", "best_of_n", "weighted_majority"}
    assert "K*" in found["TN604"].message
    assert found["TN605"].details["by outcome"] == {"timeout": sum(r["accepted"] < 0 for r in rows)}
    assert result.report["input"]["kind"] == "attempts"
    assert result.suspects.num_rows == 0


@pytest.mark.parametrize("name", ["error_type", "false_positive_type", "type"])
def test_types_of_errors_are_those_of_the_file(tmp_path, name):
    """Types that people gave are counted among accepted wrong attempts alone, codes such as 0 included."""
    rows = [
        {"problem": i, "accepted": int(i < 8), "truth": int(i >= 6), name: kind, "mistake_index": kind}
        for i in range(10)
        for kind in [[0, 1, 1, 2, None, 1][i % 6]]
    ]
    found = by_code(audit(write(tmp_path / "a.jsonl", rows), select=["TN601"]))["TN601"]
    steps = found.details["wrong ones by first wrong step, as the file has it"]
    assert steps == {"1": 1, "2": 3, "3": 1}  # told from 1
    told = found.details["wrong ones by type of error, as the file has it"]
    assert [(k, v.split(",")[0]) for k, v in told.items()] == [("1", "3"), ("0", "1"), ("2", "1")]


def test_models_and_sets_stand_side_by_side(tmp_path):
    """Two models may number attempts at the same problems alike, and the weak one is held against the strong."""
    rows = [
        {"problem": f"{s}/{p}", "attempt": a, "accepted": int(ok or a == 1), "truth": int(ok), "model": m, "dataset": s}
        for m, limit in (("weak", 2), ("strong", 7))  # problems solved of ten
        for s in ("humaneval+", "mbpp+")
        for p in range(10)
        for a, ok in enumerate([p < limit] * 4)
    ]
    details = by_code(audit(write(tmp_path / "a.jsonl", rows), select=["TN604"]))["TN604"].details
    sides = details["by model, one attempt"]
    assert list(sides) == ["weak", "strong"]  # the weakest first
    # Of 4 attempts at a problem that is not solved one passes: a quarter of 0.8 and of 0.3 is wrong at one attempt.
    assert [sides[m]["wrong among answers"].split()[0] for m in sides] == ["0.50", "0.10"]
    assert [sides[m]["correct"].split()[0] for m in sides] == ["0.20", "0.70"]
    assert details["whether weak, resampled, reaches one attempt of strong"].startswith("never reaches 0.700")
    assert set(details["by dataset, one attempt"]) == {"humaneval+", "mbpp+"}


def test_a_dear_error_makes_abstaining_best(tmp_path):
    """At a cost no number of attempts can carry, the finding says to give no answer; without a cost none is best."""
    path = write(tmp_path / "a.jsonl", attempts())
    dear = by_code(audit(path, cost_fp=1000, select=["TN604"]))["TN604"]
    assert "abstain (K* = 0)" in dear.message
    assert dear.severity == "high"
    plain = by_code(audit(path, select=["TN604"]))["TN604"]
    assert plain.status == "advice"
    assert "--cost-fp" in plain.remedy


def test_a_review_gives_the_share_that_no_verdict_can_tell(tmp_path):
    """Without truth the share is unknown and a review comes next; its answers give the share with its interval."""
    rows = attempts(60)
    truth = [r.pop("truth") for r in rows]
    path = write(tmp_path / "a.jsonl", rows)
    result = audit(path)
    first = by_code(result)
    assert first["TN601"].status == "advice"
    assert first["TN601"].estimate is None
    assert {first[c].status for c in ("TN602", "TN603", "TN604")} == {"not applicable"}
    out = result.save()
    assert result.report["next"] == f"trueneg review {out}"
    made = review(out, n=150)
    lines = list(csv.DictReader(made.sheet.open(encoding="utf-8-sig")))
    for line in lines:
        line["answer"] = "reject" if truth[int(line["row"])] else "accept"
    with made.sheet.open("w", encoding="utf-8-sig", newline="") as stream:
        sheet = csv.DictWriter(stream, lines[0].keys())
        sheet.writeheader()
        sheet.writerows(lines)
    after = by_code(audit(path))
    accepted = [t for t, r in zip(truth, rows, strict=True) if r["accepted"] == 1]
    share = after["TN601"].estimate
    assert share.low <= np.mean(np.array(accepted) == 0) <= share.high
    assert share.high - share.low < 0.25
    assert after["TN604"].details["model-based"]
    assert after["TN602"].estimate.value == pytest.approx((1 - share.value) * len(accepted) / len(rows))


def test_a_verifier_no_better_than_chance_is_a_finding(tmp_path):
    """Verdicts that tell nothing are said to tell nothing; no corrected rate is made of them."""
    rng = np.random.default_rng(0)
    rows = [{"problem": i // 4, "accepted": int(t), "truth": 1 - int(t)} for i, t in enumerate(rng.random(200) < 0.5)]
    found = by_code(audit(write(tmp_path / "a.jsonl", rows)))["TN602"]
    assert found.severity == "high"
    assert "no better than chance" in found.message


@pytest.mark.parametrize(("loose", "apart"), [(0.1, False), (0.8, True)])
def test_errors_that_differ_between_groups_are_told(tmp_path, loose, apart):
    """A judge that is lax with one model must not be corrected by its errors on another without a word."""
    rng = np.random.default_rng(4)
    rows = []
    for i in range(600):
        truth, model = int(rng.random() < 0.5), "ab"[i % 2]
        lets_pass = 0.9 if truth else loose if model == "b" else 0.1
        rows.append({"problem": i, "accepted": int(rng.random() < lets_pass), "truth": truth, "model": model})
    details = by_code(audit(write(tmp_path / "a.jsonl", rows), select=["TN602"]))["TN602"].details
    assert set(details["accepts wrong ones, by model"]) == {"a", "b"}
    assert ("errors differ by model" in details) is apart


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"attempt": 0, "model": "large"}, "row 2: attempt 0 at problem p0 is there already \\(row 1\\)"),
        ({"accepted": 2}, "row 2: accepted is 2; give 1"),
        ({"truth": 7}, "row 2: truth is 7; give 1"),
        ({"problem": None}, "row 2: the problem is missing"),
        ({"judge": "Llama-3", "truth_by": "meta/llama3", "truth": 1}, "also the judge"),
    ],
)
def test_bad_lines_are_named(tmp_path, change, words):
    """A line that cannot be used is told by its number, in one line, with the remedy."""
    rows = attempts(2, 3)
    rows[1] |= change
    with pytest.raises(InputError, match=words) as caught:
        audit(write(tmp_path / "a.jsonl", rows))
    assert "\n" not in str(caught.value)


def test_a_cost_that_is_no_number_is_refused(tmp_path):
    """Of attempts a cost is one number."""
    with pytest.raises(InputError, match="give one number"):
        audit(write(tmp_path / "a.jsonl", attempts(3, 3)), cost_fp="price")


@pytest.mark.parametrize("known", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("n_problems", [1, 2, 30])
def test_little_truth_and_few_problems_never_crash(tmp_path, known, n_problems):
    """Whatever part of the truth is known, every check runs or says why not."""
    result = audit(write(tmp_path / "a.jsonl", attempts(n_problems, 4, known=known)), cost_fp=2)
    assert not result.crashed
    result.save()


def test_the_command_line_knows_the_kind(tmp_path, capsys):
    """The columns alone make it an audit of attempts; --kind with other columns says which are missing."""
    path = write(tmp_path / "a.jsonl", attempts(10, 4))
    with pytest.raises(SystemExit) as done:
        main(["audit", str(path), "--cost-fp", "2"])
    assert done.value.code == 0
    assert "TN601" in capsys.readouterr().out
    other = write(tmp_path / "b.jsonl", [{"x": 1, "y": 0}])
    with pytest.raises(SystemExit) as done:
        main(["audit", str(other), "--kind", "attempts"])
    assert done.value.code == 2
    assert "attempts need a column 'problem'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cost-fp", "4"], "--cost-fp asks for the best number of attempts, which needs truth: 0 of"),
        (["--select", "TN602"], "TN602: no truth is known; judge a part first (trueneg review)"),
        (["--select", "TN604"], "accepted attempts have a known truth, and 30 are needed; judge some first"),
    ],
)
def test_missing_truth_is_told_where_it_is_needed(tmp_path, capsys, options, told):
    """Whoever asks for a figure that needs truth, and has none, reads so in one line, and not that all is well."""
    rows = [{k: v for k, v in r.items() if k in ("problem", "attempt", "accepted")} for r in attempts(10, 4)]
    with pytest.raises(SystemExit) as done:
        main(["audit", str(write(tmp_path / "a.jsonl", rows)), *options])
    assert done.value.code == 0
    assert told in " ".join(capsys.readouterr().out.split())
