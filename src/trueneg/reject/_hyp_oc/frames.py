"""Folders of real and attack frames, scores of whole videos, and a simulated recapture."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueneg.core.errors import InputError, missing_extra

__all__ = ["Frames", "read_frames", "recapture", "video_of", "video_scores"]

_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".ppm", ".webp"}
_NUMBER = re.compile(r"[\s_.-]*(?:frame|f|img|image)?[\s_.-]*\d+$", re.IGNORECASE)


@dataclass(frozen=True)
class Frames:
    """Frames of a presentation-attack set.

    Attributes
    ----------
    paths : list of Path
        One a frame, sorted.
    known : ndarray of int8 of shape (n,)
        1 for real, 0 for an attack.
    attack : ndarray of str of shape (n,)
        Name of the attack, "" for real.
    video : ndarray of str of shape (n,)
        Which video the frame is of; frames of one video belong together in every interval.
    """

    paths: list[Path]
    known: NDArray[np.int8]
    attack: NDArray[np.str_]
    video: NDArray[np.str_]


def read_frames(folder: str | Path, *, real: str = "real", attack: str = "attack") -> Frames:
    """List the frames of ``folder/real`` and ``folder/attack``, with their videos and attacks.

    Videos are named by :func:`video_of`. Under ``attack`` the first folder names the attack:
    ``attack/print/s1/007.png``, ``attack/print/s1_007.png``.

    Parameters
    ----------
    folder : path
        Of one split, such as train, validation or test.
    real, attack : str, default="real", "attack"
        Names of the two folders.

    Returns
    -------
    Frames
        Sorted by path; files that are no images are left out.

    Raises
    ------
    InputError
        Where the folder or both of the two are missing, or hold no image.
    """
    root = Path(folder)
    found: list[tuple[Path, int, str, str]] = []
    for name, known in ((real, 1), (attack, 0)):
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else []:
            if path.suffix.lower() not in _IMAGES or not path.is_file():
                continue
            inner = path.relative_to(top).parts[:-1]
            kind = "" if known else (inner[0] if inner else attack)
            found.append((path, known, kind, video_of(path.relative_to(root).as_posix(), real=real, attack=attack)))
    if not found:
        msg = (
            f"{root} holds no image in {real!r} or {attack!r}: name the folder of one split, or set real= and attack=."
        )
        raise InputError(msg)
    paths, known_, kinds, videos = zip(*found, strict=True)
    return Frames(list(paths), np.array(known_, np.int8), np.array(kinds), np.array(videos))


def video_of(name: str, *, real: str = "real", attack: str = "attack") -> str:
    """Return which video a frame is of, by its name.

    A folder of frames is a video: ``real/s1/007.png`` is of ``real/s1``. Where frames lie in ``real``, or in the folder
    of an attack, directly, it is the name without its last number: ``s1_007.png`` is a frame of video ``s1``; a name
    that is a number alone is a video of its own in ``real``, and of its folder below ``attack``.

    Parameters
    ----------
    name : str
        Path from the folder of the split, with forward slashes.
    real, attack : str, default="real", "attack"
        Names of the two folders.

    Returns
    -------
    str
    """
    *folders, file = name.split("/")
    stem = file.rpartition(".")[0] or file
    bare = _NUMBER.sub("", stem)
    if not folders:
        return bare or stem
    if folders[0] == real:
        return "/".join([*folders, *([] if folders[1:] else [bare or stem])])
    if folders[0] == attack:
        kind = folders[1:2] or [attack]
        inside = folders[2:] or [bare or (kind[0] if folders[1:] else stem)]
        return "/".join([attack, *kind, *inside])
    return "/".join(folders)


def video_scores(
    scores: ArrayLike, video: ArrayLike, *, how: Literal["mean", "median", "min"] = "mean"
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Turn scores of frames into one a video.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Of frames, higher = more familiar.
    video : array-like of shape (n,)
        Which video each is of.
    how : {"mean", "median", "min"}, default="mean"
        "min" lets one suspicious frame condemn a video.

    Returns
    -------
    videos : ndarray of shape (v,)
        Sorted.
    scores : ndarray of float64 of shape (v,)
        One each.

    Raises
    ------
    InputError
        Where lengths differ, a score is NaN or ``how`` is unknown.
    """
    s, of = np.asarray(scores, dtype=np.float64), np.asarray(video)
    if s.ndim != 1 or s.shape != of.shape or not len(s) or np.isnan(s).any():
        msg = (
            f"scores of shape {s.shape} and videos of shape {of.shape}: give one score, not NaN, and one video a frame."
        )
        raise InputError(msg)
    if how not in ("mean", "median", "min"):
        msg = f"how={how!r}: choose 'mean', 'median' or 'min'."
        raise InputError(msg)
    names, code = np.unique(of, return_inverse=True)
    if how == "mean":
        return names, np.bincount(code, weights=s) / np.bincount(code)
    order = np.lexsort((s, code))
    first = np.searchsorted(code[order], np.arange(len(names)))
    if how == "min":
        return names, s[order[first]]
    count = np.bincount(code)
    low, high = s[order[first + (count - 1) // 2]], s[order[first + count // 2]]
    return names, (low + high) / 2


def recapture(
    images: Sequence[Any],
    *,
    scale: float = 0.5,
    moire: float = 12.0,
    gamma: float = 1.3,
    quality: int = 60,
    random_state: int | np.random.Generator | None = None,
) -> list[NDArray[np.uint8]]:
    """Simulate photographs of a screen: resample, moire stripes, gamma, JPEG. No real attack is just like it.

    Parameters
    ----------
    images : sequence of arrays of uint8 (h, w, 3) or (h, w), or Pillow images
        Real ones.
    scale : float, default=0.5
        Size of the screen's picture in that of the image, above 0, at most 1.
    moire : float, default=12.0
        Amplitude of the stripes, in grey levels.
    gamma : float, default=1.3
        Exponent of the brightness, drawn between 1 / gamma and gamma for each image.
    quality : int, default=60
        Of the JPEG, 1 to 95.
    random_state : int, Generator or None, default=None
        Seed of direction, period and phase of the stripes and of the brightness.

    Returns
    -------
    list of ndarray of uint8 of shape (h, w, 3)
        One an image.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        missing_extra("pillow", "vision")
    if not (0 < scale <= 1 and moire >= 0 and gamma >= 1 and 1 <= quality <= 95):
        msg = (
            f"scale={scale!r}, moire={moire!r}, gamma={gamma!r}, quality={quality!r}: see the ranges in the reference."
        )
        raise InputError(msg)
    rng = np.random.default_rng(random_state)
    out = []
    for item in images:
        picture = (item if isinstance(item, Image.Image) else Image.fromarray(np.asarray(item, np.uint8))).convert(
            "RGB"
        )
        w, h = picture.size
        small = picture.resize((max(1, round(w * scale)), max(1, round(h * scale))), Image.Resampling.BILINEAR)
        light = np.asarray(small.resize((w, h), Image.Resampling.BICUBIC), np.float64) / 255
        light = light ** np.exp(rng.uniform(-1, 1) * np.log(gamma))
        angle, period, phase = rng.uniform(0, np.pi), rng.uniform(2.5, 6.0), rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[:h, :w]
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + phase)
        striped = 255 * light + moire * wave[:, :, None] * (1 + 0.3 * np.array([-1, 0, 1]))
        buffer = io.BytesIO()
        Image.fromarray(np.clip(striped.round(), 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
        out.append(np.asarray(Image.open(buffer).convert("RGB")))
    return out
