"""Figures of runs: those that ir-measures gives, forms for what is unjudged, pairs, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.core.ranked import parse_measure, rank
from trueneg.jobs.evaluate import evaluate

MEASURES = ("nDCG@10", "nDCG@3", "MRR@10", "R@5", "P@5", "MAP", "MAP@5", "nDCG", "MRR")
PEER = {"MRR@10": "RR@10", "MAP": "AP", "MAP@5": "AP@5", "MRR": "RR"}


def _draw(seed, n_queries=30, n_documents=40, listed=12, ties=True):
    rng = np.random.default_rng(seed)
    run, qrels = [], []
    for q in range(n_queries):
        for d in rng.permutation(n_documents)[:listed]:
            score = rng.integers(0, 6) / 3 + 1e-9 * rng.integers(0, 2) if ties else rng.random()
            run.append((f"q{q}", f"d{d}", float(score)))
        judged = rng.permutation(n_documents)[: rng.integers(1, 15)]
        qrels += [(f"q{q}", f"d{d}", int(rng.integers(-1, 4))) for d in judged]
    return run[listed:], qrels  # the first query has no list


def _write(folder, run, qrels):
    (folder / "run").write_text("".join(f"{q} Q0 {d} 0 {s!r} x\n" for q, d, s in run))
    (folder / "qrels").write_text("".join(f"{q} 0 {d} {g}\n" for q, d, g in qrels))
    return folder / "run", folder / "qrels"


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("condensed", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_every_figure_is_that_of_ir_measures(seed, condensed, ties, tmp_path):
    """Ties, negative grades, missing queries and condensed lists must come out as everybody else reports them.

    The peer takes RR@k from another program than the rest, which breaks ties otherwise: without ties only.
    """
    ir_measures = pytest.importorskip("ir_measures")
    run, qrels = _draw(seed, ties=ties)
    ours = evaluate(*_write(tmp_path, run, qrels), measures=MEASURES, unjudged="condensed" if condensed else "negative")
    judged = {(q, d) for q, d, _ in qrels}
    theirs_run = [ir_measures.ScoredDoc(*row) for row in run if not condensed or row[:2] in judged]
    peers = {
        name: ir_measures.parse_measure(PEER.get(name, name)) for name in MEASURES if not (ties and name == "MRR@10")
    }
    theirs = ir_measures.calc_aggregate(list(peers.values()), [ir_measures.Qrel(*row) for row in qrels], theirs_run)
    for name, peer in peers.items():
        assert ours.figures[name].value == pytest.approx(theirs[peer], abs=1e-9), name
    assert ours.missing == 1


@given(st.integers(0, 10_000), st.sampled_from(["negative", "condensed", "judged-only"]))
@settings(max_examples=30, deadline=None)
def test_forms_agree_with_a_plain_loop(seed, unjudged):
    """Each form must be what its sentence says, counted one list at a time."""
    run, qrels = _draw(seed, n_queries=4, n_documents=9, listed=6)
    grades = {(int(q[1:]), int(d[1:])): g for q, d, g in qrels}
    query, document, score = (
        [f(r) for r in run] for f in (lambda r: int(r[0][1:]), lambda r: int(r[1][1:]), lambda r: r[2])
    )
    lists = rank(query, document, score, *zip(*grades, strict=True), list(grades.values()), n_queries=4)
    got = lists.values(parse_measure("P@3"), unjudged=unjudged)
    for q in range(4):
        mine = sorted(
            ((np.float32(s), d) for a, d, s in zip(query, document, score, strict=True) if a == q), reverse=True
        )
        order = [d for _, d in mine]
        if unjudged == "condensed":
            order = [d for d in order if (q, d) in grades][:3]
        elif unjudged == "judged-only":
            order = [d for d in order[:3] if (q, d) in grades]
        assert got[q] == pytest.approx(sum(grades.get((q, d), 0) >= 1 for d in order[:3]) / 3)


def test_a_paired_difference_is_narrower_than_two_intervals(tmp_path):
    """The same queries judge both runs: a small, steady gain must show although the means spread widely."""
    rng = np.random.default_rng(0)
    qrels, first, second = [], [], []
    for q in range(60):
        place = int(rng.integers(1, 9))
        qrels.append((f"q{q}", "d0", 1))
        for run, at in ((first, place), (second, place + 1)):
            run += [(f"q{q}", "d0" if i == at else f"d{i}", float(-i)) for i in range(1, 12)]
    run, judged = _write(tmp_path, first, qrels)
    (tmp_path / "other").mkdir()
    done = evaluate(run, judged, against=_write(tmp_path / "other", second, qrels)[0], to=tmp_path / "each.csv")
    gain, alone = done.differences["MRR@10"], done.figures["MRR@10"]
    assert gain.low > 0
    assert gain.high - gain.low < 0.8 * (alone.high - alone.low)
    assert len((tmp_path / "each.csv").read_text().splitlines()) == 61


def test_refusals_say_what_to_do(tmp_path):
    """A run of other queries, and a measure that there is not, must each be one clear line."""
    run, qrels = _write(tmp_path, [("a", "d1", 1.0)], [("b", "d1", 1)])
    with pytest.raises(InputError, match="share no query"):
        evaluate(run, qrels)
    with pytest.raises(InputError, match="'nDGC@10' is no measure"):
        evaluate(run, qrels, measures=["nDGC@10"])
    with pytest.raises(InputError, match="no such file"):
        evaluate(tmp_path / "none", qrels)
