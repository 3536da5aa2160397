"""TEEN: fewer new characters of Omniglot are taken for base ones than with plain prototypes."""

from __future__ import annotations

import io
import zipfile
from functools import lru_cache
from typing import Any

import numpy as np

from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun

__all__ = ["TeenOmniglot"]


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
            for name in ("new_to_base", "new", "base", "harmonic_mean")
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
