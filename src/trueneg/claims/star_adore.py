"""STAR and ADORE on Vaswani: queries made of a document's own words, the document their one positive."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._collections import minilm, read, unit
from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun, MissingExtraError
from trueneg.core.intervals import Estimate, bootstrap

__all__ = ["AdoreRandom", "StarStability"]

_PAPER = "Zhan et al. (2021), Optimizing Dense Retrieval Model Training with Hard Negatives, arXiv 2104.08051"
_TRAIN, _TEST, _LSA = 3000, 4000, 128
_TRAIN_FULL = 7000
Floats = NDArray[np.float64]


class AdoreRandom:
    """A query encoder trained against what it ranks first now, beside one trained against documents at random."""

    id = "adore-random"
    system = "mine.star_adore"
    paper = _PAPER
    statement = (
        "Vaswani, frozen document vectors (128 latent dimensions of tf-idf; MiniLM in the long form), a linear query "
        "encoder of words from ridge regression, 3,000 (7,000) queries of five to ten words of a document, as many "
        "steps: on 4,000 queries of other documents MRR@10 is higher by 0.008 or more with ADORE than with random "
        "negatives (paired interval above 0), and with these not lower than before training"
    )
    control = "ADORE's lists drawn at random from all documents, ranks and weights taken within them"
    GAIN = 0.008

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Train the arms from one start, and compare them query by query."""
        world = _world(seed, "minilm" if full else "lsa")
        arms: dict[str, dict[str, Any]] = {"random": {"metric": None, "random": True}, "ADORE": {}}
        arms["control"] = {"random": True}
        if full:
            arms |= {"static": {"refresh_every": 0, "metric": None}, "dynamic, unweighted": {"metric": None}}
        found = {"start": world.mrr(world.encoder())} | {name: world.arm(**how) for name, how in arms.items()}
        gain, start = _paired(found["ADORE"], found["random"]), _paired(found["random"], found["start"])
        control = _paired(found["control"], found["random"])
        measured: dict[str, float | str] = {f"MRR@10, {k}": round(float(v.mean()), 4) for k, v in found.items()}
        measured |= {"ADORE - random": str(gain), "random - start": str(start), "control - random": str(control)}
        for name in [name for name in arms if full and name not in ("ADORE", "random", "control")]:
            measured[f"ADORE - {name}"] = str(_paired(found["ADORE"], found[name]))
        return Evidence(self._holds(gain) and start.value >= 0, self._holds(control), measured)

    def _holds(self, gain: Estimate) -> bool:
        return gain.value >= self.GAIN and gain.low > 0


class StarStability:
    """Static hard negatives let the rest of the collection drift; with the random ones of the batch it stays."""

    id = "star-stability"
    system = "mine.star_adore"
    paper = _PAPER
    statement = (
        "Vaswani as in adore-random, one static hard negative of the first 200 a query: over four epochs the mean "
        "number of documents above the positive, on 1,000 queries held out, spreads (standard deviation over points of "
        "training) with STAR at most half as much as with each query's static negatives alone, and the lists of the "
        "start end up at a mean rank above 200 with these and below with STAR. Whether ADORE after STAR beats either "
        "alone is told, whatever it is"
    )
    control = "other queries' documents masked in STAR's batches, with other draws"
    MOST, DEPTH, EPOCHS = 0.5, 200, 4

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Train the arms from one start, and look at them while they train; ADORE after STAR for seed 0 or in full."""
        world = _world(seed, "lsa")
        arms = {"STAR": _Star(world), "static alone": _Star(world, own=True), "control": _Star(world, own=True, draw=1)}
        for arm in arms.values():
            arm.train(self.EPOCHS)
        alone = arms["static alone"]
        measured: dict[str, float | str] = {}
        for name, arm in arms.items():
            measured[f"{name}: spread of the mean error"] = round(arm.spread, 2)
            measured[f"{name}: mean error at the end"] = round(arm.curve[-1], 1)
            measured[f"{name}: mean rank of the first lists"] = round(arm.stale(), 1)
            measured[f"{name}: MRR@10"] = round(float(world.mrr(arm.encoder).mean()), 4)
        if full or seed == 0:
            measured |= self._after_star(world, arms["STAR"])
        holds = self._holds(arms["STAR"], alone) and alone.stale() > self.DEPTH
        return Evidence(holds, self._holds(arms["control"], alone), measured)

    def _holds(self, arm: _Star, alone: _Star) -> bool:
        return arm.spread <= self.MOST * alone.spread and arm.stale() < self.DEPTH

    def _after_star(self, world: _World, whole: _Star) -> dict[str, float | str]:
        """Compare half of the steps by STAR and half by ADORE with all by either."""
        half = _Star(world)
        half.train(self.EPOCHS // 2)
        both = world.arm(start=half.encoder, epochs=self.EPOCHS // 2)
        measured: dict[str, float | str] = {"ADORE(STAR): MRR@10": round(float(both.mean()), 4)}
        for name, other in (("STAR", world.mrr(whole.encoder)), ("ADORE", world.arm(epochs=self.EPOCHS))):
            gain = _paired(both, other)
            word = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no difference shown"
            measured[f"ADORE(STAR) - {name}"] = f"{gain}: {word}"
        return measured


class _Star:
    """The query encoder trained on static negatives, by the one small trainer, looked at every twelve steps."""

    def __init__(self, world: _World, *, own: bool = False, draw: int = 0) -> None:
        from trueneg.mine.star_adore import NegativeSampler

        self.world, self.own, self.encoder = world, own, world.encoder()
        self.sampler = NegativeSampler(world.documents, world.train, topk=StarStability.DEPTH)
        self.sampler.refresh(world.encode(self.encoder))
        self.curve: list[float] = []
        self._draw, self._steps = [world.seed, draw], 0

    @property
    def spread(self) -> float:
        return float(np.std(self.curve))

    def stale(self) -> float:
        """Return the mean rank of the first lists under the encoder of now."""
        some = np.arange(200)
        return self.sampler.staleness(some, self.world.encode(self.encoder)[some]).mean_rank.value

    def train(self, epochs: int) -> None:
        """Train with the queries' rows as the network's input."""
        from trueneg.core.training import Recipe, train

        recipe = Recipe(epochs=epochs, batch_size=64, optimizer="adam", lr=8e-3, weight_decay=0.0, warmup=0.2)
        net = self.world.by_row(self.encoder)
        n = len(self.world.train)
        train(net, range(n), np.zeros(n), recipe=recipe, loss=self._loss, random_state=self.world.seed)

    def _loss(self, queries: Any, target: Any, rows: Any) -> Any:
        from trueneg.mine.star_adore import InBatchPairwiseLoss, inbatch_pairwise_loss

        world, torch, who = self.world, self.world.torch, rows.numpy()
        hard = self.sampler.draw(who, 1, random_state=[*self._draw, self._steps])
        own = world.train[who]
        positives, negatives = world.rows(own), world.rows(hard[:, 0])
        if self.own:
            mask = torch.cat([torch.zeros(len(who), len(who)), torch.eye(len(who))], dim=1).bool()
            scores = queries @ torch.cat([positives, negatives]).T
            value = inbatch_pairwise_loss(scores, torch.arange(len(who)), mask=mask)
        else:
            named = (rows, torch.from_numpy(own), torch.from_numpy(hard))
            value = InBatchPairwiseLoss(self.sampler.positives.known)(queries, positives, negatives, rows=named)
        self._steps += 1
        if self._steps % 12 == 0:
            self.curve.append(world.mean_error(self.encoder))
        return value


def _paired(a: Floats, b: Floats) -> Estimate:
    return bootstrap(lambda d: float(np.mean(d)), a - b, n_boot=1000, random_state=0)


class _World:
    """Documents, queries for training and for the test, and the encoder that every arm starts from."""

    def __init__(self, seed: int, vectors: str) -> None:
        import torch

        self.torch, self.seed = torch, seed
        words, self.documents, texts = _collection(vectors)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self.documents))
        n = _TRAIN if vectors == "lsa" else _TRAIN_FULL
        self.train, self.test = order[:n], order[n : n + _TEST]
        asked, tested = (
            words.transform([_some(texts[i].split(), rng) for i in rows.tolist()]).astype(np.float32)
            for rows in (self.train, self.test)
        )
        self.start = _ridge(asked, self.documents[self.train])
        self.asked, self.tested = asked.toarray(), torch.from_numpy(tested.toarray())

    def encoder(self) -> Any:
        """Return the encoder before training."""
        made = self.torch.nn.Linear(self.start.shape[0], self.start.shape[1], bias=False)
        made.weight.data = self.torch.from_numpy(np.ascontiguousarray(self.start.T))
        return made

    def by_row(self, encoder: Any) -> Any:
        """Return a network that takes rows of the training queries."""
        asked, nn = self.torch.from_numpy(self.asked), self.torch.nn

        class ByRow(nn.Module):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                super().__init__()
                self.encoder = encoder

            def forward(self, rows: Any) -> Any:
                return self.encoder(asked[rows])

        return ByRow()

    def rows(self, documents: Any) -> Any:
        """Return documents' vectors as a tensor."""
        return self.torch.from_numpy(self.documents[documents])

    def encode(self, encoder: Any) -> Any:
        """Return the training queries' vectors."""
        with self.torch.no_grad():
            return encoder(self.torch.from_numpy(self.asked)).numpy()

    def mean_error(self, encoder: Any) -> float:
        """Return how many documents are above the one positive, on 1,000 test queries."""
        from trueneg.mine.star_adore import Search

        with self.torch.no_grad():
            now = encoder(self.tested[:1000]).numpy()
        return float(Search(self.documents).ranks(now, self.test[:1000, None]).mean() - 1)

    def arm(self, *, random: bool = False, start: Any = None, epochs: int = 2, **how: Any) -> Floats:
        """Train one arm; return the reciprocal rank of each test query."""
        from trueneg.core.training import Recipe
        from trueneg.mine.star_adore import AdoreTrainer

        n, rng = len(self.documents), np.random.default_rng([self.seed, 1])
        recipe = Recipe(epochs=epochs, batch_size=64, optimizer="adam", lr=4e-3, weight_decay=0.0, warmup=0.2)
        encoder = copy.deepcopy(start) if start is not None else self.encoder()
        trainer = AdoreTrainer(encoder, self.documents, topk=50, recipe=recipe, **how)
        lists = (lambda queries, k: (None, rng.integers(0, n, (len(queries), k)))) if random else None
        trainer.fit(self.asked, self.train, index=lists, report=0, random_state=self.seed)
        return self.mrr(trainer.query_encoder)

    def mrr(self, encoder: Any) -> Floats:
        """Return the reciprocal rank of each test query, 0 beyond 10."""
        with self.torch.no_grad():
            return _reciprocal(encoder(self.tested).numpy(), self.documents, self.test)


def _reciprocal(queries: Any, documents: Any, answer: Any) -> Floats:
    from trueneg.mine.star_adore import Search

    rank = Search(documents).ranks(queries, answer[:, None])[:, 0]
    return np.where(rank <= 10, 1.0 / rank, 0.0)


def _some(words: list[str], rng: np.random.Generator) -> str:
    """Five to ten of a document's words, in its order."""
    n = min(len(words), int(rng.integers(5, 11)))
    return " ".join(words[i] for i in np.sort(rng.permutation(len(words))[:n]))


def _ridge(queries: Any, answers: Any, alpha: float = 10.0) -> Any:
    """Map queries to their answers by ridge regression (in its dual form), scaled to length 1 in the mean."""
    inner = (queries @ queries.T).toarray().astype(np.float64)
    inner[np.diag_indices(len(inner))] += alpha
    weight = queries.T @ np.linalg.solve(inner, answers.astype(np.float64))
    length = np.linalg.norm(queries @ weight, axis=1).mean()
    return (weight / length).astype(np.float32)


@lru_cache(maxsize=2)
def _collection(vectors: str) -> tuple[Any, Any, list[str]]:
    """Return the words of Vaswani's documents, their vectors of length 1, and their texts."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    data = read("vaswani")
    texts = data.documents
    words = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=3)
    counts = words.fit_transform(texts)
    if vectors == "minilm":
        try:
            found = minilm(data, full=True)[1]
        except MissingExtraError as error:
            raise ClaimNotRun(str(error)) from None
    else:
        found = TruncatedSVD(_LSA, n_iter=2, random_state=0).fit_transform(counts)
    return words, unit(found), texts


@lru_cache(maxsize=3)  # of three seeds, which both claims look at
def _world(seed: int, vectors: str) -> _World:
    try:
        return _World(seed, vectors)
    except ModuleNotFoundError as error:
        raise ClaimNotRun(f"{error.name} is not installed: pip install 'trueneg[text]'") from None
