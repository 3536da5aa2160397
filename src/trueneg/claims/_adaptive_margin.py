"""The experiments behind the claims on LG-ANNA: one collection, and an adapter trained on lists of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._collections import latent, minilm, ndcg, read, unit
from trueneg.mine import Bm25, Dense, InstructionPrompt, Positives, TeacherFusion, WorkedExamples

DEPTH = 100
_HARD, _ANYWHERE, _FOLDS = 24, 8, 5
_SHARP = 0.4  # temperature of the fused z-scores, which spread by 0.8: half of their spread
STEPS = (10, 30, 100)
ARMS = ("hard", "soft", "permuted")
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Judged:
    """A collection whose judgments are nearly complete: its queries with three relevant documents or more."""

    def __init__(self, name: str, encoder: str, full: bool) -> None:
        data = read(name)
        every = Positives.of(data.qrels, len(data.queries), len(data.documents))
        use = np.flatnonzero(every.count >= 3)
        self.n, self.size = len(use), len(data.documents)
        held = [every.document[every.start[q] : every.start[q + 1]] for q in use.tolist()]
        self.truth = Positives.of(held, self.n, self.size)
        self.relevant = np.zeros((self.n, self.size), dtype=bool)
        place, document = self.truth.pairs(np.arange(self.n))
        self.relevant[place, document] = True
        queries, documents = minilm(data, full=full) if encoder == "minilm" else latent(data, 256)
        self.queries, self.documents = unit(np.asarray(queries)[use]), unit(np.asarray(documents))
        self.dense = Dense(self.queries, self.documents)
        self.words = Bm25([data.queries[q] for q in use.tolist()], data.documents)
        every_row = np.arange(self.n)
        self.score = {"dense": self.queries @ self.documents.T, "bm25": self._all(self.words)}
        self.rank = np.argsort(-self.score["dense"], axis=1, kind="stable")
        self.every = every_row

    def _all(self, source: Any) -> NDArray[np.float32]:
        who = np.repeat(np.arange(self.n), self.size)
        found: NDArray[np.float32] = source.score(who, np.tile(np.arange(self.size), self.n))
        return found.reshape(self.n, self.size)

    def ndcg(self, score: Any, rows: Rows | None = None) -> Floats:
        """Return nDCG@10 over all judgments, shape (n,)."""
        return ndcg(score, self.relevant if rows is None else self.relevant[rows])


@lru_cache(maxsize=4)
def collection(name: str, encoder: str, full: bool) -> Judged:
    return Judged(name, encoder, full)


def _lists(one: Judged, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Lists of one labelled positive, hard negatives of the first 100 and some from anywhere; queries that have one.

    The positive is of the first 100 too: one from further down would be told by its *low* score.
    """
    first = one.rank[:, :DEPTH]
    hit = np.take_along_axis(one.relevant, first, axis=1)
    use = np.flatnonzero(hit.any(axis=1))
    rows = []
    for q in use.tolist():
        label = int(rng.choice(first[q][hit[q]]))
        hard = rng.choice(first[q][first[q] != label], _HARD, replace=False)
        rows.append(np.concatenate([[label], hard, rng.integers(0, one.size, _ANYWHERE)]))
    return use, np.array(rows)


def _targets(one: Judged, use: Rows, rows: Rows, rng: np.random.Generator) -> dict[str, tuple[Any, float]]:
    """Targets and their temperature by arm: log hard labels, the fused teacher, it permuted, log labels of all."""
    fuse = TeacherFusion({name: (lambda q, d, s=s: s[q, d]) for name, s in one.score.items()})
    fused = fuse.score(use, rows).score
    truth = one.relevant[use[:, None], rows]
    truth[:, 0] = True
    hard = np.zeros(rows.shape, dtype=bool)
    hard[:, 0] = True
    with np.errstate(divide="ignore"):
        return {
            "hard": (np.log(hard.astype(np.float32)), 1.0),
            "soft": (fused, _SHARP),
            "permuted": (rng.permuted(fused, axis=1), _SHARP),
            "all labels": (np.log(truth.astype(np.float32)), 1.0),
        }


def _train(queries: Any, documents: Any, targets: Any, temperature: float) -> dict[int, Any]:
    """Train ``q + q W`` on frozen vectors from W = 0; return W after each number of steps."""
    import torch

    from trueneg.losses import soft_label_kl

    q, d, t = (torch.as_tensor(np.ascontiguousarray(a)) for a in (queries, documents, targets))
    change = torch.zeros(q.shape[1], q.shape[1], requires_grad=True)
    step = torch.optim.Adam([change], lr=1e-3)
    out = {}
    for i in range(1, max(STEPS) + 1):
        asked = torch.nn.functional.normalize(q + q @ change, dim=1)
        scores = torch.bmm(d, asked[:, :, None])[:, :, 0]
        loss = soft_label_kl(scores, t, temperature=0.05, target_temperature=temperature)
        step.zero_grad()
        loss.backward()
        step.step()
        if i in STEPS:
            out[i] = change.detach().numpy().copy()
    return out


def trained(one: Judged, seed: int, arms: tuple[str, ...]) -> dict[tuple[str, int], Floats]:
    """nDCG@10 of held-out queries by arm and number of steps, five folds."""
    rng = np.random.default_rng(seed)
    use, rows = _lists(one, rng)
    targets = _targets(one, use, rows, rng)
    fold = rng.permutation(np.arange(one.n) % _FOLDS)
    out = {(arm, steps): np.zeros(one.n) for arm in arms for steps in STEPS}
    for f in range(_FOLDS):
        test, train = np.flatnonzero(fold == f), fold[use] != f
        for arm in arms:
            wanted, temperature = targets[arm]
            found = _train(one.queries[use[train]], one.documents[rows[train]], wanted[train], temperature)
            for steps, change in found.items():
                asked = unit(one.queries[test] + one.queries[test] @ change)
                out[arm, steps][test] = one.ndcg(asked @ one.documents.T, test)
    return out


# ---------------------------------------------------------------------------------------------------- worked examples
SHOWN = (0, 2, 4)
_ASKED, _BESIDE, _WORDS, _TASK = 24, 60, 24, "Given a question on flight, retrieve the abstract that answers it"


def decoded(seed: int) -> dict[str, Floats]:
    """nDCG@10 of a small decoder on a part of Cranfield, by the number of worked examples, raw and centred.

    Few queries, and the beginnings of what answers them and of sixty other documents. An instruction model that was
    never taught to embed gives all texts nearly one direction; "centred" takes the mean of each side off first.
    """
    from trueneg.encoders import CachedEncoder, GgufEncoder
    from trueneg.encoders.cache import vector_cache
    from trueneg.encoders.text import text_encoder
    from trueneg.llm import embedded_model

    data = read("cranfield")
    every = Positives.of(data.qrels, len(data.queries), len(data.documents))
    rng = np.random.default_rng(0)  # the same part under every seed: the examples are what the seed draws
    use = np.sort(rng.permutation(np.flatnonzero(every.count >= 3))[:_ASKED])
    answers = [every.document[every.start[q] : every.start[q + 1]] for q in use.tolist()]
    rows = np.unique(np.concatenate([*answers, rng.permutation(len(data.documents))[:_BESIDE]]))
    truth = np.stack([np.isin(rows, one) for one in answers])
    encoder = CachedEncoder(GgufEncoder(embedded_model(), max_length=448), vector_cache())
    texts = [" ".join(data.documents[d].split()[:_WORDS]) for d in rows.tolist()]
    documents = encoder.encode(texts)
    examples = WorkedExamples(data.queries, data.documents, every, held_out=use.tolist(), words=16, random_state=seed)
    asked = [data.queries[q] for q in use.tolist()]
    out = {}
    for k in SHOWN:
        prompt = InstructionPrompt(_TASK, examples=examples, k=k, max_tokens=447, count=encoder.encoder.count)
        queries = encoder.encode(prompt.render(asked).texts)
        out[f"{k} examples"] = ndcg(queries @ documents.T, truth)
        centred = (queries - queries.mean(axis=0)) @ (documents - documents.mean(axis=0)).T
        out[f"{k} examples, centred"] = ndcg(centred, truth)
    other = text_encoder(folder=vector_cache())
    out["MiniLM"] = ndcg(other.encode(asked) @ other.encode(texts).T, truth)
    out["by lot"] = np.mean([ndcg(rng.random(truth.shape), truth) for _ in range(20)], axis=0)
    return out
