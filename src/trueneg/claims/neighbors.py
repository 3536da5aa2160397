"""The claims of the TACRED noise paper: dirty negatives, wrong positives, and where models and labels disagree."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.claims._relations import NEGATIVE, Relations, Task, semeval_tables
from trueneg.claims.evidence import Evidence
from trueneg.clean.neighbors import NeighborNegativeCleaner, characterise, random_removal
from trueneg.core.intervals import wilson
from trueneg.data import semeval


def _strategy(
    bench: Relations, points: np.ndarray, name: str, y: np.ndarray, trusted: np.ndarray | None
) -> dict[str, float]:
    """All figures of one strategy: its flagged set, both actions, random removal, matched alarms."""
    found = bench.cleaner(strategy=name).fit(bench.X, y, embeddings=points, groups=bench.document, trusted=trusted)
    out: dict[str, float] = {
        "flagged": float(len(found.suspects_)),
        "guarded": float(found.report_["held_back_by_guard"]),
    }
    examined = y == NEGATIVE if trusted is None else (y == NEGATIVE) & ~trusted
    wrong = bench.true != NEGATIVE
    count = len(found.suspects_)
    removed = random_removal(y, count, negative_label=NEGATIVE, trusted=trusted, random_state=bench.seed)
    base = float(wrong[examined].mean())
    out["base_rate"] = base
    out["lift"] = float(wrong[found.suspects_].mean()) / base
    out["random_lift"] = float(wrong[removed].mean()) / base
    relabelled = y.copy()
    relabelled[found.suspects_] = found.neighbors_["proposed"]
    out["label_right"] = float((relabelled == bench.true)[found.suspects_].mean())
    everything = np.arange(len(y))
    return out | bench.tried(
        {
            "noisy": (y, everything),
            "eliminate": (y, np.delete(everything, found.suspects_)),
            "random": (y, np.delete(everything, removed)),
            "reannotate": (relabelled, everything),
        }
    )


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
        bench = Relations(seed)
        points = bench.points()
        intrinsic = _strategy(bench, points, "intrinsic", bench.noisy, None)
        given = np.where(bench.trusted, bench.true, bench.noisy)
        extrinsic = _strategy(bench, points, "extrinsic", given, bench.trusted)
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


# ------------------------------------------------------------------------------------------- wrong positives
SHARE, TRUSTED_SHARE = 0.3, 0.2


def inject(truth: np.ndarray, fixed: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Make wrong positives, ``SHARE`` of the positives in number.

    Parameters
    ----------
    truth : ndarray of str, shape (n,)
    fixed : ndarray of bool, shape (n,)
        Rows that keep their label.
    kind : {"uniform", "systematic", "from Other"}
        A positive called a relation drawn at random; each relation taken for one fixed other (the one before it
        in the alphabet, often itself with the arguments swapped); an ``Other`` called a relation drawn at random.
    rng : Generator

    Returns
    -------
    ndarray of str, shape (n,)
    """
    given = truth.copy()
    positives = np.flatnonzero((truth != semeval.OTHER) & ~fixed)
    pool = np.flatnonzero((truth == semeval.OTHER) & ~fixed) if kind == "from Other" else positives
    # There are fewer Others than that: then most of them, so that some are left to learn from.
    rows = rng.choice(pool, min(int(SHARE * len(positives)), int(0.8 * len(pool))), replace=False)
    if kind == "systematic":
        names = np.unique(truth[positives])
        given[rows] = names[np.searchsorted(names, truth[rows]) - 1]
    else:
        given[rows] = rng.choice(truth[positives], len(rows))
    return given


def _class_scores(task: Task, given: np.ndarray) -> np.ndarray:
    """Out-of-fold scores of all classes: what the trained classifier itself makes of a row."""
    from sklearn.model_selection import KFold

    classes = np.unique(given)
    out = np.zeros((len(given), len(classes)), dtype=np.float32)
    for train, rest in KFold(5, shuffle=True, random_state=task.seed).split(given):
        model = task.model().fit(task.X[train], given[train])
        out[np.ix_(rest, np.searchsorted(classes, model.classes_))] = model.decision_function(task.X[rest])
    return out


def _positive_side(task: Task, truth: np.ndarray, trusted: np.ndarray, kind: str) -> dict[str, float]:
    """All figures for one kind of wrong positives."""
    rng = np.random.default_rng(task.seed)
    given = inject(truth, trusted, kind, rng)
    wrong, examined = given != truth, (given != semeval.OTHER) & ~trusted
    cleaner = NeighborNegativeCleaner(
        strategy="extrinsic", positive_side=True, negative_label=semeval.OTHER, random_state=task.seed
    ).fit(None, given, embeddings=_class_scores(task, given), trusted=trusted)
    suspects = cleaner.suspects_[given[cleaner.suspects_] != semeval.OTHER]
    drawn = random_removal(
        given, len(suspects), negative_label=semeval.OTHER, side="positives", trusted=trusted, random_state=task.seed
    )
    base = float(wrong[examined].mean())
    out = {"flagged": float(len(suspects)), "base_rate": base}
    everything = np.arange(len(given))
    ways = {"noisy": (given, everything)}
    for name, rows in (("eliminate", suspects), ("random", drawn)):
        out[f"{name}_precision"] = float(wrong[rows].mean())
        out[f"{name}_recall"] = float(wrong[rows].sum() / wrong[examined].sum())
        ways[name] = given, np.delete(everything, rows)
    out["true_f1"] = task.train(truth, everything)[1]["f1"]
    return out | task.tried(ways)


class PositiveSideClaim:
    """With a re-checked subset, neighbours find wrong positives too."""

    id = "tacred-positive-side"
    system = "clean.neighbors"
    paper = "Noise in Relation Classification Dataset TACRED: Characterization and Reduction"
    statement = (
        "SemEval-2010 task 8, wrong positives 30 % of all, a fifth of the rows re-checked: the positives flagged hold "
        "2 times the base share of wrong ones and half of them all, whatever their kind. Without them F1 is 0.02 above "
        "removing as many positives at random for wrong relations, and 0.02 above not cleaning where one relation is "
        "systematically taken for another. Wrong positives that come from Other cost the model so little that removing "
        "them gains nothing (measured)."
    )
    control = "random removal of as many positives"
    LIFT, RECALL, GAIN = 2.0, 0.5, 0.02

    def run(self, seed: int) -> Evidence:
        """Inject three kinds of wrong positives, one at a time, and clean each."""
        X, truth, X_test, y_test = semeval_tables()  # noqa: N806
        task = Task(X, X_test, y_test, negative=semeval.OTHER, seed=seed)
        trusted = np.random.default_rng(seed).random(len(truth)) < TRUSTED_SHARE
        found = {k: _positive_side(task, truth, trusted, k) for k in ("uniform", "systematic", "from Other")}
        measured: dict[str, float | str] = {
            f"{kind} {name}": round(value, 4) for kind, figures in found.items() for name, value in figures.items()
        }
        return Evidence(self._holds(found, "eliminate"), self._holds(found, "random"), measured)

    def _holds(self, found: dict[str, dict[str, float]], name: str) -> bool:
        """Read the statement off the figures of the method, or of random removal in its place."""
        listed = all(
            f[f"{name}_precision"] >= self.LIFT * f["base_rate"] and f[f"{name}_recall"] >= self.RECALL
            for f in found.values()
        )
        above = all(found[k][f"{name}_f1"] >= found[k]["random_f1"] + self.GAIN for k in ("uniform", "systematic"))
        f = found["systematic"]
        return listed and above and f[f"{name}_f1"] >= f["noisy_f1"] + self.GAIN


# ------------------------------------------------------------------------------------------- characterisation
def _two_families(X: Any, y: np.ndarray, folds: Any, model: Any) -> dict[str, np.ndarray]:  # noqa: N803
    """Out-of-fold predictions of a linear and a Bayesian model."""
    from sklearn.naive_bayes import MultinomialNB

    out = {"linear": np.empty_like(y), "Bayes": np.empty_like(y)}
    counts = abs(X)  # hashed features carry a sign, and counts do not
    for train, rest in folds:
        out["linear"][rest] = model.fit(X[train], y[train]).predict(X[rest])
        out["Bayes"][rest] = MultinomialNB(alpha=1e-2).fit(counts[train], y[train]).predict(counts[rest])
    return out


def _shares(y: np.ndarray, said: dict[str, np.ndarray], negative: str) -> dict[str, float]:
    """Share of each family's disagreement that touches a class, and what both families say alike."""
    got = characterise(y, said, negative)
    out = {f"touching, {name}": m["share_touching_negative"] for name, m in got["models"].items()}
    pair = got["pairs"]["linear", "Bayes"]
    return out | {"agreement": pair["agreement"], "same_wrong": float(pair["same_wrong"])}


def _agreed(given: np.ndarray, truth: np.ndarray, said: dict[str, np.ndarray]) -> dict[str, float]:
    """Of the rows filed as negative that both families give one relation: how many are false negatives."""
    negative = given == NEGATIVE
    wrong = truth != given
    both = negative & (said["linear"] == said["Bayes"]) & (said["linear"] != NEGATIVE)
    share = wilson(int(wrong[both].sum()), max(int(both.sum()), 1))
    out = {
        "rows": float(both.sum()),
        "share": share.value,
        "share_low": share.low,
        "base": float(wrong[negative].mean()),
    }
    for name, labels in said.items():
        alone = negative & (labels != NEGATIVE)
        out |= {f"rows, {name} alone": float(alone.sum()), f"share, {name} alone": float(wrong[alone].mean())}
    return out


class CharacteriseClaim:
    """Labels and models disagree about the negative class, and two model families agree on where it is wrong."""

    id = "tacred-characterise"
    system = "clean.neighbors"
    paper = "Noise in Relation Classification Dataset TACRED: Characterization and Reduction"
    statement = (
        "SemEval-2010 task 8, where Other is 18 % of the rows: most of the disagreement between labels and models "
        "(0.55 or more, in both families) touches it. Re-DocRED: of the rows filed as no_relation that both families "
        "give one relation, at least 6 times the base share are false negatives (lower end of the interval). The share "
        "touching no_relation proves nothing there: with permuted labels it is as high, as 94 % of rows are negative."
    )
    control = "labels permuted; a relation drawn at random in place of the negative class"
    MOST, LIFT = 0.55, 6.0

    def run(self, seed: int) -> Evidence:
        """Characterise both sets, with the labels as they are, permuted, and another class as negative."""
        from sklearn.model_selection import GroupKFold, KFold

        X, y, X_test, y_test = semeval_tables()  # noqa: N806
        rng = np.random.default_rng(seed)
        task = Task(X, X_test, y_test, negative=semeval.OTHER, seed=seed)
        said = _two_families(X, y, KFold(5, shuffle=True, random_state=seed).split(y), task.model())
        relation = str(rng.choice(np.setdiff1d(np.unique(y), semeval.OTHER)))
        cases = {
            "real": _shares(y, said, semeval.OTHER),
            "permuted": _shares(rng.permutation(y), said, semeval.OTHER),
            "swapped": _shares(y, said, relation),
        }
        bench = Relations(seed)
        folds = GroupKFold(3).split(bench.noisy, groups=bench.document)
        told = _two_families(bench.X, bench.noisy, folds, bench.model())
        mixed = rng.permutation(len(bench.noisy))
        found = {
            "real": _agreed(bench.noisy, bench.true, told),
            "permuted": _agreed(bench.noisy[mixed], bench.true[mixed], told),
        }
        measured: dict[str, float | str] = {"swapped class": relation}
        measured |= {f"SemEval {c} {k}": round(v, 4) for c, row in cases.items() for k, v in row.items()}
        measured |= {f"Re-DocRED {c} {k}": round(v, 4) for c, row in found.items() for k, v in row.items()}
        for case, labels in (("real", bench.noisy), ("permuted", bench.noisy[mixed])):
            shares = _shares(labels, told, NEGATIVE)
            measured |= {f"Re-DocRED {case} {k}": round(v, 4) for k, v in shares.items()}
        real, permuted, swapped = (self._most(cases[c]) for c in ("real", "permuted", "swapped"))
        listed = {c: row["share_low"] >= self.LIFT * row["base"] for c, row in found.items()}
        # Each half must fall to each sabotage that reaches it, not only the two together.
        return Evidence(real and listed["real"], permuted or swapped or listed["permuted"], measured)

    def _most(self, shares: dict[str, float]) -> bool:
        return all(value >= self.MOST for name, value in shares.items() if name.startswith("touching"))
