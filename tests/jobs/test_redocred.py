"""The main job on natural false negatives: the first 150 documents of Re-DocRED's development file."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trueneg
from trueneg.data.redocred import NO_RELATION

DOCUMENTS = 150
SOURCE = Path(os.environ.get("TRUENEG_DATA", "")) / "redocred" / "dev_revised.json"
SCRIPT = Path(__file__).parents[2] / "examples" / "redocred.py"

needs_data = pytest.mark.skipif(
    "TRUENEG_DATA" not in os.environ or not SOURCE.exists(),
    reason="set TRUENEG_DATA to a folder that holds redocred/dev_revised.json",
)


@pytest.fixture(scope="module")
def example():
    """The example script as a module."""
    spec = importlib.util.spec_from_file_location("redocred_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def audited(example, tmp_path_factory):
    """One audit of the pairs as first given, and the labels as given and as repaired."""
    paths = example.build(SOURCE, tmp_path_factory.mktemp("redocred"), max_documents=DOCUMENTS)
    given, true = pq.read_table(paths[0]), pq.read_table(paths[1])
    assert given.column_names == ["text", "document", "relation"]
    result = trueneg.audit(paths[0], label="relation", negative=NO_RELATION, text="text", group="document")
    return result, np.asarray(given["relation"].to_pylist()), np.asarray(true["true_relation"].to_pylist())


@pytest.mark.slow
@needs_data
def test_probable_suspects_hold_three_times_the_base_rate(example, audited):
    """Rows named with a probability of one half must be false negatives far more often than any negative."""
    result, given, true = audited
    found = example.score(result.suspects_arrow, given, true, min_probability=0.5)
    assert found["flagged"] >= 5
    assert found["lift"] >= 3


@pytest.mark.slow
@needs_data
def test_first_suspects_hold_three_times_the_base_rate(example, audited):
    """The head of the list, up to the true number of false negatives, is what a reviewer reads."""
    result, given, true = audited
    number = int(((given == NO_RELATION) & (true != NO_RELATION)).sum())
    found = example.score(result.suspects_arrow, given, true, top=number)
    # The list may be shorter than the true number; too short a list would make the share mean little.
    assert found["flagged"] >= min(100, number)
    assert found["lift"] >= 3


@pytest.mark.slow
@needs_data
def test_lift_vanishes_on_shuffled_truth(example, audited):
    """Negative control: the same score against an answer of the same size drawn by chance shows no gain."""
    result, given, true = audited
    negative = np.flatnonzero(given == NO_RELATION)
    shuffled = true.copy()
    shuffled[negative] = np.random.default_rng(0).permutation(true[negative])
    assert example.score(result.suspects_arrow, given, shuffled)["lift"] < 3


def test_score_counts_by_hand(example):
    """The score decides the tests above, so it is checked on five rows counted by hand."""
    given = np.asarray([NO_RELATION, NO_RELATION, NO_RELATION, NO_RELATION, "P17"])
    true = np.asarray(["P17", NO_RELATION, NO_RELATION, NO_RELATION, "P17"])
    suspects = pa.table({"row": [0, 1, 4], "finding": ["TN201", "TN201", "TN203"], "probability": [0.9, 0.4, 0.9]})
    everything = example.score(suspects, given, true)
    assert everything == {"flagged": 2, "hits": 1, "share": 0.5, "base": 0.25, "lift": 2.0}
    assert example.score(suspects, given, true, min_probability=0.5)["lift"] == 4.0
    assert example.score(suspects, given, true, top=1)["hits"] == 1
    assert np.isnan(example.score(suspects, given, true, min_probability=0.95)["share"])
