"""Small networks for pictures of about 32 pixels, so that no part of trueneg needs torchvision.

Each takes float32 (n, channels, h, w) in [0, 1], scales it by the ``mean`` and ``std`` of its channels, has
``features`` (n, d) before the last layer, ``head`` as that layer, and gives logits (n, n_classes). Weights are drawn
from torch's generator: make a network inside of :func:`trueneg.core.training.seeded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["CNN4", "ResNet", "VGG32"]


class _Net(nn.Module):
    """Scaling, a body of named stages, a mean over the picture, and a head."""

    body: nn.Module
    head: nn.Module
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, channels: int, mean: Sequence[float] | float, std: Sequence[float] | float) -> None:
        super().__init__()
        for name, value in (("mean", mean), ("std", std)):
            t = torch.as_tensor(value, dtype=torch.float32).reshape(-1)
            if len(t) not in (1, channels) or (name == "std" and bool((t <= 0).any())):
                msg = f"{name}={value!r}: give one number, or one a channel ({channels}); std above 0."
                raise InputError(msg)
            self.register_buffer(name, t.reshape(1, -1, 1, 1))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the head reads, (n, d)."""
        out = self.body((x - self.mean) / self.std)
        return out.mean(dim=(2, 3)) if out.ndim == 4 else out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (n, n_classes)."""
        out: torch.Tensor = self.head(self.features(x))
        return out


class _Residual(nn.Module):
    """Two 3 x 3 convolutions and a way around them."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.around: Any = None
        if stride != 1 or into != out:
            self.around = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + (x if self.around is None else self.around(x)))


class ResNet(_Net):
    """Residual network for 32 x 32 pictures: a stem and three stages, named ``body.stem``, ``body.stage1`` to 3.

    Parameters
    ----------
    n_classes : int
        Logits.
    depth : int, default=20
        8, 14, 20, 26 ...: 6 k + 2.
    width : int, default=16
        Channels of the first stage; the others have twice and four times as many.
    channels : int, default=3
        Of the pictures.
    mean, std : float or sequence, default=0.5, 0.25
        Of the channels.

    References
    ----------
    He, Zhang, Ren and Sun (2016), "Deep residual learning for image recognition", section 4.2.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        depth: int = 20,
        width: int = 16,
        channels: int = 3,
        mean: Sequence[float] | float = 0.5,
        std: Sequence[float] | float = 0.25,
    ) -> None:
        super().__init__(channels, mean, std)
        if depth < 8 or (depth - 2) % 6:
            msg = f"depth={depth}: a network of three stages of k blocks has 6 k + 2 layers: 8, 14, 20 ..."
            raise InputError(msg)
        stem = nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        body, into = nn.Sequential(), width
        body.add_module("stem", stem)
        for i in range(3):
            out = width * 2**i
            blocks = [
                _Residual(into if j == 0 else out, out, 2 if i and j == 0 else 1) for j in range((depth - 2) // 6)
            ]
            body.add_module(f"stage{i + 1}", nn.Sequential(*blocks))
            into = out
        self.body, self.head = body, nn.Linear(into, n_classes)


class CNN4(_Net):
    """Four convolutions with pooling between them, named ``body.conv1`` to 4: the few-shot literature's small net.

    Parameters
    ----------
    n_classes : int
        Logits.
    width : int, default=64
        Channels of each.
    channels : int, default=1
        Of the pictures.
    mean, std : float or sequence, default=0.5, 0.5
        Of the channels.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        width: int = 64,
        channels: int = 1,
        mean: Sequence[float] | float = 0.5,
        std: Sequence[float] | float = 0.5,
    ) -> None:
        super().__init__(channels, mean, std)
        body, into = nn.Sequential(), channels
        for i in range(4):
            parts: list[nn.Module] = [nn.Conv2d(into, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            if i < 3:
                parts.append(nn.MaxPool2d(2))
            body.add_module(f"conv{i + 1}", nn.Sequential(*parts))
            into = width
        self.body, self.head = body, nn.Linear(width, n_classes)


class VGG32(_Net):
    """Nine convolutions in three stages, named ``body.stage1`` to 3, of the open-set literature.

    Parameters
    ----------
    n_classes : int
        Logits; the head has no bias.
    width : int, default=64
        Channels of the first two convolutions; the others have twice as many.
    channels : int, default=3
        Of the pictures.
    dropout : float, default=0.2
        Share of channels dropped before each stage.
    mean, std : float or sequence, default=0.5, 0.25
        Of the channels.

    References
    ----------
    Neal et al. (2018), "Open set learning with counterfactual images"; Vaze et al. (2022).
    """

    def __init__(
        self,
        n_classes: int,
        *,
        width: int = 64,
        channels: int = 3,
        dropout: float = 0.2,
        mean: Sequence[float] | float = 0.5,
        std: Sequence[float] | float = 0.25,
    ) -> None:
        super().__init__(channels, mean, std)
        plan = ((width, width, 2 * width), (2 * width,) * 3, (2 * width,) * 3)
        body, into = nn.Sequential(), channels
        for i, stage in enumerate(plan):
            parts: list[nn.Module] = [nn.Dropout2d(dropout)]
            for j, out in enumerate(stage):
                conv = nn.Conv2d(into, out, 3, 2 if j == 2 else 1, 1, bias=False)
                parts += [conv, nn.BatchNorm2d(out), nn.LeakyReLU(0.2)]
                into = out
            body.add_module(f"stage{i + 1}", nn.Sequential(*parts))
        self.body, self.head = body, nn.Linear(into, n_classes, bias=False)
