"""Hyp-OC: one class is learned, all others are "none of it"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import wilson
from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, applied

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate

__all__ = ["HypOc"]

_FAMILIAR = ("real", "live", "bonafide", "genuine", "normal")
_STEPS = 80  # of the optimiser, at least: what the default epochs are with a thousand rows
_MOST = 2048  # rows that the simple method beside it learns a mean and a spread from
_ENCODERS = ("frozen", "last_block")


class HypOc(Kind):
    """Learns rows of the familiar class alone; the others set nothing, and are measured on."""

    column = "score"
    rejects = True
    video_threshold: float | None = None

    def __init__(self, setting: Setting) -> None:
        from trueneg.reject.hyp_oc import HyperbolicOneClass

        super().__init__(setting)
        params = dict(setting.params)
        self.familiar = params.pop("familiar", None)
        self.trains = _trains(params.pop("encoder", "frozen"))
        self.reads = "maps" if self.trains else "dense"
        if isinstance(params.get("hidden"), list):
            params["hidden"] = tuple(params["hidden"])
        self.model = applied(
            HyperbolicOneClass(random_state=setting.seed), params, but=("encoder", "trained", "progress")
        )
        if self.trains:
            self.model.set_params(encoder=_last_block(), trained="")

    def uses(self, y: NDArray[np.int64], classes: list[str]) -> NDArray[np.bool_]:
        """Settle which class is familiar, and return its rows."""
        if self.familiar is None and len(classes) == 1:
            self.familiar = classes[0]
            if self.familiar not in _FAMILIAR:
                self.told.append(f"{self.familiar}, the only class, was taken for familiar")
        if self.familiar is None:
            self.familiar = next((n for n in _FAMILIAR if n in classes), None)
        if str(self.familiar) not in classes:
            msg = f"which class is familiar? there are {', '.join(classes[:8])}: name it with --set familiar=CLASS"
            raise InputError(msg)
        self.familiar = str(self.familiar)
        return np.asarray(y == classes.index(self.familiar))

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn from rows of the familiar class."""
        used = self.uses(y, classes)
        own = X if used.all() else X[used]
        if progress is not None:
            self.model.set_params(progress=lambda done, total: progress("epochs", done, total))
        self.rows = len(own)
        if 1280 in self.widths and not self.trains:
            self.told.append("the image encoder stayed as it is: --set encoder=last_block trains its last block too")
        if "epochs" not in self.setting.params:
            steps = -(-len(own) // int(self.model.batch_size))
            least = -(-_STEPS // max(1, steps))
            if least > self.model.epochs:
                self.model.set_params(epochs=least)
                self.told.append(f"{least} epochs, since {len(own):,} rows of {self.familiar} make few steps each")
        self.model.fit(own)
        self.model.set_params(progress=None)
        chosen = np.random.default_rng(self.setting.seed).permutation(len(own))[:_MOST]
        plain = self._plain(own[np.sort(chosen)])
        spread = plain.std(axis=0)
        self._middle = plain.mean(axis=0), np.where(spread > 1e-6 * np.abs(plain).max(axis=0), spread, 1.0)

    def beside(
        self, X: Any, scores: NDArray[Any], own: NDArray[np.bool_], groups: NDArray[Any] | None
    ) -> tuple[dict[str, Estimate], list[str]]:
        """Return how well rows are ranked, and what the distance to the mean rejects at as many familiar rows."""
        if own.all() or not own.any():
            return {}, []
        theirs = -np.square((self._plain(X) - self._middle[0]) / self._middle[1]).sum(axis=1, dtype=np.float64)
        kept = np.sort(theirs[own])[int((scores[own] < self.threshold).sum()) :]
        low = theirs[~own] < (kept[0] if len(kept) else np.inf)
        ranks = [_ranking(own, found, groups, self.setting.seed) for found in (scores, theirs)]
        figures = {
            f"all other rows rejected by the distance to the mean, at as many of {self.familiar}": wilson(
                int(low.sum()), len(low)
            ),
            "AUROC": ranks[0],
            "AUROC of the distance to the mean": ranks[1],
        }
        return figures, list(self._compared(*ranks))

    def _compared(self, ours: Estimate, theirs: Estimate) -> Iterator[str]:
        if theirs.low > ours.high:
            yield "the plain distance to the mean ranks these rows better, the intervals lie apart: use that instead"
        if ours.high < 0.5:
            yield f"rows of {self.familiar} score lower than others: is it the familiar class? --set familiar=CLASS"

    def _plain(self, X: Any) -> NDArray[np.float32]:
        """Return the features that nothing was learned in."""
        if not self.trains:
            return np.asarray(X, dtype=np.float32)
        from trueneg.core.training import outputs

        found: NDArray[np.float32] = outputs(_last_block(), X, batch_size=64)
        return found

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Set the threshold so that the share of familiar rows to keep is kept."""
        own = X[y == classes.index(str(self.familiar))]
        if not len(own):
            msg = f"no row of {self.familiar} is left to set the threshold on: give more rows, or a larger --held-out"
            raise InputError(msg)
        self.model.calibrate(own, target_tpr=self.setting.keep)
        self.threshold = float(self.model.threshold_)
        return ""

    def calibrate_videos(self, X: Any, y: NDArray[np.int64], videos: NDArray[Any], classes: list[str]) -> str:
        """Set the threshold of whole videos likewise, on the mean scores of their frames."""
        from trueneg.reject import find_threshold

        own = y == classes.index(str(self.familiar))
        mean = self.of_videos(self.model.score_samples(X[own]), videos[own])[1]
        found = find_threshold(mean, None, target_tpr=self.setting.keep)
        self.video_threshold = float(found)
        return f"threshold of videos, from {len(mean)} of {self.familiar}: {found}"

    @staticmethod
    def of_videos(
        scores: NDArray[Any], videos: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.int64]]:
        """Return the names of videos, sorted, the mean score of each, and how many frames it has."""
        from trueneg.reject.hyp_oc import video_scores

        names, mean = video_scores(scores, videos)
        return names, mean, np.unique(videos, return_counts=True)[1]

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return the familiar class or what it is not, and the score."""
        scores = self.model.score_samples(X)
        said, unknown = self.said(scores, classes, self.threshold)
        return Answer(said, scores, unknown)

    def said(self, scores: NDArray[Any], classes: list[str], threshold: float) -> tuple[NDArray[Any], str]:
        """Return the familiar class or what it is not, for each score, and the latter's name."""
        others = [name for name in classes if name != self.familiar]
        unknown = others[0] if len(others) == 1 else self.unknown_among(classes)
        return np.array([unknown, self.familiar], dtype=object)[(scores >= threshold).astype(np.int64)], unknown

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the head's own state and the threshold."""
        about, arrays = self.model.to_state()
        own = {"threshold": self.threshold, "video_threshold": self.video_threshold, "familiar": self.familiar}
        return {"state": about, "trains": self.trains, **own}, arrays

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> HypOc:
        """Return the fitted rejecter."""
        from trueneg.reject.hyp_oc import HyperbolicOneClass

        found = cls(Setting(params={"encoder": _ENCODERS[about["trains"]]}))
        found.model = HyperbolicOneClass.from_state(about["state"], arrays, encoder=found.model.encoder)
        found.threshold, found.familiar = about["threshold"], about["familiar"]
        found.video_threshold = about.get("video_threshold")
        return found


def _trains(encoder: Any) -> bool:
    if encoder not in _ENCODERS:
        msg = f"--set encoder={encoder}: choose frozen, or last_block to train that of EfficientNet-Lite0 too"
        raise InputError(msg)
    return bool(encoder == "last_block")


def _last_block() -> Any:
    from trueneg.encoders.efficientnet import LastBlock

    return LastBlock()


def _ranking(own: NDArray[np.bool_], scores: NDArray[Any], groups: NDArray[Any] | None, seed: int) -> Estimate:
    from trueneg.core.detection import auroc

    try:
        return auroc(own, scores, groups=groups, random_state=seed)
    except InputError:  # too few videos to resample
        return auroc(own, scores)
