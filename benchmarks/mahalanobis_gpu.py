"""Layers of a network read and scored on a GPU, against the processor: 10,000 pictures of CIFAR-10's size.

Run: ``python -m benchmarks mahalanobis_gpu``; without a GPU there is nothing to measure, and rows that were kept stay.
The network is a residual one of 32 layers from 64 channels on, as much work a picture as a ResNet-34 for 32 pixels,
with drawn weights: the time does not depend on them. The processor, on one thread, takes a tenth of the pictures, and
its time is multiplied by ten. Times are wall times, of hooks, copies and scores together.
"""

from __future__ import annotations

import json
import time

import numpy as np

PICTURES = 10_000
FAST = 200


def measured(device, n, depth=32, width=64):
    """Return the seconds to read and score n pictures on a device, and the scores of the first of them."""
    from trueneg.core.nets import ResNet
    from trueneg.core.training import seeded
    from trueneg.reject import MahalanobisDetector

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (max(n, FAST), 3, 32, 32)).astype(np.uint8)
    labels = np.arange(FAST) % 10
    with seeded(0):
        net = ResNet(10, depth=depth, width=width)
    model = MahalanobisDetector(net, device=device).fit(pictures[:FAST], labels)
    model.score_samples(pictures[:FAST])  # warm
    start = time.perf_counter()
    scores = model.score_samples(pictures[:n])
    return time.perf_counter() - start, scores


def run(fast=False):
    """Return one row, or none without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return []
    n, part = (FAST, FAST) if fast else (PICTURES, PICTURES // 10)
    ours, scores = measured("cuda", n)
    theirs, same = measured("cpu", part)
    told = float(np.abs(scores[:part] / same - 1).max())
    row = {"name": f"MahalanobisDetector, layers of a ResNet read and scored on a GPU, {n:,} pictures"}
    row |= {"peer": "the same on one thread of the processor", "peer_version": torch.__version__}
    row |= {"ratio": round(theirs * n / part / ours, 1), "ours_wall_s": round(ours, 3)}
    return [
        {**row, "theirs_wall_s": round(theirs * n / part, 3), "device": torch.cuda.get_device_name(), "apart": told}
    ]


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
