"""Suspects: the order is kept, no row is lost, and decisions do what a plain loop would."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.core.suspects import ACTIONS, Suspects

N_ROWS = 8


@st.composite
def drawn(draw):
    """Draw suspects with several cells a row, some without a proposal or a probability."""
    cells = draw(st.lists(st.tuples(st.integers(0, N_ROWS - 1), st.integers(0, 2)), max_size=10, unique=True))
    n = len(cells)
    row, candidate = np.array(cells, dtype=np.int64).reshape(-1, 2).T
    proposed = draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n))
    p = draw(st.lists(st.floats(0, 1) | st.just(np.nan), min_size=n, max_size=n))
    return Suspects(row, candidate, np.ones(n, int), np.zeros(n, int), np.array(proposed, int), np.array(p, float))


def looped(suspects, action, top, min_probability, answers):
    """Decide one suspect after another, as the documentation says it."""
    keep, weight, label = [True] * N_ROWS, [1.0] * N_ROWS, [-1] * N_ROWS
    flagged, selected = [False] * N_ROWS, []
    for rank in range(len(suspects)):
        p, row = suspects.probability[rank], suspects.row[rank]
        by_rule = (top is None or rank < top) and (min_probability is None or p >= min_probability)
        answer = None if answers is None else answers[rank]
        if answer is None and answers is not None and top is None and min_probability is None:
            by_rule = False
        take = answer == "accept" or (answer is None and by_rule)
        selected.append(take)
        if not take:
            continue
        flagged[row] = True
        if action == "eliminate":
            keep[row], weight[row] = False, 0.0
        if action == "downweight":
            weight[row] = min(weight[row], 1 - p)
        if action == "reannotate" and label[row] < 0:
            label[row] = suspects.proposed_candidate[rank]
    return keep, weight, label, flagged, selected


@settings(max_examples=150, deadline=None)
@given(
    drawn(),
    st.sampled_from(ACTIONS),
    st.none() | st.integers(0, 12),
    st.none() | st.floats(0, 1),
    st.data(),
)
def test_decide_equals_a_plain_loop(suspects, action, top, min_probability, data):
    """Every action under every selection does what a loop over the suspects does, and every row has its entry."""
    answer = st.sampled_from(["accept", "reject", "unsure", None])
    answers = data.draw(st.none() | st.lists(answer, min_size=len(suspects), max_size=len(suspects)))
    keep, weight, label, flagged, selected = looped(suspects, action, top, min_probability, answers)
    options = {"top": top, "min_probability": min_probability, "decisions": answers, "n_rows": N_ROWS}
    if action == "downweight" and np.isnan(suspects.probability[selected]).any():
        with pytest.raises(InputError, match="downweight needs the probability"):
            suspects.decide(action, **options)
        return
    decision = suspects.decide(action, **options)
    assert decision.keep.tolist() == keep
    assert decision.weight.tolist() == weight
    assert decision.new_label.tolist() == label
    assert decision.flagged.tolist() == flagged
    assert decision.selected.tolist() == selected
    assert decision.unresolved.tolist() == [
        action == "reannotate" and f and v < 0 for f, v in zip(flagged, label, strict=True)
    ]
    counts = decision.counts()
    assert counts["kept"] + counts["eliminated"] == counts["rows"] == N_ROWS
    before = np.zeros(N_ROWS, int)
    assert decision.labels(before).tolist() == [v if v >= 0 else 0 for v in label]


@settings(max_examples=50, deadline=None)
@given(drawn(), st.data())
def test_answers_by_key_equal_answers_by_rank(suspects, data):
    """A mapping of cells to answers means the same as the answers in rank order, as words or as codes."""
    answers = data.draw(
        st.lists(st.sampled_from(["accept", "reject", "unsure", None]), min_size=len(suspects), max_size=len(suspects))
    )
    keys = zip(suspects.row.tolist(), suspects.candidate.tolist(), strict=True)
    keyed = {key: answer for key, answer in zip(keys, answers, strict=True) if answer is not None}
    codes = [{"accept": 1, "reject": 0, "unsure": -1, None: None}[answer] for answer in answers]
    expected = suspects.decide(decisions=answers, top=3, n_rows=N_ROWS).selected
    for given_as in (keyed, codes):
        np.testing.assert_array_equal(suspects.decide(decisions=given_as, top=3, n_rows=N_ROWS).selected, expected)


@pytest.mark.parametrize("kind", ["arrow", "pandas", "polars"])
@settings(max_examples=15, deadline=None)
@given(drawn())
def test_frames_keep_rank_order_and_every_suspect(kind, suspects):
    """A frame of any kind has one row a suspect, in rank order, with the same numbers."""
    frame = suspects.to_frame(kind)
    for name in ("row", "candidate", "proposed_candidate", "probability"):
        np.testing.assert_array_equal(np.asarray(frame[name]), getattr(suspects, name))
    assert np.asarray(frame["rank"]).tolist() == list(range(len(suspects)))


def test_frame_has_ids_and_explanations_only_when_asked():
    """Ids stand beside the codes, a missing proposal is null, and reasons are made for nobody who did not ask."""
    asked = []

    def reason(ranks):
        asked.extend(ranks.tolist())
        return [f"rank {rank}" for rank in ranks]

    suspects = Suspects(
        [2, 0],
        [1, 0],
        proposed_candidate=[-1, 1],
        row_ids=["x", "y", "z"],
        candidate_ids=["cat", "dog"],
        reason_of=reason,
        evidence_of=lambda ranks: [{"rank": int(rank)} for rank in ranks],
    )
    plain = suspects.to_frame().to_pydict()
    assert plain["row_id"] == ["z", "x"]
    assert plain["candidate_id"] == ["dog", "cat"]
    assert plain["proposed_candidate_id"] == [None, "dog"]
    assert asked == []
    full = suspects.to_frame(reason=True, evidence=True).to_pydict()
    assert full["reason"] == ["rank 0", "rank 1"]
    assert [json.loads(text) for text in full["evidence"]] == [{"rank": 0}, {"rank": 1}]
    assert suspects.take([1]).reason() == ["rank 1"]
    assert suspects.take([1, 0]).take([1]).evidence(0) == [{"rank": 0}]


def test_new_verdict_is_the_proposal_of_the_selected_only():
    """For data with several cells a row, reannotation changes the selected cells and leaves the others."""
    suspects = Suspects([0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0], n_rows=2)
    assert suspects.decide("reannotate", top=2).new_verdict.tolist() == [1, 1, 1]
    assert suspects.decide("flag").new_verdict.tolist() == [0, 0, 1]


def test_nothing_is_guessed():
    """Without the number of rows there is no decision, since rows after the last suspect would be lost."""
    suspects = Suspects([0, 4], [0, 0])
    with pytest.raises(InputError, match="pass n_rows"):
        suspects.decide()
    with pytest.raises(InputError, match="too small"):
        suspects.decide(n_rows=4)
    assert len(suspects.decide(n_rows=9).keep) == 9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Suspects([0, 1], [0]), "candidate has shape"),
        (lambda: Suspects([0, 0], [1, 1]), "suspected twice"),
        (lambda: Suspects([0], [0], probability=[1.5]), "between 0 and 1"),
        (lambda: Suspects([0], [0], [2]), "verdict must be"),
        (lambda: Suspects([3], [0], n_rows=3), "outside the 3 rows"),
        (lambda: Suspects([0], [2], candidate_ids=["a"]), "outside the 1 candidate"),
        (lambda: Suspects([0.5], [0]), "integer codes"),
        (lambda: Suspects([0], [0], n_rows=1).decide("delete"), "not known"),
        (lambda: Suspects([0], [0], n_rows=1).decide(top=-1), "top must be"),
        (lambda: Suspects([0], [0], n_rows=1).decide(min_probability=2), "min_probability"),
        (lambda: Suspects([0], [0], n_rows=1).decide(decisions=["yes"]), "'yes' is not an answer"),
        (lambda: Suspects([0], [0], n_rows=1).decide(decisions=[]), "0 answers for 1"),
        (lambda: Suspects([0], [0], n_rows=1).decide(decisions={5: "accept"}), "not a suspect"),
        (lambda: Suspects([0], [0]).to_frame("csv"), "kind must be"),
    ],
)
def test_contradictions_are_refused(make, message):
    """What cannot be right is refused in words that name it."""
    with pytest.raises(InputError, match=message):
        make()
