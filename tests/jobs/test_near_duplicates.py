"""Near duplicates with conflicting labels: found where they are, silent where they are not."""

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.jobs.audit.checks import _near

WORDS = np.array([f"word{i}" for i in range(3_000)])


def _texts(n, length, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(WORDS[rng.integers(0, len(WORDS), length)]) for _ in range(n)]


def _jaccard(one, two):
    def shingles(text):
        words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
        return set(words) | set(zip(words, words[1:], strict=False))

    a, b = shingles(one), shingles(two)
    return len(a & b) / max(len(a | b), 1)


def _planted_texts(n=600):
    """Texts, of which 40 are repeated with one word changed or another case, and the place of each copy."""
    base = _texts(n, 40)
    changed = []
    for i, text in enumerate(base[:40]):
        words = text.split()
        words[i % 40] = "other"
        changed.append(text.upper() + "!" if i % 2 else " ".join(words))
    return base + changed


def test_planted_texts_are_found_and_nothing_else():
    """A pair missed hides a conflict, a pair invented wastes a reviewer's time."""
    texts = _planted_texts()
    labels = np.r_[np.zeros(600, int), np.ones(40, int)]
    found = _near.near_texts(pa.array(texts), np.arange(640), labels, seed=0)
    assert {tuple(p) for p in found.pairs.tolist()} == {(i, 600 + i) for i in range(40)}
    assert found.complete


def test_similarity_is_that_of_plain_sets():
    """The figure shown as evidence is the definition's own, for every candidate."""
    texts = [*_planted_texts(60)[30:], "", " ", "...", "naïve Straße 12", "Naïve straße 12!"]
    n = len(texts)
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)])
    got = _near._jaccard(pa.array(texts), pairs)
    np.testing.assert_allclose(got, [_jaccard(texts[i], texts[j]) for i, j in pairs], atol=1e-6)


@pytest.mark.parametrize("labels", [np.zeros(640, int), None])
def test_agreeing_and_equal_texts_are_left_alone(labels):
    """Near duplicates that agree are no conflict, and equal rows belong to another check."""
    texts = _planted_texts()
    content = np.arange(640)
    if labels is None:
        labels = np.r_[np.zeros(600, int), np.ones(40, int)]
        content[600:] = np.arange(40)
    assert not len(_near.near_texts(pa.array(texts), content, labels, seed=0).pairs)


def test_a_budget_of_words_is_told(monkeypatch):
    """Where not all was looked at, the words say so and no share of all rows is claimed."""
    monkeypatch.setattr(_near, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(_near, "MAX_TOKENS", 10_000)
    found = _near.near_texts(pa.array(_texts(600, 40)), np.arange(600), np.arange(600) % 2, seed=0)
    assert not found.complete
    assert found.words.startswith("the first 200 of 600 texts")


def test_texts_without_words_are_no_pair():
    """Blank and punctuation-only rows share nothing, so they are not alike."""
    texts = pa.array(["", "   ", "!!!", "???"] * 20)
    assert not len(_near.near_texts(texts, np.arange(80), np.arange(80) % 2, seed=0).pairs)


def _planted_rows(n, d, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    twin = x[:25] + rng.normal(size=(25, d)) * 1e-5
    return np.vstack([x, twin]).astype(np.float32), np.r_[rng.integers(0, 2, n), np.zeros(25, int)]


@pytest.mark.parametrize(("n", "d"), [(1_000, 8), (1_000, 2), (30_000, 8)])
def test_planted_rows_are_found_and_nothing_else(n, d):
    """Exact below 20,000 rows, hashed above: either finds every planted twin and no accident."""
    x, labels = _planted_rows(n, d)
    labels[n:] = 1 - labels[:25]
    found = _near.near_rows(x, np.arange(len(x)), labels, seed=0)
    pairs = {tuple(p) for p in found.pairs.tolist()}
    planted = {(i, n + i) for i in range(25)}
    assert len(pairs & planted) >= (25 if d > 2 else 20)
    assert len(pairs - planted) <= (0 if d > 2 else 1)


@pytest.mark.parametrize("d", [1, 2, 3, 10])
def test_chance_alone_makes_no_pairs(d):
    """In few dimensions rows lie close by accident; the bar must rise with the rows and fall with the dimension."""
    total = 0
    for seed in range(10):
        x = np.random.default_rng(seed).normal(size=(1_500, d)).astype(np.float32)
        total += len(_near.near_rows(x, np.arange(1_500), np.arange(1_500) % 2, seed=0).pairs)
    assert total <= 2


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((100, 3)),
        np.repeat(np.arange(50.0), 2)[:, None],
        np.indices((10, 10)).reshape(2, -1).T,
        np.ones((3, 1)),
    ],
    ids=["constant", "duplicated", "grid", "three rows"],
)
def test_degenerate_rows_make_no_pairs(x):
    """Constant, duplicated, integer and tiny tables have no near duplicates, and no crash."""
    content = np.unique(x, axis=0, return_inverse=True)[1].ravel()
    found = _near.near_rows(x.astype(np.float32), content, np.arange(len(x)) % 2, seed=0)
    assert not len(found.pairs)


def test_the_audit_names_the_pairs_of_judged_rows():
    """The finding's rows are the table's rows, not places among the judged ones; unjudged rows clash with nothing."""
    texts = _planted_texts()
    labels = [None] * 10 + ["no"] * 590 + ["yes"] * 40
    # With probabilities of the user's own no model is fitted, which takes nine tenths of this audit.
    table = pa.table({"text": texts, "p": np.linspace(0.1, 0.9, len(texts)), "label": labels})
    out = trueneg.audit(table, label="label", positive="yes", text=["text"], proba=["p"], select=["TN106"])
    found = next(f for f in out.findings if f.code == "TN106")
    assert found.status == "finding"
    assert set(found.rows) == {*range(10, 40), *range(610, 640)}
    assert found.details["pairs"][0].startswith("rows ")
    assert "looked at 630 texts" in found.message


def test_the_audit_finds_twin_measurements():
    """Numeric rows are compared by distance, and quick compares nothing."""
    x, labels = _planted_rows(800, 6)
    labels[800:] = 1 - labels[:25]
    table = pa.table({**{f"x{j}": x[:, j] for j in range(6)}, "y": labels})
    found = {}
    for quick in (False, True):
        out = trueneg.audit(table, label="y", positive="1", select=["TN106"], quick=quick)
        found[quick] = next(f for f in out.findings if f.code == "TN106")
    assert set(found[False].rows) == {*range(25), *range(800, 825)}
    assert found[True].status == "skipped"


def test_a_template_used_thousands_of_times_is_sampled_and_told():
    """Comparing a template's rows with each other is quadratic; a sample is taken, and no share of all is claimed."""
    line = " ".join(WORDS[:60])
    texts = pa.array([f"{line} item{i}" for i in range(400)])
    found = _near.near_texts(texts, np.arange(400), np.arange(400) % 2, seed=0)
    assert not found.complete
    assert "where more than 4 rows look alike" in found.words
    assert 100 < len(found.pairs) < 400 * 3 * _near.BANDS
