"""Teachers, lists and prompts, held to plain loops, and to never giving an answer away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from trueneg.core.errors import InputError
from trueneg.mine import (
    BelowPositive,
    Dense,
    InstructionPrompt,
    Listed,
    TeacherFusion,
    WorkedExamples,
    hard_negatives,
    training_lists,
)
from trueneg.mine.adaptive_margin import normalized


# ----------------------------------------------------------------------------------------------------- teachers
def _plain(row, how, missing):
    """One list by one teacher, document by document; NaN is missing."""
    there = ~np.isnan(row)
    x = row[there]
    if not len(x):
        return np.zeros(len(row))
    if how == "z":
        value = (x - x.mean()) / x.std() if len(set(x)) > 1 else np.zeros(len(x))
        low, middle = min(value.min(), 0), 0.0
    elif how == "minmax":
        value = (x - x.min()) / (x.max() - x.min()) if len(set(x)) > 1 else np.full(len(x), 0.5)
        low, middle = value.min(), value.mean()
    else:
        value = 1 / (60 + rankdata(-x))
        low, middle = 0.0, value.mean()
    out = np.full(len(row), low if missing == "least" else middle)
    out[there] = value
    return out


@given(st.integers(0, 10_000), st.sampled_from(["z", "minmax", "rank"]), st.sampled_from(["least", "neutral"]))
@settings(max_examples=80, deadline=None)
def test_fusion_is_the_plain_loop(seed, how, missing):
    """Ties, missing scores, short lists and weights must be what the sentences of the class say."""
    rng = np.random.default_rng(seed)
    n, k, documents = 5, 7, 12
    tables = {name: np.round(rng.normal(size=(n, documents)) * 2) / 2 for name in ("a", "b")}
    tables["a"][rng.random((n, documents)) < 0.2] = -np.inf
    tables["b"][rng.random((n, documents)) < 0.2] = np.nan
    lists = np.stack([rng.permutation(documents)[:k] for _ in range(n)])
    lists[np.arange(k) >= rng.integers(0, k + 1, n)[:, None]] = -1
    weights = {"a": 2.0, "b": 1.0}
    fuse = TeacherFusion(
        {name: lambda q, d, t=t: t[q, d] for name, t in tables.items()},
        normalize=how,
        missing=missing,
        weights=weights,
    )
    found = fuse.score(np.arange(n), lists)
    for i in range(n):
        at = lists[i] >= 0
        total = 0.0
        for name, table in tables.items():
            row = table[i, lists[i, at]]
            row = np.where(np.isfinite(row), row, np.nan)
            total = total + weights[name] / 3 * _plain(row, how, missing)
        np.testing.assert_allclose(found.score[i, at], total, rtol=1e-5, atol=1e-6)
        assert np.isneginf(found.score[i, ~at]).all()
    labels = found.soft_labels(0.5)
    some = (lists >= 0).any(axis=1)
    np.testing.assert_allclose(labels.sum(axis=1), some.astype(float), rtol=1e-5)
    assert (labels[lists < 0] == 0).all()
    assert found.missing["a"] == sum(np.isneginf(tables["a"][i, lists[i, lists[i] >= 0]]).sum() for i in range(n))


def test_scale_shift_order_and_blocks_change_nothing(monkeypatch):
    """A teacher's own scale, the order of the documents and the size of a block must not matter."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 6, 20))
    lists = np.stack([rng.permutation(20)[:9] for _ in range(6)])
    fuse = TeacherFusion({"a": lambda q, d: a[q, d], "b": lambda q, d: b[q, d]})
    found = fuse.score(np.arange(6), lists).score
    scaled = TeacherFusion({"a": lambda q, d: 1e4 * a[q, d] - 7, "b": lambda q, d: 1e-3 * b[q, d] + 3})
    np.testing.assert_allclose(scaled.score(np.arange(6), lists).score, found, rtol=1e-4, atol=1e-5)
    turned = fuse.score(np.arange(6), lists[:, ::-1]).score[:, ::-1]
    np.testing.assert_allclose(turned, found, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr("trueneg.mine._adaptive_margin.teachers._CELLS", 10)
    np.testing.assert_array_equal(fuse.score(np.arange(6), lists).score, found)


def test_a_list_that_no_teacher_tells_apart_is_named():
    """Equal soft labels teach nothing, and whoever trains on them must be able to leave the list out."""
    flat = TeacherFusion({"a": lambda q, d: np.where(q == 0, d, 1.0)}).score([0, 1, 2], [[1, 2], [1, 2], [-1, -1]])
    assert flat.silent.tolist() == [False, True, True]
    np.testing.assert_allclose(flat.soft_labels()[1], [0.5, 0.5])
    dumb = TeacherFusion({"a": lambda q, d: d, "b": lambda q, d: 0 * d}, weights={"a": 0.0})
    assert dumb.score([0], [[1, 2]]).silent.all()
    held, _ = normalized(np.array([[3.0, np.nan]]), np.ones((1, 2), dtype=bool), how="rank")
    assert held[0, 0] > held[0, 1]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TeacherFusion({}), "no teacher"),
        (lambda: TeacherFusion({"a": min}, normalize="softmax"), "softmax"),
        (lambda: TeacherFusion({"a": min}, missing="zero"), "zero"),
        (lambda: TeacherFusion({"a": min}, constant=-1), "constant"),
        (lambda: TeacherFusion({"a": min}, weights={"c": 1.0}), "'c'"),
        (lambda: TeacherFusion({"a": min}, weights={"a": 0.0}), "above 0"),
        (lambda: TeacherFusion({"a": lambda q, d: d}).score([0, 1], [[1, 2]]), "one row"),
        (lambda: TeacherFusion({"a": lambda q, d: d[:1]}).score([0], [[1, 2]]), "one number a pair"),
        (lambda: TeacherFusion({"a": lambda q, d: d / 0.0}).score([5], [[1, 2]]), "query 5 and document 1"),
        (lambda: TeacherFusion({"a": lambda q, d: d}).score([0], [[1, 2]]).soft_labels(0), "temperature"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_teachers_are_one_clear_line(make, said):
    """What cannot be fused is refused with the remedy."""
    with pytest.raises(InputError) as error:
        make()
    assert said in str(error.value)


# -------------------------------------------------------------------------------------------- margins and lists
@pytest.mark.parametrize("rule", ["absolute", "relative", "percent", "spread"])
@pytest.mark.parametrize("which", ["min", "max", "mean"])
@pytest.mark.filterwarnings("error")
def test_a_margin_around_a_positive_without_a_score_keeps_nothing(rule, which):
    """A run that misses the positive says nothing of it: neither NaN nor a warning may let candidates through."""
    run = Listed([0, 0, 0, 1, 1], [1, 2, 3, 0, 2], [3.0, 2.0, 1.0, -1.0, -2.0], n_queries=2, n_documents=5)
    for margin in (0.0, 50.0):
        mined = hard_negatives(
            range(2), range(5), [[4], [0]], source=run, n=3, filters=BelowPositive(margin, rule=rule, positive=which)
        )
        assert 0 not in mined.query
    tie = Listed([0, 0], [1, 2], [1.0, 1.0], n_queries=1, n_documents=3)
    kept = hard_negatives(range(1), range(3), [[1]], source=tie, n=1, filters=BelowPositive(0.0, rule="absolute"))
    assert kept.document.tolist() == [2]  # a tie with the positive is at the bound, and stays


def test_lists_hold_the_positives_and_what_was_mined():
    """A list that loses a positive, or a negative, or mixes queries up, teaches something else."""
    rng = np.random.default_rng(1)
    queries, documents = rng.normal(size=(9, 4)), rng.normal(size=(40, 4))
    positives = [rng.permutation(40)[: rng.integers(1, 4)] for _ in range(9)]
    mined = hard_negatives(queries, documents, positives, n=np.array([3, 0, 5, 1, 2, 3, 0, 4, 1]))
    lists = training_lists(positives, mined)
    assert lists.query.tolist() == [0, 2, 3, 4, 5, 7, 8]
    for i, q in enumerate(lists.query.tolist()):
        assert set(lists.document[i, lists.label[i] == 1].tolist()) == set(positives[q].tolist())
        assert lists.document[i, lists.label[i] == 0].tolist() == mined.document[mined.query == q].tolist()
    assert (lists.mask == (lists.label >= 0)).all()
    np.testing.assert_allclose(lists.hard_labels().sum(axis=1), 1)
    one = training_lists(positives, mined, max_positives=1)
    assert ((one.label == 1).sum(axis=1) == 1).all()
    assert one.document[0, 0] == min(positives[0])
    with pytest.raises(InputError, match="max_positives=0"):
        training_lists(positives, mined, max_positives=0)


def test_fused_lists_train_a_student():
    """The parts fit together: mined lists, fused teachers, the loss, and a gradient for the student."""
    torch = pytest.importorskip("torch")
    from trueneg.losses import SoftLabelKLLoss

    rng = np.random.default_rng(2)
    queries, documents = rng.normal(size=(12, 8)), rng.normal(size=(60, 8))
    mined = hard_negatives(queries, documents, np.arange(12), n=6)
    lists = training_lists(np.arange(12), mined)
    fuse = TeacherFusion({"dense": Dense(queries, documents), "other": Dense(queries[:, :4], documents[:, :4])})
    taught = fuse.score(lists.query, lists.document)
    w = torch.zeros(8, 8, dtype=torch.float64, requires_grad=True)
    asked = torch.tensor(queries) + torch.tensor(queries) @ w
    held = torch.tensor(documents[np.maximum(lists.document, 0)])
    scores = torch.einsum("nd,nkd->nk", asked, held)
    loss = SoftLabelKLLoss(1.0)(scores, torch.tensor(taught.score), mask=torch.tensor(lists.mask))
    loss.backward()
    assert loss.item() > 0
    assert float(w.grad.abs().sum()) > 0


# ------------------------------------------------------------------------------------------------------ prompts
QUERIES = [f"question number {i}" for i in range(8)] + ["Question number 3!"]
DOCUMENTS = [f"answer {i} with some more words to cut" for i in range(8)]
POSITIVES = [[0], [1], [2], [3], [4], [5], [5, 6], [7], [2]]


def _words(texts):
    return [len(text.split()) for text in texts]


@given(st.integers(0, 500), st.integers(0, 6), st.lists(st.integers(0, 8), max_size=4, unique=True))
@settings(max_examples=60, deadline=None)
def test_no_prompt_gives_an_answer_away(seed, k, held_out):
    """No example may be the query itself, one of its answers, or a pair that is tested on, under whatever row."""
    examples = WorkedExamples(QUERIES, DOCUMENTS, POSITIVES, held_out=held_out, random_state=seed)
    again = WorkedExamples(QUERIES, DOCUMENTS, POSITIVES, held_out=held_out, random_state=seed)
    twins = {3: 8, 8: 3}
    for q, query in enumerate(QUERIES):
        shown = examples.choose(query, k, known=[0])
        assert shown == again.choose(query, k, known=[0])
        rows = {q, twins.get(q, q)}
        banned = {d for r in rows for d in POSITIVES[r]} | {0}
        tested = set(held_out) | {twins[r] for r in held_out if r in twins}
        banned_tests = {d for r in tested for d in POSITIVES[r]}
        for text, document in shown:
            at = QUERIES.index(text)
            assert at not in rows | tested
            assert DOCUMENTS.index(document) not in banned | banned_tests


def test_the_same_examples_in_the_same_order():
    """Queries that touch no example must share their prefix, and more examples must begin as fewer do."""
    examples = WorkedExamples(QUERIES, DOCUMENTS, POSITIVES, words=2)
    two = InstructionPrompt("find it", examples=examples, k=2).render(["something else", "and another"]).texts
    four = InstructionPrompt("find it", examples=examples, k=4).render(["something else"]).texts[0]
    head = two[0].removesuffix("Instruct: find it\nQuery: something else")
    assert two[1] == head + "Instruct: find it\nQuery: and another"
    assert four.startswith(head)
    assert head.count("Document: answer") == 2
    assert "with some" not in head  # two words of a document
    bare = InstructionPrompt("find it").render(["a {document} of {task}"])
    assert bare.texts == ["Instruct: find it\nQuery: a {document} of {task}"]
    assert bare.shown.tolist() == [0]


@given(st.integers(5, 80), st.integers(1, 60), st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_a_prompt_keeps_its_budget_and_its_query(budget, length, k):
    """Examples must go before a word of the query does, whole, and the query must keep its beginning."""
    examples = WorkedExamples(QUERIES, DOCUMENTS, POSITIVES)
    query = " ".join(f"w{i}" for i in range(length))
    how = InstructionPrompt("find it", examples=examples, k=k, max_tokens=budget, count=_words)
    found = how.render([query, "short"])
    assert max(_words(found.texts)) <= budget
    bare = 4 + length  # Instruct: find it Query: ...
    assert bool(found.cut[0]) == (bare > budget)
    if found.cut[0]:
        assert found.shown[0] == 0
        assert found.texts[0].endswith("Query: " + " ".join(query.split()[: budget - 4]))
    else:
        assert found.texts[0].endswith(query)
        one = len(examples.choose(query, 1)[0][0].split()) + 8 + 5
        assert found.shown[0] == min(k, (budget - bare) // one)


def test_a_word_longer_than_the_budget_is_cut_by_letters():
    """A query without a space must not come out empty."""
    how = InstructionPrompt("t", max_tokens=30, count=lambda texts: [len(t) for t in texts])
    assert how.render(["x" * 100]).texts == ["Instruct: t\nQuery: " + "x" * 11]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: InstructionPrompt("t", k=2), "k=2"),
        (lambda: InstructionPrompt("t", k=-1), "k=-1"),
        (lambda: InstructionPrompt("t", max_tokens=9), "belong together"),
        (lambda: InstructionPrompt("t", template="Query:"), "{query} 0 times"),
        (lambda: InstructionPrompt("t", example="{query} {query} {document}"), "{query} 2 times"),
        (lambda: InstructionPrompt("a b c", max_tokens=3, count=_words).render(["d"]), "task alone"),
        (lambda: InstructionPrompt("t").render(["a"], known=[]), "0 lists"),
        (lambda: WorkedExamples(QUERIES, DOCUMENTS, POSITIVES, held_out=range(9)), "no example"),
        (lambda: WorkedExamples(QUERIES, DOCUMENTS, POSITIVES, held_out=[9]), "query 9"),
        (lambda: WorkedExamples(QUERIES, DOCUMENTS, POSITIVES, words=0), "words=0"),
    ],
)
def test_bad_prompts_are_one_clear_line(make, said):
    """What would cut a query off, or show nothing, is refused."""
    with pytest.raises(InputError) as error:
        make()
    assert said in str(error.value)
