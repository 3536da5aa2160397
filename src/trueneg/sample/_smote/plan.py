"""Which pairs of rows get a child, and where between them it lies: a plan, made before any row is copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from trueneg.core.errors import InputError

__all__ = ["Draft", "SamplingPlan", "blend", "blend_sparse", "cast", "draw", "largest_remainder", "votes"]

_CHUNK = 1 << 18  # cells blended at a time


@dataclass
class SamplingPlan:
    """Rows to keep and rows to make, as indices; nothing of X is copied.

    Parameters
    ----------
    sample_indices : int64 array of shape (n_out,)
        The row of the input, -1 for a made one; made rows come last.
    parents : int64 array of shape (n_new, 2)
        The row and its partner.
    weights : floating array of shape (n_new,), or (n_new, d) under ``gap="attribute"``
        The child is ``(1 - w) * first + w * second``; below 0 it lies beyond the first.
    y : array of shape (n_out,)
        Labels of the output, in the caller's own container.
    voters : int64 array of shape (P, q), optional
        For each row that has children: the rows its children's nominal values are taken from, one a column.
    voter : int64 array of shape (n_new,), optional
        Which row of `voters` each child has.
    """

    sample_indices: NDArray[np.int64]
    parents: NDArray[np.int64]
    weights: NDArray[Any]
    y: Any
    voters: NDArray[np.int64] | None = None
    voter: NDArray[np.int64] | None = None

    @property
    def kept(self) -> NDArray[np.int64]:
        """The rows of the input that stay, (n_out - n_new,)."""
        return self.sample_indices[: len(self.sample_indices) - len(self.parents)]

    @property
    def nominal_rows(self) -> NDArray[np.int64] | None:
        """The row that each nominal value of each child is taken from, (n_new, q); None without nominal columns."""
        return None if self.voters is None else self.voters[self.voter]

    def take(self, X: Any, positions: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Make just some rows of the output, as for a batch; the whole is never built.

        Parameters
        ----------
        X : ndarray of shape (n, d), or CSR matrix
            The numeric table that the plan was made for.
        positions : int array of shape (m,)
            Rows of the output.

        Returns
        -------
        ndarray or CSR matrix of shape (m, d)

        Raises
        ------
        InputError
            For a plan with nominal columns, or a position that the output does not have.
        """
        if self.voters is not None:
            msg = "take() blends numbers; for nominal columns gather nominal_rows yourself, or call fit_resample"
            raise InputError(msg)
        positions = np.asarray(positions)
        if positions.size and not -1 < positions.min() <= positions.max() < len(self.sample_indices):
            msg = f"positions must lie in 0..{len(self.sample_indices) - 1}, the rows of the output"
            raise InputError(msg)
        rows = self.sample_indices[positions]
        made = np.flatnonzero(rows < 0)
        child = positions[made] - len(self.kept)
        if not sparse.issparse(X):
            out = X[rows]
            out[made] = blend(X, self.parents[child], self.weights[child])
            return out
        kept = np.flatnonzero(rows >= 0)
        both = sparse.vstack([X[rows[kept]], blend_sparse(X, self.parents[child], self.weights[child])], format="csr")
        return both[np.argsort(np.concatenate([kept, made]), kind="stable")]

    def carry(self, values: Any, *, made: Literal["first", "blend"] | Any = "first") -> NDArray[Any]:
        """Take anything that has one entry a row, as ids, groups or costs, over to the output.

        Parameters
        ----------
        values : array-like of shape (n, ...)
            One entry a row of the input.
        made : "first", "blend", or a value, default="first"
            What a made row gets: the entry of its first parent; for numbers the mix of both parents' (not under
            ``gap="attribute"``, which has no single weight); or this value.

        Returns
        -------
        ndarray of shape (n_out, ...)
        """
        values = np.asarray(values)
        rows = self.sample_indices.copy()
        rows[len(self.kept) :] = self.parents[:, 0]
        out = values[rows]
        if isinstance(made, str) and made == "first":
            return out
        if not isinstance(made, str) or made != "blend":
            if len(self.parents):
                out = out.astype(np.result_type(out.dtype, np.asarray(made).dtype), copy=False)
                out[len(self.kept) :] = made
            return out
        if self.weights.ndim > 1:
            raise InputError("made='blend' needs one weight a child: choose gap='row', or made='first'")
        one, two = (values[self.parents[:, i]].astype(np.float64) for i in (0, 1))
        gap = self.weights.reshape(-1, *[1] * (values.ndim - 1))
        out = out.astype(np.float64, copy=False)
        out[len(self.kept) :] = one + gap * (two - one)
        return out


@dataclass
class Draft:
    """Candidates of one class: each parent, its partners, how far toward them, and how many children.

    ``partners`` (P, k) holds row numbers, -1 at the end where there are fewer; ``share`` (P,) is the wished share of
    the children, None for an even one; gaps are uniform in ``low``..``high``; ``part`` weighs drafts of one class.
    """

    rows: NDArray[np.int64]
    partners: NDArray[np.int64]
    share: NDArray[np.float64] | None = None
    low: float = 0.0
    high: float = 1.0
    part: float = 1.0

    def able(self) -> Draft:
        """Return the draft without the rows that have no partner."""
        keep = self.partners[:, 0] >= 0
        if keep.all():
            return self
        share = None if self.share is None else self.share[keep]
        return Draft(self.rows[keep], self.partners[keep], share, self.low, self.high, self.part)


def largest_remainder(share: NDArray[np.float64], n: int, rng: np.random.Generator | None = None) -> NDArray[np.int64]:
    """Split n into whole numbers in proportion to `share`, adding up to n exactly; ties at random, or by position."""
    exact = share / share.sum() * n
    count = np.floor(exact).astype(np.int64)
    rest = n - int(count.sum())
    order = np.arange(len(share)) if rng is None else rng.permutation(len(share))
    count[order[np.argsort((count - exact)[order], kind="stable")[:rest]]] += 1
    return count


def draw(
    draft: Draft,
    n: int,
    rng: np.random.Generator,
    *,
    allocation: Literal["even", "random"],
    width: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Draw n children: parents (n, 2), gaps (n,) or (n, width), and which of the draft's rows each came from.

    Even allocation is the paper's: each row gets n // P children, and a random choice of rows one more.
    """
    size = len(draft.rows)
    if draft.share is not None:
        which = np.repeat(np.arange(size), largest_remainder(draft.share, n, rng))
    elif allocation == "random":
        which = rng.integers(size, size=n)
    else:
        count = np.full(size, n // size)
        count[rng.permutation(size)[: n % size]] += 1
        which = np.repeat(np.arange(size), count)
    valid = (draft.partners >= 0).sum(axis=1)
    parents = np.empty((n, 2), dtype=np.int64)
    for start in range(0, n, _CHUNK):
        some = which[start : start + _CHUNK]
        column = (rng.random(len(some)) * valid[some]).astype(np.int64)
        parents[start : start + _CHUNK, 0] = draft.rows[some]
        parents[start : start + _CHUNK, 1] = draft.partners[some, column]
    gap = rng.random(n if width is None else (n, width))
    gap *= draft.high - draft.low
    gap += draft.low
    return parents, gap, which


def blend(
    x: NDArray[Any], parents: NDArray[np.int64], weights: NDArray[np.float64], out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Put children on the way from first to second parent, chunk by chunk, in the precision of `x`.

    A value that both parents lack is missing, one that only one lacks is missing where that parent is the nearer;
    integers are rounded to the nearest, so that their mean is not shifted.
    """
    if out is None:
        out = np.empty((len(parents), x.shape[1]), dtype=x.dtype)
    exact = np.float32 if x.dtype in (np.float32, np.float16) else np.float64
    step = max(1, _CHUNK // max(1, x.shape[1]))
    for start in range(0, len(parents), step):
        part = slice(start, start + step)
        one = x[parents[part, 0]].astype(exact, copy=False)
        two = x[parents[part, 1]].astype(exact, copy=False)
        gap = weights[part].astype(exact, copy=False)
        out[part] = cast(_between(one, two, gap[:, None] if gap.ndim == 1 else gap), out.dtype)
    return out


def blend_sparse(x: Any, parents: NDArray[np.int64], weights: NDArray[np.float64]) -> Any:
    """Make children of a CSR matrix, chunk by chunk, by the rules of :func:`blend`; no zero is stored."""
    parts = []
    step = max(1, _CHUNK // max(1, int(x.nnz / max(1, x.shape[0]))))
    for start in range(0, len(parents), step):
        part = slice(start, start + step)
        gap = weights[part]
        one, two = (x[parents[part, i]].astype(np.float64) for i in (0, 1))
        way = (two - one).tocoo()
        way.data *= gap[way.row] if gap.ndim == 1 else gap[way.row, way.col]
        child = (one + way.tocsr()).tocsr()
        hole = np.flatnonzero(np.isnan(child.data))
        if len(hole):
            row = np.searchsorted(child.indptr, hole, side="right") - 1
            column = child.indices[hole]
            near = (gap[row] if gap.ndim == 1 else gap[row, column]) < 0.5
            either = np.where(near, one[row, column], two[row, column])
            child.data[hole] = np.asarray(either).ravel()
        child.data = cast(child.data, x.dtype).astype(x.dtype, copy=False)
        child.eliminate_zeros()
        parts.append(child)
    return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix((0, x.shape[1]), dtype=x.dtype)


def votes(codes: NDArray[np.int32], rows: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row and nominal column one of the rows asked whose value has most votes; the first of equals.

    Parameters
    ----------
    codes : int32 array of shape (n, q)
    rows : int64 array of shape (P,)
        Who gets its own value where nobody is asked.
    asked : int64 array of shape (P, k)
        Rows that vote, -1 at the end where there are fewer; nearest first.

    Returns
    -------
    int64 array of shape (P, q)
    """
    out = np.empty((len(asked), codes.shape[1]), dtype=np.int64)
    step = max(1, _CHUNK // asked.shape[1] ** 2)
    for start in range(0, len(asked), step):
        some = asked[start : start + step]
        there = some >= 0
        who = np.where(there, some, rows[start : start + step, None])
        for column in range(codes.shape[1]):
            value = codes[who, column]
            count = ((value[:, :, None] == value[:, None, :]) & there[:, None, :]).sum(axis=2)
            count[~there] = -1
            best = count.argmax(axis=1)
            out[start : start + step, column] = who[np.arange(len(who)), best]
    return out


def _between(one: NDArray[Any], two: NDArray[Any], gap: NDArray[Any]) -> NDArray[Any]:
    """Interpolate one chunk; `two` is overwritten."""
    with np.errstate(over="ignore", invalid="ignore"):
        missing = np.isnan(one) | np.isnan(two) if np.isnan(two.sum() + one.sum()) else None
    either = None if missing is None else np.where(gap < 0.5, one, two)[missing]
    two -= one
    two *= gap
    two += one
    if missing is not None:
        two[missing] = either
    return two


def cast(value: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Round and clip for integers and booleans; NaN cannot occur there."""
    if dtype.kind == "b":
        return value > 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        value = np.rint(value, out=value)
        # float64(2**63 - 1) is 2**63, which would wrap around.
        top = np.nextafter(float(info.max), 0) if info.max > 2**53 else float(info.max)
        return np.clip(value, float(info.min), top).astype(dtype)
    return value
