"""Loki: news of groups never trained on, by the names of the groups; and what governs the error on random trees."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from trueneg.claims.evidence import Evidence

__all__ = ["LokiNewsgroups", "LokiNextClass", "LokiRandomTrees", "name_tree"]

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
