"""Open-set recognition: any classifier, and none of its classes where its largest score is low."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError, missing_extra
from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, applied, check_names, nearest_or_none

__all__ = ["MaxLogit"]

_SCORES = ("detector", "temperature")
_LINEAR, _NETWORK = "LogisticRegression", "network"
_NETWORK_SETTINGS = {"depth": 8, "width": 16, "epochs": 30, "side": 32}


class MaxLogit(Kind):
    """A classifier of scikit-learn by name on standardised features, or a small network of its own on pictures.

    Logistic regression is kept as its weights, a network as its arrays, any other as what skops writes.
    """

    column = "score"
    rejects = True

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        params = dict(setting.params)
        self.name = str(params.pop("estimator", _LINEAR))
        self.scores = {name: params.pop(name) for name in _SCORES if name in params}
        self.shift, self.scale = np.zeros(1), np.ones(1)
        if self.name == _NETWORK:
            check_names(params, _NETWORK_SETTINGS)
            self.network = {**_NETWORK_SETTINGS, **params}
            self.reads, self.side = "pixels", int(self.network["side"])
        else:
            self.inner = _named(self.name, params, setting)

    def made(self, inner: Any) -> Any:
        """Return the open-set classifier around an estimator or a trained network, unfitted."""
        from trueneg.reject import OpenSetClassifier

        return OpenSetClassifier(inner, threshold=None, random_state=self.setting.seed, **self.scores)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn the scale of each feature, then the classifier."""
        if self.name == _NETWORK:
            X = _channels_first(X)
            net = self._trained(X, np.unique(y, return_inverse=True)[1], progress)
            self.model = self.made(net).fit(X, y)
            return
        self.shift, spread = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
        self.scale = np.where(spread > 0, spread, 1.0)
        try:
            self.model = self.made(self.inner).fit(self._rows(X), y)
        except InputError:
            raise
        except ValueError as error:
            msg = f"{self.name} does not learn from these rows ({str(error).splitlines()[0]}): take another estimator"
            raise InputError(msg) from error

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Set the threshold so that the share of known rows to keep is kept."""
        self.model.calibrate(self._rows(X), target_tpr=self.setting.keep)
        return ""

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return the class of the largest logit, or that it is none, and the score."""
        return nearest_or_none(self.model, self._rows(X), classes)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the classifier, the scale and the threshold."""
        inner = self.model.estimator_
        arrays = {"classes": self.model.classes_, "shift": self.shift, "scale": self.scale}
        if self.name == _LINEAR:
            arrays |= {"weights": inner.coef_, "intercept": inner.intercept_}
        elif self.name == _NETWORK:
            arrays |= {f"net.{name}": value.cpu().numpy() for name, value in inner.state_dict().items()}
        else:
            arrays["skops"] = np.frombuffer(_skops().dumps(inner), dtype=np.uint8)
        return {"params": self.setting.params, "threshold": self.model.threshold_.to_dict()}, arrays

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> MaxLogit:
        """Return the fitted rejecter."""
        from trueneg.reject import Threshold

        found = cls(Setting(params=about["params"]))
        found.shift, found.scale = arrays["shift"], arrays["scale"]
        if found.name == _LINEAR:
            inner = found.inner
            inner.coef_, inner.intercept_, inner.classes_ = arrays["weights"], arrays["intercept"], arrays["classes"]
            inner.n_features_in_ = inner.coef_.shape[1]
        elif found.name == _NETWORK:
            import torch

            inner = found._net(len(arrays["classes"]))
            state = {n.removeprefix("net."): torch.from_numpy(v) for n, v in arrays.items() if n.startswith("net.")}
            inner.load_state_dict(state)
        else:
            inner = _unpacked(arrays["skops"].tobytes())
        model = found.model = found.made(inner)
        model.estimator_, model.classes_ = inner, arrays["classes"]
        model.threshold_ = Threshold.from_dict(about["threshold"])
        if found.name != _NETWORK:
            model.n_features_in_ = inner.n_features_in_
        return found

    # -- private ---------------------------------------------------------------------------------------------------

    def _rows(self, X: Any) -> Any:
        if self.name == _NETWORK:
            return _channels_first(X)
        return (np.asarray(X, dtype=np.float64) - self.shift) / self.scale

    def _net(self, n_classes: int) -> Any:
        from trueneg.core.nets import ResNet
        from trueneg.core.training import seeded

        with seeded(self.setting.seed):
            return ResNet(n_classes, depth=int(self.network["depth"]), width=int(self.network["width"]))

    def _trained(self, X: Any, y: NDArray[np.int64], progress: Progress | None) -> Any:
        from trueneg.core.training import train
        from trueneg.reject.max_logit import open_set_recipe

        net = self._net(int(y.max()) + 1)
        recipe, augment = open_set_recipe(epochs=int(self.network["epochs"]), batch_size=min(128, max(2, len(y) // 4)))
        train(net, X, y, recipe=recipe, augment=augment, random_state=self.setting.seed, progress=progress)
        return net


def _channels_first(X: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.moveaxis(X, 3, 1))


def _named(name: str, params: Mapping[str, Any], setting: Setting) -> Any:
    """Return scikit-learn's classifier of that name with its settings; InputError names those that are near."""
    if name == _LINEAR:
        from sklearn.linear_model import LogisticRegression

        return applied(LogisticRegression(max_iter=1000), params)
    from sklearn.utils import all_estimators

    known = dict(all_estimators(type_filter="classifier"))
    if name not in known:
        close = difflib.get_close_matches(name, [*known, _NETWORK], n=1)
        hint = f"did you mean {close[0]!r}?" if close else "it takes a classifier of scikit-learn, or network"
        msg = f"--set estimator={name}: there is no such classifier; {hint}"
        raise InputError(msg)
    _skops()  # before anything is learned
    try:
        inner = known[name]()
    except TypeError:
        msg = f"--set estimator={name}: it is made of other classifiers; name one that stands alone"
        raise InputError(msg) from None
    own = inner.get_params(deep=False)
    inner.set_params(**{k: v for k, v in {"random_state": setting.seed, "n_jobs": setting.jobs}.items() if k in own})
    return applied(inner, params)


def _skops() -> Any:
    try:
        import skops.io
    except ModuleNotFoundError:
        missing_extra("skops", "skops")
    return skops.io


def _unpacked(packed: bytes) -> Any:
    """Return the estimator; only what scikit-learn itself defines is made of what the file says."""
    io = _skops()
    kinds = io.get_untrusted_types(data=packed)
    strange = [kind for kind in kinds if not kind.startswith("sklearn.")]
    if strange:
        msg = f"the model holds {strange[0]}, which is not of scikit-learn, and is not loaded"
        raise InputError(msg)
    return io.loads(packed, trusted=kinds)
