"""TEEN: fewer rows of new classes are taken for base ones than with plain prototypes; drawings and photographs."""

from __future__ import annotations

import io
import zipfile
from functools import lru_cache
from typing import Any

import numpy as np

from trueneg.claims._base_classes import Rows, Sets, embedded
from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun

__all__ = ["TeenOmniglot", "TeenPhotographs", "sessions"]

_FIGURES = ("new_to_base", "new", "base", "harmonic_mean")


class TeenOmniglot:
    """Calibrated prototypes against plain ones, paired on 5-shot episodes of new characters."""

    id = "teen-omniglot"
    system = "heads.teen"
    paper = "Wang, Zhou, Zhang, Zhan, Ye (2023), Training-Free Prototype Calibration, arXiv 2312.05229"
    statement = (
        "Omniglot, 150 base and 92 new characters, discriminant features learned from the base ones, 30 episodes of 40 "
        "ways and 5 shots: TEEN takes fewer new characters for base ones by 2 points or more, gets 1 point or more of "
        "them right in addition, and base accuracy falls by 2.5 points at most"
    )
    control = "softmax weights without temperature: every base class weighs alike"
    CONFUSION, NEW, BASE = -0.02, 0.01, -0.025

    def run(self, seed: int) -> Evidence:
        """Compare both heads, and the sabotaged one, with plain prototypes on the same episodes."""
        from threadpoolctl import threadpool_limits

        from trueneg.heads.teen import PrototypeClassifier, compare_episodes

        with threadpool_limits(limits=1):
            sets = self._sets(seed)
            plain = PrototypeClassifier(calibration=None)
            options: dict[str, Any] = {"ways": 40, "shots": 5, "n_episodes": 30, "random_state": seed}
            found = compare_episodes(PrototypeClassifier(), plain, *sets, **options)
            wrong = compare_episodes(PrototypeClassifier(tau=1e-6), plain, *sets, **options)
        measured: dict[str, float | str] = {
            f"{what}, {name}": str(getattr(result, name))
            for what, result in (("TEEN", found), ("no temperature", wrong))
            for name in _FIGURES
        }
        return Evidence(self._shown(found), self._shown(wrong), measured)

    def _shown(self, found: Any) -> bool:
        confused, right, base = found.new_to_base.value, found.new.value, found.base.value
        return bool(confused <= self.CONFUSION and right >= self.NEW and base >= self.BASE)

    @staticmethod
    def _sets(seed: int) -> tuple[Any, Any, Any]:
        """Return base rows of 15 drawers, those of the 5 others, and new characters, as discriminant features."""
        from sklearn.decomposition import PCA
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        pixels, character, drawer = _omniglot()
        rng = np.random.default_rng(seed)
        base = np.isin(character, rng.permutation(np.unique(character))[:150])
        late = np.isin(drawer, rng.permutation(np.unique(drawer))[:5])
        learn, test = base & ~late, base & late
        axes = PCA(120, random_state=seed).fit(pixels[learn])
        rows = axes.transform(pixels)
        model = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1, n_components=80)
        rows = model.fit(rows[learn], character[learn]).transform(rows)
        rows -= rows[learn].mean(axis=0)
        return tuple((rows[part], character[part]) for part in (learn, test, ~base))  # type: ignore[return-value]


class TeenPhotographs:
    """Calibrated prototypes against plain ones on a network trained on 100 classes; the long form only."""

    id = "teen-photographs"
    system = "heads.teen"
    paper = TeenOmniglot.paper
    statement = (
        "Tiny-ImageNet at 32 pixels, ResNet-8 trained with cosines on 100 base classes, 100 others new with 5 shots, "
        "ten at a time or all: TEEN takes fewer new photographs for base ones by 2 points or more, gets 0.3 points or "
        "more of them right in addition, base accuracy falls by 1.5 points at most, the harmonic mean is no lower"
    )
    control = TeenOmniglot.control
    CONFUSION, NEW, BASE, MEAN = -0.02, 0.003, -0.015, 0.0
    SETTINGS = ((10, 30), (100, 10))  # ways, episodes: one session, and all ten at once

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Train once; the seed draws shots and sessions."""
        if not full:
            raise ClaimNotRun("it trains a network on photographs: run it with --full, some ten minutes")
        from trueneg.heads.teen import PrototypeClassifier, compare_episodes

        sets, plain = embedded(), PrototypeClassifier(calibration=None)
        heads = {"TEEN": PrototypeClassifier(), "no temperature": PrototypeClassifier(tau=1e-6)}
        measured: dict[str, float | str] = {}
        for name, head in {"plain": plain, **heads}.items():
            measured |= _told(name, sessions(head, sets, seed))
        shown = dict.fromkeys(heads, True)
        for ways, n in self.SETTINGS:
            for name, head in heads.items():
                found = compare_episodes(head, plain, *sets, ways=ways, n_episodes=n, random_state=seed)
                measured |= {f"{name}, {ways} ways, {f}": str(getattr(found, f)) for f in _FIGURES}
                shown[name] &= self._shown(found)
        return Evidence(shown["TEEN"], shown["no temperature"], measured)

    def _shown(self, found: Any) -> bool:
        confused, right, base = found.new_to_base.value, found.new.value, found.base.value
        fair = confused <= self.CONFUSION and right >= self.NEW and base >= self.BASE
        return bool(fair and found.harmonic_mean.value >= self.MEAN)


def sessions(head: Any, sets: Sets, seed: int, *, ways: int = 10, shots: int = 5) -> Any:
    """Learn the base classes and then the new ones, ``ways`` a session of ``shots`` rows; report session by session."""
    from sklearn.base import clone

    from trueneg.heads.teen import session_report

    rng, (X, y) = np.random.default_rng(seed), sets.new
    model, tested, said = clone(head).fit(*sets.base), [sets.base_test], []
    classes = rng.permutation(np.unique(y))
    for start in range(-ways, len(classes), ways):
        if start >= 0:
            rows = [rng.permutation(np.flatnonzero(y == c)) for c in classes[start : start + ways]]
            few, left = (np.concatenate([r[part] for r in rows]) for part in (slice(shots), slice(shots, None)))
            model.partial_fit(X[few], y[few])
            tested.append(Rows(X[left], y[left]))
        rows_, truth = (np.concatenate(part) for part in zip(*tested, strict=True))
        said.append((truth, model.predict(rows_)))
    return session_report(said, model.base_classes_, random_state=seed)


def _told(name: str, report: Any) -> dict[str, float | str]:
    """Return the figures of the first and last session, and the drop."""
    last = {f: str(getattr(report.sessions[-1], f)) for f in _FIGURES}
    told = {"first session": str(report.accuracy[0]), "last session": str(report.accuracy[-1]), **last}
    return {f"{name}, {what}": v for what, v in {**told, "performance drop": str(report.performance_drop)}.items()}


@lru_cache(maxsize=1)
def _omniglot() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the strokes of each drawing, its character and who drew it."""
    from trueneg.data.registry import folder

    try:
        from PIL import Image
    except ImportError:
        raise ClaimNotRun("it reads drawings: pip install 'trueneg[image]'") from None

    found: set[tuple[str, ...]] = set()
    images, characters, drawers = [], [], []
    for path in sorted(folder("omniglot").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(n for n in archive.namelist() if n.endswith(".png")):
                _, alphabet, character, file = name.split("/")
                if (alphabet, character, file) in found:  # some characters are in both archives
                    continue
                found.add((alphabet, character, file))
                drawing = Image.open(io.BytesIO(archive.read(name))).convert("L").resize((35, 35), Image.Resampling.BOX)
                images.append(_strokes(1 - np.asarray(drawing, np.float32) / 255))
                characters.append(f"{alphabet}/{character}")
                drawers.append(file[-6:-4])
    return np.array(images), np.array(characters), np.array(drawers)


def _strokes(ink: np.ndarray) -> np.ndarray:
    """Return how much edge of each of 8 directions lies around each of 7 x 7 places, (392,)."""
    from scipy.ndimage import gaussian_filter

    down, right = np.gradient(gaussian_filter(ink, 0.7))
    size, angle = np.hypot(down, right), np.arctan2(down, right)
    turns = np.arange(8) * np.pi / 4
    share = np.maximum(np.cos(angle - turns[:, None, None]), 0.0) ** 4 * size
    return np.sqrt(np.stack([gaussian_filter(part, 2.0)[2::5, 2::5] for part in share]).ravel())
