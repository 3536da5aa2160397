"""Hyp-OC on classes of CIFAR-10, each alone; faces and their simulated recapture beside it."""

from __future__ import annotations

import io
import tarfile
from functools import lru_cache
from typing import Any

import numpy as np

from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun, MissingExtraError

__all__ = ["HypOcCifar"]


class HypOcCifar:
    """One class of photographs is familiar, the nine others are not."""

    id = "hyp-oc-cifar10"
    system = "reject.hyp_oc"
    paper = "Narayan, Patel (2024), Hyp-OC: Hyperbolic One Class Classification, arXiv 2404.14406"
    statement = (
        "CIFAR-10, one class against nine, 300 photographs to learn from, frozen features of EfficientNet-Lite0: the "
        "AUROC over the ten classes is 0.62 or more on average"
    )
    control = "the network stays as it was drawn"
    AREA = 0.62
    ROWS, TEST = 300, 100

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Measure the method, the sabotage, and what else one would use; every part left out, and faces, under full."""
        X, label, test, kind = _features()
        rng = np.random.default_rng(seed)
        areas: dict[str, list[float]] = {}
        for c in range(10):
            rows = rng.permutation(np.flatnonzero(label == c))[: self.ROWS]
            found = _areas(X[rows], test, kind == c, seed) | (_parts(X[rows], test, kind == c, seed) if full else {})
            for name, area in found.items():
                areas.setdefault(name, []).append(area)
        mean = {name: float(np.mean(found)) for name, found in areas.items()}
        measured: dict[str, float | str] = {f"mean AUROC, {name}": round(value, 3) for name, value in mean.items()}
        if full:
            measured |= _faces(seed)
        return Evidence(mean["Hyp-OC"] >= self.AREA, mean["no training"] >= self.AREA, measured)


def _areas(X: Any, test: Any, known: Any, seed: int) -> dict[str, float]:
    """Return the AUROC of the method, of the sabotage, of the flat head, and of two others, on rows of one class."""
    from sklearn.ensemble import IsolationForest
    from sklearn.svm import OneClassSVM

    from trueneg.core.detection import auroc_of

    mean, scale = X.mean(axis=0), X.std(axis=0) + 1e-6
    rows, new = (X - mean) / scale, (test - mean) / scale
    scores = {
        "Hyp-OC": _scored(X, test, seed),
        "no training": _scored(X, test, seed, epochs=1, learning_rate=1e-12),
        "the same head without curvature": _scored(X, test, seed, curvature=0.0),
        "one-class SVM": OneClassSVM(nu=0.1).fit(rows).score_samples(new),
        "isolation forest": IsolationForest(random_state=seed).fit(rows).score_samples(new),
    }
    return {name: auroc_of(known, found) for name, found in scores.items()}


def _parts(X: Any, test: Any, known: Any, seed: int) -> dict[str, float]:
    """Return the AUROC with one part of the method left out, or as the authors' code has it."""
    from trueneg.core.detection import auroc_of

    # Of variance 1 but not of mean 0: where the mean is 0, a draw around it and one around 0 are the same.
    scale = X.std(axis=0) + 1e-6
    rows, new = X / scale, test / scale
    scores = {
        "not centred, drawn around the mean": _scored(rows, new, seed, standardize=False),
        "not centred, drawn around 0": _scored(rows, new, seed, around_zero=True, standardize=False),
        "without pairs": _scored(X, test, seed, pc_weight=0.0),
        "c = 1": _scored(X, test, seed, curvature=1.0),
        "c = 1, no clipping": _scored(X, test, seed, curvature=1.0, clip_norm=None),
        "authors' code": _scored(X, test, seed, compat="reference"),
    }
    return {name: auroc_of(known, found) for name, found in scores.items()}


def _scored(X: Any, test: Any, seed: int, *, around_zero: bool = False, **options: Any) -> Any:
    from trueneg.reject.hyp_oc import HyperbolicOneClass

    model = HyperbolicOneClass(random_state=seed, **options)
    if around_zero:
        model._negatives = _AroundZero  # what the running mean is there for
    return model.fit(X).score_samples(test)


def _AroundZero(dimension: int, **options: Any) -> Any:  # noqa: N802 - stands in for a class
    from trueneg.reject.hyp_oc import PseudoNegatives

    class Zero(PseudoNegatives):
        """Forgets what it saw."""

        def forward(self, features: Any, generator: Any = None) -> Any:
            return super().forward(0 * features, generator)

    return Zero(dimension, **options)


def _faces(seed: int) -> dict[str, float | str]:
    """Return HTER of real faces against their simulated recapture, the threshold from other persons."""
    from sklearn.svm import OneClassSVM

    from trueneg.core.detection import attack_rates, auroc, eer_threshold
    from trueneg.reject.hyp_oc import recapture, video_scores

    images, person = _att_faces()
    encoder = _encoder(96)
    real, attack = encoder.encode(images), encoder.encode(recapture(images, random_state=seed))
    order = np.random.default_rng(seed).permutation(np.unique(person))
    learn, validation, test = (np.isin(person, part) for part in np.split(order, [20, 30]))
    found: dict[str, float | str] = {}
    for name, score in (
        ("Hyp-OC", lambda X: _scored(real[learn], X, seed, batch_size=16, epochs=15)),
        ("one-class SVM", lambda X: OneClassSVM(nu=0.1).fit(real[learn]).score_samples(X)),
    ):
        sets = []
        for part in (validation, test):
            scores = score(np.concatenate([real[part], attack[part]]))
            names = np.concatenate([np.char.add("real ", person[part]), np.char.add("attack ", person[part])])
            videos, mean = video_scores(scores, names)  # all pictures of a person stand for a video
            sets.append((np.char.startswith(videos, "real").astype(int), mean))
        threshold = eer_threshold(*sets[0])
        rates = attack_rates(*sets[1], threshold=threshold, random_state=seed)
        found[f"AT&T faces, simulated recapture, {name}: HTER"] = str(rates.hter)
        found[f"AT&T faces, simulated recapture, {name}: AUROC"] = str(auroc(*sets[1], random_state=seed))
    return found


@lru_cache(maxsize=1)
def _features() -> tuple[Any, Any, Any, Any]:
    """Return features and labels of photographs to draw from, and of others to test on."""
    import pyarrow.parquet as pq

    from trueneg.data.registry import file

    table = pq.read_table(file("cifar10_jpeg.parquet"))
    split = np.array(table["split"].to_pylist())
    label = np.unique(np.array(table["label"].to_pylist()), return_inverse=True)[1]
    rng = np.random.default_rng(0)
    rows = [
        rng.permutation(np.flatnonzero((split == part) & (label == c)))[:n]
        for part, n in (("train", HypOcCifar.ROWS + 50), ("test", HypOcCifar.TEST))
        for c in range(10)
    ]
    learn, test = np.concatenate(rows[:10]), np.concatenate(rows[10:])
    found = _encoder(64).encode(table["image"].take(np.concatenate([learn, test])).to_pylist())
    return found[: len(learn)], label[learn], found[len(learn) :], label[test]


def _encoder(side: int) -> Any:
    try:
        from trueneg.encoders import EfficientNetLite0

        return EfficientNetLite0(side=side)
    except MissingExtraError as error:
        raise ClaimNotRun(str(error)) from None


@lru_cache(maxsize=1)
def _att_faces() -> tuple[list[Any], Any]:
    """Return 400 faces and whose they are."""
    from PIL import Image

    from trueneg.data.registry import folder

    images, person = [], []
    with tarfile.open(next(folder("att_faces").glob("*.tar"))) as archive:
        for member in sorted((m for m in archive.getmembers() if m.name.endswith(".pgm")), key=lambda m: m.name):
            content = archive.extractfile(member)
            if content is not None:
                images.append(np.asarray(Image.open(io.BytesIO(content.read())).convert("RGB")))
                person.append(member.name.split("/")[-2])
    return images, np.array(person)
