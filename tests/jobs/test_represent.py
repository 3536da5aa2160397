"""The draw and the folds behind the out-of-fold probabilities."""

import numpy as np
from hypothesis import given
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
