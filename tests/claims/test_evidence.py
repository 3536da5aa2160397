"""The claim runner: a claim whose sabotage still works is not believed."""

from types import SimpleNamespace

import pytest

from trueneg.claims import CLAIMS, Evidence, load, run_claim
from trueneg.core.errors import ClaimNotRun


def _claim(run):
    return SimpleNamespace(id="x", system="s", paper="p", statement="t", control="c", run=run)


def test_a_claim_holds_only_under_every_seed():
    """One seed that misses is a claim that does not hold."""
    row = run_claim(_claim(lambda seed: Evidence(seed != 1, False)), seeds=3)
    assert row["holds"] is False
    assert run_claim(_claim(lambda seed: Evidence(True, False)), seeds=3)["holds"] is True


def test_one_working_sabotage_is_enough_to_distrust():
    """A control that holds under any seed is reported."""
    assert run_claim(_claim(lambda seed: Evidence(True, seed == 2)), seeds=3)["control_holds"] is True


def test_missing_data_is_not_run():
    """Missing data is neither held nor failed."""

    def run(seed):
        raise ClaimNotRun("get it with ...")

    row = run_claim(_claim(run))
    assert row["holds"] is None
    assert row["not_run"] == "get it with ..."


def test_full_reaches_those_that_take_it_and_no_other():
    """Protects ``--full``: a claim with a long form runs it only when asked, and one without runs as ever."""
    long = _claim(lambda seed, *, full=False: Evidence(full, False))
    short = _claim(lambda seed: Evidence(True, False))
    assert [run_claim(long, full=full)["holds"] for full in (False, True)] == [False, True]
    assert run_claim(short, full=True)["holds"] is True


@pytest.mark.parametrize("name", list(CLAIMS))
def test_every_claim_names_its_paper_and_its_sabotage(name):
    """A claim without a named control proves nothing."""
    claim = load(name)
    assert claim.id == name
    assert all(getattr(claim, part).strip() for part in ("system", "paper", "statement", "control"))
