"""Embeddings and probabilities as matrices, checked row by row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data._sniff.rest import PROBA_NAME
from trueneg.data._sniff.scores import are_scores, from_scores
from trueneg.data._sniff.values import is_vector, listed, numbers_of, table_name
from trueneg.data.readers import Table, one_line

if TYPE_CHECKING:
    from trueneg.data._sniff.roles import Roles


def as_matrix(table: Table, columns: list[str], part: str) -> np.ndarray:
    """Return numeric columns, or one column of lists of one length, as a float matrix (n, d)."""
    import pyarrow as pa

    where = table_name(table)
    kinds = [table.arrow.column(c).type for c in columns]
    if len(columns) == 1 and is_vector(kinds[0]):
        return _vectors(table.arrow.column(columns[0]), f"{where}: {part} {one_line(columns[0], 60)!r}")
    for name, kind in zip(columns, kinds, strict=True):
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            msg = f"{where}: {part} column {one_line(name, 60)!r} holds {kind}; give numbers"
            raise InputError(msg)
    narrow = all(kind in (pa.float16(), pa.float32()) for kind in kinds)
    out = np.empty((len(table), len(columns)), dtype=np.float32 if narrow else np.float64)
    for i, name in enumerate(columns):
        out[:, i] = numbers_of(table, name)
    return out


def _vectors(column: Any, what: str) -> np.ndarray:
    """Return a column of lists as a matrix; lists of another length are refused with their row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
    width = int(lengths[0])
    odd = np.flatnonzero(lengths != width)
    if width < 1 or odd.size:
        row = int(odd[0]) if odd.size and width >= 1 else 0
        has = "nothing" if lengths[row] < 1 else f"{lengths[row]} numbers"
        msg = (
            f"{what} has {has} in row {row + 1:,}"
            + (f" where row 1 has {width}" if odd.size and width >= 1 else "")
            + "; give every row the same number"
        )
        raise InputError(msg)
    flat = column.flatten()
    wanted = pa.float32() if flat.type in (pa.float16(), pa.float32()) else pa.float64()
    return flat.cast(wanted, safe=False).to_numpy(zero_copy_only=False).reshape(-1, width)


def refuse_not_finite(matrix: np.ndarray, where: str, columns: list[str]) -> None:
    """Raise for NaN or an infinity, with the first row that has one."""
    # A finite sum proves every entry finite at a fraction of the memory; only a bad sum is looked into.
    with np.errstate(all="ignore"):
        if np.isfinite(matrix.sum(dtype=np.float64)):
            return
    bad = np.argwhere(~np.isfinite(matrix))
    if bad.size:
        row, column = (int(v) for v in bad[0])
        name = columns[column] if len(columns) == matrix.shape[1] else columns[0]
        msg = (
            f"{where}: column {one_line(name, 60)!r} has {matrix[row, column]} in row {row + 1:,}; "
            "fill it in or drop the row"
        )
        raise InputError(msg)


def probabilities(table: Table, found: Roles, *, note: bool = False) -> np.ndarray:
    """Return the probabilities (n, n_classes), checked; scores of a binary label are turned into them (and noted)."""
    where = table_name(table)
    matrix = as_matrix(table, found.proba, "proba")
    refuse_not_finite(matrix, where, found.proba)
    if found.kind == "table" and len(found.classes) == 2 and matrix.shape[1] <= 2 and are_scores(matrix):
        if note:
            found.notes.append(_about_scores(matrix, found))
        codes, _ = found.codes(table)
        groups = None if found.group is None else _group_codes(table, found.group)
        return from_scores(_by_class(matrix, found), codes, groups, where=where, name=found.proba[-1])
    given = matrix
    if matrix.shape[1] == 1 and len(found.classes) == 2 and found.kind == "table":
        matrix = np.concatenate([1 - matrix, matrix], axis=1)
    if matrix.shape[1] != len(found.classes):
        msg = (
            f"{where}: {matrix.shape[1]} probabilities a row for {len(found.classes)} classes; "
            f"give one a class, in the order {listed(found.classes)}"
        )
        raise InputError(msg)
    outside = (given < -1e-6) | (given > 1 + 1e-6)
    if outside.any():
        row, column = (int(v) for v in np.argwhere(outside)[0])
        msg = (
            f"{where}: row {row + 1:,} has the probability {given[row, column]:g}; probabilities lie between 0 and 1 "
            f"({_cure(found)})"
        )
        raise InputError(msg)
    if found.kind == "table":
        total = matrix.sum(axis=1)
        off = np.flatnonzero(np.abs(total - 1) > 1e-3)
        if off.size:
            msg = (
                f"{where}: the probabilities of row {off[0] + 1:,} sum to {total[off[0]]:.4g} "
                f"and not to 1 ({off.size:,} such rows); normalise them"
            )
            raise InputError(msg)
    return _by_class(matrix, found)


def _about_scores(matrix: np.ndarray, found: Roles) -> str:
    """Tell how scores were read."""
    span = f"{matrix.min():.4g} to {matrix.max():.4g}"
    return (
        f"{listed(found.proba)} holds scores ({span}), not probabilities: turned into probabilities of "
        f"{found.positive!r} by Platt's rule fitted to the given labels, out of fold, so that they are as good as "
        "those labels and their calibration (TN303) is no merit of the model"
    )


def _cure(found: Roles) -> str:
    """Say how scores become probabilities where that is not done here."""
    if found.kind == "multilabel":
        return "turn scores into them first, for example by scipy.special.expit(scores)"
    if len(found.classes) > 2:
        return "turn scores into them first, for example by scipy.special.softmax(scores, axis=1)"
    return "fewer than 1 % of the rows leave that range, so that these are no scores; correct them"


def _group_codes(table: Table, name: str) -> np.ndarray:
    """Return the groups as codes (n,), a missing one as a group of its own."""
    return np.asarray(table.arrow.column(name).combine_chunks().dictionary_encode().indices.fill_null(-1))


def _by_class(matrix: np.ndarray, found: Roles) -> np.ndarray:
    """Return the columns in the order of the classes where their names end in the class names."""
    if len(found.proba) != len(found.classes):
        return matrix
    order = []
    for name in found.classes:
        hits = [
            i
            for i, column in enumerate(found.proba)
            if column == name or re.fullmatch(rf".*[_.]{re.escape(name)}", column)
        ]
        exact = [i for i in hits if (m := PROBA_NAME.match(found.proba[i])) and m[2] == name]
        chosen = exact or hits
        if len(chosen) != 1:
            return matrix
        order.append(chosen[0])
    return matrix if order == list(range(len(order))) or len(set(order)) < len(order) else matrix[:, order]
