"""Relations between words: Re-DocRED with its labels before and after repair, SemEval-2010, and a model of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from trueneg.clean.neighbors import NeighborNegativeCleaner
from trueneg.core.intervals import matched
from trueneg.data import redocred, semeval

__all__ = ["NEGATIVE", "Relations", "Task", "semeval_tables"]

NEGATIVE = redocred.NO_RELATION
# Of 500 documents each; the training ones are redrawn with every seed.
TRAIN_DOCUMENTS, TRUSTED_DOCUMENTS, TEST_DOCUMENTS = 400, 80, 300


def _scores(truth: np.ndarray, predicted: np.ndarray, negative: str) -> dict[str, float]:
    """Micro precision, recall and F1 over the relations, the negative class left out."""
    right = int(((truth == predicted) & (truth != negative)).sum())
    precision = right / max(int((predicted != negative).sum()), 1)
    recall = right / max(int((truth != negative).sum()), 1)
    return {"p": precision, "r": recall, "f1": 2 * precision * recall / max(precision + recall, 1e-12)}


class Task:
    """Training rows, test rows with true labels, and the model that is trained again and again."""

    def __init__(self, X: Any, X_test: Any, y_test: np.ndarray, *, negative: str, seed: int) -> None:  # noqa: N803
        self.X, self.X_test, self.y_test = X, X_test, y_test
        self.negative, self.seed = negative, seed

    def model(self) -> Any:
        from sklearn.linear_model import SGDClassifier

        return SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=6, tol=None, random_state=self.seed)

    def train(self, y: np.ndarray, keep: np.ndarray) -> tuple[Any, dict[str, float]]:
        """Train on the kept rows; the model, and its scores on the true test labels."""
        model = self.model().fit(self.X[keep], y[keep])
        return model, _scores(self.y_test, model.predict(self.X_test), self.negative)

    def margin(self, model: Any) -> tuple[np.ndarray, np.ndarray]:
        """How far the best relation stands above the negative class, and which relation that is."""
        score = model.decision_function(self.X_test)
        absent = int(np.flatnonzero(model.classes_ == self.negative)[0])
        margin = -score[:, absent].copy()
        score[:, absent] = -np.inf
        return margin + score.max(axis=1), model.classes_[score.argmax(axis=1)]

    def tried(self, ways: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """Train on labels and kept rows, by name; the scores of each, and each but the first beside the first."""
        out: dict[str, float] = {}
        first: Any = None
        for name, (y, keep) in ways.items():
            model, found = self.train(y, keep)
            out |= {f"{name}_{k}": v for k, v in found.items()}
            if first is None:
                first = model
            else:
                out |= self._beside(first, model, name)
        return out

    def _beside(self, before: Any, after: Any, name: str) -> dict[str, float]:
        """Put both models at as many alarms (pairs called a relation) as the cleaned one raises by itself.

        What is left there is the ranking: F1 over the relations, and the recall of "there is some relation".
        """
        (old, _), (new, _) = self.margin(before), self.margin(after)
        alarms = int((after.predict(self.X_test) != self.negative).sum())
        point = matched(old, new, self.y_test != self.negative, at="alarms", value=alarms)
        return {
            f"{name}_f1_at_alarms": self._f1_at(after, alarms),
            f"noisy_f1_at_{name}_alarms": self._f1_at(before, alarms),
            f"{name}_found_at_alarms": 1 - point.b.fnr,
            f"noisy_found_at_{name}_alarms": 1 - point.a.fnr,
        }

    def _f1_at(self, model: Any, alarms: int) -> float:
        margin, best = self.margin(model)
        predicted = np.full(len(self.y_test), self.negative, dtype=best.dtype)
        chosen = np.argsort(-margin, kind="stable")[:alarms]
        predicted[chosen] = best[chosen]
        return _scores(self.y_test, predicted, self.negative)["f1"]


@lru_cache(maxsize=1)
def _redocred_tables() -> tuple[Any, Any, Any, Any]:
    """Read and hash both files once; no seed enters."""
    from trueneg.data.registry import folder

    where = folder("redocred")
    relations = redocred.commonest_relations(where / "dev_revised.json")
    train = redocred.pairs(where / "dev_revised.json", relations=relations)
    test = redocred.pairs(where / "test_revised.json", relations=relations, max_documents=TEST_DOCUMENTS)
    hashed = (redocred.hashed_features(table["text"].to_pylist()) for table in (train, test))
    return train.drop_columns("text"), *hashed, np.asarray(test["true_relation"].to_pylist())


class Relations(Task):
    """Re-DocRED: one draw of training documents, with the labels as they were and as repaired."""

    def __init__(self, seed: int) -> None:
        train, X, X_test, y_test = _redocred_tables()  # noqa: N806
        rng = np.random.default_rng(seed)
        document = train["document"].to_numpy()
        drawn = rng.permutation(np.unique(document))[:TRAIN_DOCUMENTS]
        rows = np.flatnonzero(np.isin(document, drawn))
        super().__init__(X[rows], X_test, y_test, negative=NEGATIVE, seed=seed)
        self.document = document[rows]
        self.noisy = np.asarray(train["relation"].to_pylist())[rows]
        self.true = np.asarray(train["true_relation"].to_pylist())[rows]
        self.trusted = np.isin(self.document, drawn[:TRUSTED_DOCUMENTS])

    def points(self) -> np.ndarray:
        from sklearn.decomposition import TruncatedSVD

        return TruncatedSVD(100, n_iter=2, random_state=self.seed).fit_transform(self.X).astype(np.float32)

    def cleaner(self, **options: Any) -> NeighborNegativeCleaner:
        return NeighborNegativeCleaner(self.model(), negative_label=NEGATIVE, cv=3, random_state=self.seed, **options)


@lru_cache(maxsize=1)
def semeval_tables() -> tuple[Any, np.ndarray, Any, np.ndarray]:
    """Read and hash both files once; no seed enters."""
    from trueneg.data.registry import folder

    where = folder("semeval2010_task8")
    tables = [semeval.pairs(where / name) for name in ("TRAIN_FILE.TXT", "TEST_FILE_FULL.TXT")]
    parts = [(redocred.hashed_features(t["text"].to_pylist()), np.asarray(t["relation"].to_pylist())) for t in tables]
    return *parts[0], *parts[1]
