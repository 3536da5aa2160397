"""Decision scores and log odds of a binary label as probabilities, read off the given labels.

A score orders rows and promises nothing: a margin of 2 may mean 60 % or 99.9 %. Platt's rule reads off the labels
what it means, ``p = 1 / (1 + exp(-(slope * score + offset)))`` with a slope above 0, and here off *other* rows than
the one asked about: five folds, the rows of a group in one of them. Within a fold the order of the scores is kept.
The probabilities are then as good as the given labels, whose errors they inherit, and look calibrated to them.

Source: Platt (1999), "Probabilistic outputs for support vector machines", with its smoothed targets, which keep the
slope finite where the classes are separated.
"""

from __future__ import annotations

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

FOLDS = 5
FIT_ROWS = 100_000
# Fewer values than this outside of [0, 1] are slips in probabilities, to be refused, and no scores.
LEAST_OUTSIDE = 0.01


def are_scores(matrix: np.ndarray) -> bool:
    """Say whether one or two columns for two classes are scores (or log odds), not probabilities with a slip.

    Parameters
    ----------
    matrix : float array of shape (n, 1) or (n, 2)
        Finite values.

    Returns
    -------
    bool
        True where at least 1 % of the rows leave [0, 1] and, of two columns, not nearly all rows sum to one.
    """
    outside = ((matrix < -1e-6) | (matrix > 1 + 1e-6)).any(axis=1)
    if outside.mean() < LEAST_OUTSIDE or not outside.any():
        return False
    return matrix.shape[1] == 1 or float((np.abs(matrix.sum(axis=1) - 1) <= 1e-3).mean()) < 1 - LEAST_OUTSIDE


def from_scores(
    matrix: np.ndarray, codes: np.ndarray, groups: np.ndarray | None, *, where: str, name: str
) -> np.ndarray:
    """Turn scores of a binary label into probabilities by Platt's rule, out of fold.

    Parameters
    ----------
    matrix : float array of shape (n, 1) or (n, 2)
        One score a row, larger for the positive class; or one a class, whose difference is then the score.
    codes : int array of shape (n,)
        1 positive, 0 negative, -1 unjudged (mapped, but not fitted on).
    groups : int array of shape (n,) or None
        Rows of one group stay in one fold.
    where, name : str
        The table and the column, for the message.

    Returns
    -------
    float64 array of shape (n, 2)
        Of the negative and the positive class.

    Raises
    ------
    InputError
        Where all scores are the same, or do not rise with the positive class.
    """
    scores = matrix[:, -1].astype(np.float64) / max(float(np.abs(matrix).max()), 1.0)
    if matrix.shape[1] == 2:
        scores -= matrix[:, 0].astype(np.float64) / max(float(np.abs(matrix).max()), 1.0)
    scores = (scores - scores.mean()) / max(float(scores.std()), np.finfo(np.float64).tiny)
    judged = np.flatnonzero(codes >= 0)
    fold = _deal(scores[judged], codes[judged], None if groups is None else groups[judged])
    whole = _fit(scores[judged], codes[judged])
    if not whole[0] > 0:
        msg = (
            f"{where}: the scores of {one_line(name, 60)!r} do not rise with the positive class; give scores that "
            "grow with it (negate these), or name the other class with --positive"
        )
        raise InputError(msg)
    # Unjudged rows fitted nothing, so that the map of all judged rows is out of fold for them.
    p = _sigmoid(whole[0] * scores + whole[1])
    for f in range(FOLDS):
        test = judged[fold == f]
        slope, offset = _fit(scores[judged[fold != f]], codes[judged[fold != f]])
        if slope > 0:
            p[test] = _sigmoid(slope * scores[test] + offset)
    return np.column_stack([1 - p, p])


def _deal(scores: np.ndarray, codes: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the fold of each judged row: by group, else dealt out along the scores of each class."""
    if groups is not None:
        return np.unique(groups, return_inverse=True)[1].reshape(-1) % FOLDS
    fold = np.empty(len(scores), dtype=np.int64)
    fold[np.lexsort((scores, codes))] = np.arange(len(scores)) % FOLDS
    return fold


def _fit(scores: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Return slope and offset by Newton's method on at most 100,000 rows; a slope of 0 where a class is missing."""
    step = -(-len(scores) // FIT_ROWS)
    x, positive = scores[::step], codes[::step] == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if n1 == 0 or n0 == 0 or np.ptp(x) == 0:
        return 0.0, 0.0
    target = np.where(positive, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    b = np.array([0.0, np.log((n1 + 1) / (n0 + 1))])
    design = np.column_stack([x, np.ones_like(x)])

    def loss(at: np.ndarray) -> float:
        z = design @ at
        return float((np.logaddexp(0, z) - target * z).sum())

    now = loss(b)
    for _ in range(100):
        q = _sigmoid(design @ b)
        curvature = (design * (q * (1 - q))[:, None]).T @ design + 1e-9 * np.eye(2)
        move = np.linalg.solve(curvature, design.T @ (q - target))
        while (new := loss(b - move)) > now and np.abs(move).max() > 1e-9:
            move = move / 2
        if new > now or np.abs(move).max() < 1e-8:
            break
        b, now = b - move, new
    return float(b[0]), float(b[1])


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * z))
