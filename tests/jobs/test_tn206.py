"""TN206: rules that tell suspects apart are found where they were planted, judged on other rows, and not made up."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.jobs.audit.checks import tn206_rules
from trueneg.jobs.audit.telling import TWICE, telling_rules

N, SUSPECTS = 3000, 400


def _planted(seed, rate=0.8, word="fax"):
    """Suspects of whom most came from source c or hold a word; the other columns say nothing."""
    rng = np.random.default_rng(seed)
    suspect = np.arange(N) < SUSPECTS
    odd = np.where(suspect, rng.random(N) < rate, rng.random(N) < 0.02)
    source = np.where(odd, "c", rng.choice(list("abdef"), N))
    words = rng.choice(["note", "call", "visit", "letter", "form"], (N, 4))
    text = [" ".join([*w, word] if o else w) for w, o in zip(words, odd, strict=True)]
    table = pa.table({"source": source, "age": rng.integers(1, 90, N), "text": text})
    return table, np.flatnonzero(suspect), np.flatnonzero(~suspect), odd


def _told(table, suspects, believed, columns, together=None, seed=0):
    return telling_rules(table, columns, suspects, believed, np.arange(N) if together is None else together, seed=seed)


@pytest.mark.parametrize("columns", [([], ["source", "age"]), (["text"], [])])
def test_a_planted_cause_is_found_and_its_figures_are_right(columns):
    """The first rule must be the cause, its precision and coverage those that were planted."""
    table, suspects, believed, odd = _planted(0)
    told = _told(table, suspects, believed, columns)
    first = told.rules[0]
    assert first.text == ("source = c" if not columns[0] else "fax")
    assert first.holds_out
    assert first.precision.low <= odd[:SUSPECTS].sum() / odd.sum() <= first.precision.high
    assert first.suspects.low <= 0.8 <= first.suspects.high
    assert first.believed.low <= 0.02 <= first.believed.high
    assert told.covered.value >= first.suspects.value
    assert told.chance == 0
    assert (told.learned + told.judged, round(told.share, 2)) == (N, 0.14)


def test_rules_are_not_made_up():
    """Where suspects are rows like all others, no rule may hold out, whatever the seed."""
    holding = 0
    for seed in range(6):
        table, suspects, believed, _ = _planted(seed, rate=0.02)
        told = _told(table, suspects, believed, ([], ["source", "age"]), seed=seed)
        holding += sum(rule.holds_out for rule in told.rules) + told.chance
        for rule in told.rules:
            assert rule.holds_out == (rule.precision is not None and rule.precision.low > TWICE * told.share)
    assert holding == 0


def test_rows_of_one_group_are_not_learned_from_and_judged():
    """A rule that names one patient would be right on that patient's other notes, and on nobody else."""
    table, suspects, believed, _ = _planted(1, rate=0.0)
    who = np.r_[np.arange(SUSPECTS) // 100, 4 + np.arange(N - SUSPECTS) // 5]
    table = table.append_column("patient", pa.array([f"p{i}" for i in who]))
    columns = ([], ["patient"])
    apart = _told(table, suspects, believed, columns, together=who)
    mixed = _told(table, suspects, believed, columns)
    assert any(rule.holds_out for rule in mixed.rules)
    assert not any(rule.holds_out for rule in apart.rules)
    with pytest.raises(InputError, match="too few groups"):
        _told(table, suspects, believed, columns, together=np.zeros(N, int))


def test_the_same_seed_tells_the_same():
    """A report that changed from run to run could not be compared with the last one."""
    table, suspects, believed, _ = _planted(2)
    one, two = (_told(table, suspects, believed, (["text"], ["source", "age"])) for _ in range(2))
    assert one == two


def test_without_numba_the_check_says_the_cure(monkeypatch):
    """The other checks need no numba, and this one must not take them down."""
    table, suspects, believed, _ = _planted(3)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingExtraError, match="fast"):
        _told(table, suspects, believed, ([], ["source"]))


def _audited(rate, **options):
    import trueneg

    rng = np.random.default_rng(5)
    truth = rng.random(6000) < 0.3
    score = rng.normal(size=6000) + 3.5 * truth
    source = rng.choice(list("abc"), 6000)
    hidden = truth & (source == "c") & (rng.random(6000) < rate)
    table = pa.table({"score": score, "source": source, "y": (truth & ~hidden).astype(int)})
    out = trueneg.audit(table, label="y", positive="1", select=["TN206"], **options)
    return next(f for f in out.findings if f.code == "TN206"), out


def test_an_audit_shows_the_rule_with_its_figures():
    """A reader must see the rule in words, with its interval and with what chance would give."""
    found, out = _audited(0.5)
    assert found.status == "advice"
    first, figures = next(iter(found.details["rules"].items()))
    assert first.startswith("score >= ")
    assert f'"{first}": {figures["suspects where it holds"]}' in found.message
    assert found.details["control"].endswith(": none")
    assert 0 < found.estimate.low <= found.estimate.value
    from trueneg.report import render

    assert first.replace(">", "&gt;") in render(out.report)


def test_where_there_is_nothing_to_tell_the_check_says_so():
    """No columns to read, too few suspects and no model each end in a line, not in rules."""
    assert _audited(0.5, quick=True)[0].status == "skipped"
    import trueneg

    rng = np.random.default_rng(0)
    table = pa.table({"e_0": rng.normal(size=80), "e_1": rng.normal(size=80), "y": rng.integers(0, 2, 80)})
    out = trueneg.audit(table, label="y", positive="1", embedding="e_*", select=["TN206"])
    found = next(f for f in out.findings if f.code == "TN206")
    assert (found.status, tn206_rules.CODE) == ("not applicable", "TN206")
