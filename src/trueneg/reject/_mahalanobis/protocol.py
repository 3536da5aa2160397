"""How well attacks are told from clean and noisy pictures, by the paper's protocol; what was fitted is not tested."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.detection import NoveltyReport, auroc_of, novelty_report
from trueneg.core.errors import InputError
from trueneg.core.rows import array_of
from trueneg.core.training import class_numbers, outputs
from trueneg.reject._mahalanobis.attacks import ATTACKS, noise_like
from trueneg.reject._mahalanobis.ensemble import LogisticLayers

__all__ = ["AttackResult", "adversarial_protocol"]


@dataclass(frozen=True)
class AttackResult:
    """What came of one attack.

    Attributes
    ----------
    report : NoveltyReport
        Clean and noisy pictures are known, attacked ones unknown; test rows only.
    n_used : int
        Pictures whose attack succeeded, and that the network gets right clean and with noise.
    success : float
        Share of the pictures that it gets right whose attack succeeded.
    eps : float
        Step of input preprocessing that was chosen.
    """

    report: NoveltyReport
    n_used: int
    success: float
    eps: float


def adversarial_protocol(
    detector: Any,
    X: Any,
    y: ArrayLike,
    *,
    attacks: Sequence[str] = ("fgsm", "bim", "deepfool", "cw"),
    fit_on: Literal["each", "fgsm"] = "each",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    eps_grid: Sequence[float] = (0.0,),
    validation: float = 0.1,
    random_state: int | np.random.Generator | None = None,
) -> dict[str, AttackResult]:
    """Attack a detector's network, and tell the attacked pictures from clean and noisy ones.

    Of the validation pictures one half fits a logistic regression on the layers' scores and the other half chooses the
    step; all the others are tested on. The copies of a picture are always on the same side.

    Parameters
    ----------
    detector : MahalanobisDetector or LidDetector
        Fitted, with a network; it answers ``layer_scores(X, eps=)``.
    X : array-like of shape (n, channels, h, w)
        Pictures that were not learned from.
    y : array-like of shape (n,)
        Class numbers of the network's outputs.
    attacks : sequence of str, default=("fgsm", "bim", "deepfool", "cw")
        Of :data:`ATTACKS`.
    fit_on : {"each", "fgsm"}, default="each"
        "fgsm": the regression and the step come from FGSM alone, and the other attacks are unknown to it.
    settings : mapping or None, default=None
        Of an attack, such as ``{"fgsm": {"eps": 0.02}}``.
    eps_grid : sequence of float, default=(0.0,)
        Steps of input preprocessing to choose from; each costs a backward pass a layer.
    validation : float, default=0.1
        Share of the pictures to fit and choose on.
    random_state : int, Generator or None, default=None
        Seed.

    Returns
    -------
    dict of str to AttackResult
    """
    names = list(dict.fromkeys([*(["fgsm"] if fit_on == "fgsm" else []), *attacks]))
    unknown = [name for name in names if name not in ATTACKS]
    if unknown or fit_on not in ("each", "fgsm") or not 0 < validation < 1:
        msg = f"attacks={attacks!r}, fit_on={fit_on!r}, validation={validation!r}: attacks are {', '.join(ATTACKS)}."
        raise InputError(msg)
    rng = np.random.default_rng(random_state)
    if getattr(detector, "net", None) is None:
        raise InputError("attacks need a network: give the detector net=.")
    if not hasattr(detector, "layers_"):
        msg = f"this {type(detector).__name__} is not fitted: call fit with rows of known classes first."
        raise InputError(msg)
    for name, own in (settings or {}).items():
        taken = inspect.signature(ATTACKS[name]).parameters if name in ATTACKS else {}
        wrong = [key for key in own if key not in taken]
        if name not in ATTACKS or wrong:
            what = f"{name!r} has no setting {wrong[0]!r}" if name in ATTACKS else f"{name!r} is no attack"
            msg = f"settings: {what}; attacks are {', '.join(ATTACKS)}, each with its own arguments."
            raise InputError(msg)
    seed, net, truth = int(rng.integers(2**31)), detector.net, class_numbers(y, len(X))
    device = detector.device
    X = array_of(X)
    sound = outputs(net, X, device=device).argmax(1) == truth
    images, truth = np.asarray(X)[sound], truth[sound]
    order = np.random.default_rng(seed).permutation(len(images))
    found: dict[str, AttackResult] = {}
    model: Any = None
    step = 0.0
    for name in names:
        options = dict((settings or {}).get(name, {}))
        attacked = ATTACKS[name](net, images, truth, device=device, **options)
        clean, noisy = noise_like(images, attacked, random_state=seed)
        wrong = outputs(net, attacked, device=device).argmax(1) != truth
        use = wrong & (outputs(net, noisy, device=device).argmax(1) == truth)
        rows = order[use[order]]
        cut = max(2, round(validation * len(rows)) // 2)
        if len(rows) < 3 * cut + 2:
            msg = f"{name}: of {len(images):,} pictures only {len(rows)} can be used: give more, or a stronger attack."
            raise InputError(msg)
        parts = rows[:cut], rows[cut : 2 * cut], rows[2 * cut :]
        if fit_on == "each" or name == "fgsm":
            model, step = _fitted(detector, clean, noisy, attacked, parts, eps_grid, seed)
        good = model.score(_scores(detector, (clean, noisy), parts[2], step))
        bad = model.score(_scores(detector, (attacked,), parts[2], step))
        told = np.repeat([1, 0], [len(good), len(bad)])
        groups = np.concatenate([parts[2]] * 3)
        report = novelty_report(told, np.concatenate([good, bad]), groups=groups, n_boot=200, random_state=seed)
        found[name] = AttackResult(report, len(rows), float(wrong.mean()), step)
    return found


def _scores(detector: Any, sets: tuple[Any, ...], rows: NDArray[np.int64], eps: float) -> NDArray[np.float64]:
    return np.concatenate([detector.layer_scores(images[rows], eps=eps) for images in sets])


def _fitted(
    detector: Any, clean: Any, noisy: Any, attacked: Any, parts: Any, grid: Sequence[float], seed: int
) -> tuple[Any, float]:
    best: tuple[float, Any, float] = (-np.inf, None, 0.0)
    for eps in grid:
        good = [_scores(detector, (clean, noisy), rows, eps) for rows in parts[:2]]
        bad = [_scores(detector, (attacked,), rows, eps) for rows in parts[:2]]
        model = LogisticLayers(good[0], bad[0], seed)
        told = np.repeat([1, 0], [len(good[1]), len(bad[1])])
        reached = auroc_of(told, model.score(np.concatenate([good[1], bad[1]])))
        if reached > best[0]:
            best = (reached, model, float(eps))
    return best[1], best[2]
