"""SMOTE widens what a tree takes for the minority, where replication does not; and what it does to probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.claims.evidence import Evidence

__all__ = ["SETS", "SmoteCalibration", "SmoteWidens"]

_PAPER = "Chawla, Bowyer, Hall, Kegelmeyer (2002), SMOTE, JAIR 16, 321-357, arXiv 1106.1813"
_FOLDS = 5

# All KEEL tables without a nominal column, of 300 to 2,500 rows, 25 positives or more and at most 12 % of them.
SETS = (
    "ecoli-0-1-4-7_vs_2-3-5-6",
    "ecoli-0-1-4-7_vs_5-6",
    "ecoli3",
    "led7digit-0-2-4-5-6-7-8-9_vs_1",
    "page-blocks-1-3_vs_4",
    "poker-8-9_vs_5",
    "poker-8-9_vs_6",
    "shuttle-c0-vs-c4",
    "vowel0",
    "winequality-red-4",
    "winequality-white-3-9_vs_5",
    "yeast-0-2-5-6_vs_3-7-8-9",
    "yeast-0-2-5-7-9_vs_3-6-8",
    "yeast-0-3-5-9_vs_7-8",
    "yeast-0-5-6-7-9_vs_4",
    "yeast-1-2-8-9_vs_7",
    "yeast-1-4-5-8_vs_7",
    "yeast-1_vs_7",
    "yeast-2_vs_4",
    "yeast3",
    "yeast4",
    "yeast5",
    "yeast6",
)
Fold = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]


def _tables(names: tuple[str, ...]) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.int64]]]:
    from trueneg.data import registry
    from trueneg.data.keel import read_keel

    path = registry.file("keel_imbalanced")
    for name in names:
        table = read_keel(path, name)
        yield name, table.X, table.y


def _folds(X: NDArray[np.float64], y: NDArray[np.int64], seed: int) -> Iterator[Fold]:  # noqa: N803
    """Yield standardised training and untouched test rows."""
    from sklearn.model_selection import StratifiedKFold

    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(X, y):
        middle, scale = X[train].mean(axis=0), X[train].std(axis=0)
        scale[scale == 0] = 1
        yield (X[train] - middle) / scale, y[train], (X[test] - middle) / scale, y[test]


def _any_partner(seed: int) -> Any:
    """SMOTE whose partner is any row of the data, of either class: the sabotage."""
    from trueneg.sample import SMOTE

    class AnyPartner(SMOTE):
        """The child is still labelled as the minority."""

        def _partners(self, task: Any, rows: Any, code: int | None = None) -> Any:
            n = len(task.labels.codes)
            return np.random.default_rng(seed).integers(n, size=(len(rows), self.k_neighbors))

    return AnyPartner(random_state=seed)


def _rates(truth: NDArray[np.int64], said: NDArray[Any]) -> tuple[float, float, float]:
    """Return true-positive rate, false-positive rate and F1."""
    tp, fp = int((said & (truth == 1)).sum()), int((said & (truth == 0)).sum())
    positive = int(truth.sum())
    return tp / positive, fp / (len(truth) - positive), 2 * tp / max(tp + fp + positive, 1)


class SmoteWidens:
    """A tree finds more of the minority after SMOTE than after replication, and is no less exact."""

    id = "smote-widens"
    system = "sample.smote"
    paper = _PAPER
    statement = (
        "23 KEEL tables, 5 folds, an unpruned tree, classes made equal: against replication, SMOTE raises the "
        "true-positive rate by 0.04 or more and does not lower F1"
    )
    control = "the partner is any row of either class, the child still labelled as the minority"
    MORE = 0.04

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Measure tree and forest on each way of balancing; under `full` the paper's hulls besides."""
        from threadpoolctl import threadpool_limits

        from trueneg.sample import SMOTE, OverSampler, UnderSampler

        ways: dict[str, Any] = {
            "none": None,
            "replication": OverSampler(random_state=seed),
            "SMOTE": SMOTE(random_state=seed),
            "under-sampling": UnderSampler(random_state=seed),
            "any partner": _any_partner(seed),
        }
        with threadpool_limits(limits=1):
            tree = {way: np.zeros(3) for way in ways}
            graded = {way: sampler for way, sampler in ways.items() if way != "under-sampling"}
            matched = dict.fromkeys(graded, 0.0)
            ahead = 0
            for _, X, y in _tables(SETS):
                found = _tree_rates(X, y, ways, seed)
                ahead += int(found["SMOTE"][0] > found["replication"][0])
                for way, rates in found.items():
                    tree[way] += rates / len(SETS)
                for way, rate in _forest_matched(X, y, graded, seed).items():
                    matched[way] += rate / len(SETS)
            measured: dict[str, float | str] = {}
            for way, rates in tree.items():
                for name, value in zip(("TPR", "FPR", "F1"), rates, strict=True):
                    measured[f"tree {way}, {name}"] = round(float(value), 3)
            measured |= {f"forest {way}, TPR at the FPR of replication": round(v, 3) for way, v in matched.items()}
            measured["tables on which SMOTE's TPR is higher"] = f"{ahead} of {len(SETS)}"
            if full:
                measured |= _hulls(seed)
        return Evidence(self._widens(tree, "SMOTE"), self._widens(tree, "any partner"), measured)

    def _widens(self, tree: dict[str, NDArray[np.float64]], way: str) -> bool:
        rise = tree[way] - tree["replication"]
        return bool(rise[0] >= self.MORE and rise[2] >= 0)


def _tree_rates(
    X: NDArray[np.float64],  # noqa: N803
    y: NDArray[np.int64],
    ways: dict[str, Any],
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Return TPR, FPR and F1 of a tree for each way, mean over folds."""
    from sklearn.tree import DecisionTreeClassifier

    out = {way: np.zeros(3) for way in ways}
    for rows, labels, test, truth in _folds(X, y, seed):
        for way, sampler in ways.items():
            given = (rows, labels) if sampler is None else sampler.fit_resample(rows, labels)
            said = DecisionTreeClassifier(random_state=seed).fit(*given).predict(test) == 1
            out[way] += np.array(_rates(truth, said)) / _FOLDS
    return out


def _forest_matched(
    X: NDArray[np.float64],  # noqa: N803
    y: NDArray[np.int64],
    ways: dict[str, Any],
    seed: int,
) -> dict[str, float]:
    """Return the TPR of a forest at the false-positive rate that replication has at 0.5, all folds' scores together.

    "none" at this rate is a forest on the rows as they are whose threshold was moved.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_curve

    scores: dict[str, list[Any]] = {way: [] for way in ways}
    truths = []
    for rows, labels, test, truth in _folds(X, y, seed):
        truths.append(truth)
        for way, sampler in ways.items():
            given = (rows, labels) if sampler is None else sampler.fit_resample(rows, labels)
            scores[way].append(RandomForestClassifier(15, random_state=seed).fit(*given).predict_proba(test)[:, 1])
    truth = np.concatenate(truths)
    limit = float((np.concatenate(scores["replication"])[truth == 0] > 0.5).mean())
    out = {}
    for way, found in scores.items():
        fpr, tpr, _ = roc_curve(truth, np.concatenate(found), drop_intermediate=False)
        out[way] = float(np.interp(limit, fpr, tpr))
    return out


_HULL_SETS = (
    "ecoli3",
    "page-blocks-1-3_vs_4",
    "pima",
    "poker-8-9_vs_6",
    "segment0",
    "vehicle1",
    "vowel0",
    "winequality-red-4",
    "yeast-0-5-6-7-9_vs_4",
    "yeast-1_vs_7",
    "yeast-2_vs_4",
    "yeast1",
    "yeast3",
    "yeast4",
)


def _hulls(seed: int) -> dict[str, float | str]:
    """Measure the paper's experiment: hull areas of SMOTE at N % with under-sampling, against under-sampling alone."""
    from sklearn.tree import DecisionTreeClassifier

    from trueneg.sample import SMOTE, roc_by_sampling

    gains: dict[int, list[float]] = {n: [] for n in (100, 300, 500)}
    for _, X, y in _tables(_HULL_SETS):

        def hull(sampler: Any, X: Any = X, y: Any = y) -> float:  # noqa: N803
            tree = DecisionTreeClassifier(random_state=seed)
            return roc_by_sampling(tree, X, y, sampler=sampler, cv=_FOLDS, random_state=seed).hull_area.value

        alone = hull(None)
        for n, found in gains.items():
            found.append(hull(SMOTE(amount=n, random_state=seed)) - alone)
    said: dict[str, float | str] = {}
    for n, found in gains.items():
        said[f"hull area, SMOTE {n} % minus under-sampling alone (not claimed)"] = round(float(np.mean(found)), 3)
        said[f"tables on which SMOTE {n} % has the larger hull"] = f"{int((np.array(found) > 0).sum())} of {len(found)}"
    return said


class SmoteCalibration:
    """SMOTE lifts the probabilities of a logistic regression, and the prior correction takes that back."""

    id = "smote-calibration"
    system = "sample.smote"
    paper = _PAPER + "; Saerens, Latinne, Decaestecker (2002) for the correction"
    statement = (
        "23 KEEL tables, 5 folds, logistic regression after SMOTE to equal classes: the mean probability exceeds the "
        "prevalence by 0.10 or more, and by 0.01 at most after the prior correction, whose log loss is the lower one"
    )
    control = "the class shares before and after resampling are swapped in the correction"
    DAMAGE, LEFT = 0.10, 0.01

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Measure bias and log loss, under `full` of gradient boosting besides."""
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):
            found = _calibration(lambda: LogisticRegression(max_iter=1000), SETS, seed, ("prior",))
            measured = _told("LR", found)
            if full:
                from sklearn.ensemble import HistGradientBoostingClassifier

                more = _calibration(
                    lambda: HistGradientBoostingClassifier(max_iter=50, random_state=seed),
                    SETS,
                    seed,
                    ("prior", "recalibrate"),
                )
                measured |= _told("boosting", more)
        return Evidence(self._repaired(found, "prior"), self._repaired(found, "swapped"), measured)

    def _repaired(self, found: dict[str, NDArray[np.float64]], way: str) -> bool:
        damaged, repaired = found["SMOTE"], found[way]
        return bool(damaged[0] >= self.DAMAGE and abs(repaired[0]) <= self.LEFT and repaired[1] < damaged[1])


def _told(name: str, found: dict[str, NDArray[np.float64]]) -> dict[str, float | str]:
    out: dict[str, float | str] = {}
    for way, (bias, loss) in found.items():
        out |= {f"{name} {way}, bias": round(float(bias), 4), f"{name} {way}, log loss": round(float(loss), 4)}
    return out


def _calibration(
    make: Callable[[], Any], names: tuple[str, ...], seed: int, corrections: tuple[str, ...]
) -> dict[str, NDArray[np.float64]]:
    """Return bias (mean probability minus prevalence) and log loss of each way, mean over tables and folds."""
    from sklearn.metrics import log_loss

    from trueneg.sample import SMOTE, ResampledClassifier, prior_corrected

    ways = ("none", "SMOTE", *corrections, "swapped")
    out = {way: np.zeros(2) for way in ways}
    for _, X, y in _tables(names):
        for rows, labels, test, truth in _folds(X, y, seed):
            said = {"none": make().fit(rows, labels).predict_proba(test)}
            for correction in (None, *corrections):
                model = ResampledClassifier(
                    make(), SMOTE(random_state=seed), correction=correction, random_state=seed
                ).fit(rows, labels)
                said[correction or "SMOTE"] = model.predict_proba(test)
                prior, resampled = model.prior_, model.resampled_prior_
            said["swapped"] = prior_corrected(said["SMOTE"], prior=resampled, resampled=prior)
            for way, proba in said.items():
                figures = proba[:, 1].mean() - truth.mean(), log_loss(truth, proba[:, 1], labels=[0, 1])
                out[way] += np.array(figures) / (_FOLDS * len(names))
    return out
