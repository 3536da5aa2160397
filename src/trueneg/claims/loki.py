"""Loki: news and photographs of classes never trained on, by their names; what governs the error on random trees."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from trueneg.claims._loki import news_by_name, softmax
from trueneg.claims._photographs import Encoded, encoded
from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun

__all__ = ["LokiNewsgroups", "LokiNextClass", "LokiPhotographs", "LokiRandomTrees", "LokiZeroShot", "name_tree"]

_PAPER = "Roberts, Li, Adila, Cromp, Huang, Zhao, Sala (2023), Geometry-Aware Adaptation, arXiv 2307.12226"


def name_tree(names: list[str]) -> list[tuple[str, str]]:
    """Return the tree that dotted names spell: ``rec.sport.hockey`` below ``rec.sport`` below ``rec``.

    Parameters
    ----------
    names : list of str
        Labels.

    Returns
    -------
    list of (str, str)
        Edges, each once; an empty name is the root.
    """
    edges = set()
    for name in names:
        parts = name.split(".")
        for i in range(len(parts)):
            edges.add((".".join(parts[:i]), ".".join(parts[: i + 1])))
    return sorted(edges)


class LokiNewsgroups:
    """A model of 8 newsgroups, on all 20: the tree of the groups' names alone brings its predictions nearer."""

    id = "loki-newsgroups"
    system = "heads.loki"
    paper = _PAPER
    statement = (
        "20 Newsgroups, TF-IDF and logistic regression of 8 random groups, tested on all 20, mean of 10 draws: with "
        "the tree that the dotted names spell, the mean squared distance falls by 3 % or more of that of the most "
        "probable group"
    )
    control = "the names at the tree's leaves permuted"
    OBSERVED, DRAWS, GAIN = 8, 10, 0.03

    def run(self, seed: int) -> Evidence:
        """Predict with the tree of names and with a permuted one; both are judged by the tree of names."""
        from trueneg.heads.loki import MetricLabelSpace

        _, train_y, _, test_y = _news()
        names = np.unique(train_y)
        edges = name_tree(names.tolist())
        space = MetricLabelSpace.from_tree(edges, labels=names)
        rng = np.random.default_rng(seed)
        far: dict[str, list[float]] = {"most probable": [], "Loki": [], "permuted tree": []}
        reached = []
        for _ in range(self.DRAWS):
            observed, proba = self._model(rng.permutation(names)[: self.OBSERVED])
            renamed = dict(zip(names.tolist(), rng.permutation(names).tolist(), strict=True))
            wrong = [(renamed.get(a, a), renamed.get(b, b)) for a, b in edges]
            answers = self._answers(proba, observed, space, MetricLabelSpace.from_tree(wrong, labels=names))
            for way, said in answers.items():
                far[way].append(float(np.square(space.distances(test_y, said)).mean()))
            reached.append(float((~np.isin(answers["Loki"], observed)).mean()))
        mean = {way: float(np.mean(values)) for way, values in far.items()}
        gain = {way: 1 - mean[way] / mean["most probable"] for way in ("Loki", "permuted tree")}
        measured: dict[str, float | str] = {f"squared distance, {way}": round(v, 3) for way, v in mean.items()}
        measured |= {f"relative gain, {way}": round(v, 3) for way, v in gain.items()}
        measured["rows given a group not trained on"] = round(float(np.mean(reached)), 3)
        return Evidence(gain["Loki"] >= self.GAIN, gain["permuted tree"] >= self.GAIN, measured)

    @staticmethod
    def _model(observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import LogisticRegression

        X, y, X_test, _ = _news()
        rows = np.flatnonzero(np.isin(y, observed))
        model = LogisticRegression(C=10, max_iter=200).fit(X[rows], y[rows])
        return model.classes_, model.predict_proba(X_test)

    @staticmethod
    def _answers(proba: np.ndarray, observed: np.ndarray, space: Any, wrong: Any) -> dict[str, np.ndarray]:
        from trueneg.heads.loki import frechet_predict

        return {
            "most probable": observed[proba.argmax(axis=1)],
            "Loki": frechet_predict(proba, space, observed=observed),
            "permuted tree": frechet_predict(proba, wrong, observed=observed),
        }


@lru_cache(maxsize=1)
def _news() -> tuple[Any, np.ndarray, Any, np.ndarray]:
    """Return 100 latent dimensions of TF-IDF and groups, of the training and the test half by date."""
    import pyarrow.parquet as pq
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.utils.extmath import randomized_svd

    from trueneg.data.registry import file

    table = pq.read_table(file("20newsgroups.parquet"), columns=["text", "label", "split"])
    # The header names the group in many messages: only what follows it is read.
    texts = [text.partition("\n\n")[2] for text in table["text"].to_pylist()]
    labels, train = np.array(table["label"].to_pylist()), np.array(table["split"].to_pylist()) == "train"
    words = TfidfVectorizer(sublinear_tf=True, min_df=3, max_df=0.5, stop_words="english", max_features=30_000)
    known = words.fit_transform([t for t, seen in zip(texts, train, strict=True) if seen])
    other = words.transform([t for t, seen in zip(texts, train, strict=True) if not seen])
    _, _, axes = randomized_svd(known, 100, n_iter=2, random_state=0)
    return known @ axes.T, labels[train], other @ axes.T, labels[~train]


class LokiZeroShot:
    """No post is learned from: MiniLM, the names of some groups, and a metric from the names of all."""

    id = "loki-zero-shot"
    system = "heads.loki"
    paper = _PAPER
    statement = (
        "20 Newsgroups through MiniLM, no post learned from, each given the nearest of 10 random groups by name, "
        "tested on all 20, mean of 10 draws: with the tree that the dotted names spell, the mean squared distance "
        "falls by 5 % or more of that of the nearest name, over all posts and over those of groups not offered, and "
        "0.03 of the accuracy is lost at most"
    )
    control = "the names at the tree's leaves permuted"
    OFFERED, DRAWS, GAIN, LOST = 10, 10, 0.05, 0.03
    # Cosines times 20: the default of the loss that such encoders are trained with, so that nothing is tuned here.
    TEMPERATURE = 0.05

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Offer half of the names; answer by the nearest, by Loki in two metrics of names, and in a wrong tree."""
        from trueneg.heads.loki import MetricLabelSpace, frechet_predict

        cosine, y, names, vectors = news_by_name(100 if full else 20)
        edges, rng = name_tree(names.tolist()), np.random.default_rng(seed)
        tree = MetricLabelSpace.from_tree(edges, labels=names)
        spaces = {"tree": tree, "name vectors": MetricLabelSpace.from_embeddings(vectors, names)}
        kept: dict[str, list[np.ndarray]] = {}
        for _ in range(self.DRAWS):
            offered = np.sort(rng.permutation(len(names))[: self.OFFERED])
            renamed = dict(zip(names.tolist(), rng.permutation(names).tolist(), strict=True))
            wrong = [(renamed.get(a, a), renamed.get(b, b)) for a, b in edges]
            spaces["permuted tree"] = MetricLabelSpace.from_tree(wrong, labels=names)
            proba = softmax(cosine[:, offered] / self.TEMPERATURE)
            said = {w: frechet_predict(proba, space, observed=names[offered]) for w, space in spaces.items()}
            said["nearest name"] = names[offered][proba.argmax(axis=1)]
            absent = ~np.isin(y, names[offered])
            for way, answer in said.items():
                far = np.square(tree.distances(y, answer))
                kept.setdefault(way, []).append(np.stack([far, absent, answer == y]))
        return _zero_shot(kept, self.GAIN, self.LOST, seed)


def _zero_shot(kept: dict[str, list[np.ndarray]], gain: float, lost: float, seed: int) -> Evidence:
    """Sum up draws of (squared distance, whether the group was not offered, whether it is right), by way."""
    from trueneg.core.intervals import bootstrap

    measured: dict[str, float | str] = {}
    shown = {}
    sums = {way: np.stack(draws) for way, draws in kept.items()}
    far0, absent, right0 = (sums["nearest name"][:, i] for i in range(3))
    for way, found in sums.items():
        far, right = found[:, 0], found[:, 2]
        measured[f"squared distance, {way}"] = round(float(far.mean()), 3)
        measured[f"accuracy, {way}"] = round(float(right.mean()), 3)
        measured[f"accuracy on groups not offered, {way}"] = round(float(right[absent > 0].mean()), 3)
        if way == "nearest name":
            continue
        # A post stands for its draws: posts are resampled, not draws of names.
        parts = [(a * absent).sum(axis=0) for a in (far0, far)]
        whole = bootstrap(lambda a, b: 1 - b.sum() / a.sum(), far0.mean(axis=0), far.mean(axis=0), random_state=seed)
        away = bootstrap(lambda a, b: 1 - b.sum() / a.sum(), *parts, random_state=seed)
        measured[f"relative gain, {way}"] = str(whole)
        measured[f"relative gain on groups not offered, {way}"] = str(away)
        shown[way] = min(whole.value, away.value) >= gain and right0.mean() - right.mean() <= lost
    return Evidence(bool(shown["tree"]), bool(shown["permuted tree"]), measured)


class LokiPhotographs:
    """Tiny-ImageNet through a pretrained network, few classes observed, the WordNet tree between all; the long form."""

    id = "loki-photographs"
    system = "heads.loki"
    paper = _PAPER
    statement = (
        "Tiny-ImageNet at 32 pixels, features of EfficientNet-Lite0, logistic regression of 50 random classes of 200, "
        "tested on all: with the WordNet tree the mean squared distance falls by 10 % or more of that of the most "
        "probable class, and is below that of the nearest prototype; the gain is larger with 20 classes, and smaller "
        "with 100"
    )
    control = "the classes at the tree's leaves permuted"
    OBSERVED, SIZES, GAIN = 50, (20, 50, 100), 0.10

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Observe 20, 50 and 100 classes; answer by probability, prototype and Loki, in a right and a wrong tree."""
        if not full:
            raise ClaimNotRun("it encodes 10,000 photographs: run it with --full, some minutes once")
        from threadpoolctl import threadpool_limits

        from trueneg.heads.loki import MetricLabelSpace, squared_distance_error

        learn, test, edges = encoded()
        names, rng = np.unique(test.y), np.random.default_rng(seed)
        tree, order = MetricLabelSpace.from_tree(edges, labels=names), rng.permutation(names)
        renamed = dict(zip(names.tolist(), rng.permutation(names).tolist(), strict=True))
        wrong = MetricLabelSpace.from_tree([(renamed.get(a, a), renamed.get(b, b)) for a, b in edges], labels=names)
        measured: dict[str, float | str] = {}
        gain: dict[str, list[float]] = {"Loki": [], "permuted tree": []}
        nearer = {}
        for k in self.SIZES:
            with threadpool_limits(limits=1):
                said = _answers_of(learn, test, np.sort(order[:k]), {"Loki": tree, "permuted tree": wrong})
            far = {w: squared_distance_error(test.y, a, tree, random_state=seed) for w, a in said.items()}
            measured |= {f"{k} classes, squared distance, {way}": str(found) for way, found in far.items()}
            for way, base in _COMPARED.items():
                measured[f"{k} classes, relative gain, {way}"] = round(1 - far[way].value / far[base].value, 3)
            absent = ~np.isin(test.y, order[:k])
            measured[f"{k} classes, accuracy on those not observed, Loki"] = round(
                float((said["Loki"] == test.y)[absent].mean()), 3
            )
            for way, gains in gain.items():
                gains.append(1 - far[way].value / far["most probable"].value)
                nearer[k, way] = far[way].value < far["nearest prototype"].value
        shown = {
            way: nearer[self.OBSERVED, way]
            and gains[self.SIZES.index(self.OBSERVED)] >= self.GAIN
            and bool((np.diff(gains) < 0).all())
            for way, gains in gain.items()
        }
        return Evidence(shown["Loki"], shown["permuted tree"], measured)


# What each way is held against; the last two read the pretrained network's own logits, and nothing is trained.
_COMPARED = {
    "Loki": "most probable",
    "permuted tree": "most probable",
    "own logits, Loki": "own logits, most probable",
}


def _answers_of(learn: Encoded, test: Encoded, observed: np.ndarray, spaces: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return what each way says of the test rows, from training rows of the observed classes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import normalize

    from trueneg.heads.loki import frechet_predict

    rows = np.flatnonzero(np.isin(learn.y, observed))
    model = LogisticRegression(C=0.001, max_iter=60, tol=1e-3).fit(learn.X[rows], learn.y[rows])
    proba = model.predict_proba(test.X)
    own = softmax(test.logits[:, np.searchsorted(np.unique(test.y), observed)])
    prototypes = np.stack([learn.X[rows][learn.y[rows] == name].mean(axis=0) for name in observed])
    said = {w: frechet_predict(proba, space, observed=observed) for w, space in spaces.items()}
    said["most probable"] = observed[proba.argmax(axis=1)]
    said["nearest prototype"] = observed[(normalize(test.X) @ normalize(prototypes).T).argmax(axis=1)]
    said["own logits, Loki"] = frechet_predict(own, spaces["Loki"], observed=observed)
    said["own logits, most probable"] = observed[own.argmax(axis=1)]
    return said


class LokiRandomTrees:
    """On random trees the error grows with the diameter and the dimension, and falls with the rows."""

    id = "loki-random-trees"
    system = "heads.loki"
    paper = _PAPER
    statement = (
        "random trees of 60 labels, 6 observed, 20 trees a setting: the mean squared distance between the answers of "
        "the learned and the true model grows 3-fold or more from diameter 4 to 16, falls 3-fold or more from 50 to "
        "800 rows, and grows 2-fold or more from 2 to 32 features"
    )
    control = "a model that learns from permuted labels"
    DIAMETER, ROWS, FEATURES = 3.0, 3.0, 2.0

    def run(self, seed: int) -> Evidence:
        """Run the study, and again with permuted labels."""
        from threadpoolctl import threadpool_limits

        from trueneg.heads.loki import error_study

        with threadpool_limits(limits=1):
            right = error_study(random_state=seed)
            wrong = error_study(random_state=seed, permute=True)
        measured: dict[str, float | str] = {
            f"diameter {e.diameter}, {e.n_rows} rows, {e.n_features} features": str(e.error) for e in right
        }
        measured["permuted, 50 and 800 rows"] = f"{wrong[3].error} and {wrong[5].error}"
        return Evidence(self._shown(right), self._shown(wrong), measured)

    def _shown(self, found: list[Any]) -> bool:
        e = [row.error.value for row in found]
        return bool(e[2] >= self.DIAMETER * e[0] and e[3] >= self.ROWS * e[5] and e[8] >= self.FEATURES * e[6])


class LokiNextClass:
    """Labels picked farthest first make more of a tree predictable, at every step."""

    id = "loki-next-class"
    system = "heads.loki"
    paper = _PAPER
    statement = (
        "20 random trees of 500 labels, from one random label on, for each of 40 picks: the labels that can be "
        "predicted are more, on the mean, than with labels picked at random"
    )
    control = "nearest first in place of farthest first"
    TREES, PICKS = 20, 40

    def run(self, seed: int) -> Evidence:
        """Count the labels in the locus after each pick."""
        from trueneg.heads.loki import MetricLabelSpace, locus, next_class, random_tree

        rng = np.random.default_rng(seed)
        sizes: dict[str, np.ndarray] = {way: np.zeros(self.PICKS) for way in ("active", "random", "nearest first")}
        for _ in range(self.TREES):
            space = MetricLabelSpace.from_tree(random_tree(500, random_state=rng))
            start = int(rng.integers(500))
            best = next_class(space, [start], n=500)
            others = np.setdiff1d(space.labels, [start])
            near = others[np.argsort(space.distances(np.full(len(others), start), others), kind="stable")]
            orders = {"active": best, "random": rng.permutation(others), "nearest first": near}
            for way, order in orders.items():
                sizes[way] += [len(locus(space, [start, *order[: i + 1]])) for i in range(self.PICKS)]
        sizes = {way: total / self.TREES for way, total in sizes.items()}
        measured: dict[str, float | str] = {
            f"{way}, {i} picks": round(float(sizes[way][i - 1]), 1) for way in sizes for i in (1, 10, 40)
        }
        holds, control = (bool((sizes[way] > sizes["random"]).all()) for way in ("active", "nearest first"))
        return Evidence(holds, control, measured)
