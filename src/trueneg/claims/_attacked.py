"""A classifier of CIFAR-10 to attack: EfficientNet-Lite0 with a linear head, and detectors at its layers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._photographs import SIDE, pictures
from trueneg.core.errors import ClaimNotRun, MissingExtraError

__all__ = ["Attacked", "attacked"]


class Attacked(NamedTuple):
    """Detectors by name, photographs in [0, 1] (n, 3, 64, 64), their classes, and the network's accuracy on them."""

    detectors: dict[str, Any]
    X: NDArray[np.float32]
    y: NDArray[np.int64]
    accuracy: float


@lru_cache(maxsize=1)
def attacked(learn: int, rows: int) -> Attacked:
    """Learn head and detectors from ``learn`` photographs, and return ``rows`` others; once for all seeds."""
    try:
        from trueneg.core.training import on_threads, outputs
        from trueneg.encoders.efficientnet import ENDS, EfficientNetLite0, efficientnet_lite0
        from trueneg.encoders.images import pixels
        from trueneg.reject.mahalanobis import LidDetector, MahalanobisDetector
    except MissingExtraError as error:
        raise ClaimNotRun(str(error)) from None
    sets = pictures(2400, 1200, 1000)
    names = np.unique(np.asarray(sets["learn"].y))
    y, truth = (np.searchsorted(names, np.asarray(sets[part].y)) for part in ("learn", "test"))
    X, y = sets["learn"].X[:learn], y[:learn]
    with on_threads(1):
        net = _with_head(efficientnet_lite0(), EfficientNetLite0(side=SIDE).encode(X), y)
    known = np.ascontiguousarray(np.moveaxis(pixels(X, SIDE), 3, 1))
    test = np.ascontiguousarray(np.moveaxis(pixels(sets["test"].X[:rows], SIDE), 3, 1), np.float32) / np.float32(255)
    layers = [*(f"base.{stage}" for stage in ENDS), "last"]
    made = {
        "layers": MahalanobisDetector(net, layers=layers).fit(known, y),
        "last layer": MahalanobisDetector(net, layers=["last"]).fit(known, y),
        "LID": LidDetector(net, layers=layers, random_state=0).fit(known),
    }
    right = outputs(net, test).argmax(axis=1) == truth[:rows]
    return Attacked(made, test, truth[:rows], float(right.mean()))


def _with_head(base: Any, features: NDArray[Any], y: NDArray[np.int64]) -> Any:
    """Return the network with a linear head learned on standardised features, as one module on pixels in [0, 1]."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from torch import nn

    center, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=0.01, max_iter=200).fit((features - center) / scale, y)
    weight = model.coef_ / scale

    class Classifier(nn.Module):
        """Logits; ``last`` is there to be hooked."""

        def __init__(self) -> None:
            super().__init__()
            self.base, self.last = base, nn.Identity()
            self.head = nn.Linear(weight.shape[1], len(weight))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.head(self.last(self.base.features((x * 255 - 127) / 128)))
            return found

    net = Classifier()
    with torch.no_grad():
        net.head.weight.copy_(torch.from_numpy(weight))
        net.head.bias.copy_(torch.from_numpy(model.intercept_ - weight @ center))
    return net.eval()
