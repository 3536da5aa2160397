"""Find out which column of a table plays which part, and tell what was decided and why.

Two rules stand above the rest: what the caller names is never guessed over, and an unjudged label is never read
as a negative one.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import Table, known_column, one_line

if TYPE_CHECKING:
    import pyarrow as pa

_LABEL_NAMES = ("label", "labels", "target", "y", "class", "category", "outcome", "gold", "relation", "sentiment")
_NEGATIVE_NAMES = ("no_relation", "none", "negative", "neg", "other", "no", "false", "background", "o", "normal")
_NULL_LIKE = ("na", "n/a", "nan", "null", "?", "unknown", "unlabeled", "unlabelled")
_EMBEDDING = re.compile(r"^(emb|embedding|embeddings|vec|vector)[_.]?\d+$", re.IGNORECASE)
_PROBA = re.compile(r"^(pred_proba|proba|probability|prob|p)[_.](.+)$", re.IGNORECASE)
_IMAGE = re.compile(r"\.(png|jpe?g|gif|webp|bmp|tiff?)$", re.IGNORECASE)
_MAX_CLASSES = 1_000
_SAMPLE = 2_000


@dataclass
class Roles:
    """Which column plays which part.

    Attributes
    ----------
    label : str or None
        The label column as it was named (``"y_*"`` for prefixed columns).
    kind : str
        ``"table"`` (one label a row) or ``"multilabel"``.
    labels : list of str
        The label columns: one, or those a pattern stands for.
    label_sep : str or None
        What separates the labels in one column of several.
    classes : list of str
        Code k stands for ``classes[k]``. Two classes: the negative first.
    positive, negative, unlabeled : str or None
        The class asked about, the class of "none of these", and the value that means unjudged.
    text, image, numeric, categorical, embedding, proba : list of str
        Columns.
    id, group, trusted, split : str or None
        Columns.
    cost_fn, cost_fp : str, float or None
        A column of costs a row, or one number.
    notes : list of str
        What was sniffed and how the labels were read, one sentence each.
    """

    label: str | None = None
    kind: str = "table"
    labels: list[str] = field(default_factory=list)
    label_sep: str | None = None
    classes: list[str] = field(default_factory=list)
    positive: str | None = None
    negative: str | None = None
    unlabeled: str | None = None
    text: list[str] = field(default_factory=list)
    image: list[str] = field(default_factory=list)
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    embedding: list[str] = field(default_factory=list)
    proba: list[str] = field(default_factory=list)
    id: str | None = None
    group: str | None = None
    trusted: str | None = None
    split: str | None = None
    cost_fn: str | float | None = None
    cost_fp: str | float | None = None
    notes: list[str] = field(default_factory=list)

    def codes(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """Return the labels as codes.

        Returns
        -------
        codes : ndarray of int64
            (n,) class codes, -1 unjudged; for ``"multilabel"`` (n, n_classes) of 1, 0 and -1 unjudged.
        classes : list of str
            The names of the codes, or of the columns.
        """
        if self.kind == "multilabel":
            return _multilabel_codes(table, self), list(self.classes)
        return _encode(_strings(table.arrow.column(self.labels[0]), self.unlabeled), self.classes), list(self.classes)

    def proba_matrix(self, table: Table) -> np.ndarray | None:
        """Return the given probabilities (n, n_classes) in the order of ``classes``, or None; checked row by row."""
        return _proba_matrix(table, self) if self.proba else None

    def embedding_matrix(self, table: Table) -> np.ndarray | None:
        """Return the given embedding (n, d), or None; NaN and infinities are refused with their row."""
        if not self.embedding:
            return None
        matrix = _matrix(table, self.embedding, "embedding")
        _finite(matrix, _where(table), self.embedding)
        return matrix


# ---------------------------------------------------------------------------------------------- entry


def roles(
    table: Table,
    *,
    label: str | None = None,
    positive: str | None = None,
    negative: str | None = None,
    unlabeled: str | None = None,
    text: str | Sequence[str] | None = None,
    image: str | Sequence[str] | None = None,
    features: str | Sequence[str] | None = None,
    embedding: str | Sequence[str] | None = None,
    proba: str | Sequence[str] | None = None,
    id: str | None = None,  # noqa: A002 - the name of the option
    group: str | None = None,
    trusted: str | None = None,
    cost_fn: str | float | None = None,
    cost_fp: str | float | None = None,
    kind: str | None = None,
    label_sep: str | None = None,
    split: str | None = None,
) -> Roles:
    """Settle the part of every column: as named, else sniffed.

    Parameters
    ----------
    table : Table
        The table.
    label : str, optional
        Label column; a pattern such as ``"y_*"`` for one column a label. Without it an InputError lists the candidates.
    positive, negative, unlabeled : str, optional
        Values of the label. Nulls are unjudged always, ``-1`` only with ``unlabeled="-1"``.
    text, image, features, embedding, proba : str or sequence of str, optional
        Columns or patterns; sniffed where not given.
    id, group, trusted, split : str, optional
        Columns; those with such a name are sniffed.
    cost_fn, cost_fp : str or float, optional
        Cost of a missed positive and of a false alarm: a column or a number.
    kind : {"table", "multilabel"}, optional
        Default: by the label.
    label_sep : str, optional
        Separator of several labels in one column, such as ``";"``.

    Returns
    -------
    Roles

    Raises
    ------
    InputError
        One line with the column, what is wrong and what to do.
    """
    where = _where(table)
    if len(table) == 0:
        msg = f"{where}: it has a header and no rows; write it again"
        raise InputError(msg)
    if label is None:
        raise _no_label(table)
    found = Roles(label=label, label_sep=label_sep, positive=positive, negative=negative, unlabeled=unlabeled)
    found.notes.extend(table.notes)
    _settle_label(table, found, kind, where)
    single = {"id": id, "group": group, "trusted": trusted, "split": split}
    several = {"text": text, "image": image, "embedding": embedding, "proba": proba}
    _settle_parts(table, found, single, several, where)
    found.cost_fn = _cost(table, cost_fn, "cost_fn", where)
    found.cost_fp = _cost(table, cost_fp, "cost_fp", where)
    _sniff_rest(table, found, None if features is None else _expand(features, table.arrow.column_names, where))
    _check_parts(table, found, where)
    return found


def _settle_parts(
    table: Table,
    found: Roles,
    single: dict[str, str | None],
    several: dict[str, str | Sequence[str] | None],
    where: str,
) -> None:
    """Take the parts that the caller names."""
    names = table.arrow.column_names
    for part, name in single.items():
        if name is not None:
            setattr(found, part, known_column(name, names, where))
    for part, columns in several.items():
        if columns is not None:
            setattr(found, part, _expand(columns, names, where))


def _check_parts(table: Table, found: Roles, where: str) -> None:
    """Raise for parts whose values cannot be right."""
    _check_ids(table, found, where)
    _check_trusted(table, found, where)
    if found.proba:
        _proba_matrix(table, found)
    if found.embedding:
        found.embedding_matrix(table)


def label_candidates(table: Table) -> list[str]:
    """Return the columns (and prefix patterns) that could be the label, likeliest first.

    A candidate has 2 to 1,000 values, few for the rows there are, and is neither a list nor a fraction.
    """
    scored: list[tuple[float, int, str]] = []
    names = table.arrow.column_names
    for i, name in enumerate(names):
        few = _distinct(table.arrow.column(name), _MAX_CLASSES)
        if few is None or few < 2 or few > max(20, len(table) / 5) or _is_fraction(table, name):
            continue
        lower = name.lower()
        score = 10.0 * (lower in _LABEL_NAMES) + 5.0 * any(p in _LABEL_NAMES for p in re.split(r"[_\W]+", lower))
        score += 2.0 * (few <= 20) + 1.0 * (i == len(names) - 1) + 1.0 * (few == 2)
        score -= 8.0 * (lower in ("split", "fold", "trusted", "group") or lower.endswith("id"))
        scored.append((-score, i, name))
    found = [name for _, _, name in sorted(scored)]
    for prefix in ("y_", "label_", "labels_", "target_"):
        columns = [n for n in names if n.startswith(prefix)]
        if len(columns) >= 2 and all((_distinct(table.arrow.column(c), 3) or 9) <= 3 for c in columns):
            found = [f"{prefix}*"] + [n for n in found if n not in columns]
    return found


def _no_label(table: Table) -> InputError:
    """Return the error that lists the candidates with the command to run."""
    where = _where(table)
    found = label_candidates(table)
    if not found:
        names = ", ".join(repr(one_line(n, 40)) for n in table.arrow.column_names[:12])
        return InputError(f"{where}: no column looks like a label; name one of {names} with --label")
    path = _shell(where if table.path is None else str(table.path))
    listed = ", ".join(repr(one_line(n, 40)) for n in found[:8])
    command = f"trueneg audit {path} --label {_shell(found[0])}"
    return InputError(f"{where}: no label is named; it could be {listed}; run: {command}")


def _shell(word: str) -> str:
    """Return `word` quoted for a shell."""
    import shlex

    return shlex.quote(one_line(word, 400))


def _where(table: Table) -> str:
    """Return how to call the table in a message."""
    return "the frame" if table.path is None else one_line(table.path)


def _expand(value: str | Sequence[str], names: Sequence[str], where: str) -> list[str]:
    """Return the columns for a name, a comma-separated list, a pattern, or a sequence of these."""
    wanted = [value] if isinstance(value, str) else list(value)
    out: list[str] = []
    for item in wanted:
        parts = [item] if item in names else [p.strip() for p in item.split(",")]
        for part in parts:
            hits = [part] if part in names else fnmatch.filter(names, part) if "*" in part or "?" in part else []
            out.extend(hits or [known_column(part, names, where)])
    return list(dict.fromkeys(out))


# --------------------------------------------------------------------------------------------- labels


def _strings(column: Any, unlabeled: str | None) -> Any:
    """Return a label column as strings with nulls where it is unjudged (null, NaN, blank, `unlabeled`)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
        whole = pc.all(pc.equal(pc.floor(column), column), skip_nulls=True).as_py()
        bounded = whole and (pc.max(pc.abs(column)).as_py() or 0) < 2**53
        column = column.cast(pa.int64()) if bounded else column
    text = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
    gone = pc.equal(text, "")
    if unlabeled is not None:
        gone = pc.or_kleene(gone, pc.equal(text, unlabeled.strip()))
    return pc.if_else(gone, pa.scalar(None, pa.large_string()), text)


def _settle_label(table: Table, found: Roles, kind: str | None, where: str) -> None:
    """Read the label: one column, prefixed columns, or one column of several labels."""
    import pyarrow as pa

    if kind not in (None, "table", "multilabel"):
        msg = f"{where}: kind {one_line(kind, 30)!r} is not read from a table of columns; use table or multilabel"
        raise InputError(msg)
    found.labels = _expand(str(found.label), table.arrow.column_names, where)
    first = table.arrow.column(found.labels[0])
    several = len(found.labels) > 1 or found.label_sep is not None or pa.types.is_nested(first.type)
    found.kind = kind or ("multilabel" if several else "table")
    if found.kind == "multilabel":
        _settle_multilabel(table, found, where)
        return
    if several:
        msg = (
            f"{where}: the label {one_line(found.label, 60)!r} has several labels a row; leave "
            "--kind out or say --kind multilabel"
        )
        raise InputError(msg)
    _settle_single(table, found, where)


def _settle_single(table: Table, found: Roles, where: str) -> None:
    """Settle classes, positive and negative of one label column, and note how it was read."""
    import pyarrow.compute as pc

    name = found.labels[0]
    try:
        strings = _strings(table.arrow.column(name), found.unlabeled)
    except Exception as error:
        msg = (
            f"{where}: column {one_line(name, 60)!r} cannot be a label ({table.arrow.column(name).type}); name another"
        )
        raise InputError(msg) from error
    counts = {item["values"]: item["counts"] for item in pc.value_counts(strings.drop_null()).to_pylist()}
    values = _ordered(list(counts))
    if len(values) < 2:
        only = f"only {one_line(values[0], 40)!r}" if values else "no value at all"
        msg = f"{where}: label {one_line(name, 60)!r} has {only} in its judged rows; at least two classes are needed"
        raise InputError(msg)
    if len(values) > max(_MAX_CLASSES, len(table) // 2):
        msg = (
            f"{where}: label {one_line(name, 60)!r} has {len(values):,} values in {len(table):,} "
            "rows; it is no class label, name another column"
        )
        raise InputError(msg)
    if found.unlabeled is not None and strings.null_count == table.arrow.column(name).null_count:
        found.notes.append(f"the value {found.unlabeled!r} given as unjudged does not occur")
    for part in ("positive", "negative"):
        value = getattr(found, part)
        if value is not None:
            setattr(found, part, _known_value(str(value), values, part, name, where))
    found.classes = _settle_sides(values, counts, found, name)
    _note_label(found, name, strings.null_count, values)


def _known_value(value: str, values: list[str], part: str, name: str, where: str) -> str:
    """Return a value of the label as it is spelt there; ``"1.0"`` finds ``"1"``."""
    for spelt in (value, value.strip(), re.sub(r"\.0+$", "", value)):
        if spelt in values:
            return spelt
    same = [v for v in values if v.lower() == value.lower()]
    if len(same) == 1:
        return same[0]
    listed = ", ".join(repr(one_line(v, 40)) for v in values[:12]) + (" ..." if len(values) > 12 else "")
    msg = (
        f"{where}: the {part} value {one_line(value, 40)!r} does not occur in {one_line(name, 60)!r}; "
        f"its values are {listed}"
    )
    raise InputError(msg)


def _settle_sides(values: list[str], counts: dict[str, int], found: Roles, name: str) -> list[str]:
    """Return the classes in order of their codes, and settle which is the negative."""
    if found.positive is not None and found.positive == found.negative:
        msg = (
            f"the positive and the negative value of {one_line(name, 60)!r} are both {one_line(found.positive, 40)!r}; "
            "name two"
        )
        raise InputError(msg)
    named = [v for v in values if v.lower() in _NEGATIVE_NAMES]
    if len(values) == 2:
        if found.negative is None and found.positive is None:
            if set(values) <= {"-1", "0", "1", "false", "true"}:
                found.negative = values[0]
            else:
                found.negative = named[0] if len(named) == 1 else max(values, key=lambda v: counts[v])
                why = "by its name" if len(named) == 1 else "as the commoner one"
                found.notes.append(
                    f"{found.negative!r} is taken for the negative class {why}; --positive decides otherwise"
                )
        if found.negative is None:
            found.negative = next(v for v in values if v != found.positive)
        found.positive = next(v for v in values if v != found.negative)
        return [found.negative, found.positive]
    if found.negative is None and found.positive is None and len(named) == 1:
        found.negative = named[0]
        found.notes.append(
            f"{named[0]!r} is taken for the class of 'none of these' by its name; --negative decides otherwise"
        )
    return values


def _note_label(found: Roles, name: str, unjudged: int, values: list[str]) -> None:
    """Tell how the label was read."""
    found.notes.append(
        f"label {name!r}: {len(values)} classes" + (f", positive is {found.positive!r}" if found.positive else "")
    )
    if unjudged:
        found.notes.append(f"{unjudged:,} rows have no label and are unjudged, never negative")
    if set(values) == {"-1", "1"}:
        found.notes.append(
            "the values -1 and +1 are read as negative and positive; say --unlabeled=-1 if -1 means unjudged"
        )
    elif "-1" in values:
        found.notes.append("the value -1 is read as a class; say --unlabeled=-1 if it means unjudged")
    for value in values:
        if value.lower() in _NULL_LIKE:
            found.notes.append(
                f"the value {value!r} is read as a class; say --unlabeled {value!r} if it means unjudged"
            )


def _ordered(values: list[str]) -> list[str]:
    """Return class names in numeric order where all are numbers, else by name."""
    try:
        return sorted(values, key=float)
    except ValueError:
        return sorted(values)


def _encode(strings: Any, classes: list[str]) -> np.ndarray:
    """Return codes (n,) int64, -1 for null or a value that is no class."""
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = pc.fill_null(pc.index_in(strings, pa.array(classes, pa.large_string())), -1)
    return np.asarray(codes).astype(np.int64)


# ----------------------------------------------------------------------------------------- multilabel


def _settle_multilabel(table: Table, found: Roles, where: str) -> None:
    """Settle the classes of a multi-label table."""
    if len(found.labels) > 1:
        for name in found.labels:
            _binary_column(table, name, found.unlabeled, where)
        stem = _common_prefix(found.labels)
        found.classes = [name[len(stem) :] or name for name in found.labels]
        found.notes.append(
            f"{len(found.labels)} label columns {one_line(found.label, 60)!r}: "
            "1 carries the label, 0 does not, null is unjudged"
        )
        return
    lists = _split_lists(table, found, where)
    found.classes = _ordered([v for v in set(lists.flatten().drop_null().unique().to_pylist()) if v != ""])
    if len(found.classes) < 2:
        msg = (
            f"{where}: label {one_line(found.labels[0], 60)!r} splits into {len(found.classes)} "
            "labels; give the right --label-sep"
        )
        raise InputError(msg)
    found.notes.append(
        f"label {found.labels[0]!r} holds several labels a row: {len(found.classes)} in all; a blank row is unjudged"
    )


def _common_prefix(names: list[str]) -> str:
    """Return the common beginning of `names` up to its last separator."""
    import os.path

    stem = os.path.commonprefix(names)
    cut = max(stem.rfind("_"), stem.rfind("."), stem.rfind(":"))
    return stem[: cut + 1]


def _binary_column(table: Table, name: str, unlabeled: str | None, where: str) -> np.ndarray:
    """Return one label column as int64 of 1, 0 and -1 unjudged."""
    try:
        strings = _strings(table.arrow.column(name), unlabeled)
    except Exception as error:
        msg = (
            f"{where}: column {one_line(name, 60)!r} cannot be a label ({table.arrow.column(name).type}); "
            "leave it out of --label"
        )
        raise InputError(msg) from error
    values = set(strings.drop_null().unique().to_pylist())
    for low, high in (("0", "1"), ("-1", "1"), ("false", "true")):
        if values <= {low, high}:
            return _encode(strings, [low, high])
    odd = one_line(sorted(values - {"0", "1"})[0], 40)
    msg = f"{where}: label column {one_line(name, 60)!r} holds {odd!r}; a column a label holds 0, 1 or nothing"
    raise InputError(msg)


def _split_lists(table: Table, found: Roles, where: str) -> Any:
    """Return the column of several labels as one list array of trimmed strings (null where unjudged)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.arrow.column(found.labels[0])
    if pa.types.is_nested(column.type):
        return column.combine_chunks().cast(pa.large_list(pa.large_string()))
    sep = found.label_sep or _guess_sep(column)
    if sep is None:
        msg = f"{where}: several labels in {one_line(found.labels[0], 60)!r} need their separator; say --label-sep ';'"
        raise InputError(msg)
    found.label_sep = sep
    lists = pc.split_pattern(_strings(column, found.unlabeled), pattern=sep).combine_chunks()
    return pa.LargeListArray.from_arrays(
        lists.offsets.cast(pa.int64()),
        pc.utf8_trim_whitespace(lists.values.cast(pa.large_string())),
        mask=lists.is_null(),
    )


def _guess_sep(column: Any) -> str | None:
    """Return the separator that most values hold, or None."""
    sample = [str(v) for v in column.slice(0, _SAMPLE).to_pylist() if v is not None]
    counts = {sep: sum(sep in v for v in sample) for sep in (";", "|", ",")}
    best = max(counts, key=lambda s: counts[s])
    return best if counts[best] else None


def _multilabel_codes(table: Table, found: Roles) -> np.ndarray:
    """Return (n, n_classes) int64 of 1, 0 and -1 unjudged."""
    where = _where(table)
    if len(found.labels) > 1:
        return np.stack([_binary_column(table, name, found.unlabeled, where) for name in found.labels], axis=1)
    lists = _split_lists(table, found, where)
    lengths = np.diff(np.asarray(lists.offsets))
    null = np.asarray(lists.is_null())
    flat = _encode(lists.flatten(), found.classes)
    row = np.repeat(np.arange(len(lists)), np.where(null, 0, lengths))
    out = np.zeros((len(lists), len(found.classes)), dtype=np.int64)
    out[row[flat >= 0], flat[flat >= 0]] = 1
    out[null] = -1
    return out


# ---------------------------------------------------------------------------------------- other parts


def _distinct(column: Any, at_most: int) -> int | None:
    """Return the number of distinct values, or None for more than `at_most` or a type that has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return None
    try:
        head = pc.count_distinct(column.slice(0, 20_000), mode="only_valid").as_py()
        if head > at_most:
            return None
        few = int(pc.count_distinct(column, mode="only_valid").as_py())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return few if few <= at_most else None


def _is_fraction(table: Table, name: str) -> bool:
    """Say whether a column holds numbers that are not whole."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.arrow.column(name)
    if not pa.types.is_floating(column.type):
        return False
    return pc.all(pc.equal(pc.floor(column), column), skip_nulls=True).as_py() is False


def _cost(table: Table, value: str | float | None, part: str, where: str) -> str | float | None:
    """Return a cost as a number or a column of finite numbers not below zero."""
    import pyarrow as pa

    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        name = known_column(str(value), table.arrow.column_names, where)
        kind = table.arrow.column(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            msg = f"{where}: {part} column {one_line(name, 60)!r} holds {kind}; give numbers"
            raise InputError(msg) from None
        costs = _numbers(table, name)
        bad = np.flatnonzero(~np.isfinite(costs) | (costs < 0))
        if bad.size:
            msg = (
                f"{where}: {part} column {one_line(name, 60)!r} has {costs[bad[0]]} in row {bad[0] + 1:,}; "
                "a cost is a number of at least 0"
            )
            raise InputError(msg) from None
        return name
    if not np.isfinite(number) or number < 0:
        msg = f"{part} is {number}; a cost is a number of at least 0"
        raise InputError(msg)
    return number


def _numbers(table: Table, name: str) -> np.ndarray:
    """Return a numeric column as floats, nulls as NaN; float32 stays float32."""
    import pyarrow as pa

    column = table.arrow.column(name)
    wanted = pa.float32() if column.type in (pa.float16(), pa.float32()) else pa.float64()
    return column.cast(wanted, safe=False).to_numpy()


def _sniff_rest(table: Table, found: Roles, features: list[str] | None) -> None:
    """Give every column without a part one by its name and content, and tell which."""
    taken = set(found.labels) | set(found.text) | set(found.image) | set(found.embedding) | set(found.proba)
    taken |= {c for c in (found.id, found.group, found.trusted, found.split) if c is not None}
    taken |= {c for c in (found.cost_fn, found.cost_fp) if isinstance(c, str)}
    rest = [name for name in table.arrow.column_names if name not in taken]
    rest = _sniff_named(table, found, rest)
    rest = _sniff_wide(table, found, rest)
    wanted = rest if features is None else features
    left_out: list[str] = []
    sniffed_text: list[str] = []
    for name in wanted:
        part = _part(table, name)
        if part == "text" and features is None and found.text:
            part = "none"
        if part == "none":
            left_out.append(name)
        else:
            getattr(found, part).append(name)
            sniffed_text += [name] if part == "text" else []
    if sniffed_text:
        found.notes.append(f"read as text: {_list(sniffed_text)}")
    if found.numeric or found.categorical:
        found.notes.append(f"features: {len(found.numeric)} numeric, {len(found.categorical)} categorical")
    if left_out:
        found.notes.append(f"not used as features (names, dates, constants or all different): {_list(left_out)}")


def _list(names: list[str]) -> str:
    """Return up to eight names for a note."""
    return ", ".join(one_line(n, 40) for n in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _sniff_named(table: Table, found: Roles, rest: list[str]) -> list[str]:
    """Take the columns whose names say it: id, group, trusted, split."""
    import pyarrow as pa

    for name in list(rest):
        lower = name.lower()
        column = table.arrow.column(name)
        part = None
        if found.id is None and lower in ("id", "row_id", "uid", "uuid", "guid"):
            part = "id" if _unique(column) else None
        elif found.group is None and lower in ("group", "groups", "group_id"):
            part = "group"
        elif found.trusted is None and lower == "trusted" and pa.types.is_boolean(column.type):
            part = "trusted"
        elif found.split is None and lower in ("split", "subset", "fold") and (_distinct(column, 20) or 0) >= 2:
            part = "split"
        if part:
            setattr(found, part, name)
            found.notes.append(f"column {name!r} is taken for the {part} by its name")
            rest.remove(name)
    return rest


def _unique(column: Any) -> bool:
    """Say whether no value is null or occurs twice."""
    import pyarrow.compute as pc

    return column.null_count == 0 and pc.count_distinct(column).as_py() == len(column)


def _sniff_wide(table: Table, found: Roles, rest: list[str]) -> list[str]:
    """Take embeddings (numbered columns, or a column of numeric lists) and probabilities (one column a class)."""
    import pyarrow as pa

    if not found.proba and found.kind == "table":
        by_class: dict[str, dict[str, str]] = {}
        for name in rest:
            hit = _PROBA.match(name)
            if hit and hit[2] in found.classes and pa.types.is_floating(table.arrow.column(name).type):
                by_class.setdefault(hit[1], {})[hit[2]] = name
        full = [columns for columns in by_class.values() if len(columns) == len(found.classes)]
        if full:
            found.proba = [full[0][c] for c in found.classes]
            found.notes.append(f"read as probabilities of the classes: {_list(found.proba)}")
            rest = [n for n in rest if n not in found.proba]
    if not found.embedding:
        wide = [n for n in rest if _EMBEDDING.match(n) and pa.types.is_floating(table.arrow.column(n).type)]
        lists = [n for n in rest if _is_vector(table.arrow.column(n).type)]
        found.embedding = wide if len(wide) >= 2 else lists[:1]
        if found.embedding:
            found.notes.append(f"read as embedding: {_list(found.embedding)}")
            rest = [n for n in rest if n not in found.embedding]
    return rest


def _is_vector(kind: Any) -> bool:
    """Say whether an Arrow type is a list of numbers."""
    import pyarrow as pa

    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


def _part(table: Table, name: str) -> str:
    """Return the part of one column by type and a sample: numeric, categorical, text, image or none."""
    import pyarrow as pa

    column = table.arrow.column(name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        return "numeric" if _distinct(column, 1) is None and column.null_count < len(column) else "none"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        head = next((v for v in column.slice(0, 100).to_pylist() if v), b"")
        return "image" if head[:3] in (b"\xff\xd8\xff", b"\x89PN", b"GIF", b"RIF") else "none"
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return "none"
    sample = [v for v in column.slice(0, _SAMPLE).to_pylist() if v]
    if not sample:
        return "none"
    if all(_IMAGE.search(v) for v in sample):
        return "image"
    few = len(set(sample))
    words = sum(len(v.split()) for v in sample) / len(sample)
    if words >= 3 and few > max(2, len(sample) * 0.2):
        return "text"
    if few < 2:
        return "none"
    return "categorical" if few <= max(20, len(sample) * 0.5) else "none"


# --------------------------------------------------------------------------------------------- checks


def _check_ids(table: Table, found: Roles, where: str) -> None:
    """Raise for an id that is missing or occurs twice."""
    import pyarrow.compute as pc

    if found.id is None:
        return
    column = table.arrow.column(found.id)
    if column.null_count:
        row = int(np.flatnonzero(np.asarray(column.is_null()))[0]) + 1
        msg = f"{where}: id {one_line(found.id, 60)!r} is missing in row {row:,}; fill it in or leave --id out"
        raise InputError(msg)
    if _unique(column):
        return
    counts = pc.value_counts(column)
    twice = counts.filter(pc.greater(counts.field("counts"), 1))[0].as_py()
    value = one_line(twice["values"], 40)
    msg = (
        f"{where}: id {value!r} occurs {twice['counts']:,} times in {one_line(found.id, 60)!r}; "
        "ids must differ (use --group for groups of rows)"
    )
    raise InputError(msg)


def _check_trusted(table: Table, found: Roles, where: str) -> None:
    """Raise unless the trusted column holds true / false or 1 / 0."""
    if found.trusted is not None:
        trusted_mask(table, found.trusted, where)


def trusted_mask(table: Table, name: str, where: str = "the table") -> np.ndarray:
    """Return the trusted column as a mask (n,); null is not trusted."""
    strings = _strings(table.arrow.column(name), None)
    values = {str(v).lower() for v in strings.drop_null().unique().to_pylist()}
    if not values <= {"0", "1", "true", "false"}:
        odd = one_line(sorted(values - {"0", "1", "true", "false"})[0], 40)
        msg = f"{where}: trusted column {one_line(name, 60)!r} holds {odd!r}; give true or false"
        raise InputError(msg)
    import pyarrow.compute as pc

    return _encode(pc.utf8_lower(strings), ["1", "true"]) >= 0


def _matrix(table: Table, columns: list[str], part: str) -> np.ndarray:
    """Return numeric columns, or one column of lists of one length, as a float matrix (n, d)."""
    import pyarrow as pa

    where = _where(table)
    kinds = [table.arrow.column(c).type for c in columns]
    if len(columns) == 1 and _is_vector(kinds[0]):
        return _vectors(table.arrow.column(columns[0]), f"{where}: {part} {one_line(columns[0], 60)!r}")
    for name, kind in zip(columns, kinds, strict=True):
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            msg = f"{where}: {part} column {one_line(name, 60)!r} holds {kind}; give numbers"
            raise InputError(msg)
    narrow = all(kind in (pa.float16(), pa.float32()) for kind in kinds)
    out = np.empty((len(table), len(columns)), dtype=np.float32 if narrow else np.float64)
    for i, name in enumerate(columns):
        out[:, i] = _numbers(table, name)
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


def _finite(matrix: np.ndarray, where: str, columns: list[str]) -> None:
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


def _proba_matrix(table: Table, found: Roles) -> np.ndarray:
    """Return the probabilities (n, n_classes), checked."""
    where = _where(table)
    matrix = _matrix(table, found.proba, "proba")
    _finite(matrix, where, found.proba)
    if matrix.shape[1] == 1 and len(found.classes) == 2 and found.kind == "table":
        matrix = np.concatenate([1 - matrix, matrix], axis=1)
    if matrix.shape[1] != len(found.classes):
        msg = (
            f"{where}: {matrix.shape[1]} probabilities a row for {len(found.classes)} classes; "
            f"give one a class, in the order {_list(found.classes)}"
        )
        raise InputError(msg)
    outside = (matrix < -1e-6) | (matrix > 1 + 1e-6)
    if outside.any():
        row, column = (int(v) for v in np.argwhere(outside)[0])
        msg = (
            f"{where}: row {row + 1:,} has the probability {matrix[row, column]:g}; probabilities "
            "lie between 0 and 1 (scores must be turned into them first)"
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
        exact = [i for i in hits if (m := _PROBA.match(found.proba[i])) and m[2] == name]
        chosen = exact or hits
        if len(chosen) != 1:
            return matrix
        order.append(chosen[0])
    return matrix if order == list(range(len(order))) or len(set(order)) < len(order) else matrix[:, order]


# ----------------------------------------------------------------------------------------------- keys


def row_keys(table: Table, id: str | None = None, *, exclude: Sequence[str] = ()) -> np.ndarray:  # noqa: A002
    """Return a key for every row that survives reordering: its id, else a hash of its content.

    Parameters
    ----------
    table : Table
        The table.
    id : str, optional
        The id column. Default: the BLAKE2b hash (80 bits) of all values; the k-th row of the same content gets ``#k``.
    exclude : sequence of str
        Columns left out of the hash, such as a label that will be corrected.

    Returns
    -------
    ndarray of object
        (n,) of str, all different where the ids are.
    """
    import pyarrow as pa

    if id is not None:
        column = table.arrow.column(known_column(id, table.arrow.column_names, _where(table)))
        return np.asarray(column.cast(pa.large_string()).to_pylist(), dtype=object)
    columns = [c for c in table.arrow.column_names if c not in set(exclude)]
    digests: list[str] = []
    for batch in table.arrow.select(columns).to_batches(max_chunksize=65_536):
        rows = _row_bytes(batch)
        digests.extend([hashlib.blake2b(row, digest_size=10).hexdigest() for row in rows])
    keys = np.asarray(digests, dtype=object)
    if len(set(digests)) == len(digests):
        return keys
    return _numbered(keys)


def _numbered(keys: np.ndarray) -> np.ndarray:
    """Append ``#2``, ``#3`` ... to the repetitions of a key, in the order of the rows."""
    _, inverse = np.unique(keys.astype(str), return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    runs = inverse[order]
    start = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1]])
    occurrence = np.empty(len(keys), dtype=np.int64)
    occurrence[order] = np.arange(len(keys)) - np.repeat(start, np.diff(np.r_[start, len(keys)])) + 1
    for i in np.flatnonzero(occurrence > 1):
        keys[i] = f"{keys[i]}#{occurrence[i]}"
    return keys


def _row_bytes(batch: pa.RecordBatch) -> list[bytes]:
    """Return every row as bytes: each value after its length, so that no two rows run into the same bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[Any] = []
    for column in batch.columns:
        value = _cell_bytes(column)
        length = pc.fill_null(pc.binary_length(value).cast(pa.large_string()).cast(pa.large_binary()), b"~")
        parts += [length, pc.fill_null(value, b"")]
    if not parts:
        return [b""] * batch.num_rows
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b":", pa.large_binary()))
    return joined.to_pylist()


def _cell_bytes(column: Any) -> Any:
    """Return a column as large_binary, one entry a row, null kept."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.large_binary())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.large_binary())
    if _is_vector(kind):
        return _vector_bytes(column)
    if not pa.types.is_nested(kind):
        try:
            return column.cast(pa.large_string()).cast(pa.large_binary())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
    return pa.array([None if v is None else repr(v).encode() for v in column.to_pylist()], pa.large_binary())


def _vector_bytes(column: Any) -> Any:
    """Return a column of numeric lists as large_binary over the same numbers as float64, without a loop over rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    flat = np.ascontiguousarray(column.flatten().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if pa.types.is_fixed_size_list(column.type) and len(flat) != sizes.sum():
        return pa.array([None if v is None else repr(v).encode() for v in column.to_pylist()], pa.large_binary())
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64) * flat.itemsize
    whole = pa.Array.from_buffers(pa.large_binary(), len(column), [None, pa.py_buffer(offsets), pa.py_buffer(flat)])
    return pc.if_else(column.is_null(), pa.scalar(None, pa.large_binary()), whole)
