"""What every check may look at: the table, the labels, the probabilities, the suspects."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.represent import Representation
    from trueneg.jobs.audit.stages import Stages


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

    MAX_NEIGHBOR_QUERIES = 20_000

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
        """Ids (n, 10) of the nearest labelled rows, own row and own group excluded; None where too many."""
        n = len(self.codes)
        if self.data is None or self.quick:
            return None
        if n > self.MAX_NEIGHBOR_QUERIES:
            self.notes.append(
                f"neighbours were not used for the ranking: {n:,} rows are more than the "
                f"{self.MAX_NEIGHBOR_QUERIES:,} queries an audit makes"
            )
            return None
        return self.stages.get("neighbors", lambda: {"ids": self._nearest()})["ids"]

    def _nearest(self) -> np.ndarray:
        from trueneg.core.neighbors import top_k

        data = self.data
        if data is None:
            return np.empty((len(self.codes), 0), np.int64)
        self.progress("nearest labelled rows")
        n = len(self.codes)
        labelled = np.flatnonzero(self.codes >= 0)
        pool = data.embedding[labelled]
        place = np.full(n, -1, np.int64)
        place[labelled] = np.arange(len(labelled))
        together = data.duplicate_of if self.groups is None else self.groups
        _, found = top_k(data.embedding, pool, 10, exclude=place, query_groups=together, pool_groups=together[labelled])
        return np.where(found >= 0, labelled[np.maximum(found, 0)], -1)

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
            )
        return self._rankers[suspect]

    @cached_property
    def _rankers(self) -> dict[int | None, Any]:
        return {}
