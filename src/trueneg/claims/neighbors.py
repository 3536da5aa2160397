"""The claim of the TACRED noise paper, on Re-DocRED's own human false negatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.claims.evidence import Evidence
from trueneg.clean.neighbors import NeighborNegativeCleaner, random_removal
from trueneg.data import redocred

NEGATIVE = redocred.NO_RELATION
# Of 500 documents each; the training ones are redrawn with every seed.
TRAIN_DOCUMENTS, TRUSTED_DOCUMENTS, TEST_DOCUMENTS = 400, 80, 300


def _scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Micro precision, recall and F1 over the relations, ``no_relation`` left out."""
    right = int(((truth == predicted) & (truth != NEGATIVE)).sum())
    precision = right / max(int((predicted != NEGATIVE).sum()), 1)
    recall = right / max(int((truth != NEGATIVE).sum()), 1)
    return {"p": precision, "r": recall, "f1": 2 * precision * recall / max(precision + recall, 1e-12)}


class _Bench:
    """One draw of training documents, with the test pairs and the model that is trained again and again."""

    def __init__(self, seed: int) -> None:
        from sklearn.decomposition import TruncatedSVD

        from trueneg.data.registry import folder

        where = folder("redocred")
        relations = redocred.commonest_relations(where / "dev_revised.json")
        train = redocred.pairs(where / "dev_revised.json", relations=relations)
        test = redocred.pairs(where / "test_revised.json", relations=relations, max_documents=TEST_DOCUMENTS)
        rng = np.random.default_rng(seed)
        document = train["document"].to_numpy()
        drawn = rng.permutation(np.unique(document))[:TRAIN_DOCUMENTS]
        rows = np.flatnonzero(np.isin(document, drawn))
        self.seed = seed
        self.document = document[rows]
        self.noisy = np.asarray(train["relation"].to_pylist())[rows]
        self.true = np.asarray(train["true_relation"].to_pylist())[rows]
        self.X = redocred.hashed_features(train["text"].to_pylist())[rows]
        self.X_test = redocred.hashed_features(test["text"].to_pylist())
        self.y_test = np.asarray(test["true_relation"].to_pylist())
        self.trusted = np.isin(self.document, drawn[:TRUSTED_DOCUMENTS])
        self.points = TruncatedSVD(100, n_iter=2, random_state=seed).fit_transform(self.X).astype(np.float32)

    def model(self) -> Any:
        from sklearn.linear_model import SGDClassifier

        return SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=6, tol=None, random_state=self.seed)

    def train(self, y: np.ndarray, keep: np.ndarray) -> tuple[Any, dict[str, float]]:
        """Train on the kept rows; the model, and its scores on the repaired test labels."""
        model = self.model().fit(self.X[keep], y[keep])
        return model, _scores(self.y_test, model.predict(self.X_test))

    def at_alarms(self, model: Any, alarms: int) -> float:
        """F1 with the threshold of ``no_relation`` moved so that ``alarms`` pairs are called positive."""
        score = model.decision_function(self.X_test)
        absent = int(np.flatnonzero(model.classes_ == NEGATIVE)[0])
        margin = -score[:, absent].copy()
        score[:, absent] = -np.inf
        margin += score.max(axis=1)
        chosen = np.argsort(-margin, kind="stable")[:alarms]
        predicted = np.full(len(self.y_test), NEGATIVE, dtype=self.y_test.dtype)
        predicted[chosen] = model.classes_[score[chosen].argmax(axis=1)]
        return _scores(self.y_test, predicted)["f1"]

    def cleaner(self, **options: Any) -> NeighborNegativeCleaner:
        return NeighborNegativeCleaner(self.model(), negative_label=NEGATIVE, cv=3, random_state=self.seed, **options)


def _strategy(bench: _Bench, name: str, y: np.ndarray, trusted: np.ndarray | None) -> dict[str, float]:
    """All figures of one strategy: its flagged set, both actions, random removal, matched alarms."""
    found = bench.cleaner(strategy=name).fit(
        bench.X, y, embeddings=bench.points, groups=bench.document, trusted=trusted
    )
    out: dict[str, float] = {
        "flagged": float(len(found.suspects_)),
        "guarded": float(found.report_["held_back_by_guard"]),
    }
    examined = y == NEGATIVE if trusted is None else (y == NEGATIVE) & ~trusted
    wrong = bench.true != NEGATIVE
    removed = random_removal(y, len(found.suspects_), negative_label=NEGATIVE, trusted=trusted, random_state=bench.seed)
    base = float(wrong[examined].mean())
    out["base_rate"] = base
    out["lift"] = float(wrong[found.suspects_].mean()) / base
    out["random_lift"] = float(wrong[removed].mean()) / base
    everything = np.ones(len(y), dtype=bool)
    cleaned, control = everything.copy(), everything.copy()
    cleaned[found.suspects_] = False
    control[removed] = False
    relabelled = y.copy()
    relabelled[found.suspects_] = found.neighbors_["proposed"]
    out["label_right"] = float((relabelled == bench.true)[found.suspects_].mean())
    before, scores = bench.train(y, everything)
    out |= {f"noisy_{k}": v for k, v in scores.items()}
    after, scores = bench.train(y, cleaned)
    out |= {f"eliminate_{k}": v for k, v in scores.items()}
    sabotaged, scores = bench.train(y, control)
    out |= {f"random_{k}": v for k, v in scores.items()}
    repaired, scores = bench.train(relabelled, everything)
    out |= {f"reannotate_{k}": v for k, v in scores.items()}
    alarms = int((after.predict(bench.X_test) != NEGATIVE).sum())
    out["noisy_f1_at_alarms"] = bench.at_alarms(before, alarms)
    out["random_f1_at_alarms"] = bench.at_alarms(sabotaged, alarms)
    out["eliminate_f1_at_alarms"] = bench.at_alarms(after, alarms)
    many = int((repaired.predict(bench.X_test) != NEGATIVE).sum())
    out["noisy_f1_at_reannotate_alarms"] = bench.at_alarms(before, many)
    return out


class NeighborsClaim:
    """Negatives near a model's missed positives, or near trusted positives, are worth removing."""

    id = "tacred-neighbors"
    system = "clean.neighbors"
    paper = "Noise in Relation Classification Dataset TACRED: Characterization and Reduction"
    statement = (
        "On Re-DocRED's human false negatives, removing the negatives that either strategy flags raises "
        "test F1 more than removing as many at random, and the flagged set holds at least 2.5 (intrinsic) and "
        "4 (extrinsic) times the share of false negatives. The gain in F1 is one of operating point: the "
        "uncleaned model with a moved threshold reaches it too (see the figures at matched alarms)."
    )
    control = "random removal"

    def run(self, seed: int) -> Evidence:
        """Run both strategies and random removal of as many negatives, with one draw of documents."""
        bench = _Bench(seed)
        intrinsic = _strategy(bench, "intrinsic", bench.noisy, None)
        given = np.where(bench.trusted, bench.true, bench.noisy)
        extrinsic = _strategy(bench, "extrinsic", given, bench.trusted)
        measured: dict[str, float | str] = {}
        measured |= {f"intrinsic {k}": round(v, 4) for k, v in intrinsic.items()}
        measured |= {f"extrinsic {k}": round(v, 4) for k, v in extrinsic.items()}
        return Evidence(
            holds=_holds(intrinsic, extrinsic, "eliminate_f1", "lift"),
            control_holds=_holds(intrinsic, extrinsic, "random_f1", "random_lift"),
            measured=measured,
        )


def _holds(intrinsic: dict[str, float], extrinsic: dict[str, float], f1: str, lift: str) -> bool:
    """Read the statement off the figures of a method (or of its control, under other keys).

    The thresholds sit where random removal misses them: it too raises F1, by 0.02 to 0.04 in the
    intrinsic case, because fewer negatives move the operating point.
    """
    return (
        intrinsic[f1] >= intrinsic["noisy_f1"] + 0.08
        and intrinsic[lift] >= 2.5
        and extrinsic[f1] >= extrinsic["noisy_f1"] + 0.04
        and extrinsic[lift] >= 4.0
    )
