"""A small encoder of images that learns without labels, on a processor, in minutes.

Chen, Kornblith, Norouzi and Hinton (2020), "A Simple Framework for Contrastive Learning of Visual Representations"
(SimCLR), arXiv 2002.05709: two random views of an image shall lie closer to each other than to the views of the other
images of the batch. The network here is four convolutions, not a ResNet-50: it serves where no pretrained model may
be used or none fits, and as a self-supervised one to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.encoders.images import pixels

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ModuleNotFoundError:
    missing_extra("torch", "vision")

__all__ = ["ContrastiveEncoder", "nt_xent", "train_contrastive"]

WIDTHS = (32, 64, 128, 256)
PROJECTION = 64


class ContrastiveEncoder:
    """Frozen features of a network that :func:`train_contrastive` trained.

    Attributes
    ----------
    network : torch.nn.Module
        Four convolutions and a mean over the picture; takes float32 (n, 3, side, side) between 0 and 1.
    losses : list of float
        Mean loss of each epoch of training.
    dimension : int
        Features of an image, 256.
    """

    dimension = WIDTHS[-1]

    def __init__(self, network: nn.Module, *, side: int, losses: Sequence[float] = (), batch_size: int = 256) -> None:
        self.network, self.side, self.batch_size = network.eval(), side, batch_size
        self.losses = list(losses)

    def encode(self, items: Sequence[Any] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of n images, float32 (n, 256), in their order.

        Parameters
        ----------
        items : sequence of images
            Paths, bytes of image files, Pillow images or arrays of uint8 of shape (h, w, 3).

        Raises
        ------
        InputError
            With the number of the first item that is no readable image.
        """
        out = np.empty((len(items), self.dimension), np.float32)
        for start in range(0, len(items), self.batch_size):
            part = slice(start, start + self.batch_size)
            with torch.inference_mode():
                out[part] = self.network(_scaled(pixels(items[part], self.side, start=start))).numpy()
        return out


def train_contrastive(
    items: Sequence[Any] | NDArray[np.uint8],
    *,
    side: int = 32,
    epochs: int = 10,
    batch_size: int = 256,
    temperature: float = 0.2,
    learning_rate: float = 2e-3,
    random_state: int | np.random.Generator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ContrastiveEncoder:
    """Train four convolutions on images alone; no label is asked for.

    Parameters
    ----------
    items : sequence of n images
        Paths, bytes of image files, Pillow images or arrays of uint8 of shape (h, w, 3); as pixels they are held in
        memory, n x side x side x 3 bytes.
    side : int, default=32
        Images are resized to this, at least 16.
    epochs : int, default=10
        Passes over the images. 20,000 images of 32 x 32 take about half a minute an epoch on two cores.
    batch_size : int, default=256
        Images whose views are told apart at once; the last incomplete batch of an epoch is left out.
    temperature : float, default=0.2
        Of the loss; smaller looks harder at the nearest negatives.
    learning_rate : float, default=2e-3
        Of AdamW, falling to zero along a cosine.
    random_state : int, Generator or None, default=None
        Seed of weights, order and views. Torch's global generator is left as it is. Results are the same again on one
        machine with one number of threads.
    progress : callable or None, default=None
        Called with ``(done, total)`` batches.

    Returns
    -------
    ContrastiveEncoder
        Has ``encode``.

    Raises
    ------
    InputError
        On fewer images than a batch, or options out of range.
    """
    if side < 16 or epochs < 1 or batch_size < 2 or not temperature > 0 or not learning_rate > 0:
        raise InputError("give side >= 16, epochs >= 1, batch_size >= 2, temperature > 0 and learning_rate > 0.")
    if len(items) < batch_size:
        msg = f"{len(items)} images are fewer than one batch of {batch_size}: lower batch_size, or give more images."
        raise InputError(msg)
    images = pixels(items, side)
    rng = np.random.default_rng(random_state)
    draws = torch.Generator().manual_seed(int(rng.integers(2**62)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**62)))
        network, head = _network(), _projection()
    network.train()
    optimiser = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=learning_rate, weight_decay=1e-4)
    a_pass = len(images) // batch_size
    losses, done = [], 0
    for _ in range(epochs):
        order, total = rng.permutation(len(images)), 0.0
        for b in range(a_pass):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * (1 + math.cos(math.pi * done / (epochs * a_pass))) / 2
            x = _scaled(images[order[b * batch_size : (b + 1) * batch_size]])
            views = torch.cat([_view(x, draws), _view(x, draws)])
            loss = nt_xent(head(network(views)), temperature)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total, done = total + float(loss.detach()), done + 1
            if progress is not None:
                progress(done, epochs * a_pass)
        losses.append(total / a_pass)
    return ContrastiveEncoder(network, side=side, losses=losses)


def nt_xent(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return SimCLR's loss: find the other view of an image among all other views of the batch.

    Parameters
    ----------
    vectors : Tensor of shape (2 b, d)
        First the first views of b images, then the second ones in the same order; of any length.
    temperature : float
        Cosines are divided by it.

    Returns
    -------
    Tensor
        Mean cross-entropy, in nats; log(2 b - 1) where nothing is told apart.
    """
    unit = F.normalize(vectors, dim=1)
    scores = unit @ unit.T / temperature
    scores.fill_diagonal_(-math.inf)
    other = torch.arange(len(unit)).roll(len(unit) // 2)
    return F.cross_entropy(scores, other)


# -- private -------------------------------------------------------------------------------------------------------


def _network() -> nn.Module:
    layers: list[nn.Module] = []
    into = 3
    for i, width in enumerate(WIDTHS):
        layers += [nn.Conv2d(into, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        if i < len(WIDTHS) - 1:
            layers.append(nn.MaxPool2d(2))
        into = width
    network: Any = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return network.to(memory_format=torch.channels_last)


def _projection() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTHS[-1], WIDTHS[-1]), nn.ReLU(), nn.Linear(WIDTHS[-1], PROJECTION))


def _scaled(images: NDArray[np.uint8]) -> torch.Tensor:
    x = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32) / 255
    return x.contiguous(memory_format=torch.channels_last)


def _view(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Cut out, stretch, mirror and recolour each image of (n, 3, s, s) at random."""
    n = len(x)

    def between(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=draws)

    side = between(0.3, 1.0).sqrt()  # shares of the area, as in the paper but not as small: images here are small
    stretch = between(-0.14, 0.14).exp()  # of the sides, each way: proportions of 3:4 to 4:3
    wide, high = (side * stretch).clamp(max=1.0), (side / stretch).clamp(max=1.0)
    mirrored = torch.where(torch.rand(n, generator=draws) < 0.5, -wide, wide)
    zero = torch.zeros(n)
    rows = torch.stack([mirrored, zero, between(-1, 1) * (1 - wide), zero, high, between(-1, 1) * (1 - high)], dim=1)
    grid = F.affine_grid(rows.view(n, 2, 3), list(x.shape), align_corners=False)
    view = F.grid_sample(x, grid, align_corners=False, padding_mode="reflection")
    mean = view.mean(dim=(1, 2, 3), keepdim=True)
    view = (view - mean) * between(0.6, 1.4, 1, 1, 1) + mean * between(0.6, 1.4, 1, 1, 1)  # contrast, brightness
    grey = view.mean(dim=1, keepdim=True)
    colour = between(0.2, 1.8, 1, 1, 1)
    colour = torch.where(torch.rand(n, 1, 1, 1, generator=draws) < 0.2, torch.zeros_like(colour), colour)
    tint = between(0.85, 1.15, 3, 1, 1)
    return ((grey + (view - grey) * colour) * tint).clamp(0, 1)
