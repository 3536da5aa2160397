"""K-means SMOTE: children within clusters, more of them where the class is sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone

from trueneg.core.errors import InputError
from trueneg.sample._smote.base import BaseSmote, Task
from trueneg.sample._smote.nearest import nearest_partners
from trueneg.sample._smote.plan import Draft

__all__ = ["KMeansSMOTE", "filled"]

Ids = NDArray[np.int64]
_PAIRS = 4096  # rows of a cluster up to which its mean distance is taken over all pairs


class KMeansSMOTE(BaseSmote):
    """SMOTE within clusters, with more children in the clusters where the class is sparse.

    Parameters
    ----------
    kmeans_estimator : int or clusterer, default=None
        Number of clusters of a ``MiniBatchKMeans``, or a clusterer with ``fit_predict``. None: 8 clusters.
    cluster_balance_threshold : float, default=None
        Clusters in which at least this share of the rows is of the class are used. None: its share of all rows, which
        some cluster always reaches.
    density_exponent : float, default=None
        Children of a cluster are in proportion to (mean distance) ** exponent / rows. None: the number of columns, as
        published; in many columns nearly all children then go to one cluster.
    sampling_strategy, k_neighbors, amount, under, gap, allocation, random_state
        As for :class:`SMOTE`.

    Notes
    -----
    It has the fitted attributes of :class:`SMOTE`. Clusters are found with missing values filled by the column's mean
    (0 in a sparse matrix). The mean distance of more than 4,096 rows is that of a random 4,096 of them.

    References
    ----------
    Douzas, Bacao and Last (2018), Information Sciences 465.
    """

    def __init__(
        self,
        *,
        kmeans_estimator: Any = None,
        cluster_balance_threshold: float | None = None,
        density_exponent: float | None = None,
        sampling_strategy: Any = "auto",
        k_neighbors: int = 5,
        amount: Any = None,
        under: float | None = None,
        gap: str = "row",
        allocation: str = "even",
        random_state: Any = None,
    ) -> None:
        self.kmeans_estimator = kmeans_estimator
        self.cluster_balance_threshold = cluster_balance_threshold
        self.density_exponent = density_exponent
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.amount = amount
        self.under = under
        self.gap = gap
        self.allocation = allocation
        self.random_state = random_state

    def _clusters(self, task: Task, rng: np.random.Generator) -> Ids:
        """Return the cluster of each row, found once a call."""
        if "clusters" not in task.spaces:
            given, x = self.kmeans_estimator, filled(task.table.x)
            if given is None or isinstance(given, (int, np.integer)):
                from sklearn.cluster import MiniBatchKMeans

                n = min(8 if given is None else int(given), x.shape[0])
                if n < 1:
                    raise InputError(f"kmeans_estimator={given!r} must be at least one cluster")
                model: Any = MiniBatchKMeans(n, n_init=3, random_state=int(rng.integers(2**31 - 1)))
            else:
                model = clone(given)
                if model.get_params().get("random_state", 0) is None:
                    model.set_params(random_state=int(rng.integers(2**31 - 1)))
            task.spaces["clusters"] = np.unique(np.asarray(model.fit_predict(x)), return_inverse=True)[1]
        clusters: Ids = task.spaces["clusters"]
        return clusters

    def _drafts(self, task: Task, code: int, rng: np.random.Generator) -> list[Draft]:
        clusters, rows = self._clusters(task, rng), task.rows(code)
        size = np.bincount(clusters)
        own = np.bincount(clusters[rows], minlength=len(size))
        least = self.cluster_balance_threshold
        least = len(rows) / len(clusters) if least is None else least
        exponent = task.table.x.shape[1] if self.density_exponent is None else self.density_exponent
        drafts, logs = [], []
        for cluster in np.flatnonzero((own >= 2) & (own >= least * size * (1 - 1e-12))):
            members = rows[clusters[rows] == cluster]
            k = min(self.k_neighbors, len(members) - 1)
            partners = nearest_partners(self._space(task), members, k, groups=task.group_codes)
            draft = Draft(members, partners).able()
            if len(draft.rows):
                mean = self._mean_distance(task, members, rng)
                drafts.append(draft)
                logs.append(exponent * np.log(mean) - np.log(len(members)))
        # In logarithms: a distance to the power of the number of columns leaves float64.
        for draft, log in zip(drafts, logs, strict=True):
            draft.part = float(np.exp(log - max(logs)))
        return drafts

    def _mean_distance(self, task: Task, members: Ids, rng: np.random.Generator) -> float:
        """Return the mean distance over pairs of members that can be compared."""
        if len(members) > _PAIRS:
            members = np.sort(rng.choice(members, _PAIRS, replace=False))
        total, pairs = 0.0, 0
        space: Any = self._space(task)
        for start in range(0, len(members), 256):
            square = space.block(members[start : start + 256], members)
            square[np.arange(len(square)), np.arange(start, start + len(square))] = np.inf
            known = np.isfinite(square)
            total += float(np.sqrt(square[known]).sum())
            pairs += int(known.sum())
        return max(total / max(pairs, 1), np.finfo(float).tiny)

    def _obstacle(self, task: Task, code: int) -> tuple[str, str]:
        if task.counts[code] == 1:
            return super()._obstacle(task, code)
        least = self.cluster_balance_threshold
        wanted = "its overall share" if least is None else f"{least}"
        why = f"no cluster with two of its rows, and a partner for one, has {wanted} of the class"
        return why, "use fewer clusters, a smaller cluster_balance_threshold, or SMOTE"


def filled(x: Any) -> Any:
    """Return x with missing values filled by the column's mean, or 0 in a sparse matrix; x itself where none is."""
    if sparse.issparse(x):
        if x.dtype.kind != "f" or not np.isnan(x.data).any():
            return x
        out = x.copy()
        out.data[np.isnan(out.data)] = 0
        return out
    if x.dtype.kind != "f":
        return x
    hole = np.isnan(x)
    if not hole.any():
        return x
    count = np.maximum((~hole).sum(axis=0), 1)
    mean = np.where(hole, 0, x).sum(axis=0, dtype=np.float64) / count
    return np.where(hole, mean.astype(x.dtype), x)
