"""Mahalanobis on a network trained for it: unknown pictures, flipped labels, attacks, two classes added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._trained import FAR, KNOWN, LAYERS, NEAR, Trained, trained
from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun
from trueneg.core.intervals import Estimate

__all__ = ["MahalanobisTrained", "area", "attacks_told", "curve_rows", "old_and_new", "unknown_told"]

Told = dict[str, dict[str, Estimate]]
_LAST, _SABOTAGE = LAYERS[-1], "covariance of other columns"
_RULES = {"layers": ("add_class, paper, gap", "add_class, counts, gap"), _LAST: (f"{_SABOTAGE}, gap",)}
_VALIDATION, _TEST = 300, 1_200
_ATTACKED, _STEP = 500, 0.002  # pictures that are attacked; ODIN's step, in the units of the input


class MahalanobisTrained:
    """Two networks trained on eight classes of CIFAR-10, with clean and with flipped labels; the long form only."""

    id = "mahalanobis-trained"
    system = "reject.mahalanobis"
    paper = "Lee, Lee, Lee, Shin (2018), A simple unified framework for detecting out-of-distribution samples, NeurIPS"
    statement = (
        "ResNet-8 trained on eight classes of CIFAR-10, with clean labels and with a fifth of them flipped: weighed "
        "layers tell Omniglot and noise with an AUROC of 0.04 or more above that of softmax, largest logit and ODIN; "
        "over these, Tiny-ImageNet and the two other classes they lose 0.015 at most to the flips on average, and with "
        "clean labels are at most 0.02 below whichever layer is best on each; two classes added with 1,000 rows each "
        "have an area under old against new accuracy of 0.04 or more above that of nearest means"
    )
    control = "the last layer alone, as in the toy version; for classes added, the covariance of other columns"
    ABOVE, LOST, BELOW, ADDED = 0.04, 0.015, 0.02, 0.04

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Train once, with clean labels and with a fifth of them flipped; the seed draws all rows measured on."""
        if not full:
            raise ClaimNotRun("it trains networks on photographs: run it with --full, some fifteen minutes")
        clean, dirty = trained(0.0), trained(0.2)
        unknown, flipped = unknown_told(clean, seed), unknown_told(dirty, seed)
        added = old_and_new(clean, seed)
        measured: dict[str, float | str] = {
            "accuracy": round(clean.accuracy, 3),
            "accuracy, labels flipped": round(dirty.accuracy, 3),
        }
        told = {"": unknown | added | attacks_told(clean, seed), "labels flipped, ": flipped}
        for labels, sets in told.items():
            measured |= {f"{labels}{s}, {way}": str(e) for s, ways in sets.items() for way, e in ways.items()}
        for way in ("layers", _LAST, "softmax"):
            measured[f"lost to flipped labels on average, {way}"] = round(_lost(unknown, flipped, way), 3)
        parts = {way: self._parts(unknown, flipped, added, way) for way in _RULES}
        measured |= {f"{part}, {way}": str(ok) for way, parts_ in parts.items() for part, ok in parts_.items()}
        return Evidence(all(parts["layers"].values()), all(parts[_LAST].values()), measured)

    def _parts(self, unknown: Told, flipped: Told, added: Told, way: str) -> dict[str, bool]:
        """Return what is shown of the statement by a way."""
        gaps = added["two classes added, 1000 rows each"]
        below = [max(ways[layer].value for layer in LAYERS) - ways[way].value for ways in unknown.values()]
        return {
            "above the logits, far": min(_above(unknown, way), _above(flipped, way)) >= self.ABOVE,
            "bears flipped labels": _lost(unknown, flipped, way) <= self.LOST,
            "as good as the best layer": max(below) <= self.BELOW,
            "classes added": all(gaps[name].value >= self.ADDED for name in _RULES[way]),
        }


def _above(told: Told, way: str) -> float:
    """Return the least lead over what reads the logits on the far sets; on near ones it depends on the network."""
    logits = ("softmax", "largest logit", "ODIN")
    return min(told[far][way].value - max(told[far][name].value for name in logits) for far in FAR)


def _lost(clean: Told, flipped: Told, way: str) -> float:
    """Return the mean loss of AUROC over the sets."""
    return float(np.mean([clean[name][way].value - flipped[name][way].value for name in clean]))


def unknown_told(net: Trained, seed: int, *, sets: Sequence[str] = (*NEAR, *FAR)) -> Told:
    """AUROC of each set of unknown pictures, by the weighed layers, by each of them, and by what reads the logits."""
    from trueneg.reject import FeatureEnsembleDetector, MahalanobisDetector

    rng = np.random.default_rng(seed)
    base = MahalanobisDetector(widths=net.widths).fit(net.values["learn"].layers, net.y["learn"])
    rows = {name: rng.permutation(len(net.X[name]))[: _VALIDATION + _TEST] for name in ("known", *sets)}
    cut = min(_VALIDATION, min(map(len, rows.values())) // 2)
    scores = {name: _scores(net, base, name, at) for name, at in rows.items()}
    found: Told = {}
    for name in sets:
        sides = [net.values[s].layers[rows[s][:cut]] for s in ("known", name)]
        model = FeatureEnsembleDetector(base, random_state=seed).fit_layers(base, known=sides[0], unknown=sides[1])
        ways = {way: (scores["known"][way], scores[name][way]) for way in scores[name]}
        known, unknown = (model.model_.score(values)[:, None] for values in ways["layers"])
        ways["layers"] = (known, unknown)
        found[name] = {way: _told(*pair, cut, turn=way in LAYERS) for way, pair in ways.items()}
    return found


def _scores(net: Trained, base: Any, name: str, rows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Scores of rows by every way, (n, settings to choose from); those of "layers" are to be weighed."""
    from scipy.special import logsumexp

    from trueneg.reject.mahalanobis import odin_scores

    layers = base.layer_scores(net.values[name].layers[rows])
    z = net.values[name].logits[rows].astype(np.float64)
    cold = [z.max(axis=1) / t - logsumexp(z / t, axis=1) for t in (1, 1000)]  # logs: no ties where it rounds to one
    return {
        "layers": layers,
        "layers, not weighed": (layers / [g.rank for g in base.gaussians_]).mean(axis=1)[:, None],
        "softmax": cold[0][:, None],
        "largest logit": z.max(axis=1)[:, None],
        "ODIN": np.column_stack([cold[1], odin_scores(net.net, net.X[name][rows], eps=_STEP)]),
        **{layer: layers[:, [j]] for j, layer in enumerate(LAYERS)},
    }


def _told(known: NDArray[Any], unknown: NDArray[Any], cut: int, *, turn: bool) -> Estimate:
    """AUROC on the rows from cut on, the setting chosen on those before, by which a layer may be turned round too."""
    from trueneg.core.detection import auroc, auroc_of

    seen = np.repeat([1, 0], cut)
    areas = np.array([auroc_of(seen, np.append(a[:cut], b[:cut])) for a, b in zip(known.T, unknown.T, strict=True)])
    best = int(areas.argmax())
    sign = -1 if turn and areas[best] < 0.5 else 1
    truth = np.repeat([1, 0], [len(known) - cut, len(unknown) - cut])
    return auroc(truth, sign * np.append(known[cut:, best], unknown[cut:, best]))


def attacks_told(net: Trained, seed: int) -> Told:
    """AUROC of attacked pictures against clean and noisy ones, the layers weighed on FGSM alone."""
    from trueneg.reject.mahalanobis import MahalanobisDetector, adversarial_protocol

    rows = np.random.default_rng(seed).permutation(len(net.X["known"]))[:_ATTACKED]
    X, y = np.ascontiguousarray(np.moveaxis(net.X["known"][rows], 3, 1)) / np.float32(255), net.y["known"][rows]
    learn, labels = net.X["learn"][:3000], net.y["learn"][:3000]
    ways = {
        "layers": MahalanobisDetector(net.net, layers=LAYERS).fit(learn, labels),
        _LAST: MahalanobisDetector(net.net, layers=[_LAST]).fit(learn, labels),
    }
    found: Told = {}
    options: dict[str, Any] = {"attacks": ("fgsm", "pgd"), "fit_on": "fgsm", "validation": 0.3, "random_state": seed}
    for way, detector in ways.items():
        for attack, result in adversarial_protocol(detector, X, y, **options).items():
            found.setdefault(attack, {})[way] = result.report.auroc
    return found


def old_and_new(net: Trained, seed: int, *, shots: tuple[int, ...] = (20, 100, 1000)) -> Told:
    """Area under accuracy on old classes against that on two added ones, last layer, and its gap to nearest means."""
    from trueneg.core.intervals import bootstrap
    from trueneg.reject import MahalanobisDetector

    last = slice(-net.widths[-1], None)
    learn, y = net.values["learn"].layers[:, last], net.y["learn"]
    test = np.concatenate([net.values[name].layers[:, last] for name in ("known", NEAR[0])])
    truth = np.concatenate([net.y[name] for name in ("known", NEAR[0])])
    rng, found = np.random.default_rng(seed), {}
    other = MahalanobisDetector().fit(learn[:, rng.permutation(learn.shape[1])], y).gaussians_[0].matrix
    for each in shots:
        new = {c: rng.permutation(np.flatnonzero(net.y["new"] == c))[:each] for c in (KNOWN, KNOWN + 1)}
        rows = {c: net.values["new"].layers[at, last] for c, at in new.items()}
        means = np.stack(
            [*(learn[y == c].mean(axis=0) for c in range(KNOWN)), *(r.mean(axis=0) for r in rows.values())]
        )
        ways = {"nearest mean": _nearness(test, means), _SABOTAGE: _nearness(test @ other, means @ other)}
        for rule in ("paper", "counts"):
            model = MahalanobisDetector().fit(learn, y)
            for c, part in rows.items():
                model.add_class(part, c, rule=rule)  # type: ignore[arg-type]
            g = model.gaussians_[0]
            ways[f"add_class, {rule}"] = _nearness((test - g.center) @ g.matrix, g.means)
        curves = {way: curve_rows(scores, truth) for way, scores in ways.items()}
        options: dict[str, Any] = {"n_boot": 300, "random_state": seed}
        told = {way: bootstrap(area, rows_, **options) for way, rows_ in curves.items()}
        plain = curves.pop("nearest mean")
        told |= {f"{way}, gap": bootstrap(_gap, rows_, plain, **options) for way, rows_ in curves.items()}
        found[f"two classes added, {each} rows each"] = told
    return found


def _nearness(X: NDArray[Any], means: NDArray[Any]) -> NDArray[np.float64]:
    """Minus half the squared distances to means, up to a number a row, (n, K)."""
    return np.asarray(X @ means.T - np.square(means).sum(axis=1) / 2, dtype=np.float64)


def curve_rows(scores: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.float64]:
    """What a row adds to the curve, (n, 3): lead of the old classes, 1 for an old row, 1 if right within its kind."""
    old, new = scores[:, :KNOWN], scores[:, KNOWN:]
    lead, own = old.max(axis=1) - new.max(axis=1), truth < KNOWN
    right = np.where(own, old.argmax(axis=1), new.argmax(axis=1) + KNOWN) == truth
    return np.column_stack([lead, own, right])


def area(rows: NDArray[Any]) -> float:
    """Move a bias of the new classes through all values; area under accuracy on old against that on new ones."""
    _, own, right = rows[np.argsort(rows[:, 0], kind="stable")].T
    old, new = right * own / own.sum(), right * (1 - own) / (1 - own).sum()
    return float(np.trapezoid(old.sum() - np.append(0, old.cumsum()), np.append(0, new.cumsum())))


def _gap(a: NDArray[Any], b: NDArray[Any]) -> float:
    return area(a) - area(b)
