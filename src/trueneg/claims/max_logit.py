"""Open-set recognition: accuracy and AUROC rise together, and unknown classes near the known ones are harder."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from trueneg.claims._photographs import encoded, wordnet
from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun, MissingExtraError

__all__ = ["MaxLogitOmniglot", "MaxLogitShift"]

_PAPER = "Vaze, Han, Vedaldi, Zisserman (2022), Open-Set Recognition: a Good Closed-Set Classifier, arXiv 2110.06207"
_LOSSES = {"cross-entropy": "cross_entropy", "ARPL": "arpl"}


class MaxLogitOmniglot:
    """Characters of Omniglot: some are learned, the others are unknown."""

    id = "max-logit-omniglot"
    system = "reject.max_logit"
    paper = _PAPER
    statement = (
        "Omniglot, 80 known and 100 unknown characters, drawers apart, the strong recipe: over the epochs of one "
        "training closed-set accuracy and open-set AUROC of the largest logit correlate at 0.9 or more, and AUROC ends "
        "at 0.65 or more"
    )
    control = "which drawings are unknown is drawn at random"
    CORRELATION, AREA = 0.9, 0.65
    KNOWN, UNKNOWN, EPOCHS = 80, 100, 14

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Train once, scores of every epoch read twice; two losses, networks and recipes under ``full``."""
        learn, known, unknown = self._sets(seed)
        rng = np.random.default_rng(seed)
        true = np.arange(len(known[0]) + len(unknown)) < len(known[0])
        marks = {"unknown characters": true, "unknown at random": rng.permutation(true)}
        curves: dict[str, list[tuple[float, float]]] = {name: [] for name in marks}
        last: dict[str, Any] = {}

        def read(_: int, inside: Any, outside: Any) -> None:
            both = np.concatenate([inside, outside])
            accuracy = float((inside.argmax(1) == known[1]).mean())
            last["logits"], last["accuracy"] = both, accuracy
            for name, mark in marks.items():
                curves[name].append((accuracy, _area(mark, both)))

        self._trained(seed, learn, known, unknown, on_checkpoint=read)
        measured: dict[str, float | str] = {"accuracy": round(last["accuracy"], 3)}
        verdicts = [self._shown(n, m, curves[n], last["logits"], seed, measured) for n, m in marks.items()]
        if full:
            self._compared(seed, learn, known, unknown, measured)
        return Evidence(verdicts[0], verdicts[1], measured)

    def _shown(self, name: str, mark: Any, curve: Any, logits: Any, seed: int, measured: dict[str, Any]) -> bool:
        from trueneg.core.detection import auroc, compare_detectors
        from trueneg.reject.max_logit import closed_open_correlation, max_logit, max_softmax

        r = closed_open_correlation(*np.transpose(curve))
        scores = max_logit(logits), max_softmax(logits)
        gap = compare_detectors(mark, *scores, random_state=seed)
        measured |= {
            f"{name}: AUROC, largest logit": str(auroc(mark, scores[0], random_state=seed)),
            f"{name}: AUROC, softmax": str(auroc(mark, scores[1], random_state=seed)),
            f"{name}: largest logit - softmax": str(gap),
            f"{name}: correlation over epochs": str(r),
        }
        return bool(r.value >= self.CORRELATION and curve[-1][1] >= self.AREA)

    def _trained(self, seed: int, learn: Any, known: Any, unknown: Any, **options: Any) -> Any:
        """Train one network; by default the small one with cross-entropy."""
        from trueneg.core.nets import CNN4, ResNet
        from trueneg.core.training import seeded
        from trueneg.reject.max_logit import train_closed_set

        classes = len(np.unique(learn[1]))
        deep = options.pop("deep", False)
        with seeded(seed):
            net = ResNet(classes, depth=8, width=16, channels=1) if deep else CNN4(classes, width=32)
        plain: dict[str, Any] = {"epochs": self.EPOCHS, "lr": 0.05, "batch_size": 32, "random_state": seed}
        return train_closed_set(net, *learn, known=known, unknown=unknown, **(plain | options))

    def _compared(self, seed: int, learn: Any, known: Any, unknown: Any, measured: dict[str, Any]) -> None:
        """Report every loss, network and recipe: the correlation over all of them, and ARPL beside plain training."""
        from trueneg.core.detection import compare_detectors
        from trueneg.reject.max_logit import closed_open_correlation, max_logit

        pairs, scores = [], {}
        rows = np.concatenate([known[0], unknown])
        mark = np.arange(len(rows)) < len(known[0])
        for strength in ("weak", "strong"):
            for net in ("CNN4", "ResNet-8"):
                for name, loss in _LOSSES.items():
                    options = {"loss": loss, "deep": net != "CNN4", "strength": strength, "epochs": 20, "every": 5}
                    points, logits = self._trained(seed, learn, known, unknown, **options)
                    pairs += [(p.accuracy, p.max_logit) for p in points]
                    scores[strength, net, name] = max_logit(logits(rows))
                    measured[f"{strength}, {net}, {name}: accuracy, AUROC"] = (
                        f"{points[-1].accuracy:.3f}, {points[-1].max_logit:.3f}"
                    )
                gap = compare_detectors(
                    mark, *(scores[strength, net, name] for name in ("ARPL", "cross-entropy")), random_state=seed
                )
                measured[f"{strength}, {net}: ARPL - largest logit of cross-entropy"] = str(gap)
        measured["correlation over losses, networks and recipes"] = str(closed_open_correlation(*np.transpose(pairs)))

    def _sets(self, seed: int) -> tuple[Any, Any, Any]:
        """Return known drawings of 15 drawers, those of the 5 others, and unknown characters of the same 5."""
        pictures, character, drawer = _drawings()
        rng = np.random.default_rng(seed)
        order = rng.permutation(np.unique(character))
        late = np.isin(drawer, rng.permutation(np.unique(drawer))[:5])
        own = np.isin(character, order[: self.KNOWN])
        other = np.isin(character, order[self.KNOWN : self.KNOWN + self.UNKNOWN])
        code = np.searchsorted(np.sort(order[: self.KNOWN]), character)
        learn, test = own & ~late, own & late
        return (pictures[learn], code[learn]), (pictures[test], code[test]), pictures[other & late]


class MaxLogitShift:
    """Tiny-ImageNet: unknown classes near the known ones by WordNet are harder; only the long form."""

    id = "max-logit-semantic-shift"
    system = "reject.max_logit"
    paper = _PAPER
    statement = (
        "Tiny-ImageNet through a frozen network, 50 known classes drawn five times, the others split in three by their "
        "Wu-Palmer distance to the nearest known one in WordNet: AUROC of the largest logit on the farthest third is "
        "above that on the nearest one by 0.03 or more on average"
    )
    control = "the labels of the distances are permuted"
    HARDER = 0.03
    KNOWN, DRAWS = 50, 5
    EPOCHS, TRAINED_ON = 30, 20

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Learn heads on known classes and read each third of the others; train a small network from nothing beside."""
        if not full:
            raise ClaimNotRun("it encodes 10,000 photographs and trains a network: run it with --full, some minutes")
        from sklearn.linear_model import LogisticRegression

        from trueneg.reject.max_logit import OpenSetClassifier

        learn, test, edges = encoded()
        labels = np.intersect1d(learn.y, np.array(edges))
        metrics = _metrics(edges, labels)
        gaps: dict[str, list[float]] = {}
        for draw in range(self.DRAWS):
            rng = np.random.default_rng([seed, draw])
            own, shuffled = np.sort(rng.permutation(labels)[: self.KNOWN]), rng.permutation(len(labels))
            rows, seen = np.isin(learn.y, own), np.isin(test.y, own)
            model = OpenSetClassifier(LogisticRegression(C=0.01, max_iter=300), threshold=None)
            model.fit(learn.X[rows], learn.y[rows])
            inside, outside = (model.score_samples(test.X[at]) for at in (seen, ~seen))
            tried = metrics | {"permuted": metrics["Wu-Palmer"][np.ix_(shuffled, shuffled)]}
            for name, metric in tried.items():
                areas = _thirds(metric, own, labels, inside, outside, test.y[~seen])
                gaps.setdefault(name, []).append(areas["easy"] - areas["hard"])
        measured: dict[str, float | str] = {f"{name}: easy - hard": _mean(found) for name, found in gaps.items()}
        measured |= self._from_nothing(seed)
        means = {name: np.mean(found) for name, found in gaps.items()}
        return Evidence(bool(means["Wu-Palmer"] >= self.HARDER), bool(means["permuted"] >= self.HARDER), measured)

    def _from_nothing(self, seed: int) -> dict[str, str]:
        """Tell what a small network shows that is trained on 20 classes at 32 pixels."""
        from trueneg.core.detection import compare_detectors
        from trueneg.core.nets import ResNet
        from trueneg.core.training import seeded
        from trueneg.reject.max_logit import closed_open_correlation, max_logit, max_softmax, train_closed_set

        test, edges = _photographs("val"), wordnet()
        labels = np.intersect1d(test[1], np.array(edges))
        own = np.sort(np.random.default_rng(seed).permutation(labels)[: self.TRAINED_ON])
        learn, seen = _photographs("train", tuple(own.tolist())), np.isin(test[1], own)
        codes = np.searchsorted(own, learn[1]), np.searchsorted(own, test[1][seen])
        with seeded(seed):
            net = ResNet(self.TRAINED_ON, depth=8, width=32)
        points, logits = train_closed_set(
            net,
            learn[0],
            codes[0],
            known=(test[0][seen], codes[1]),
            unknown=test[0][~seen][::4],
            epochs=self.EPOCHS,
            every=5,
            precision="bfloat16",
            random_state=seed,
        )
        inside, outside = logits(test[0][seen]), logits(test[0][~seen])
        mark, both = np.arange(len(test[0])) < len(inside), np.concatenate([inside, outside])
        found = {
            name: _thirds(metric, own, labels, max_logit(inside), max_logit(outside), test[1][~seen])
            for name, metric in _metrics(edges, labels).items()
        }
        told = {f"small network: easy - hard, {name}": f"{f['easy'] - f['hard']:.3f}" for name, f in found.items()}
        return {
            "small network: accuracy, AUROC": f"{points[-1].accuracy:.3f}, {_area(mark, both):.3f}",
            "small network: largest logit - softmax": str(
                compare_detectors(mark, max_logit(both), max_softmax(both), random_state=seed)
            ),
            "small network: correlation over epochs": str(
                closed_open_correlation([p.accuracy for p in points], [p.max_logit for p in points])
            ),
            **told,
        }


def _metrics(edges: Any, labels: Any) -> dict[str, np.ndarray]:
    from trueneg.reject.max_logit import tree_distance

    return {
        "Wu-Palmer": tree_distance(edges, labels),
        "path": tree_distance(edges, labels, measure="path"),
        "leaves": tree_distance(edges, labels, measure="leaves"),
    }


def _thirds(metric: Any, own: Any, labels: Any, inside: Any, outside: Any, kind: Any) -> dict[str, float]:
    """AUROC of known rows against the unknown ones of each third."""
    from trueneg.core.detection import auroc_of
    from trueneg.reject.max_logit import semantic_shift_split

    found = {}
    for title, part in semantic_shift_split(metric, own, labels=labels).bins.items():
        other = outside[np.isin(kind, part)]
        found[title] = auroc_of(np.arange(len(inside) + len(other)) < len(inside), np.concatenate([inside, other]))
    return found


def _mean(values: list[float]) -> str:
    """Mean over draws with its interval by Student's t."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} [{np.mean(values) - half:.3f}, {np.mean(values) + half:.3f}]"


def _area(mark: Any, logits: Any) -> float:
    from trueneg.core.detection import auroc_of
    from trueneg.reject.max_logit import max_logit

    return auroc_of(mark, max_logit(logits))


def _png(archive: zipfile.ZipFile) -> Iterator[tuple[str, str, bytes]]:
    for name in sorted(n for n in archive.namelist() if n.endswith(".png")):
        _, alphabet, character, file = name.split("/")
        yield f"{alphabet}/{character}", file, archive.read(name)


@lru_cache(maxsize=1)
def _drawings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ink at 28 x 28, the character and the drawer of each drawing."""
    from trueneg.data.registry import folder

    try:
        from PIL import Image

        import trueneg.core.training  # noqa: F401 - torch is needed below
    except (ImportError, MissingExtraError):
        raise ClaimNotRun("it trains a network on drawings: pip install 'trueneg[vision]'") from None
    found: dict[tuple[str, str], bytes] = {}
    for path in sorted(folder("omniglot").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for character, file, content in _png(archive):  # some characters are in both archives
                found.setdefault((character, file), content)
    ink = [Image.open(io.BytesIO(c)).convert("L").resize((28, 28), Image.Resampling.BOX) for c in found.values()]
    pixels = 1 - np.stack([np.asarray(i, np.float32) for i in ink])[:, None] / 255
    return pixels, np.array([c for c, _ in found]), np.array([f[-6:-4] for _, f in found])


@lru_cache(maxsize=2)
def _photographs(part: str, classes: tuple[str, ...] | None = None) -> tuple[Any, np.ndarray]:
    """Return photographs of a part, of these classes or of all, at 32 pixels, and their WordNet ids."""
    import pyarrow.parquet as pq

    from trueneg.data.registry import file

    try:
        import trueneg.core.training  # noqa: F401 - torch is needed
        from trueneg.encoders.images import pixels
    except MissingExtraError as error:
        raise ClaimNotRun(str(error)) from None
    wanted: list[Any] = [("split", "==", part)] + ([("wnid", "in", classes)] if classes else [])
    table = pq.read_table(file("tiny_imagenet32_jpeg.parquet"), filters=wanted)
    return pixels(table["image"].to_pylist(), 32), np.array(table["wnid"].to_pylist())
