"""The row passes, compiled where numba is installed."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace

import numpy as np

from trueneg.core.compiled import compiled


@lru_cache(maxsize=1)
def numba_kernels() -> SimpleNamespace | None:
    """Compile the fused row passes where numba is installed; None otherwise."""
    try:
        # Sums may be reordered, and so run in parallel lanes; NaN must still spoil them. After that pass
        # there is no NaN left, which frees the maxima likewise.
        plain, sums, maxima = compiled(), compiled(fastmath={"reassoc"}), compiled(fastmath={"nnan", "nsz"})
    except ImportError:
        return None
    return SimpleNamespace(
        means=sums(_means_loop), joint=maxima(_joint_loop), by_class=plain(_by_class_loop), prune=plain(_prune_loop)
    )


def _means_loop(proba, codes, quality, sums, slack):  # noqa: ANN001, ANN202 - compiled
    """Fill self-confidence and its class sums; return the first bad row or -1."""
    for i in range(proba.shape[0]):
        total = 0.0
        negative = 0
        for j in range(proba.shape[1]):
            value = proba[i, j]
            total += value
            negative += value < 0.0
        # Written so that NaN fails it too.
        if not (abs(total - 1.0) <= slack and negative == 0):
            return i
        if codes[i] >= 0:
            quality[i] = proba[i, codes[i]]
            sums[codes[i]] += proba[i, codes[i]]
    return -1


def _joint_loop(proba, codes, limits, joint, guess, other):  # noqa: ANN001, ANN202 - compiled
    """Fill the joint counts, each row's confident class and its likeliest other class."""
    n_classes = proba.shape[1]
    for i in range(proba.shape[0]):
        given = codes[i]
        cut = given if given >= 0 else n_classes
        # Bare maxima and counts run in parallel lanes; places are looked up afterwards.
        rival_value = -np.inf
        confident = 0
        for j in range(cut):
            rival_value = max(rival_value, proba[i, j])
            confident += proba[i, j] >= limits[j]
        for j in range(cut + 1, n_classes):
            rival_value = max(rival_value, proba[i, j])
            confident += proba[i, j] >= limits[j]
        rival = 0
        while rival == given or proba[i, rival] != rival_value:
            rival += 1
        other[i] = rival
        top = rival
        if given >= 0:
            confident += proba[i, given] >= limits[given]
            if proba[i, given] > rival_value or (proba[i, given] == rival_value and given < rival):
                top = given
        guess[i] = -1
        if confident > 0:
            best = top
            if proba[i, top] < limits[top]:
                best_value = -1.0
                for j in range(n_classes):
                    if proba[i, j] > best_value and proba[i, j] >= limits[j]:
                        best, best_value = j, proba[i, j]
            guess[i] = best
            if given >= 0:
                joint[given, best] += 1


def _by_class_loop(codes, starts, rows):  # noqa: ANN001, ANN202 - compiled
    """Sort the labelled rows by class, by counting; row order is kept inside a class."""
    place = starts[:-1].copy()
    for i in range(codes.shape[0]):
        if codes[i] >= 0:
            rows[place[codes[i]]] = i
            place[codes[i]] += 1


def _prune_loop(proba, rows, given, columns, counts, floor, margins, scratch, mask, short):  # noqa: ANN001, ANN202
    """Mark, for each column, the rows of largest margin above ``floor``; ties by row number.

    ``short[c]`` tells that fewer rows than wanted lie above the floor.
    """
    for c in range(len(columns)):
        size = 0
        for t in range(len(rows)):
            margins[t] = proba[rows[t], columns[c]] - proba[rows[t], given]
            if margins[t] > floor:
                scratch[size] = margins[t]
                size += 1
        short[c] = size < counts[c]
        if size <= counts[c]:
            for t in range(len(rows)):
                if margins[t] > floor:
                    mask[rows[t]] = True
            continue
        # Hoare's selection of the counts[c]-th largest; the middle as pivot, so that sorted
        # input is not the worst case.
        low, high, wanted = 0, size - 1, counts[c] - 1
        while low < high:
            pivot = scratch[(low + high) >> 1]
            left, right = low, high
            while left <= right:
                while scratch[left] > pivot:
                    left += 1
                while scratch[right] < pivot:
                    right -= 1
                if left <= right:
                    scratch[left], scratch[right] = scratch[right], scratch[left]
                    left += 1
                    right -= 1
            if wanted <= right:
                high = right
            elif wanted >= left:
                low = left
            else:
                break
        edge = scratch[wanted]
        spare = counts[c]
        for t in range(len(rows)):
            if margins[t] > edge:
                mask[rows[t]] = True
                spare -= 1
        for t in range(len(rows)):
            if spare > 0 and margins[t] == edge:
                mask[rows[t]] = True
                spare -= 1
