"""The whole loop on natural false negatives: audit, review, repair, compare, and the answer hidden from them all."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

SOURCE = Path(os.environ.get("TRUENEG_DATA", "")) / "redocred" / "dev_revised.json"
SCRIPT = Path(__file__).parents[2] / "examples" / "loop.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        "TRUENEG_DATA" not in os.environ or not SOURCE.exists(),
        reason="set TRUENEG_DATA to a folder that holds redocred/dev_revised.json",
    ),
]


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """One round of the loop, as the documentation tells it."""
    spec = importlib.util.spec_from_file_location("loop_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["loop_example"] = module
    spec.loader.exec_module(module)
    said = []
    return module.run(SOURCE, tmp_path_factory.mktemp("loop"), say=said.append)


def test_the_reviewed_number_holds_the_truth(loop):
    """A reviewed random sample gives the number of false negatives an interval that holds the true one."""
    assert loop.measured.low <= loop.truth <= loop.measured.high
    assert loop.measured.high - loop.measured.low < 2 * loop.truth


def test_the_repair_removes_false_negatives_and_not_just_negatives(loop):
    """What is left out must hold false negatives several times as often as any negative does."""
    share = loop.removed_wrong / loop.removed
    assert share > 3 * loop.truth / loop.population


def test_the_repaired_training_set_beats_nothing_on_the_trusted_test(loop):
    """The point of it all: a model trained on the repaired rows is better on documents whose labels are right."""
    report = loop.comparison.report
    assert report["setup"]["verdict from"] == "trusted rows"
    row, metric = loop.comparison["measured"], report["setup"]["metric"]
    assert row.trusted_difference[metric].estimate.low > 0
    assert row.verdict == "better"


def test_removal_by_chance_gains_next_to_nothing(loop):
    """The control: as many rows left out by chance move the operating point a little; a repair must do far more."""
    report = loop.comparison.report
    metric = report["setup"]["metric"]
    by_chance = loop.comparison["by-chance"].trusted_difference[metric].estimate
    repaired = loop.comparison["measured"].trusted_difference[metric].estimate
    assert by_chance.value < repaired.value / 3
    assert by_chance.high < repaired.low
