"""The draw and the folds behind the out-of-fold probabilities."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.jobs.audit import represent


def test_the_draw_keeps_the_rare_class_and_the_size():
    """At 1 % positives an even draw of 20,000 rows leaves 200; half of the draw is shared by class."""
    codes = (np.arange(400_000) % 100 == 0).astype(np.int64)
    drawn = represent._drawn(codes, np.arange(len(codes)), np.random.default_rng(0))
    assert len(np.unique(drawn)) == len(drawn) == represent.CHOOSE_ON
    assert codes[drawn].sum() >= 3_900


def test_unlabelled_rows_are_never_drawn():
    """A row without a label cannot train the comparison."""
    codes = np.where(np.arange(60_000) % 3 == 0, -1, np.arange(60_000) % 2)
    labelled = np.flatnonzero(codes >= 0)
    assert (codes[represent._drawn(codes, labelled, np.random.default_rng(0))] >= 0).all()


@settings(deadline=None)  # the first call imports scikit-learn
@given(st.integers(5_001, 6_000), st.integers(2, 5), st.integers(0, 5))
def test_many_groups_are_never_torn_apart(n_groups, folds, seed):
    """A group on both sides of a fold lets the model see what it judges."""
    rng = np.random.default_rng(seed)
    together = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 500)])
    y = rng.integers(0, 3, len(together))
    seen = np.zeros(len(y), int)
    for train, test in represent._folds(y, together, folds, seed):
        assert not set(together[train]) & set(together[test])
        assert set(y[train]) == {0, 1, 2}
        seen[test] += 1
    assert (seen == 1).all()


def _tokens_of(texts, labels, **more):
    from trueneg.data.readers import read_frame
    from trueneg.data.sniff import Roles

    source = read_frame(pa.table({"text": texts, "y": labels, **more}))
    roles = Roles(label="y", labels=["y"], classes=sorted(set(labels)), text=["text"], group="g" if more else None)
    return represent._tokens(texts, source, roles, 0)[0]


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
