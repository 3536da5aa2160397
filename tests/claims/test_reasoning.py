"""The claims on reasoning and resampling, and the tables that they read, held against the published files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from trueneg.claims import load, run_claim
from trueneg.claims.reasoning import _content

_DATA = Path(os.environ.get("TRUENEG_DATA", "")) / "false_positives_in_math" / "results"


@pytest.mark.parametrize("name", ["reasoning-pass-at-n", "reasoning-tasks", "reasoning-verifier", "resampling-models"])
def test_claims_hold_and_their_controls_do_not(name):
    """The claims that need no time hold under three seeds, and fail when sabotaged."""
    found = run_claim(load(name))
    assert found["holds"]
    assert not found["control_holds"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reasoning-judges", "resampling-programs"])
def test_longer_claims_hold_and_their_controls_do_not(name):
    """The claims that split or shuffle hold under three seeds, and fail when sabotaged."""
    found = run_claim(load(name))
    assert found["holds"]
    assert not found["control_holds"]


@pytest.mark.skipif(not os.environ.get("TRUENEG_DATA") or not _DATA.is_dir(), reason="needs TRUENEG_DATA")
def test_counts_are_those_of_the_published_files():
    """Every count of accepted and wrong solutions is that of the file with the human verdicts."""
    runs = {(r[0], r[1], r[2], r[3]): (r[4], r[5]) for r in _content()["runs"]}
    checked = 0
    for path in (_DATA / "exp5.3.2-pass_at_n").glob("*Pass_at_N*.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        n = int(path.stem.rsplit("_", 1)[-1].removesuffix("samples"))
        wrong = sum(str(r["false_positive"]).lower() == "true" for r in rows)
        assert runs["Pass at N", "Qwen72B", "AIME", n] == (len(rows), wrong)
        checked += 1
    assert checked == 3
    assert len(_content()["judged"]) == 453
    assert sum(r[1] == 0 for r in _content()["judged"]) == 63
