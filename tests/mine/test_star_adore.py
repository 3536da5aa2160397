"""STAR and ADORE held to plain loops, to the exact search of the core, and to what they promise of a training."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from trueneg.core.errors import InputError
from trueneg.core.neighbors import top_k
from trueneg.core.training import Recipe, seeded
from trueneg.mine import AtMost, BelowPositive, Positives, hard_negatives
from trueneg.mine.star_adore import (
    AdoreLoss,
    AdoreTrainer,
    InBatchPairwiseLoss,
    NegativeSampler,
    Search,
    SentenceAdoreLoss,
    SentenceStarLoss,
    StarSampler,
    delta_discounts,
    delta_pairwise_loss,
    inbatch_pairwise_loss,
    pair_errors,
)

FAST = {"epochs": 2, "batch_size": 16, "optimizer": "adam", "lr": 5e-3, "weight_decay": 0.0, "warmup": 0.2}


def _draw(seed, n=40, d=4, b=5):
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(n, d)).astype(np.float32)
    documents[1::7] = documents[0]  # ties
    return documents, rng.normal(size=(b, d)).astype(np.float32), rng


def _world(seed=0, n=90, d=8):
    """Documents, queries through an unknown map, one to three positives each."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(n, d)).astype(np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    mixed = np.linalg.qr(rng.normal(size=(d, d)))[0]
    queries = (documents[: n // 2] @ mixed + 0.1 * rng.normal(size=(n // 2, d))).astype(np.float32)
    positives = [[i] + ([i + n // 2] if i % 3 == 0 else []) for i in range(n // 2)]
    return documents, queries, positives


def _encoder(d=8, seed=0):
    with seeded(seed):
        return nn.Linear(d, d, bias=False)


# -- the search ----------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 10_000),
    st.sampled_from(["inner", "cosine"]),
    st.integers(1, 60),
    st.sampled_from([np.float16, np.float32, np.float64]),
)
@settings(max_examples=40, deadline=None)
def test_search_is_the_exact_search_of_the_core(seed, similarity, k, dtype):
    """Ids, ties and the end of short lists must be those of ``top_k``, whatever the precision and the memory."""
    documents, queries, _ = _draw(seed)
    documents = documents.astype(dtype)
    found = Search(documents, similarity=similarity, memory="1KB")(queries, k)
    np.testing.assert_array_equal(found, top_k(queries, documents, k, metric=similarity)[1])


def test_search_in_blocks_of_a_memory_map(tmp_path):
    """A read-only map, many blocks, copies of one document at every rank: the list must not depend on any of it."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(5000, 8)).astype(np.float32)
    documents[::3] = documents[0]
    np.save(tmp_path / "d.npy", documents)
    held = np.load(tmp_path / "d.npy", mmap_mode="r")
    queries = rng.normal(size=(7, 8)).astype(np.float32)
    queries[0] = documents[0]
    for similarity in ("inner", "cosine"):
        search = Search(held, similarity=similarity, memory="1MB")
        np.testing.assert_array_equal(search(queries, 50), top_k(queries, documents, 50, metric=similarity)[1])
    many = rng.normal(size=(900, 8)).astype(np.float32)
    np.testing.assert_array_equal(search(many, 5), top_k(many, documents, 5, metric="cosine")[1])


@pytest.mark.parametrize("low", ["medium", "high", "autocast"])
def test_search_where_torch_gives_up_digits(low):
    """Training in fewer bits leaves the search exact, and the search leaves the setting of the training."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(8000, 128)).astype(np.float32)
    queries = documents[:32] + np.float32(0.05) * rng.normal(size=(32, 128)).astype(np.float32)
    wanted = top_k(queries, documents, 100, metric="inner")[1]
    search = Search(documents)
    ranks = search.ranks(queries, wanted[:, ::10])
    before = torch.get_float32_matmul_precision()
    with torch.autocast("cpu", torch.bfloat16) if low == "autocast" else contextlib.nullcontext():
        try:
            torch.set_float32_matmul_precision(before if low == "autocast" else low)
            np.testing.assert_array_equal(search(queries, 100), wanted)
            np.testing.assert_array_equal(search.ranks(queries, wanted[:, ::10]), ranks)
            assert torch.get_float32_matmul_precision() == (before if low == "autocast" else low)
            assert torch.is_autocast_enabled("cpu") == (low == "autocast")
        finally:
            torch.set_float32_matmul_precision(before)


@given(st.integers(0, 10_000), st.sampled_from(["inner", "cosine"]), st.sampled_from([3, 20]))
@settings(max_examples=25, deadline=None)
def test_ranks_are_places_in_the_whole_order(seed, similarity, m):
    """The rank of a document is where a sort of all documents puts it, equal scores in order of index."""
    documents, queries, rng = _draw(seed)
    documents, queries = np.round(documents), np.round(queries)  # exact in float32
    ids = rng.integers(-1, len(documents), (len(queries), m))
    score = queries @ documents.T
    if similarity == "cosine":
        length = np.linalg.norm(documents, axis=1)
        score = score / np.where(length > 0, length, 1)
    place = np.argsort(np.lexsort((np.broadcast_to(np.arange(len(documents)), score.shape), -score), axis=1), axis=1)
    wanted = np.where(ids >= 0, np.take_along_axis(place, np.maximum(ids, 0), axis=1) + 1, 0)
    np.testing.assert_array_equal(Search(documents, similarity=similarity).ranks(queries, ids), wanted)


def test_a_foreign_index_is_scored_again():
    """Hits of an approximate index come back in exact order, a hit twice once, none as -1."""
    documents, queries, rng = _draw(3)
    given_ids = rng.integers(-1, len(documents), (len(queries), 12))
    found = Search(documents, index=lambda q, k: (None, given_ids))(queries, 12)
    for row, ids, q in zip(found, given_ids, queries, strict=True):
        held = sorted({i for i in ids.tolist() if i >= 0}, key=lambda i: (-float(np.float64(q) @ documents[i]), i))
        assert row[: len(held)].tolist() == held
        assert (row[len(held) :] == -1).all()


# -- the losses ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_stars_loss_is_the_plain_loop(seed, b, h):
    """Every pair of the batch that counts, and no other, enters one mean: two-way softmax, sums and counts pooled."""
    rng = np.random.default_rng(seed)
    q, p = (torch.from_numpy(rng.normal(size=(b, 3))) for _ in range(2))
    hard = torch.from_numpy(rng.normal(size=(b, h, 3))) if h else None
    rows = (torch.arange(b), torch.from_numpy(rng.integers(0, 6, b)), torch.from_numpy(rng.integers(-1, 6, (b, h))))
    known = Positives.of([rng.permutation(6)[:2] for _ in range(b)], b, 6).known
    total, count = 0.0, 0
    for i in range(b):
        own = q[i] @ p[i]
        others = [(p[j], rows[1][j]) for j in range(b) if j != i]
        others += [(hard[j, k], rows[2][j, k]) for j in range(b) for k in range(h)]
        for vector, row in others:
            if row < 0 or known(np.array([i]), np.array([int(row)]))[0]:
                continue
            total -= float(F.log_softmax(torch.stack([own, q[i] @ vector]), 0)[0])
            count += 1
    got = InBatchPairwiseLoss(known)(q, p, hard, rows=rows[: 2 + bool(h)])
    assert float(got) == pytest.approx(total / max(count, 1), rel=1e-5, abs=1e-7)


def test_a_shared_positive_is_not_pushed_away():
    """Two queries of one positive: with the mask no gradient reaches either, without it both are pushed."""
    known = Positives.of([[4], [4]], 2, 9).known
    rows = (torch.tensor([0, 1]), torch.tensor([4, 4]))
    for loss, moved in ((InBatchPairwiseLoss(known), False), (InBatchPairwiseLoss(), True)):
        q, p = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
        loss(q, p, rows=rows).backward()
        assert bool(q.grad.abs().sum() > 0) is moved
        assert bool(p.grad.abs().sum() > 0) is moved


def test_static_negatives_alone_leave_other_positives_out():
    """With random=False the loss must be that of the hard negatives by themselves."""
    q, p, hard = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4, 2, 3)
    wanted = F.softplus(q @ hard.reshape(8, 3).T - (q * p).sum(1, keepdim=True)).mean()
    torch.testing.assert_close(InBatchPairwiseLoss(random=False)(q, p, hard), wanted)


def test_weights_are_differences_of_reciprocal_ranks():
    """Three documents: a pair weighs |1 / r_i - 1 / r_j|, and 1 / rank is 0 beyond the cut."""
    scores, targets = torch.tensor([[0.1, 0.9, 0.5]]), torch.tensor([[1, 0, 0]])  # ranks 3, 1, 2
    worth = delta_discounts(scores, targets)
    torch.testing.assert_close(worth, torch.tensor([[1 / 3, 1.0, 1 / 2]]))
    torch.testing.assert_close(delta_discounts(scores, targets, metric_cut=2), torch.tensor([[0.0, 1.0, 1 / 2]]))
    pairs = F.softplus(torch.tensor([0.9, 0.5]) - 0.1) * torch.tensor([2 / 3, 1 / 6])
    torch.testing.assert_close(delta_pairwise_loss(scores, targets, weights=worth), pairs.mean())


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_delta_weights_are_what_a_swap_costs(seed):
    """Under nDCG the weight of a pair must be the change of nDCG when its two documents change places."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(2, 9))
    scores, target = rng.permutation(m).astype(np.float32), rng.integers(0, 2, m)
    target[0] = 1
    ideal = sum(1 / np.log2(1 + r) for r in range(1, target.sum() + 1))
    rank = np.argsort(np.argsort(-scores)) + 1

    def ndcg(places):
        return sum(t / np.log2(1 + r) for t, r in zip(target, places, strict=True)) / ideal

    worth = delta_discounts(torch.from_numpy(scores)[None], torch.from_numpy(target)[None], metric="ndcg")[0] / ideal
    for i in np.flatnonzero(target == 1):
        for j in np.flatnonzero(target == 0):
            swapped = rank.copy()
            swapped[[i, j]] = swapped[[j, i]]
            assert float((worth[i] - worth[j]).abs()) == pytest.approx(abs(ndcg(swapped) - ndcg(rank)), abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_pairwise_loss_is_the_plain_loop(seed):
    """Several positives, absent documents, no pair: a mean over pairs, then over queries that have one."""
    rng = np.random.default_rng(seed)
    b, m = int(rng.integers(1, 5)), int(rng.integers(1, 7))
    scores, targets = rng.normal(size=(b, m)).astype(np.float32), rng.integers(-1, 2, (b, m))
    weights = rng.random((b, m)).astype(np.float32)
    each = []
    for i in range(b):
        pairs = [
            abs(weights[i, j] - weights[i, k]) * np.log1p(np.exp(scores[i, k] - scores[i, j]))
            for j in np.flatnonzero(targets[i] == 1)
            for k in np.flatnonzero(targets[i] == 0)
        ]
        each += [np.mean(pairs)] if pairs else []
    got = delta_pairwise_loss(*(torch.from_numpy(a) for a in (scores, targets)), weights=torch.from_numpy(weights))
    assert float(got) == pytest.approx(float(np.mean(each)) if each else 0.0, rel=1e-4, abs=1e-6)


def test_losses_keep_their_precision_under_autocast():
    """In bfloat16 a score of 100 has steps of 0.5: the losses must not lose what the pairs differ in."""
    torch.manual_seed(0)
    q, p, hard = torch.randn(6, 16) * 4, torch.randn(6, 16) * 4, torch.randn(6, 16) * 4
    wanted = InBatchPairwiseLoss()(q, p, hard)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = InBatchPairwiseLoss()(q, p, hard)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, wanted, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_losses_compile(backend):
    """Compiled, the losses must have the gradients that they have without."""
    torch.manual_seed(0)
    targets = (torch.rand(6, 9) < 0.4).long()
    scores = torch.randn(6, 9, requires_grad=True)
    for loss, given_targets in ((delta_pairwise_loss, targets), (inbatch_pairwise_loss, torch.arange(6))):
        compiled = torch.compile(loss, backend=backend)
        wanted = torch.autograd.grad(loss(scores, given_targets), scores)[0]
        torch.testing.assert_close(torch.autograd.grad(compiled(scores, given_targets), scores)[0], wanted)


# -- dynamic negatives ---------------------------------------------------------------------------------------------


def test_no_gradient_reaches_the_documents():
    """Documents are frozen: their gradient must be exactly none, that of the queries must be there."""
    documents, queries, positives = _world()
    held = torch.from_numpy(documents).requires_grad_()
    asked = torch.from_numpy(queries).requires_grad_()
    sampler = NegativeSampler(held, positives, topk=20, n_queries=len(queries))
    loss = AdoreLoss(sampler)(asked[:8], torch.arange(8))
    grads = torch.autograd.grad(loss, [asked, held], allow_unused=True)
    assert float(grads[0][:8].abs().sum()) > 0
    assert grads[1] is None


def test_lists_are_the_first_of_now_and_positives_are_added_where_none_is():
    """A list holds the top k by the embeddings handed in; all positives follow where it holds none, else no more do."""
    documents = np.eye(6, dtype=np.float32)
    queries = torch.tensor([[5.0, 4, 3, 2, 1, 0], [5.0, 4, 3, 2, 1, 0]])
    sampler = NegativeSampler(documents, [[4, 5], [1, 5]], topk=3, n_queries=2)
    document, label = AdoreLoss(sampler).lists(np.array([0, 1]), queries)
    assert document.tolist() == [[0, 1, 2, 4, 5], [0, 1, 2, -1, -1]]
    assert label.tolist() == [[0, 0, 0, 1, 1], [0, 1, 0, -1, -1]]
    # Behind a list of 200 the added ones are worth nothing, so that a negative's weight is 1 / its rank.
    long = NegativeSampler(np.eye(300, dtype=np.float32), [[299]], topk=200, n_queries=1)
    asked = torch.linspace(1, 0, 300)[None]
    wanted = (F.softplus(asked[0, :200] - asked[0, 299]) / torch.arange(1, 201)).mean()
    torch.testing.assert_close(AdoreLoss(long)(asked, torch.tensor([0])), wanted)


@pytest.mark.parametrize("metric", ["mrr", "ndcg", None])
def test_few_documents_and_queries_without_a_pair(metric):
    """Fewer documents than topk, and a query that every document answers, must give a number and a gradient of one."""
    documents = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    sampler = NegativeSampler(documents, [[0, 1, 2, 3, 4], [2]], topk=200, n_queries=2)
    queries = torch.randn(2, 3, requires_grad=True)
    loss = AdoreLoss(sampler, metric=metric)
    alone = loss(queries[1:], torch.tensor([1]))
    torch.testing.assert_close(loss(queries, torch.arange(2)), alone)
    assert loss(queries[:1], torch.tensor([0])).item() == 0.0
    grad = torch.autograd.grad(loss(queries, torch.arange(2)), queries)[0]
    assert bool(torch.isfinite(grad).all())
    assert float(grad[0].abs().sum()) == 0.0


def test_static_lists_go_stale_and_dynamic_ones_do_not():
    """After training the first lists must rank beyond their length on average, and the lists of now within it."""
    documents, queries, positives = _world(n=300)
    recipe = Recipe(**FAST | {"epochs": 4, "lr": 2e-2})
    trainer = AdoreTrainer(_encoder(), documents, topk=20, recipe=recipe, refresh_every=0)
    trainer.fit(queries, positives, random_state=0, report=80)
    stale = trainer.history_[-1].staleness
    assert stale.mean_rank.low > 20
    assert stale.kept.high < 0.5
    now = trainer.encode(queries)
    sampler = trainer.sampler_
    told = sampler.refresh(now, report=50)
    assert told.mean_rank.value == pytest.approx(stale.mean_rank.value, rel=0.5)
    fresh = sampler.staleness(np.arange(50), now[:50])
    assert fresh.mean_rank.value == pytest.approx(fresh.fresh)
    assert fresh.kept.value == 1.0


def test_errors_are_counted_over_the_whole_collection():
    """Ranks 2 and 5 of two positives are 1 + 3 errors; the cut and MRR@10 follow from the ranks as well."""
    documents = np.eye(8, dtype=np.float32)
    queries = np.arange(8, 0, -1, dtype=np.float32)[None].repeat(2, 0)
    positives = Positives.of([[1, 4], [7]], 2, 8)
    found = pair_errors(Search(documents), positives, np.arange(2), queries, 2)
    assert found.total == (1 + 3 + 7) / 2
    assert found.top == (1 + 2 + 2) / 2
    assert found.worst == 7 / 11
    assert found.mrr == (1 / 2 + 1 / 8) / 2


def test_filters_take_documents_out_of_the_negatives():
    """What a filter removes must be no negative any more, positives stay, and what was removed is counted."""
    documents, queries, positives = _world()
    who = np.arange(len(queries))
    plain = NegativeSampler(documents, positives, topk=15, similarity="cosine", n_queries=len(queries))
    rule = BelowPositive(0.05, rule="absolute") & AtMost(0.8)
    kept = NegativeSampler(documents, positives, topk=15, similarity="cosine", filters=rule, n_queries=len(queries))
    rows, before = who[::-1][:20], plain.find(who, queries)[::-1][:20]
    after = kept.find(rows, queries[rows])
    positive = plain.relevant(rows, before)
    np.testing.assert_array_equal(after[positive], before[positive])
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, documents)]
    score = np.einsum("bd,bmd->bm", unit[0][rows], unit[1][before])
    best = [min(unit[0][q] @ unit[1][d] for d in positives[q]) for q in rows]
    keep = (score <= np.array(best)[:, None] - 0.05) & (score <= 0.8)
    np.testing.assert_array_equal(after[~positive] >= 0, keep[~positive])
    assert sum(kept.removed.values()) == (~keep & ~positive).sum()


def test_draws_are_negatives_without_repetition():
    """A draw never holds a positive or a document twice, and ends in -1 where a list has no more."""
    documents, queries, positives = _world()
    sampler = NegativeSampler(documents, positives, topk=6, n_queries=len(queries))
    with pytest.raises(InputError, match="call refresh"):
        sampler.draw([0], 2, random_state=0)
    sampler.refresh(queries)
    drawn = sampler.draw(np.arange(len(queries)), 6, random_state=3)
    for q, row in enumerate(drawn.tolist()):
        held = [d for d in row if d >= 0]
        assert len(set(held)) == len(held)
        assert set(held) == set(sampler.lists[q].tolist()) - set(positives[q])
    np.testing.assert_array_equal(drawn, sampler.draw(np.arange(len(queries)), 6, random_state=3))


# -- static negatives ----------------------------------------------------------------------------------------------


def test_batches_of_star_go_on_where_they_were():
    """Each query once an epoch, hard and random negatives never positive, and a resumed sampler draws the same."""
    documents, queries, positives = _world()
    mined = hard_negatives(queries, documents, positives, n=7, ranks=(0, 20))
    options = {"batch_size": 10, "hard": 2, "random": 3, "random_state": 5}
    sampler = StarSampler(mined, positives, len(documents), **options)
    known = Positives.of(positives, len(queries), len(documents))
    seen = []
    for batch in sampler:
        seen.append(batch)
        assert batch.hard.shape == (len(batch.query), 5)
        assert known.known(batch.query, batch.positive).all()
        assert not known.known(batch.query[:, None], batch.hard).any()
        for q, row in zip(batch.query.tolist(), batch.hard[:, :2].tolist(), strict=True):
            assert set(row) <= set(mined.document[mined.query == q].tolist())
    assert np.array_equal(np.sort(np.concatenate([b.query for b in seen])), np.arange(len(queries)))
    assert len(seen) == len(sampler)
    later = [*sampler]
    assert any(not np.array_equal(a.query, b.query) for a, b in zip(seen, later, strict=True))
    again = StarSampler(mined, positives, len(documents), **options)
    walk = iter(again)
    next(walk), next(walk)
    resumed = StarSampler(mined, positives, len(documents), **options)
    resumed.load_state_dict(json.loads(json.dumps(again.state_dict())))
    for one, other in zip([*resumed, *resumed], [*seen[2:], *later], strict=True):
        for a, b in zip(one.rows, other.rows, strict=True):
            np.testing.assert_array_equal(a, b)


# -- training ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("refresh_every", "metric", "runs"), [(1, "mrr", 2), (1, "ndcg", 1), (4, "mrr", 1)])
def test_training_finds_the_map_and_tells_of_it(refresh_every, metric, runs):
    """MRR@10 rises, errors fall, and both are told; the same seed gives the same encoder."""
    documents, queries, positives = _world(n=200)
    told, found = [], []
    for _ in range(runs):
        encoder = _encoder()
        recipe = Recipe(**FAST | {"epochs": 6, "lr": 3e-2})
        trainer = AdoreTrainer(encoder, documents, topk=30, metric=metric, refresh_every=refresh_every, recipe=recipe)
        trainer.fit(queries, positives, random_state=0, report=50, progress=lambda *a: told.append(a))
        found.append(encoder.weight.detach().clone())
    assert torch.equal(found[0], found[-1])
    first, last = trainer.history_[0], trainer.history_[-1]
    assert last.errors.mrr > 2 * first.errors.mrr
    assert last.errors.total < first.errors.total / 2
    assert last.errors.top <= last.errors.total
    assert [e.epoch for e in trainer.history_] == list(range(7))
    assert trainer.n_steps_ == 42
    assert all(0 <= done <= total == 600 for _, done, total in told)
    assert any("errors a query" in text for text, _, _ in told)
    assert any("of the last batch" in text for text, _, _ in told)


@pytest.mark.parametrize("refresh_every", [1, 3])
def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path, refresh_every):
    """Killed in the middle of an epoch and started again, weights and history must be those of one run, to the bit."""
    documents, queries, positives = _world()
    net = lambda: nn.Sequential(nn.Dropout(0.2), _encoder())  # noqa: E731

    class Killed(Exception):  # noqa: N818
        pass

    def run(folder, encoder, stop=None):
        recipe = Recipe(**FAST | {"epochs": 4}, checkpoint=folder, checkpoint_every=2)
        trainer = AdoreTrainer(encoder, documents, topk=15, refresh_every=refresh_every, recipe=recipe)

        def progress(text, done, total):
            if stop is not None and trainer.n_steps_ >= stop and "last batch" in text:
                raise Killed

        return trainer.fit(queries, positives, random_state=2, progress=progress)

    whole = net()
    one = run(tmp_path / "whole", whole)
    for stop in (5, 8):
        with pytest.raises(Killed):
            run(tmp_path / "cut", net(), stop)
    parts = net()
    other = run(tmp_path / "cut", parts)
    assert torch.equal(whole[1].weight, parts[1].weight)
    assert str(one.history_) == str(other.history_)
    again = net()
    assert run(tmp_path / "cut", again).n_steps_ == one.n_steps_  # nothing is left to do
    assert torch.equal(whole[1].weight, again[1].weight)
    kept = {path.suffix for path in (tmp_path / "cut").rglob("*") if path.is_file()}
    assert kept == {".safetensors", ".json"}
    with pytest.raises(InputError, match="of another training"):
        AdoreTrainer(net(), documents, topk=15, recipe=Recipe(**FAST, checkpoint=tmp_path / "cut")).fit(
            queries, positives, random_state=2
        )


def test_queries_of_any_form_reach_the_encoder(tmp_path):
    """Texts, token numbers with a mask, and arrays must train alike; documents may be a memory map of float16."""
    documents, _, positives = _world()
    np.save(tmp_path / "d.npy", documents.astype(np.float16))
    held = np.load(tmp_path / "d.npy", mmap_mode="r")
    tokens = np.random.default_rng(0).integers(0, 30, (len(positives), 4))

    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded(0):
                self.table = nn.Embedding(30, 8)

        def forward(self, input_ids, attention_mask=None):
            if isinstance(input_ids, list):
                input_ids = torch.tensor([[int(w) for w in text.split()] for text in input_ids])
            return self.table(input_ids).mean(1)

    forms = (
        tokens,
        {"input_ids": tokens, "attention_mask": np.ones_like(tokens)},
        [" ".join(map(str, row)) for row in tokens.tolist()],
    )
    found = []
    for queries in forms:
        bag = Bag()
        AdoreTrainer(bag, held, topk=10, recipe=Recipe(**FAST)).fit(queries, positives, random_state=0, report=0)
        found.append(bag.table.weight.detach())
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_autocast_trains_and_an_epoch_may_end_it():
    """With the encoder in bfloat16 the lists and losses stay float32; on_epoch ends a training by True."""
    documents, queries, positives = _world()
    encoder, seen = _encoder(), []
    trainer = AdoreTrainer(encoder, documents, topk=10, recipe=Recipe(**FAST | {"epochs": 5}))
    trainer.fit(
        queries, positives, autocast="bfloat16", random_state=0, on_epoch=lambda e: seen.append(e) or len(seen) == 2
    )
    assert [e.epoch for e in seen] == [1, 2]
    assert encoder.weight.dtype == torch.float32
    assert len(trainer.history_) == 3


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    """Shares of a batch in two gloo processes must give the steps and gradients of one process with the whole batch."""
    import importlib.util

    script = Path(__file__).with_name("star_adore_ranks.py")
    spec = importlib.util.spec_from_file_location("star_adore_ranks", script)
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    runs = [subprocess.Popen([sys.executable, str(script), str(tmp_path), str(rank)]) for rank in range(2)]
    wanted = [one.numpy() for one in [*alone.adore(), *alone.star(0, 1)]]
    assert [run.wait(timeout=200) for run in runs] == [0, 0]
    for rank in range(2):
        with np.load(tmp_path / f"{rank}.npz") as found:
            for name, value in zip(found.files, wanted, strict=True):
                np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6)


# -- beside sentence-transformers ----------------------------------------------------------------------------------


class _Stub(nn.Module):
    """A model that gives its features back as an embedding, as sentence-transformers' models do."""

    def forward(self, features):
        return {**features, "sentence_embedding": features["x"]}


def test_losses_take_what_sentence_transformers_hands_them():
    """Columns of features and a column of rows must give the loss of the embeddings and of these rows."""
    documents, queries, positives = _world()
    known = Positives.of(positives, len(queries), len(documents)).known
    columns = [{"x": torch.randn(4, 8)} for _ in range(4)]
    labels = torch.tensor([[0, 0, 5, 7], [1, 1, 5, -1], [2, 2, 0, 3], [0, 45, 8, 9]])
    got = SentenceStarLoss(_Stub(), known, scale=2.0)(columns, labels)
    hard = torch.stack([c["x"] for c in columns[2:]], dim=1)
    rows = (labels[:, 0], labels[:, 1], labels[:, 2:])
    wanted = InBatchPairwiseLoss(known, scale=2.0)(columns[0]["x"], columns[1]["x"], hard, rows=rows)
    torch.testing.assert_close(got, wanted)
    sampler = NegativeSampler(documents, positives, topk=9, n_queries=len(queries))
    got = SentenceAdoreLoss(_Stub(), sampler, scale=3.0)(columns[:1], torch.arange(4))
    torch.testing.assert_close(got, AdoreLoss(sampler, scale=3.0)(columns[0]["x"], torch.arange(4)))
    with pytest.raises(InputError, match="label"):
        SentenceAdoreLoss(_Stub(), sampler)(columns[:1], None)


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [False, True])
def test_sentence_transformers_own_trainer_trains_on_dynamic_negatives(tmp_path, fixed):
    """Its trainer, our loss and our callback: lists are renewed on time, and the model ranks better than before."""
    datasets = pytest.importorskip("datasets")
    st_ = pytest.importorskip("sentence_transformers")
    from trueneg.mine import RefreshNegatives

    model, texts, documents, positives = _small_model(st_)
    sampler = NegativeSampler(documents, positives, topk=10, n_queries=len(texts))
    train = datasets.Dataset.from_dict({"query": texts, "label": list(range(len(texts)))})
    loss = SentenceAdoreLoss(model, sampler, fixed=fixed, scale=5.0)
    renew = RefreshNegatives(sampler, lambda m: m.encode(texts, show_progress_bar=False), every=5)
    before = pair_errors(sampler.search, sampler.positives, np.arange(len(texts)), model.encode(texts), 10)
    trainer = st_.SentenceTransformerTrainer(
        model=model, args=_arguments(st_, tmp_path, 8), train_dataset=train, loss=loss, callbacks=[renew]
    )
    trainer.train()
    after = pair_errors(sampler.search, sampler.positives, np.arange(len(texts)), model.encode(texts), 10)
    assert after.mrr > before.mrr + 0.1
    assert [step for step, _ in renew.staleness] == list(range(5, trainer.state.max_steps, 5))
    assert any(told.kept.value < 1 for _, told in renew.staleness)


@pytest.mark.slow
def test_sentence_transformers_own_trainer_trains_with_star(tmp_path):
    """Columns of texts and a column of rows go through its collator into STAR's loss, and the model learns."""
    datasets = pytest.importorskip("datasets")
    st_ = pytest.importorskip("sentence_transformers")
    model, texts, documents, positives = _small_model(st_)
    n = len(texts)
    corpus = [f"w{i} x{i}" for i in range(len(documents))]
    mined = hard_negatives(model.encode(texts), documents, positives, n=2, ranks=(0, 20))
    hard = mined.document.reshape(n, 2)
    rows = np.concatenate([np.stack([np.arange(n), [p[0] for p in positives]], axis=1), hard], axis=1)
    columns = {"query": texts, "positive": [corpus[p[0]] for p in positives]}
    columns |= {f"negative_{k}": [corpus[d] for d in hard[:, k]] for k in range(2)}
    train = datasets.Dataset.from_dict({**columns, "label": rows.tolist()})
    loss = SentenceStarLoss(model, Positives.of(positives, n, len(documents)).known)
    args = _arguments(st_, tmp_path, 4)
    trainer = st_.SentenceTransformerTrainer(model=model, args=args, train_dataset=train, loss=loss)
    trainer.train()
    log = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert np.mean(log[-3:]) < 0.7 * np.mean(log[:3])


def _small_model(st_):
    """A static embedding of made-up words; each query shares one word with its document."""
    try:
        from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    except ImportError:  # before version 6
        from sentence_transformers.models import Normalize, StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["?", *[f"{kind}{i}" for i in range(120) for kind in "wxq"]]
    tokens = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="?"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    with seeded(0):
        model = st_.SentenceTransformer(modules=[StaticEmbedding(tokens, embedding_dim=16), Normalize()], device="cpu")
    documents = model.encode([f"w{i} x{i}" for i in range(120)], show_progress_bar=False)
    texts = [f"w{i} q{i}" for i in range(80)]
    return model, texts, documents, [[i] for i in range(80)]


def _arguments(st_, folder, epochs):
    return st_.SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=16,
        learning_rate=0.02,
        report_to=[],
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        use_cpu=True,
        seed=0,
    )


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda d, q, p: Search(d[0]),
        lambda d, q, p: Search(np.where(np.arange(len(d))[:, None] == 3, np.nan, d)),
        lambda d, q, p: Search(d, similarity="dot"),
        lambda d, q, p: Search(d)(q[:, :3], 4),
        lambda d, q, p: Search(d)(q * np.nan, 4),
        lambda d, q, p: NegativeSampler(d, p, topk=0, n_queries=len(q)),
        lambda d, q, p: NegativeSampler(d, p[:-1], n_queries=len(q)),
        lambda d, q, p: NegativeSampler(d, p, n_queries=len(q)).refresh(q[:-1]),
        lambda d, q, p: AdoreLoss(NegativeSampler(d, p, n_queries=len(q)), metric="map"),
        lambda d, q, p: AdoreLoss(NegativeSampler(d, p, n_queries=len(q)), metric_cut=0),
        lambda d, q, p: AdoreLoss(NegativeSampler(d, p, n_queries=len(q)), fixed=True)(
            torch.from_numpy(q), np.arange(len(q))
        ),
        lambda d, q, p: InBatchPairwiseLoss(lambda a, b: None)(torch.zeros(2, 3), torch.zeros(2, 3)),
        lambda d, q, p: InBatchPairwiseLoss(random=False)(torch.zeros(2, 3), torch.zeros(2, 3)),
        lambda d, q, p: InBatchPairwiseLoss()(*torch.zeros(3, 2, 3), rows=(torch.arange(2), torch.arange(2))),
        lambda d, q, p: InBatchPairwiseLoss(scale=0),
        lambda d, q, p: inbatch_pairwise_loss(torch.zeros(2, 3), torch.arange(2), reduction="max"),
        lambda d, q, p: delta_discounts(torch.zeros(2, 3), torch.zeros(2, 3), metric="map"),
        lambda d, q, p: AdoreTrainer(_encoder(), d, refresh_every=-1),
        lambda d, q, p: AdoreTrainer(_encoder().requires_grad_(False), d),
        lambda d, q, p: AdoreTrainer(nn.Linear(8, 5), d).fit(q, p),
        lambda d, q, p: AdoreTrainer(_encoder(), d).fit(q[:1], p[:1]),
        lambda d, q, p: AdoreTrainer(_encoder(), d).fit({"a": q, "b": q[1:]}, p),
        lambda d, q, p: AdoreTrainer(_encoder(), d).fit(q, [[], *p[1:]]),
        lambda d, q, p: AdoreTrainer(_encoder(), d).fit(q, p, autocast="float8"),
        lambda d, q, p: AdoreTrainer(_encoder(), d).fit(q, p, report=0, on_epoch=str),
        lambda d, q, p: StarSampler(np.zeros((3, 2), int), p[:3], len(d), hard=0, random=0),
        lambda d, q, p: StarSampler(np.full((len(q), 2), len(d)), p, len(d)),
        lambda d, q, p: StarSampler(np.zeros(3), p, len(d)),
    ],
)
def test_refuses_in_one_line(call):
    """What cannot be searched or trained with is refused with the remedy, before anything is written."""
    with pytest.raises(InputError) as caught:
        call(*_world())
    assert "\n" not in str(caught.value)
