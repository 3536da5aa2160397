"""The learning rule, held state by state to a machine written out automaton by automaton."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.heads._tsetlin import chance, device
from trueneg.heads._tsetlin.machine import Machine
from trueneg.heads._tsetlin.plan import epoch_plan
from trueneg.heads._tsetlin.rows import Shape, rows_of, unpack_bits
from trueneg.heads._tsetlin.train import Settings, dropped, run_pass
from trueneg.heads._tsetlin.vote import clause_outputs, votes


class Naive:
    """A Tsetlin machine of plain loops; all chance comes from outside."""

    def __init__(self, n_classes, n_clauses, n_literals, o):
        self.o, self.top = o, 2 ** o["bits"] - 1
        banks = 1 if o["pool"] else n_classes
        self.state = [[[self.top // 2] * n_literals for _ in range(n_clauses)] for _ in range(banks)]
        self.weight = [[1] * n_clauses for _ in range(n_classes)]

    def included(self, bank, j):
        return [k for k, s in enumerate(self.state[bank][j]) if s > self.top // 2]

    def true(self, bank, j, literals, on):
        return all(literals[k] or not on[k] for k in self.included(bank, j))

    def sign(self, c, j):
        return 1 if self.o["pool"] else 1 - 2 * (j % 2)

    def votes(self, c, literals, on, clause_on):
        bank = 0 if self.o["pool"] else c
        return sum(
            self.sign(c, j) * w
            for j, w in enumerate(self.weight[c])
            if clause_on[bank][j] and self.true(bank, j, literals, on)
        )

    def learn(self, c, target, literals, coins, masks, on, clause_on):
        bank, T = 0 if self.o["pool"] else c, self.o["T"]
        v = max(-T, min(T, self.votes(c, literals, on, clause_on)))
        p = (T - v) / (2 * T) if target else (T + v) / (2 * T)
        outputs = [self.true(bank, j, literals, on) for j in range(len(self.weight[c]))]
        for j, output in enumerate(outputs):
            if not clause_on[bank][j] or coins[j] >= p:
                continue
            positive = self.weight[c][j] >= 0 if self.o["pool"] else j % 2 == 0
            wanted, w = positive == target, self.weight[c][j]
            if output and self.o["pool"]:
                self.weight[c][j] += 1 if target else -1
            elif output and self.o["weighted"]:
                self.weight[c][j] = w + 1 if wanted else max(1, w - 1)
            if wanted and output and len(self.included(bank, j)) > self.o["budget"]:
                output = False
            elif not wanted and not output:
                continue
            for k, literal in enumerate(literals):
                if on[k]:
                    self.step(bank, j, k, self.change(wanted, output, literal, masks[j][k]))

    def change(self, wanted, output, literal, mask):
        if not wanted:
            return 0 if literal else 1
        if output and literal:
            return 1 if self.o["boost"] or not mask else 0
        return -1 if mask else 0

    def step(self, bank, j, k, change):
        self.state[bank][j][k] = max(0, min(self.top, self.state[bank][j][k] + change))


PLAIN = {
    "bits": 8,
    "T": 4,
    "s": 3.0,
    "boost": True,
    "weighted": True,
    "budget": 10**9,
    "negation": True,
    "clause_drop": 0.0,
    "literal_drop": 0.0,
    "pool": False,
    "focused": False,
    "clauses": 6,
    "features": 70,
    "classes": 3,
}
OPTIONS = [
    {},
    {"boost": False},
    {"weighted": False},
    {"s": 1.0},
    {"s": 1.0, "boost": False},
    {"s": 2.0},
    {"s": 27.0, "boost": False},
    {"bits": 2},
    {"bits": 3, "boost": False},
    {"bits": 11},
    {"budget": 2, "bits": 3},
    {"negation": False, "bits": 3},
    {"clause_drop": 0.5},
    {"literal_drop": 0.3, "bits": 3},
    {"pool": True, "bits": 3},
    {"pool": True, "bits": 3, "budget": 2, "boost": False},
    {"focused": True, "bits": 3},
    {"pool": True, "focused": True, "bits": 3},
    {"clauses": 5, "bits": 3},
    {"classes": 1, "bits": 3},
    {"features": 513, "bits": 2, "clauses": 2},
    {"features": 512, "bits": 2, "clauses": 2},
    {"features": 1, "bits": 3},
]


def _case(o, seed=0, n=40):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, o["classes"], n)
    X = rng.random((n, o["features"])) < 0.25
    X[:, 0] = y == 0
    X[3] = False
    return X.astype(np.uint8), y


def _settings(o, seed, n_jobs=1):
    budget = None if o["budget"] > 10**6 else o["budget"]
    drops = o["clause_drop"], o["literal_drop"]
    return Settings(
        o["T"], chance.rate_of(o["s"]), o["boost"], o["weighted"], budget, *drops, o["focused"], seed, n_jobs
    )


def _reference_pass(naive, machine, X, y, o, seed, epoch):
    """Run the naive machine through a pass on the numbers that the fast one draws; yield after each row."""
    shape, C = machine.shape, o["classes"]
    on = dropped(seed, epoch, 1, shape.literals, o["literal_drop"])
    clause_on = dropped(seed, epoch, 0, machine.include.shape[0] * o["clauses"], o["clause_drop"])
    clause_on = clause_on.reshape(machine.include.shape[0], -1)
    plan = epoch_plan(y, C, seed=seed, epoch=epoch)
    drawn = None
    for row, c, target in zip(*plan, strict=True):
        literals = np.concatenate([X[row], 1 - X[row]]) if o["negation"] else X[row]
        if o["focused"] and target:
            drawn = _rival(naive, c, literals, on, clause_on, seed, epoch, row)
        c = drawn if o["focused"] and not target else c
        event = chance.event_key(chance.key_of(seed, epoch, c), row)
        coins = chance.coins(event, o["clauses"])
        rate = chance.rate_of(o["s"])
        words = [chance.mask_words(key, shape.words, rate) for key in chance.clause_keys(event, o["clauses"])]
        naive.learn(c, target, literals, coins, unpack_bits(np.array(words), shape), on, clause_on)
        yield row


def _rival(naive, own, literals, on, clause_on, seed, epoch, row):
    T, C = naive.o["T"], naive.o["classes"]
    share = [0 if c == own else T + max(-T, min(T, naive.votes(c, literals, on, clause_on))) for c in range(C)]
    coin = chance.coins(chance.key_of(seed, epoch, C), row + 1)[row]
    if sum(share) == 0:
        return max(c for c in range(C) if c != own) if C > 1 else None
    return int(np.searchsorted(np.cumsum(share), coin * sum(share), side="right"))


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_every_state_is_that_of_the_naive_machine(option):
    """Protects the rule: after every row each state is where plain loops on the same chance put it, in torch too."""
    o = PLAIN | option
    X, y = _case(o, n=24)
    shape = Shape(o["features"], o["negation"])
    machine = Machine.new(o["classes"], o["clauses"], shape, bits=o["bits"], pool=o["pool"], seed=7)
    naive = Naive(o["classes"], o["clauses"], shape.literals, o)
    naive.weight = machine.weight.tolist()
    rows = rows_of(X, shape)
    moved = False
    for epoch in range(2):
        start = machine.copy()
        other = machine.copy()
        for count, _ in enumerate(_reference_pass(naive, machine, X, y, o, 7, epoch), start=1):
            if count % 2 and o["classes"] > 1:  # half a row: the target event
                continue
            partial = _first_events(start, rows, y, _settings(o, 7), count)
            np.testing.assert_array_equal(partial.states(), naive.state)
            np.testing.assert_array_equal(partial.weight, naive.weight)
        run_pass(machine, rows, y, _settings(o, 7))
        np.testing.assert_array_equal(machine.states(), naive.state)
        np.testing.assert_array_equal(machine.weight, naive.weight)
        if not o["pool"] and not o["focused"]:
            device.run_pass(other, rows, y, _settings(o, 7))
            for name in ("include", "lower", "weight"):
                np.testing.assert_array_equal(getattr(other, name), getattr(machine, name))
        moved |= bool(machine.included().any())
    assert moved, "no clause includes anything: the case shows nothing"
    literals = [np.concatenate([x, 1 - x]) if o["negation"] else x for x in X]
    _check_votes(machine, naive, literals, rows)


def _first_events(start, rows, y, options, count):
    """Return the machine after the first events of a pass."""
    from trueneg.heads._tsetlin import train

    machine = start.copy()
    whole = train.epoch_plan

    def first(*args, **kwargs):
        return train.Plan(*(column[:count] for column in whole(*args, **kwargs)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "epoch_plan", first)
        train.run_pass(machine, rows, y, options)
    return machine


def _check_votes(machine, naive, literals, rows):
    """The clauses that vote are those that are true and not empty."""
    on = np.ones(machine.shape.literals, dtype=bool)
    banks = range(len(naive.state))
    alive = [[bool(naive.included(b, j)) for j in range(len(naive.state[b]))] for b in banks]
    expected = [[naive.votes(c, x, on, alive) for c in range(len(naive.weight))] for x in literals]
    np.testing.assert_array_equal(votes(machine, rows), expected)
    np.testing.assert_array_equal(device.votes(machine, rows, device="cpu"), expected)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    features=st.integers(1, 600),
    classes=st.integers(1, 4),
    clauses=st.integers(1, 9),
    pool=st.booleans(),
    negation=st.booleans(),
)
def test_threads_kinds_of_rows_and_ways_to_predict_agree(seed, features, classes, clauses, pool, negation):
    """Protects reproducibility: thread count and sparse or dense rows change no bit; index, bits, products agree."""
    o = PLAIN | {"features": features, "classes": classes, "clauses": clauses, "pool": pool, "negation": negation}
    X, y = _case(o | {"bits": 3}, seed)
    shape = Shape(features, negation)
    kinds = [rows_of(X, shape), rows_of(sp.csr_matrix(X), shape)]
    machines = []
    for rows, n_jobs in ((kinds[0], 1), (kinds[1], 1), (kinds[1], 3)):
        machine = Machine.new(classes, clauses, shape, bits=3, pool=pool, seed=seed)
        for _ in range(3):
            run_pass(machine, rows, y, _settings(o, seed, n_jobs))
        machines.append(machine)
    for other in machines[1:]:
        assert np.array_equal(other.include, machines[0].include)
        assert np.array_equal(other.lower, machines[0].lower)
        assert np.array_equal(other.weight, machines[0].weight)
    found = [(votes(machines[0], rows), clause_outputs(machines[0], rows)) for rows in kinds]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trueneg.heads._tsetlin.vote._kernels", lambda: None)
        found += [(votes(machines[0], rows), clause_outputs(machines[0], rows)) for rows in kinds]
    for other in found[1:]:
        np.testing.assert_array_equal(other[0], found[0][0])
        np.testing.assert_array_equal(other[1], found[0][1])


def test_masks_have_the_probability_they_should():
    """Protects the masks: a share of 1 / s of the bits is set, to within 2 %, in every place and independent of it."""
    for s in (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 27.0, 100.0, 1000.0):
        numerator, digits = chance.rate_of(s)
        rate = numerator / 2**digits
        assert abs(rate * s - 1) <= 0.02
        words = np.array([chance.mask_words(chance.key_of(3, i), 40, (numerator, digits)) for i in range(800)])
        bits = np.unpackbits(words.view(np.uint8), axis=1).astype(float)
        error = np.sqrt(rate * (1 - rate) / bits.size)
        assert abs(bits.mean() - rate) <= 5 * error
        columns = bits.mean(axis=0)
        assert abs(columns - rate).max() <= 6 * np.sqrt(rate * (1 - rate) / len(bits))
        if rate < 1:
            near = np.mean((bits[:, 1:] - rate) * (bits[:, :-1] - rate)) / (rate * (1 - rate))
            assert abs(near) <= 6 / np.sqrt(bits.size)


def test_plan_pairs_each_row_with_another_class():
    """Protects the plan: each row is once a target of its class and once a negative of another, uniformly drawn."""
    y = np.random.default_rng(0).integers(0, 5, 4000)
    plan = epoch_plan(y, 5, seed=1, epoch=0)
    assert np.array_equal(np.sort(plan.row[plan.target]), np.arange(4000))
    assert np.array_equal(plan.row[::2], plan.row[1::2])
    assert np.array_equal(plan.label[plan.target], y[plan.row[plan.target]])
    negative = ~plan.target
    assert (plan.label[negative] != y[plan.row[negative]]).all()
    shift = (plan.label[negative] - y[plan.row[negative]]) % 5
    assert abs(np.bincount(shift, minlength=5)[1:] - 1000).max() < 5 * np.sqrt(750)


def test_plan_of_several_labels():
    """Protects multi-label plans: every label is a target, and as many lacking labels, or one, are negatives."""
    has = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
    plan = epoch_plan(has, 5, seed=1, epoch=0)
    for row, (targets, negatives) in enumerate([(2, 2), (0, 1), (5, 0), (3, 2)]):
        own = plan.row == row
        assert has[row, plan.label[own & plan.target]].all()
        assert not has[row, plan.label[own & ~plan.target]].any()
        assert ((own & plan.target).sum(), (own & ~plan.target).sum()) == (targets, negatives)
        assert len(set(plan.label[own])) == own.sum()


def test_rows_of_lower_weight_enter_fewer_passes():
    """Protects sample weights: a row takes part with its probability, one of weight zero never."""
    y = np.zeros(3000, dtype=np.int64)
    weight = np.repeat([0.0, 0.25, 1.0], 1000)
    seen = np.concatenate([epoch_plan(y, 2, seed=0, epoch=e, chance=weight).row[::2] for e in range(20)])
    counts = np.bincount(seen // 1000, minlength=3)
    assert counts[0] == 0
    assert counts[2] == 20000
    assert abs(counts[1] - 5000) < 5 * np.sqrt(20000 * 0.25 * 0.75)
