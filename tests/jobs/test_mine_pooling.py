"""The rule of a model of the pool: on request only, from an independent retriever, refused without a pool."""

import numpy as np
import pytest

from trueneg.core.errors import InputError
from trueneg.jobs.mine.pooling import pooling_rule
from trueneg.jobs.mine.rules import ON_REQUEST, side_by_side
from trueneg.mine import Duplicates, Listed, Positives


def world(how, n=60, size=40):
    """Lists of two independent retrievers, and labels that the second one's ranks picked, or chance."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(n, size)), rng.normal(size=(n, size))
    relevant = rng.random((n, size)) < 1 / (1 + np.exp(-(2 * first - 1)))
    pool = rng.random((n, size)) < 1 / (1 + np.exp(-3 * second))
    keep = relevant & (pool if how == "pool" else rng.random((n, size)) < 0.5)
    keep[:, 0] = True
    query, document = np.divmod(np.arange(n * size), size)
    sizes = {"n_queries": n, "n_documents": size}
    sources = [Listed(query, document, score.ravel(), **sizes) for score in (first, second)]
    return *sources, Positives.of(np.argwhere(keep), n, size), relevant


def test_the_rule_drops_what_the_pool_never_showed():
    """Dropped candidates are relevant more often than kept ones, and every pair of the lists has a probability."""
    source, second, positives, relevant = world("pool")
    rule = pooling_rule(source, second, positives, 40)
    query, document = np.divmod(np.arange(relevant.size), relevant.shape[1])
    unlabelled = ~positives.known(query, document)
    chance = rule.probability(query, document)
    assert ((chance >= 0) & (chance <= 1)).all()
    drop = unlabelled & (chance > rule.maximum)
    assert relevant.ravel()[drop].mean() > 2 * relevant.ravel()[unlabelled & ~drop].mean()


def test_it_is_compared_only_on_request():
    """Unasked, the rules are the plain ones; asked for, it stands beside them and counts what it removed."""
    source, second, positives, relevant = world("pool")
    copies = Duplicates([f"text {i}" for i in range(relevant.shape[1])])
    how = {"n": 3, "ranks": (0, 15), "sampling": "top", "seed": 0}
    plain = side_by_side(source, second, positives, copies, **how)
    assert not {rule.name for rule in plain} & set(ON_REQUEST)
    asked = side_by_side(source, second, positives, copies, **how, asked="pooling-bias")
    assert asked[-1].name == "pooling-bias"
    assert asked[-1].removed > 0


@pytest.mark.parametrize(("how", "said"), [("random", "without a pool"), ("none", "needs a retriever beside")])
def test_it_refuses_where_it_would_harm(how, said):
    """Labels drawn at random, and no second retriever: refused in words that name the rule."""
    source, second, positives, _ = world("random")
    with pytest.raises(InputError, match=rf"--rule pooling-bias.*{said}"):
        pooling_rule(source, None if how == "none" else second, positives, 40)
