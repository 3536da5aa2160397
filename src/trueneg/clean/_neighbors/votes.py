"""What the neighbours of an item say together: votes, the nearest witness, and conflicts between them."""

from __future__ import annotations

import numpy as np


def tally(item: np.ndarray, label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, ...]:
    """Group votes by (item, label).

    Parameters
    ----------
    item, label, score : ndarray, shape (m,)
        One vote each: who is voted on, for which label, from how near.

    Returns
    -------
    item, label, votes, nearest : ndarray, shape (p,)
        One row a distinct pair, sorted by item then label.
    """
    order = np.lexsort((-score, label, item))
    item, label, score = item[order], label[order], score[order]
    first = np.ones(len(item), dtype=bool)
    first[1:] = (item[1:] != item[:-1]) | (label[1:] != label[:-1])
    starts = np.flatnonzero(first)
    return item[starts], label[starts], np.diff(np.append(starts, len(item))), score[starts]


def best(item: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Row of the best entry of each item; keys in order of importance, larger is better."""
    order = np.lexsort(tuple(-np.asarray(key, dtype=np.float64) for key in reversed(keys)) + (item,))
    sorted_item = item[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = sorted_item[1:] != sorted_item[:-1]
    return order[first]


def empty() -> dict[str, np.ndarray]:
    names = ("row", "proposed", "proposed_by_votes", "proposed_by_nearest", "votes", "hits", "nearest", "order")
    return {name: np.empty(0, dtype=np.int64) for name in names} | {"score": np.empty(0, dtype=np.float32)}


def conflicts(
    item: np.ndarray, label: np.ndarray, score: np.ndarray, witness: np.ndarray, *, prefer: str
) -> dict[str, np.ndarray]:
    """Settle what each item is called by its witnesses.

    ``prefer="nearest"``: the nearest witness, equal distances to the label with more votes.
    ``prefer="votes"``: most votes, equal votes to the nearer. Last resort: the smaller class code.
    """
    if not len(item):
        return {name: column for name, column in empty().items() if name != "order"}
    who, what, votes, near = tally(item, label, score)
    by_nearest, by_votes = best(who, near, votes, -what), best(who, votes, near, -what)
    chosen = by_nearest if prefer == "nearest" else by_votes
    # The witness shown is the nearest one that proposes the chosen label.
    wanted = np.zeros(item.max() + 1, dtype=np.int64)
    wanted[who[chosen]] = what[chosen]
    speaks = np.flatnonzero(label == wanted[item])
    first = speaks[best(item[speaks], score[speaks], -witness[speaks])]
    rows = who[chosen]
    return {
        "row": rows,
        "proposed": what[chosen],
        "proposed_by_votes": what[by_votes],
        "proposed_by_nearest": what[by_nearest],
        "votes": votes[chosen],
        "hits": np.bincount(item, minlength=rows[-1] + 1)[rows],
        "nearest": witness[first],
        "score": near[chosen],
    }
