"""Confident learning: the given labels that a model, out of fold, confidently contradicts.

The definition is that of Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating
Uncertainty in Dataset Labels", JAIR 70, equations 1 to 3 and the prune rules of section 3.2.
A row counts for the classes whose probability reaches the mean self-confidence of that class;
where it reaches several, for the largest **among those**. No K-by-n copy of the input is made.
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from trueneg.core.suspects import Decision, Suspects

__all__ = ["ConfidentLearning", "check_probabilities", "confident_joint", "encode_labels"]

# A mean is rounded differently by each summation order: a probability equal to it still counts.
_THRESHOLD_SLACK = 1e-6
_THRESHOLD_FLOOR = 2e-6
# A prediction this close to the given label agrees with it.
_AGREE = 1e-6
# No probability reaches it: the threshold of a class without rows.
_UNREACHABLE = 2.0
_BLOCK_CELLS = 1 << 18
_FILTERS = ("prune_by_noise_rate", "prune_by_class", "both", "confident_learning")
_ACTIONS = ("eliminate", "reannotate")


def encode_labels(y: Any, n_classes: int, *, classes: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Turn labels of any type into the column numbers of the probabilities.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels; ``-1``, ``None`` and NaN mean "no label".
    n_classes : int
        Columns of the probabilities.
    classes : array-like of shape (n_classes,), default=None
        The label of each column. None: integers within 0..K-1 are columns themselves, any
        other labels are taken in sorted order and must then be exactly ``n_classes`` many.

    Returns
    -------
    codes : ndarray of shape (n,), int32, -1 where there is no label
    classes : ndarray of shape (n_classes,)
    """
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise InputError(f"y has shape {labels.shape}; give one label a row")
    if classes is None and labels.dtype.kind in "iu" and labels.size:
        low, high = int(labels.min()), int(labels.max())
        if low >= -1 and high < n_classes:
            return _two_or_more(labels.astype(np.int32), np.arange(n_classes))
    if labels.dtype.kind == "b" and n_classes == 2 and classes is None:
        return _two_or_more(labels.astype(np.int32), np.array([False, True]))
    missing = _missing(labels, keep_minus_one=classes is not None)
    known = labels[~missing] if missing.any() else labels
    if known.dtype.kind == "f" and classes is None and known.size and np.all(known == np.floor(known)):
        known = known.astype(np.int64)
        if known.min() >= 0 and known.max() < n_classes:
            codes = np.full(len(labels), -1, dtype=np.int32)
            codes[~missing] = known
            return _two_or_more(codes, np.arange(n_classes))
    try:
        found, inverse = np.unique(known, return_inverse=True)
    except TypeError:
        raise InputError("y mixes types that cannot be ordered; convert the labels to one type") from None
    codes = np.full(len(labels), -1, dtype=np.int32)
    if classes is None:
        if len(found) != n_classes:
            raise InputError(
                f"y has {len(found)} different labels but pred_proba has {n_classes} columns; "
                "give classes=, the label of each column in order"
            )
        codes[~missing] = inverse
        return _two_or_more(codes, found)
    codes[~missing] = _positions(found, classes, n_classes)[inverse]
    return _two_or_more(codes, np.asarray(classes))


def _missing(labels: np.ndarray, *, keep_minus_one: bool) -> np.ndarray:
    """Mark the rows that carry no label; -1 is a label only where the caller listed it."""
    if labels.dtype.kind == "O":
        nothing = np.equal(labels, np.array(None, dtype=object)).astype(bool) | np.not_equal(labels, labels).astype(
            bool
        )
        return nothing if keep_minus_one else nothing | np.equal(labels, -1).astype(bool)
    if labels.dtype.kind == "f":
        return np.isnan(labels) if keep_minus_one else np.isnan(labels) | (labels == -1)
    if labels.dtype.kind == "i" and not keep_minus_one:
        return labels == -1
    return np.zeros(len(labels), dtype=bool)


def _positions(found: np.ndarray, classes: Any, n_classes: int) -> np.ndarray:
    """Return the column of each label found, or say which label has none."""
    names = np.asarray(classes).tolist()
    if len(names) != n_classes:
        raise InputError(f"classes= names {len(names)} labels but pred_proba has {n_classes} columns")
    place = {name: column for column, name in enumerate(names)}
    if len(place) != n_classes:
        raise InputError("classes= names a label twice; every column needs its own label")
    # -1 may be "no label" beside explicit classes that do not list it.
    unknown = [name for name in found.tolist() if name not in place and name != -1]
    if unknown:
        raise InputError(f"y holds the label {unknown[0]!r}, which classes= does not name")
    return np.array([place.get(name, -1) for name in found.tolist()], dtype=np.int32)


def _two_or_more(codes: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refuse labels of a single class: nothing can then be contradicted."""
    if codes.size == 0:
        raise InputError("y is empty; there is no label to judge")
    if len(classes) < 2:
        raise InputError("pred_proba has one column; give the probabilities of at least two classes")
    known = codes[codes >= 0]
    if known.size == 0 or known.min() == known.max():
        raise InputError(
            "fewer than two classes have labelled rows (-1 means unlabelled); "
            "if -1 is a class of yours, say so with classes=[-1, 1]"
        )
    return codes, classes


def check_probabilities(pred_proba: Any, n: int) -> np.ndarray:
    """Return the probabilities as an array, uncopied, after checking shape and type.

    Parameters
    ----------
    pred_proba : array-like of shape (n, K)
        float32, float64 or float16, in memory or memory-mapped.
    n : int
        Rows of y.

    Returns
    -------
    ndarray of shape (n, K)
    """
    proba = np.asarray(pred_proba)
    if proba.ndim != 2:
        raise InputError(f"pred_proba has shape {proba.shape}; give one column a class")
    if len(proba) != n:
        raise InputError(f"pred_proba has {len(proba)} rows but y has {n}; they must describe the same rows")
    if proba.dtype.kind != "f":
        raise InputError(f"pred_proba holds {proba.dtype}; give probabilities as floats")
    return proba


def blocks(n: int, n_classes: int) -> list[slice]:
    """Cut the rows into pieces of about two MiB of float64, the working memory of a pass."""
    step = max(1, _BLOCK_CELLS // max(n_classes, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _tolerance(dtype: np.dtype) -> float:
    """Allow for what half precision loses when a thousand entries are added."""
    return 2e-2 if dtype.itemsize == 2 else 1e-3


def _refuse_row(row: int, proba: np.ndarray) -> None:
    """Say what is wrong with the first unusable row."""
    values = np.asarray(proba[row], dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"pred_proba has NaN or infinity in row {row}; drop the row or predict it again")
    if values.min() < 0:
        raise InputError(f"pred_proba has a negative value in row {row}; give probabilities, not scores")
    raise InputError(
        f"pred_proba of row {row} sums to {values.sum():.4g}, not to one; give probabilities (for "
        "multi-label scores, judge each class on its own)"
    )


def refuse_in_sample(mean_confidence: float, n_classes: int) -> None:
    """Refuse probabilities of a model that has seen the labels (more than two classes only).

    With two classes and rare positives a mean above .999 is what an honest model gives.
    """
    if n_classes > 2 and mean_confidence > 0.999:
        raise InputError(
            f"the mean probability of the given labels is {mean_confidence:.5f}: these look like predictions on the "
            "training rows; use out-of-fold ones, e.g. cross_val_predict(..., method='predict_proba')"
        )


@lru_cache(maxsize=1)
def _numba_kernels() -> SimpleNamespace | None:
    """Compile the fused row passes where numba is installed; None otherwise."""
    try:
        import numba
    except ImportError:
        return None

    def compiled(cache: bool) -> SimpleNamespace:
        jit = numba.njit(cache=cache, nogil=True)
        # Sums may be reordered, and so run in parallel lanes; NaN must still spoil them. After that pass
        # there is no NaN left, which frees the maxima likewise.
        sums = numba.njit(cache=cache, nogil=True, fastmath={"reassoc"})
        maxima = numba.njit(cache=cache, nogil=True, fastmath={"nnan", "nsz"})
        return SimpleNamespace(
            means=sums(_means_loop), joint=maxima(_joint_loop), by_class=jit(_by_class_loop), prune=jit(_prune_loop)
        )

    try:
        return compiled(True)
    except RuntimeError:
        # Nowhere to keep the compiled code (a read-only home): compile once a process instead.
        return compiled(False)


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


def _prune_numpy(proba, rows, given, columns, counts, floor, margins, scratch, mask, short):  # noqa: ANN001, ANN202
    """Do what :func:`_prune_loop` does where numba is missing."""
    own = proba[rows, given]
    for c, column in enumerate(columns):
        margin = proba[rows, column] - own
        above = np.flatnonzero(margin > floor)
        short[c] = len(above) < counts[c]
        mask[rows[above[_largest(margin[above], int(counts[c]))]]] = True


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the ``count`` largest values; ties by position."""
    if count >= len(values):
        return np.arange(len(values))
    if count <= 0:
        return np.arange(0)
    edge = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > edge)
    return np.concatenate([above, np.flatnonzero(values == edge)[: count - len(above)]])


def _means(proba: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check every row and return self-confidence (n,) and its sum a class (K,)."""
    n, n_classes = proba.shape
    dtype = np.float32 if proba.dtype.itemsize < 8 else np.float64
    quality = np.full(n, np.nan, dtype=dtype)
    sums = np.zeros(n_classes)
    kernels = _numba_kernels() if proba.dtype.itemsize >= 4 else None
    if kernels is not None:
        bad = kernels.means(proba, codes, quality, sums, _tolerance(proba.dtype))
        if bad >= 0:
            _refuse_row(int(bad), proba)
        return quality, sums
    for part in blocks(n, n_classes):
        block = np.asarray(proba[part], dtype=dtype)
        fine = np.abs(block.sum(axis=1, dtype=np.float64) - 1.0) <= _tolerance(proba.dtype)
        fine &= block.min(axis=1) >= 0
        if not fine.all():
            _refuse_row(part.start + int(np.argmin(fine)), proba)
        known = np.flatnonzero(codes[part] >= 0)
        given = codes[part][known]
        quality[part.start + known] = block[known, given]
        sums += np.bincount(given, weights=block[known, given], minlength=n_classes)
    return quality, sums


def _joint(proba: np.ndarray, codes: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return joint counts (K, K), the confident class (n,) or -1, the likeliest other class (n,)."""
    n, n_classes = proba.shape
    joint = np.zeros((n_classes, n_classes), dtype=np.int64)
    guess, other = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    kernels = _numba_kernels() if proba.dtype.itemsize >= 4 else None
    if kernels is not None:
        kernels.joint(proba, codes, limits, joint, guess, other)
        return joint, guess, other
    dtype = np.float32 if proba.dtype.itemsize < 8 else np.float64
    flat = joint.ravel()
    for part in blocks(n, n_classes):
        block = np.array(proba[part], dtype=dtype)
        confident = block >= limits
        best = np.where(confident, block, -1.0).argmax(axis=1)
        guess[part] = np.where(confident.any(axis=1), best, -1)
        given = codes[part]
        known = np.flatnonzero(given >= 0)
        block[known, given[known]] = -1.0
        other[part] = block.argmax(axis=1)
        both = known[guess[part][known] >= 0]
        flat += np.bincount(given[both].astype(np.int64) * n_classes + guess[part][both], minlength=len(flat))
    return joint, guess, other


def _thresholds(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean self-confidence of each class; a class without rows is out of reach."""
    means = sums / np.maximum(counts, 1)
    return np.where(counts > 0, np.maximum(means, _THRESHOLD_FLOOR), _UNREACHABLE)


def _round_rows(values: np.ndarray) -> np.ndarray:
    """Round to whole numbers, keeping each row's total, by the largest remainders."""
    whole = np.round(values)
    gap = np.round(np.round(values.sum(axis=1)) - whole.sum(axis=1)).astype(np.int64)
    for row in np.flatnonzero(gap):
        order = np.argsort(values[row] - whole[row])
        chosen = order[::-1][: gap[row]] if gap[row] > 0 else order[: -gap[row]]
        whole[row, chosen] += np.sign(gap[row])
    return whole.astype(np.int64)


def _calibrated(joint: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Scale the joint so that each row adds up to the rows given that label, in whole numbers."""
    scaled = joint.astype(np.float64)
    np.fill_diagonal(scaled, np.maximum(np.diagonal(scaled), 1))
    # Halves are common here and the last bit decides how they round: scale column-wise and add up
    # in that memory order, as the reference implementation does, so that both round alike.
    scaled = (np.ascontiguousarray(scaled.T) / scaled.sum(axis=1) * counts).T
    return _round_rows(scaled / scaled.sum() * counts.sum())


def confident_joint(y: Any, pred_proba: Any, *, classes: Any = None, calibrate: bool = True) -> np.ndarray:
    """Count the rows given one label and confidently of another.

    Parameters
    ----------
    y : array-like of shape (n,)
        Given labels; -1, None and NaN are left out.
    pred_proba : array-like of shape (n, K)
        Out-of-fold probabilities.
    classes : array-like of shape (K,), default=None
        The label of each column; see :func:`encode_labels`.
    calibrate : bool, default=True
        Scale the rows to the number of rows given each label. False: the bare counts.

    Returns
    -------
    ndarray of shape (K, K), int64
        ``[given, confident]``.
    """
    proba = check_probabilities(pred_proba, len(y))
    codes, _ = encode_labels(y, proba.shape[1], classes=classes)
    counts = np.bincount(codes[codes >= 0], minlength=proba.shape[1])
    _, sums = _means(proba, codes)
    joint, _, _ = _joint(proba, codes, _thresholds(sums, counts) - _THRESHOLD_SLACK)
    return _calibrated(joint, counts) if calibrate else joint


def _prune_counts(joint: np.ndarray, frac_noise: float) -> np.ndarray:
    """Return how many rows of each given label to prune towards each class, ``[given, true]``.

    Every class keeps one row: what its diagonal lacks is taken evenly from its other entries.
    """
    kept = np.maximum(np.diagonal(joint), 1)
    filled = np.maximum(np.count_nonzero(joint, axis=1) - 1.0, 1.0)
    wanted = np.maximum(joint - ((kept - np.diagonal(joint)) / filled)[:, None], 0.0)
    np.fill_diagonal(wanted, kept)
    reduced = wanted * frac_noise
    np.fill_diagonal(reduced, kept)
    np.fill_diagonal(reduced, kept + (wanted - reduced).sum(axis=1))
    return reduced.astype(np.int64)


class ConfidentLearning(BaseEstimator):
    """Find label errors from out-of-fold probabilities.

    Parameters
    ----------
    filter_by : {"prune_by_noise_rate", "prune_by_class", "both", "confident_learning"}, \
            default="prune_by_noise_rate"
        Largest margins for each pair of classes; least self-confidence for each class; rows
        that both name; or the off-diagonal rows of the joint themselves.
    frac_noise : float, default=1.0
        Share of the estimated errors to name, in (0, 1]; not for "confident_learning".
    n_suspects : int, default=None
        At most this many suspects, the least self-confident. None: all.
    action : {"eliminate", "reannotate"}, default="eliminate"
        What ``fit_resample`` does with the suspects: drop the rows, or give the proposed label.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    thresholds_ : ndarray of shape (K,)
        Mean self-confidence of each class; 2 for a class without rows.
    confident_joint_ : ndarray of shape (K, K)
        Calibrated counts, ``[given, true]``.
    noise_matrix_ : ndarray of shape (K, K)
        P(given | true); columns add up to one.
    label_quality_ : ndarray of shape (n,)
        Probability of the given label; NaN for rows without one.
    suspect_mask_ : ndarray of shape (n,), bool
    suspect_rows_ : ndarray of shape (n_suspects,)
        Row numbers, least self-confident first; ties by row number.
    proposed_ : ndarray of shape (n,)
        The confident class where it differs from the given label, else the likeliest other
        class; for rows without a label, the likeliest class.
    suspects_ : trueneg.core.suspects.Suspects
        The rows of ``suspect_rows_`` in that order. Their probability of being wrong is not
        known (NaN): self-confidence is no such probability; :class:`SuspectRanker` has one.
    sample_indices_ : ndarray of int64
        Rows kept by ``fit_resample``, ascending; only after it.

    Notes
    -----
    Source: Northcutt, Jiang and Chuang (2021), JAIR 70. A row above several thresholds counts
    for the largest probability among the confident classes, as published; ``cleanlab`` 2.9
    takes the largest of all classes, so that such rows can differ.
    """

    def __init__(
        self,
        *,
        filter_by: str = "prune_by_noise_rate",
        frac_noise: float = 1.0,
        n_suspects: int | None = None,
        action: str = "eliminate",
    ) -> None:
        self.filter_by = filter_by
        self.frac_noise = frac_noise
        self.n_suspects = n_suspects
        self.action = action

    def fit(
        self, X: Any, y: Any, *, pred_proba: Any = None, groups: Any = None, trusted: Any = None, classes: Any = None
    ) -> ConfidentLearning:
        """Estimate the joint of given and true labels and name the suspects.

        Parameters
        ----------
        X : array-like of shape (n, d) or None
            Read only where ``pred_proba`` is not given.
        y : array-like of shape (n,)
            Given labels of any type; -1, None and NaN mean "no label".
        pred_proba : array-like of shape (n, K), default=None
            Out-of-fold probabilities, one column a class; never copied whole. None: those of a
            small logistic regression on ``X``, five folds. Better give your own model's.
        groups : array-like of shape (n,), default=None
            Checked for length only: grouping belongs to the folds that made ``pred_proba``.
        trusted : array-like of bool of shape (n,), default=None
            Rows whose label is known to be right: they count for the estimates and are never
            suspects.
        classes : array-like of shape (K,), default=None
            The label of each column; None: integers 0..K-1, else the sorted labels.

        Returns
        -------
        self
        """
        self._check_options()
        if y is None:
            raise InputError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        if pred_proba is None:
            from trueneg.clean.neighbors import out_of_fold_probabilities

            pred_proba, classes = out_of_fold_probabilities(self, X, y, groups=groups, classes=classes)
        proba = check_probabilities(pred_proba, len(y))
        codes, self.classes_ = encode_labels(y, proba.shape[1], classes=classes)
        if groups is not None and len(groups) != len(codes):
            raise InputError(f"groups has {len(groups)} entries but y has {len(codes)}; give one a row")
        counts = np.bincount(codes[codes >= 0], minlength=proba.shape[1])
        self.label_quality_, sums = _means(proba, codes)
        refuse_in_sample(float(sums.sum() / counts.sum()), proba.shape[1])
        self.thresholds_ = _thresholds(sums, counts)
        joint, guess, other = _joint(proba, codes, self.thresholds_ - _THRESHOLD_SLACK)
        self.confident_joint_ = _calibrated(joint, counts)
        columns = self.confident_joint_.sum(axis=0)
        self.noise_matrix_ = np.where(columns > 0, self.confident_joint_ / np.maximum(columns, 1), np.eye(len(columns)))
        differs = self._disagrees(proba, codes, other)
        if self.filter_by == "confident_learning":
            mask = (guess >= 0) & (guess != codes) & differs
        else:
            mask = self._pruned(proba, codes, counts, differs)
        if trusted is not None:
            mask &= ~trusted_flags(trusted, len(codes))
        self._rank(mask)
        use = (guess < 0) | (guess == codes)
        if (codes < 0).any():
            use |= codes < 0
        self._guess = np.where(use, other, guess)
        self._codes = codes
        return self

    def fit_resample(
        self, X: Any, y: Any, *, pred_proba: Any = None, groups: Any = None, trusted: Any = None, classes: Any = None
    ) -> tuple[Any, np.ndarray]:
        """Fit, then apply ``action`` to the suspects: returns the rows to train on and their labels.

        Parameters
        ----------
        X, y, pred_proba, groups, trusted, classes
            As for :meth:`fit`. ``X`` may be None beside ``pred_proba``, and is then returned so.

        Returns
        -------
        X_clean : same kind as X
            Eliminate: the rows ``sample_indices_``. Reannotate: X itself.
        y_clean : ndarray of shape (len(sample_indices_),)
        """
        self.fit(X, y, pred_proba=pred_proba, groups=groups, trusted=trusted, classes=classes)
        decision = self.suspects_.decide(self.action)
        self.sample_indices_ = np.flatnonzero(decision.keep)
        return resampled(X, y, decision, self.classes_)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that y is needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _check_options(self) -> None:
        """Refuse options that cannot be meant."""
        if self.filter_by not in _FILTERS:
            raise InputError(f"filter_by={self.filter_by!r} is unknown; choose from {', '.join(_FILTERS)}")
        if not 0 < self.frac_noise <= 1:
            raise InputError(f"frac_noise={self.frac_noise!r} must lie in (0, 1]")
        if self.filter_by == "confident_learning" and self.frac_noise != 1:
            raise InputError("frac_noise has no meaning for filter_by='confident_learning'; choose a prune rule")
        if self.n_suspects is not None and self.n_suspects < 0:
            raise InputError(f"n_suspects={self.n_suspects!r} must not be negative")
        check_action(self.action)

    def _disagrees(self, proba: np.ndarray, codes: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Mark labelled rows whose likeliest class is another one; unlabelled rows are False."""
        differs = np.zeros(len(codes), dtype=bool)
        for part in blocks(len(codes), 8):
            rows = np.arange(part.start, part.stop)
            # NaN, the quality of rows without a label, compares as False.
            differs[part] = proba[rows, other[part]] > self.label_quality_[part] + _AGREE
        return differs

    def _pruned(self, proba: np.ndarray, codes: np.ndarray, counts: np.ndarray, differs: np.ndarray) -> np.ndarray:
        """Apply the prune rules; only rows whose likeliest class is another one stay named."""
        wanted = _prune_counts(self.confident_joint_, self.frac_noise)
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows = np.empty(starts[-1], dtype=np.int32)
        kernels = _numba_kernels()
        if kernels is not None:
            kernels.by_class(codes, starts, rows)
        else:
            known = np.flatnonzero(codes >= 0)
            rows[:] = known[np.argsort(codes[known], kind="stable")]
        by_rate = np.zeros(len(codes), dtype=bool)
        by_class = np.zeros(len(codes), dtype=bool)
        for given in np.flatnonzero(counts > 1):
            own = rows[starts[given] : starts[given + 1]]
            if self.filter_by != "prune_by_noise_rate":
                drop = len(own) - int(wanted[given, given])
                by_class[own[_largest(-self.label_quality_[own], drop)]] = True
            if self.filter_by != "prune_by_class":
                _prune_by_rate(proba, own, own[differs[own]], int(given), wanted[given], by_rate)
        if self.filter_by == "both":
            by_class &= by_rate
        named = by_rate if self.filter_by == "prune_by_noise_rate" else by_class
        return named & differs

    def _rank(self, mask: np.ndarray) -> None:
        """Order the suspects by self-confidence and keep the first ``n_suspects``."""
        rows = np.flatnonzero(mask)
        rows = rows[np.argsort(self.label_quality_[rows], kind="stable")]
        if self.n_suspects is not None and self.n_suspects < len(rows):
            mask[rows[self.n_suspects :]] = False
            rows = rows[: self.n_suspects]
        self.suspect_mask_, self.suspect_rows_ = mask, rows

    @property
    def proposed_(self) -> np.ndarray:
        """The label proposed for each row, made on demand: (n,) labels can weigh more than the fit."""
        return self.classes_[self._guess]

    @property
    def suspects_(self) -> Suspects:
        """The suspects in rank order, as the review and the repairs take them; made on demand."""
        from trueneg.core.suspects import Suspects

        rows = self.suspect_rows_
        return Suspects(
            row=rows,
            candidate=self._codes[rows].astype(np.int64),
            proposed_candidate=self._guess[rows].astype(np.int64),
            candidate_ids=self.classes_,
            n_rows=len(self._codes),
            reason_of=lambda ranks: [self.reason(int(row)) for row in rows[ranks]],
        )

    def reason(self, row: int) -> str:
        """Say in one sentence why a row is, or is not, a suspect.

        Parameters
        ----------
        row : int
            Row number.
        """
        if not 0 <= row < len(self._codes):
            raise InputError(f"row {row} does not exist; rows are 0 to {len(self._codes) - 1}")
        code = int(self._codes[row])
        proposed = self.classes_[self._guess[row]]
        if code < 0:
            return f"row {row} has no label; the likeliest is {proposed!s}"
        given = self.classes_[code]
        own = f"{float(self.label_quality_[row]):.2g}, where rows labelled {given!s} have {self.thresholds_[code]:.2g}"
        if self.suspect_mask_[row]:
            return f"row {row} is labelled {given!s} with probability {own} on average; proposed: {proposed!s}"
        return f"row {row} is not a suspect: its label {given!s} has probability {own} on average"


def _prune_by_rate(
    proba: np.ndarray, own: np.ndarray, doubted: np.ndarray, given: int, counts: np.ndarray, mask: np.ndarray
) -> None:
    """Mark, for one given label, the largest margins towards each other class.

    Rows whose likeliest class is the given one are unmarked in the end, and their margins are
    below every positive one: the doubted rows alone decide unless a count exceeds them.
    """
    columns = np.flatnonzero(counts > 0)
    columns = columns[columns != given]
    if len(columns) == 0 or len(doubted) == 0:
        return
    kernels = _numba_kernels() if proba.dtype.itemsize >= 4 else None
    prune = _prune_numpy if kernels is None else kernels.prune
    for rows, floor in ((doubted, _AGREE), (own, -np.inf)):
        margins = np.empty(len(rows) if kernels is not None else 0, dtype=proba.dtype)
        short = np.zeros(len(columns), dtype=bool)
        prune(proba, rows, given, columns, counts[columns], floor, margins, margins.copy(), mask, short)
        columns = columns[short]
        if len(columns) == 0 or mask[doubted].all():
            return


def trusted_flags(trusted: Any, n: int) -> np.ndarray:
    """Return trusted as a mask of the rows."""
    flags = np.asarray(trusted)
    if flags.shape != (n,) or flags.dtype.kind != "b":
        raise InputError(f"trusted must be {n} booleans, one a row; it has shape {flags.shape} and type {flags.dtype}")
    return flags


def check_action(action: Any) -> None:
    """Refuse an action that changes no training rows, or none at all."""
    if not isinstance(action, str) or action not in _ACTIONS:
        raise InputError(f"action={action!r} is unknown; choose from {', '.join(_ACTIONS)}")


def resampled(X: Any, y: Any, decision: Decision, classes: np.ndarray) -> tuple[Any, np.ndarray]:
    """Apply a decision about the rows to copies of X and y.

    Parameters
    ----------
    X : array, sparse matrix or frame of n rows, or None
    y : array-like of shape (n,)
    decision : trueneg.core.suspects.Decision
    classes : ndarray of shape (K,)
        The label of each code.

    Returns
    -------
    X_clean : same kind as X
        X itself where every row is kept.
    y_clean : ndarray
    """
    labels = np.array(y)
    rows = np.flatnonzero(decision.new_label >= 0)
    new = classes[decision.new_label[rows]]
    if len(rows):
        wide = labels.copy()
        wide[rows] = new
        # A label that y never held may not fit its type: longer text is cut, large numbers wrap.
        if not np.array_equal(wide[rows], new):
            wide = labels.astype(np.promote_types(labels.dtype, new.dtype))
            wide[rows] = new
        labels = wide
    if X is None or decision.keep.all():
        return X, labels[decision.keep]
    rows_of = X.tocsr() if hasattr(X, "tocsr") else X
    kept = np.flatnonzero(decision.keep)
    return _safe_indexing(rows_of, kept), labels[kept]
