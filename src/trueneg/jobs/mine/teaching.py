"""Teachers of mined lists: every document of a list, the positives too, gets one score of several retrievers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from trueneg.mine import Negatives, Positives, TeacherFusion, training_lists
from trueneg.mine.mining import Source

__all__ = ["taught"]


def taught(
    names: Sequence[str], build: Callable[[str], Source], positives: Positives, mined: Negatives
) -> NDArray[np.float32] | None:
    """Score the lists that the format scored-lists writes: known positives, then what was mined.

    Parameters
    ----------
    names : sequence of str
        ``dense``, ``bm25``, ``fusion``, or paths of runs; z-scores within each list are averaged over them.
    build : callable
        Makes the source of a name.
    positives : Positives
    mined : Negatives

    Returns
    -------
    ndarray of shape (n_lists, k) or None
        One row a query that has a negative, in order; None without a teacher.
    """
    if not names:
        return None
    lists = training_lists(positives, mined)
    fuse = TeacherFusion({name: build(name) for name in dict.fromkeys(names)})
    return fuse.score(lists.query, lists.document).score
