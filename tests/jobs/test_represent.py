"""What the models look at, and the draw and the folds behind the out-of-fold probabilities."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.jobs.audit import folds, represent
from trueneg.jobs.audit import words as cut


def test_the_draw_keeps_the_rare_class_and_the_size():
    """At 1 % positives an even draw of 20,000 rows leaves 200; half of the draw is shared by class."""
    codes = (np.arange(400_000) % 100 == 0).astype(np.int64)
    drawn = folds.drawn(codes, np.arange(len(codes)), np.random.default_rng(0))
    assert len(np.unique(drawn)) == len(drawn) == folds.CHOOSE_ON
    assert codes[drawn].sum() >= 3_900


def test_unlabelled_rows_are_never_drawn():
    """A row without a label cannot train the comparison."""
    codes = np.where(np.arange(60_000) % 3 == 0, -1, np.arange(60_000) % 2)
    labelled = np.flatnonzero(codes >= 0)
    assert (codes[folds.drawn(codes, labelled, np.random.default_rng(0))] >= 0).all()


@settings(deadline=None)  # the first call imports scikit-learn
@given(st.integers(5_001, 6_000), st.integers(2, 5), st.integers(0, 5))
def test_many_groups_are_never_torn_apart(n_groups, n_folds, seed):
    """A group on both sides of a fold lets the model see what it judges."""
    rng = np.random.default_rng(seed)
    together = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 500)])
    y = rng.integers(0, 3, len(together))
    seen = np.zeros(len(y), int)
    for train, test in folds.grouped_folds(y, together, n_folds, seed):
        assert not set(together[train]) & set(together[test])
        assert set(y[train]) == {0, 1, 2}
        seen[test] += 1
    assert (seen == 1).all()


def _tokens_of(texts, labels, **more):
    from trueneg.data.readers import read_frame
    from trueneg.data.sniff import Roles

    source = read_frame(pa.table({"text": texts, "y": labels, **more}))
    roles = Roles(label="y", labels=["y"], classes=sorted(set(labels)), text=["text"], group="g" if more else None)
    return cut._tokens(texts, source, roles, 0)[0]


def test_feature_strings_are_not_torn_apart():
    """``a=1 b=2`` and ``a=2 b=1`` hold the same words; only whole tokens tell them apart."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1_000)
    texts = [f"head={'XY'[v]}1 tail={'YX'[v]}1 noise={rng.integers(50)}" for v in y]
    given = np.where(rng.random(1_000) < 0.1, 1 - y, y)
    assert _tokens_of(texts, ["no" if v else "yes" for v in given]) == "split at blanks, case kept"


def test_prose_keeps_the_usual_words():
    """Case and punctuation split a word of prose into several, so the usual words must win there."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 1_000)
    told = np.array([["alpha", "beta", "gamma", "delta"], ["one", "two", "three", "four"]])
    mark = np.array(["", ".", ",", "!", "?"])
    texts = []
    for v in y:
        words = [*told[v][rng.integers(0, 4, 2)], *(f"filler{i}" for i in rng.integers(0, 300, 20))]
        texts.append(" ".join((w.title() if rng.random() < 0.5 else w) + rng.choice(mark) for w in words))
    assert _tokens_of(texts, ["no" if v else "yes" for v in y]) == "words"


def test_few_rows_keep_the_usual_words():
    """A choice on a handful of rows is a coin toss."""
    assert _tokens_of(["a=1 b=2", "a=2 b=1"] * 20, ["no", "yes"] * 20) == "words"


def test_a_token_that_names_the_group_does_not_decide():
    """Held out by group, a token that tells the document (and so the label) is worth nothing; by row it decides."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(60), 20)
    y = rng.integers(0, 2, 60)[group]
    said = np.where(rng.random(1_200) < 0.9, y, 1 - y)
    marks = np.array([a + b for a in ".,!?;:" for b in ".,!?;:"])
    letters = "abcdefghij"
    texts = [
        f"{'good' if s else 'bad'}{rng.choice(marks)} {letters[g % 10]}-{letters[g // 10]}"
        for s, g in zip(said, group, strict=True)
    ]
    labels = ["no" if v else "yes" for v in y]
    assert _tokens_of(texts, labels, g=group) == "words"
    assert _tokens_of(texts, labels, g=np.arange(1_200)) != "words"


def test_text_without_words_is_one_line():
    """Both kinds of tokens may find nothing; the message names the remedy."""
    from trueneg.core.errors import InputError
    from trueneg.data.readers import read_frame
    from trueneg.data.sniff import Roles

    source = read_frame(pa.table({"text": [" "] * 300, "y": ["a", "b"] * 150}))
    roles = Roles(label="y", labels=["y"], classes=["a", "b"], text=["text"])
    with pytest.raises(InputError, match="hold no words"):
        represent.represent(source, roles, random_state=0)


def test_a_given_embedding_stands_beside_the_columns():
    """Trees must see a given embedding too when there are numeric columns; those took its place once."""
    from trueneg.data.readers import read_frame
    from trueneg.data.sniff import Roles

    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((40, 3)).astype(np.float32)
    columns = {"y": ["a", "b"] * 20, "x": rng.standard_normal(40)}
    source = read_frame(pa.table({**columns, **{f"e{j}": vectors[:, j] for j in range(3)}}))
    names = [f"e{j}" for j in range(3)]
    roles = Roles(label="y", labels=["y"], classes=["a", "b"], numeric=["x"], embedding=names)
    made = represent.represent(source, roles, random_state=0)
    assert made.table.shape == made.embedding.shape == (40, 4)
    np.testing.assert_array_equal(made.table[:, :3], vectors)
    np.testing.assert_allclose(made.table[:, 3], columns["x"], rtol=1e-6)


def test_the_model_over_words_lies_nearer_to_the_optimum_than_the_usual_solver():
    """Newton steps over words are taken for their speed; the probabilities must be as good or better."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    from trueneg.jobs.audit.learners import linear_model

    rng = np.random.default_rng(0)
    inputs = sparse.random(1_500, 4_000, density=0.005, format="csr", random_state=0, dtype=np.float32)
    y = np.asarray(inputs[:, :3].toarray() @ np.eye(3) + rng.gumbel(size=(1_500, 3)) * 0.3).argmax(axis=1)
    best = LogisticRegression(C=10.0, max_iter=2_000, tol=1e-9).fit(inputs.astype(float), y).predict_proba(inputs)
    usual = LogisticRegression(C=10.0, max_iter=300).fit(inputs, y).predict_proba(inputs)
    ours = linear_model(inputs).fit(inputs, y).predict_proba(inputs)
    assert np.abs(ours - best).max() <= max(np.abs(usual - best).max(), 1e-4)
    assert linear_model(inputs.toarray()).solver == "lbfgs"
