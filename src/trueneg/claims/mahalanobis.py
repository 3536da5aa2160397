"""Mahalanobis: several layers against the softmax and ODIN, with clean labels, flipped ones and few."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._photographs import pictures, stages_of
from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun

__all__ = ["MahalanobisAttacks", "MahalanobisHarsh", "MahalanobisUnknown"]

_PAPER = "Lee, Lee, Lee, Shin (2018), A simple unified framework for detecting out-of-distribution samples, NeurIPS"
_ODD = ("Tiny-ImageNet", "Omniglot", "noise")
_SIZES = (2400, 1200, 1000)
_FULL = (20_000, 5_000, 4_000)
_VALIDATION = 300


class _Split:
    """The rows of one seed: to learn from, to weigh the layers on, to test on."""

    def __init__(self, seed: int, full: bool) -> None:
        sizes = _FULL if full else _SIZES
        sets, self.values = pictures(*sizes), stages_of(*sizes)
        self.rng = np.random.default_rng(seed)
        self.y, self.y_test = np.asarray(sets["learn"].y), np.asarray(sets["test"].y)
        self.learn = self.rng.permutation(len(self.y))[: int(0.75 * len(self.y))]
        self.order = {name: self.rng.permutation(len(self.values[name][0])) for name in ("test", *_ODD)}
        self.widths = [v.shape[1] for v in self.values["learn"]]

    def side(self, name: str) -> NDArray[np.float32]:
        """All layers side by side."""
        return np.concatenate(self.values[name], axis=1)

    def aurocs(self, rows: NDArray[np.int64], labels: NDArray[Any], seed: int) -> dict[str, dict[str, float]]:
        """Learn from rows; AUROC on each odd set of the ensemble, its last layer alone, the softmax and ODIN's."""
        from trueneg.core.detection import auroc_of
        from trueneg.reject import FeatureEnsembleDetector, MahalanobisDetector
        from trueneg.reject.mahalanobis import tnr_at_tpr

        base = MahalanobisDetector(widths=self.widths).fit(self.side("learn")[rows], labels)
        softmax = _Softmax(self.values["learn"][-1][rows], labels)
        known, found = self.order["test"], {}
        ranks = [g.rank for g in base.gaussians_]
        scores = {name: base.layer_scores(self.side(name)) for name in ("test", *_ODD)}
        told = {name: softmax.scores(self.values[name][-1]) for name in ("test", *_ODD)}
        for name in _ODD:
            odd = self.order[name]
            cut = _VALIDATION if len(odd) > 2 * _VALIDATION else len(odd) // 2
            model = FeatureEnsembleDetector(base, random_state=seed).fit_layers(
                base, known=self.side("test")[known[:cut]], unknown=self.side(name)[odd[:cut]]
            )
            a, b = known[cut:], odd[cut:]
            truth = np.repeat([1, 0], [len(a), len(b)])
            both = {
                "ensemble": [model.model_.score(scores[s][r]) for s, r in (("test", a), (name, b))],
                "unweighed": [(scores[s][r] / ranks).mean(axis=1) for s, r in (("test", a), (name, b))],
                "last layer": [scores[s][r, -1] for s, r in (("test", a), (name, b))],
                "softmax": [told[s][0][r] for s, r in (("test", a), (name, b))],
                "ODIN": [told[s][1][r] for s, r in (("test", a), (name, b))],
            }
            found[name] = {way: auroc_of(truth, np.concatenate(pair)) for way, pair in both.items()}
            for way in ("ensemble", "softmax"):
                found[name][f"{way}, refused at 95 % kept"] = tnr_at_tpr(truth, np.concatenate(both[way]))
        return found


class _Softmax:
    """A linear head on the last layer: its largest probability, and ODIN's at temperature 1,000 without a step."""

    def __init__(self, X: NDArray[Any], y: NDArray[Any]) -> None:
        from sklearn.linear_model import LogisticRegression

        self.center, self.scale = X.mean(axis=0), X.std(axis=0) + 1e-6
        self.model = LogisticRegression(C=0.01, max_iter=200).fit((X - self.center) / self.scale, y)

    def scores(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return both."""
        z = self.model.decision_function((X - self.center) / self.scale)
        return _largest(z), _largest(z / 1000)


def _largest(z: NDArray[Any]) -> NDArray[np.float64]:
    """Log of the largest softmax probability: no ties where it rounds to one."""
    from scipy.special import logsumexp

    return np.asarray(z.max(axis=1) - logsumexp(z, axis=1))


def _few(labels: NDArray[Any], each: int) -> NDArray[np.int64]:
    """The first rows of each class."""
    return np.concatenate([np.flatnonzero(labels == c)[:each] for c in np.unique(labels)])


class MahalanobisUnknown:
    """The ensemble of layers against the softmax and ODIN on sets near and far."""

    id = "mahalanobis-unknown"
    system = "reject.mahalanobis"
    paper = _PAPER
    statement = (
        "CIFAR-10 through a frozen network, Tiny-ImageNet, characters and noise being unknown: the layers, weighed on "
        "250 to 300 rows of each kind, tell them with an AUROC above that of softmax and ODIN on every set, by 0.12 or "
        "more on average"
    )
    control = "the last layer alone, as in the toy version"
    MEAN = 0.12

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Measure on three sets."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):
            split = _Split(seed, full)
            found = split.aurocs(split.learn, split.y[split.learn], seed)
        measured: dict[str, float | str] = {
            f"{name}, {way}": round(value, 3) for name, ways in found.items() for way, value in ways.items()
        }
        return Evidence(self._shown(found, "ensemble"), self._shown(found, "last layer"), measured)

    def _shown(self, found: dict[str, dict[str, float]], way: str) -> bool:
        gaps = [ways[way] - max(ways["softmax"], ways["ODIN"]) for ways in found.values()]
        return bool(min(gaps) > 0 and np.mean(gaps) >= self.MEAN)


class MahalanobisHarsh:
    """A fifth of the labels flipped; 5, 10 and 50 rows a class."""

    id = "mahalanobis-harsh"
    system = "reject.mahalanobis"
    paper = _PAPER
    statement = (
        "Tiny-ImageNet against CIFAR-10, frozen network: with 20 % of the labels flipped the AUROC of the weighed "
        "layers falls by 0.02 at most, and by less than that of the softmax; then, and with 5, 10 and 50 rows a class, "
        "it is 0.12 or more above softmax and ODIN"
    )
    control = "the last layer alone, as in the toy version"
    FALLS, ABOVE = 0.02, 0.12

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Measure with clean labels, flipped ones and few rows."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):
            split = _Split(seed, full)
            rows, labels = split.learn, split.y[split.learn]
            classes = np.unique(labels)
            flipped, wrong = labels.copy(), split.rng.random(len(labels)) < 0.2
            shift = split.rng.integers(1, len(classes), int(wrong.sum()))
            flipped[wrong] = classes[(np.searchsorted(classes, labels[wrong]) + shift) % len(classes)]
            found = {"clean": split.aurocs(rows, labels, seed), "20 % flipped": split.aurocs(rows, flipped, seed)}
            for each in (5, 10, 50):
                few = _few(labels, each)
                found[f"{each} a class"] = split.aurocs(rows[few], labels[few], seed)
        near = {case: sets["Tiny-ImageNet"] for case, sets in found.items()}
        measured: dict[str, float | str] = {
            f"{case}, {way}": round(value, 3) for case, ways in near.items() for way, value in ways.items()
        }
        return Evidence(self._shown(near, "ensemble"), self._shown(near, "last layer"), measured)

    def _shown(self, near: dict[str, dict[str, float]], way: str) -> bool:
        fall = {name: near["clean"][name] - near["20 % flipped"][name] for name in (way, "softmax")}
        gaps = [ways[way] - max(ways["softmax"], ways["ODIN"]) for case, ways in near.items() if case != "clean"]
        return bool(fall[way] <= self.FALLS and fall[way] < fall["softmax"] and min(gaps) >= self.ABOVE)


class MahalanobisAttacks:
    """Attacked photographs against clean and noisy ones, the weights of the layers from FGSM alone; the long form."""

    id = "mahalanobis-attacks"
    system = "reject.mahalanobis"
    paper = _PAPER
    statement = (
        "CIFAR-10 at 64 pixels, EfficientNet-Lite0 with a linear head, FGSM of 8/255: the layers, weighed on some "
        "twenty attacked photographs, tell others from clean and noisy ones with an AUROC of 0.80 or more, and of "
        "0.10 or more above that of the last layer"
    )
    control = "the last layer alone, as in the toy version"
    ROWS, LEARN, EPS = 350, 1_200, 8 / 255
    AREA, ABOVE = 0.80, 0.10

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Attack by FGSM, and by five steps of BIM that the weights never saw; layers, last layer and LID."""
        if not full:
            raise ClaimNotRun("it attacks photographs through a network: run it with --full, some minutes")
        from trueneg.claims._attacked import attacked
        from trueneg.reject.mahalanobis import adversarial_protocol

        found = attacked(self.LEARN, self.ROWS)
        settings = {"fgsm": {"eps": self.EPS}, "bim": {"eps": self.EPS, "steps": 5}}
        measured: dict[str, float | str] = {"accuracy of the network": round(found.accuracy, 3)}
        area: dict[str, float] = {}
        for way, detector in found.detectors.items():
            results = adversarial_protocol(
                detector,
                found.X,
                found.y,
                attacks=tuple(settings),
                fit_on="fgsm",
                settings=settings,
                validation=0.4,
                random_state=seed,
            )
            area[way] = results["fgsm"].report.auroc.value
            measured |= {f"AUROC, {attack}, {way}": str(r.report.auroc) for attack, r in results.items()}
        measured |= {f"attacks that succeeded, {attack}": round(r.success, 3) for attack, r in results.items()}
        return Evidence(self._shown(area, "layers"), self._shown(area, "last layer"), measured)

    def _shown(self, area: dict[str, float], way: str) -> bool:
        return area[way] >= self.AREA and area[way] - area["last layer"] >= self.ABOVE
