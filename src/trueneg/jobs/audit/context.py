"""What every check may look at: the table, the labels, the probabilities, the suspects."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from trueneg.jobs.audit.suspicion import Suspicion, suspicion_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.represent import Representation
    from trueneg.jobs.audit.reviewed import Reviewed
    from trueneg.jobs.audit.stages import Stages
    from trueneg.jobs.audit.trust import Calibration


@dataclass
class Context:
    """One audit's shared state; expensive parts are made once, when a check first asks.

    Labels are codes (n,) into ``classes``, -1 where unjudged. ``probability`` (n, K) is out of fold,
    or as given; None under ``--quick`` without given probabilities.
    """

    arrow: pa.Table
    roles: Roles
    codes: np.ndarray
    classes: list[Any]
    path: str
    seed: int
    quick: bool
    data: Representation | None
    probability: np.ndarray | None
    model: str
    groups: np.ndarray | None
    trusted: np.ndarray | None
    progress: Callable[[str], None]
    stages: Stages
    notes: list[str] = field(default_factory=list)
    noise_rates: tuple[float, float] | None = None
    reviewed: dict[str, Reviewed] = field(default_factory=dict)
    thorough: bool = False

    MAX_NEIGHBOR_QUERIES: ClassVar[int] = 20_000

    @property
    def names(self) -> list[str]:
        """Class names as text."""
        return [str(c) for c in self.classes]

    @cached_property
    def positive(self) -> int | None:
        """Code of the positive class of a two-class table, else None."""
        if len(self.classes) != 2:
            return None
        if self.roles.positive is not None:
            return self._code(self.roles.positive)
        return None if self.negative is None else 1 - self.negative

    @cached_property
    def negative(self) -> int | None:
        """Code of the class whose members may be missed positives, else None."""
        if self.roles.negative is not None:
            return self._code(self.roles.negative)
        if len(self.classes) == 2 and self.roles.positive is not None:
            return 1 - self._code(self.roles.positive)
        return None

    def _code(self, label: Any) -> int:
        return self.names.index(str(label))

    @cached_property
    def neighbors(self) -> np.ndarray | None:
        """Ids (n, 10) of the nearest labelled rows, own row and own group excluded; -1 where not asked.

        None where no representation is there. Up to 20,000 rows all are asked, and under ``--thorough`` any number;
        above, see ``asked``.
        """
        if self.data is None or self.quick:
            return None
        # Which rows are asked hangs on the probabilities, and those on the depth.
        name = "neighbors-thorough" if self.thorough else "neighbors"
        return self.stages.get(name, lambda: {"ids": self._nearest()})["ids"]

    @cached_property
    def asked(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows whose neighbours are looked up, and the part of them drawn evenly (None where all are asked).

        Half of the queries go to rows drawn without looking at anything, on which the weights are fitted;
        the other half to the rows that the probabilities suspect most, in each direction of error.
        """
        n = len(self.codes)
        if self.thorough or n <= self.MAX_NEIGHBOR_QUERIES:
            return np.arange(n), None
        half = self.MAX_NEIGHBOR_QUERIES // 2
        even = np.sort(np.random.default_rng(self.seed).choice(n, half, replace=False))
        margin = self._margin()
        two_ways = self.negative is not None and self.positive is not None
        parts = [self.codes == c for c in (self.negative, self.positive)] if two_ways else [self.codes >= 0]
        most = [even]
        for part in parts:
            rows = np.flatnonzero(part)
            quota = min(len(rows), half // len(parts))
            most.append(rows[np.argpartition(-margin[rows], quota - 1)[:quota]] if quota else rows)
        rows = np.unique(np.concatenate(most))
        self.notes.append(
            f"neighbours were looked up for {len(rows):,} of {n:,} rows: {half:,} drawn evenly, and the most suspicious"
        )
        return rows, even

    def _margin(self) -> np.ndarray:
        """Log of the largest other probability over that of the given label (n,); 0 for unjudged rows."""
        out = np.zeros(len(self.codes))
        if self.probability is None:
            return out
        for start in range(0, len(out), 100_000):
            part = slice(start, start + 100_000)
            logs = np.log(np.maximum(self.probability[part], 1e-6))
            judged = np.flatnonzero(self.codes[part] >= 0)
            given = self.codes[part][judged]
            own = logs[judged, given]
            logs[judged, given] = -np.inf
            out[part][judged] = logs[judged].max(axis=1) - own
        return out

    def _nearest(self) -> np.ndarray:
        from trueneg.core.neighbors import top_k

        n = len(self.codes)
        out = np.full((n, 10), -1, np.int32)
        if self.data is None:
            return out
        rows, _ = self.asked
        self.progress(f"nearest labelled rows of {len(rows):,}")
        labelled = np.flatnonzero(self.codes >= 0)
        everything = len(labelled) == n
        # The same object on both sides halves the work, and no copy of a large table is made.
        pool = self.data.embedding if everything else self.data.embedding[labelled]
        queries = self.data.embedding if len(rows) == n else self.data.embedding[rows]
        place = np.full(n, -1, np.int64)
        place[labelled] = np.arange(len(labelled))
        together = self.data.duplicate_of if self.groups is None else self.groups
        _, found = top_k(
            queries,
            pool,
            10,
            exclude=place[rows],
            query_groups=together[rows],
            pool_groups=together[labelled],
        )
        out[rows] = np.where(found >= 0, labelled[np.maximum(found, 0)], -1)
        return out

    def ranker(self, suspect: int | None) -> Any:
        """Return the fitted suspect ranking; ``suspect`` is the one given class that may be wrong, None for all."""
        if suspect not in self._rankers:
            from trueneg.clean.ranking import SuspectRanker

            self.progress("ranking the suspects")
            which: Any = "all" if suspect is None else [suspect]
            self._rankers[suspect] = SuspectRanker(suspect_classes=which).fit(
                None,
                self.codes,
                pred_proba=self.probability,
                neighbors=self.neighbors,
                trusted=self.trusted,
                classes=np.arange(len(self.classes)),
                fit_rows=self._fit_rows(),
            )
        return self._rankers[suspect]

    def suspicion(self, code: str) -> Suspicion:
        """Return one direction of error over all its rows, recalibrated by what was verified."""
        if code not in self._suspicions:
            self._suspicions[code] = suspicion_of(self, code)
        return self._suspicions[code]

    def calibration(self, suspect: int | None) -> Calibration | None:
        """Return the recalibration by trusted rows of one direction; None without (enough) trusted rows."""
        from trueneg.jobs.audit.trust import calibrate

        if suspect not in self._calibrations:
            self._calibrations[suspect] = calibrate(self, suspect)
        return self._calibrations[suspect]

    def review_of(self, code: str, row: np.ndarray) -> Reviewed | None:
        """Return the answers on a finding whose population is ``row``; refused where they are on another one."""
        from trueneg.jobs.audit.reviewed import matched

        return matched(self.reviewed.get(code), row, code)

    def n_boot(self, usual: int) -> int:
        """Return how many resamples to draw: five times as many under ``--thorough``."""
        return 5 * usual if self.thorough else usual

    def _fit_rows(self) -> np.ndarray | None:
        even = None if self.neighbors is None else self.asked[1]
        return None if even is None else even[self.codes[even] >= 0]

    @cached_property
    def _suspicions(self) -> dict[str, Suspicion]:
        return {}

    @cached_property
    def _calibrations(self) -> dict[int | None, Calibration | None]:
        return {}

    @cached_property
    def _rankers(self) -> dict[int | None, Any]:
        return {}
