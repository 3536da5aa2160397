"""Attacks small enough to read: FGSM, BIM, PGD, DeepFool, Carlini and Wagner; and noise of the same size.

Inputs are pictures in [0, 1] (uint8 counts as 0 to 255), and results float32 (n, channels, h, w) in [0, 1]: a network
that takes scaled pictures is given its scaling as a first layer. They are here to test detectors with; a robustness
benchmark needs stronger, adaptive ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from trueneg.core.devices import batch_of, evaluating, steps_of, tensor_of, through
from trueneg.core.errors import InputError
from trueneg.core.rows import array_of, as_given
from trueneg.core.training import class_numbers, on_threads, pictures

__all__ = ["ATTACKS", "bim", "carlini_wagner", "deepfool", "fgsm", "noise_like", "pgd"]

Images = NDArray[np.float32]
_SLACK = 1e-4  # that resizing leaves beyond [0, 1]


def fgsm(
    net: Any, X: Any, y: ArrayLike | None = None, *, eps: float = 8 / 255, device: str = "cpu", batch_size: int = 256
) -> Images:
    """One step of size ``eps`` a pixel up the loss.

    Parameters
    ----------
    net : torch.nn.Module
        Gives logits.
    X : array-like of shape (n, channels, h, w)
        Pictures in [0, 1].
    y : array-like of shape (n,) or None, default=None
        Class numbers to move away from; None: the network's own answers.
    eps : float, default=8/255
        Largest change of a pixel.
    device, batch_size
        As elsewhere.

    Returns
    -------
    ndarray of float32

    References
    ----------
    Goodfellow, Shlens and Szegedy (2015), "Explaining and harnessing adversarial examples".
    """
    return pgd(net, X, y, eps=eps, step=eps, steps=1, random_start=False, device=device, batch_size=batch_size)


def bim(
    net: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    eps: float = 8 / 255,
    steps: int = 10,
    device: str = "cpu",
    batch_size: int = 256,
) -> Images:
    """Steps of ``eps / steps * 1.25`` a pixel up the loss, from the picture itself (Kurakin et al., 2017)."""
    _counts(steps=steps)
    shared: dict[str, Any] = {"random_start": False, "device": device, "batch_size": batch_size}
    return pgd(net, X, y, eps=eps, step=1.25 * eps / steps, steps=steps, **shared)


def pgd(
    net: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    eps: float = 8 / 255,
    step: float | None = None,
    steps: int = 10,
    random_start: bool = True,
    device: str = "cpu",
    batch_size: int = 256,
    random_state: int | np.random.Generator | None = 0,
) -> Images:
    """Steps up the loss, from a random point of the ball, each time back into it.

    Parameters
    ----------
    net, X, y, eps, device, batch_size
        As in :func:`fgsm`.
    step : float or None, default=None
        Change of a pixel a step; None: ``2.5 eps / steps``.
    steps : int, default=10
        How many.
    random_start : bool, default=True
        Begin somewhere in the ball.
    random_state : int, Generator or None, default=0
        Where.

    References
    ----------
    Madry et al. (2018), "Towards deep learning models resistant to adversarial attacks".
    """
    _counts(steps=steps)
    if not (0 <= eps < math.inf and (step is None or 0 <= step < math.inf)):
        msg = f"eps={eps!r}, step={step!r}: give sizes of 0 or more."
        raise InputError(msg)
    size = 2.5 * eps / steps if step is None else step
    draw = torch.Generator().manual_seed(int(np.random.default_rng(random_state).integers(2**31)))

    def attack(x: Tensor, target: Tensor) -> Tensor:
        moved = x
        if random_start:
            moved = (x + eps * (2 * torch.rand(x.shape, generator=draw).to(x.device) - 1)).clamp(0, 1)
        for _ in range(steps):
            moved = moved.detach().requires_grad_(True)
            loss = F.cross_entropy(tensor_of(net(moved)), target, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
            moved = moved.detach() + size * gradient.sign()
            moved = torch.minimum(torch.maximum(moved, x - eps), x + eps).clamp(0, 1)
        return moved.detach()

    return _each(net, X, y, attack, device, batch_size)


def deepfool(
    net: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    steps: int = 30,
    overshoot: float = 0.02,
    n_classes: int = 10,
    device: str = "cpu",
    batch_size: int = 256,
) -> Images:
    """Steps to the nearest of the linearised borders, until the answer changes.

    Parameters
    ----------
    net, X, y, device, batch_size
        As in :func:`fgsm`.
    steps : int, default=30
        At most.
    overshoot : float, default=0.02
        Share of the change added to pass the border.
    n_classes : int, default=10
        Classes of the highest logits whose borders are looked at.

    References
    ----------
    Moosavi-Dezfooli, Fawzi and Frossard (2016), "DeepFool".
    """
    _counts(steps=steps)
    if not isinstance(n_classes, int | np.integer) or n_classes < 2:
        msg = f"n_classes={n_classes!r}: give 2 or more, there is a border between two."
        raise InputError(msg)

    def attack(x: Tensor, target: Tensor) -> Tensor:
        at = torch.arange(len(x), device=x.device)
        with torch.no_grad():
            logits = tensor_of(net(x)).scatter(1, target[:, None], -torch.inf)
            others = logits.argsort(1, descending=True)[:, : min(n_classes, logits.shape[1]) - 1]
        total = torch.zeros_like(x)
        for _ in range(steps):
            moved = (x + (1 + overshoot) * total).clamp(0, 1).detach().requires_grad_(True)
            logits = tensor_of(net(moved))
            open_ = logits.argmax(1) == target
            if not bool(open_.any()):
                break
            best = torch.full((len(x),), torch.inf, device=x.device)
            step = torch.zeros_like(x)
            for j in range(others.shape[1]):
                gap = logits[at, others[:, j]] - logits[at, target]
                (w,) = torch.autograd.grad(gap.sum(), moved, retain_graph=True)
                norm = w.flatten(1).norm(dim=1).clamp_min(1e-12)
                far = gap.detach().abs() / norm
                nearer = (far < best) & torch.isfinite(gap.detach())
                best = torch.where(nearer, far, best)
                move = ((far + 1e-4) / norm)[:, None, None, None] * w
                step = torch.where(nearer[:, None, None, None], move, step)
            total = torch.where(open_[:, None, None, None], total + step, total)
        return (x + (1 + overshoot) * total).clamp(0, 1).detach()

    return _each(net, X, y, attack, device, batch_size)


def carlini_wagner(
    net: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    steps: int = 60,
    searches: int = 3,
    weight: float = 1.0,
    lr: float = 0.02,
    device: str = "cpu",
    batch_size: int = 256,
) -> Images:
    """Smallest change in the Euclidean norm that changes the answer, by descent on both (L2 version).

    Parameters
    ----------
    net, X, y, device, batch_size
        As in :func:`fgsm`.
    steps : int, default=60
        Of Adam, for each weight.
    searches : int, default=3
        Weights of the wrong answer against the size, by doubling and halving ten times and twice over.
    weight : float, default=1.0
        The first one.
    lr : float, default=0.02
        Of Adam.

    Returns
    -------
    ndarray of float32
        Unchanged where no step changed the answer.

    References
    ----------
    Carlini and Wagner (2017), "Towards evaluating the robustness of neural networks".
    """
    _counts(steps=steps, searches=searches)
    if not (0 < weight < math.inf and 0 < lr < math.inf):
        msg = f"weight={weight!r}, lr={lr!r}: give numbers above 0."
        raise InputError(msg)

    def attack(x: Tensor, target: Tensor) -> Tensor:
        start = torch.atanh((x * 2 - 1).clamp(-1 + 1e-6, 1 - 1e-6))
        found, size = x.clone(), torch.full((len(x),), torch.inf, device=x.device)
        c = torch.full((len(x),), float(weight), device=x.device)
        low, high = torch.zeros_like(c), torch.full_like(c, torch.inf)
        for _ in range(searches):
            w = start.clone().requires_grad_(True)
            adam, hit = torch.optim.Adam([w], lr=lr), torch.zeros_like(c, dtype=torch.bool)
            for _ in range(steps):
                moved = (torch.tanh(w) + 1) / 2
                logits = tensor_of(net(moved))
                true = logits.gather(1, target[:, None])[:, 0]
                other = logits.scatter(1, target[:, None], -torch.inf).max(1).values
                far = (moved - x).square().flatten(1).sum(1)
                better = (other > true) & (far < size)
                found = torch.where(better[:, None, None, None], moved.detach(), found)
                size, hit = torch.where(better, far.detach(), size), hit | (other > true)
                loss = (far + c * (true - other).clamp_min(0)).sum()
                adam.zero_grad()
                loss.backward()
                adam.step()
            high, low = torch.where(hit, torch.minimum(high, c), high), torch.where(hit, low, torch.maximum(low, c))
            c = torch.where(torch.isinf(high), c * 10, (low + high) / 2)
        return found

    return _each(net, X, y, attack, device, batch_size)


def noise_like(
    X: Any, attacked: Images, *, random_state: int | np.random.Generator | None = None
) -> tuple[Images, Images]:
    """Return the pictures as floats, and with random signs of the size of the attack on each, in [0, 1].

    Parameters
    ----------
    X : array-like of shape (n, channels, h, w)
        Pictures.
    attacked : ndarray of the same shape
        What an attack made of them; the root mean square of its changes is the size of the noise.
    random_state : int, Generator or None, default=None
        Seed.
    """
    images = pictures(X)
    clean = (images.float() / 255 if images.dtype == torch.uint8 else images.float()).numpy()
    size = np.sqrt(np.mean((array_of(attacked) - clean) ** 2, axis=(1, 2, 3), keepdims=True))
    signs = np.random.default_rng(random_state).choice(np.array([-1, 1], np.float32), size=clean.shape)
    return as_given(clean, X), as_given(np.clip(clean + size * signs, 0, 1).astype(np.float32), X)


def _each(
    net: Any,
    X: Any,
    y: ArrayLike | None,
    attack: Callable[[Tensor, Tensor], Tensor],
    device: str,
    batch_size: int,
) -> Images:
    """Attack a batch at a time; the network's weights get no gradient and its mode is evaluation, until the last."""
    threads = 1 if device == "cpu" else torch.get_num_threads()
    with evaluating(net, device), on_threads(threads), torch.enable_grad():
        frozen = [p for p in net.parameters() if p.requires_grad]
        try:
            for p in frozen:
                p.requires_grad_(False)
            found = [attack(x, t).float().cpu().numpy() for x, t in _batches(net, X, y, device, batch_size)]
        finally:
            for p in frozen:
                p.requires_grad_(True)
    moved: Images = as_given(np.concatenate(found), X)
    return moved


def _counts(**given: Any) -> None:
    for name, value in given.items():
        if not isinstance(value, int | np.integer) or value < 1:
            msg = f"{name}={value!r}: give a whole number of 1 or more."
            raise InputError(msg)


def _batches(net: Any, X: Any, y: ArrayLike | None, device: str, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    images = pictures(X)
    if images.ndim != 4 or not len(images):
        msg = f"X has shape {tuple(images.shape)}: attacks need pictures (n, channels, h, w), one or more."
        raise InputError(msg)
    if images.dtype != torch.uint8 and not (float(images.min()) >= -_SLACK and float(images.max()) <= 1 + _SLACK):
        msg = (
            f"X goes from {float(images.min()):g} to {float(images.max()):g}: attacks keep pictures in [0, 1]; give "
            "them unscaled, or as uint8, and put the scaling into the network."
        )
        raise InputError(msg)
    given = None if y is None else torch.as_tensor(class_numbers(y, len(images)))
    for start in steps_of(len(images), batch_size):
        x = batch_of(net, images[start : start + batch_size], device)
        if given is None or not start:
            with torch.no_grad():
                logits = tensor_of(through(net, x))
            low, high = (0, 0) if given is None else (int(given.min()), int(given.max()))
            if logits.ndim != 2 or low < 0 or high >= logits.shape[1]:
                msg = f"the network gives {tuple(logits.shape[1:])} logits a row: y must number them, from 0."
                raise InputError(msg)
        yield x, logits.argmax(1) if given is None else given[start : start + batch_size].to(device)


ATTACKS: dict[str, Callable[..., Images]] = {
    "fgsm": fgsm,
    "bim": bim,
    "pgd": pgd,
    "deepfool": deepfool,
    "cw": carlini_wagner,
}
