"""The entry: settle every column's part as named or sniffed, and list what could be the label."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trueneg.core.errors import InputError
from trueneg.data._sniff.attempts import attempt_roles
from trueneg.data._sniff.checks import check_ids, check_trusted, checked_cost
from trueneg.data._sniff.labels import settle_label
from trueneg.data._sniff.matrices import probabilities
from trueneg.data._sniff.rest import sniff_rest
from trueneg.data._sniff.roles import Roles
from trueneg.data._sniff.values import MAX_CLASSES, columns_for, distinct, is_fraction, table_name
from trueneg.data.readers import Table, known_column, one_line, quoted

_LABEL_NAMES = ("label", "labels", "target", "y", "class", "category", "outcome", "gold", "relation", "sentiment")


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
    least: int = 2,
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
    kind : {"table", "multilabel", "attempts"}, optional
        Default: by the label.
    label_sep : str, optional
        Separator of several labels in one column, such as ``";"``.
    least : int, default=2
        Classes that a label of one column must have.

    Returns
    -------
    Roles

    Raises
    ------
    InputError
        One line with the column, what is wrong and what to do.
    """
    where = table_name(table)
    if kind == "attempts" and len(table):
        return attempt_roles(table, label=label, cost_fp=cost_fp, id_column=id)
    if len(table) == 0 or label is None:
        raise _no_rows(where) if len(table) == 0 else _no_label(table)
    found = Roles(label=label, label_sep=label_sep, positive=positive, negative=negative, unlabeled=unlabeled)
    found.notes.extend(table.notes)
    settle_label(table, found, kind, where, least)
    single = {"id": id, "group": group, "trusted": trusted, "split": split}
    several = {"text": text, "image": image, "embedding": embedding, "proba": proba}
    _settle_parts(table, found, single, several, where)
    found.cost_fn = checked_cost(table, cost_fn, "cost_fn", where)
    found.cost_fp = checked_cost(table, cost_fp, "cost_fp", where)
    sniff_rest(table, found, None if features is None else columns_for(features, table.arrow.column_names, where))
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
            setattr(found, part, columns_for(columns, names, where))


def _check_parts(table: Table, found: Roles, where: str) -> None:
    """Raise for parts whose values cannot be right."""
    check_ids(table, found, where)
    check_trusted(table, found, where)
    if found.proba:
        probabilities(table, found, note=True)
    if found.embedding:
        found.embedding_matrix(table)


def label_candidates(table: Table) -> list[str]:
    """Return the columns (and prefix patterns) that could be the label, likeliest first.

    A candidate has 2 to 1,000 values, few for the rows there are, and is neither a list nor a fraction.
    """
    scored: list[tuple[float, int, str]] = []
    names = table.arrow.column_names
    for i, name in enumerate(names):
        few = distinct(table.arrow.column(name), MAX_CLASSES)
        if few is None or few < 2 or few > max(20, len(table) / 5) or is_fraction(table, name):
            continue
        lower = name.lower()
        score = 10.0 * (lower in _LABEL_NAMES) + 5.0 * any(p in _LABEL_NAMES for p in re.split(r"[_\W]+", lower))
        score += 2.0 * (few <= 20) + 1.0 * (i == len(names) - 1) + 1.0 * (few == 2)
        score -= 8.0 * (lower in ("split", "fold", "trusted", "group") or lower.endswith("id"))
        scored.append((-score, i, name))
    found = [name for _, _, name in sorted(scored)]
    for prefix in ("y_", "label_", "labels_", "target_"):
        columns = [n for n in names if n.startswith(prefix)]
        if len(columns) >= 2 and all((distinct(table.arrow.column(c), 3) or 9) <= 3 for c in columns):
            found = [f"{prefix}*"] + [n for n in found if n not in columns]
    return found


def _no_rows(where: str) -> InputError:
    """Return the error for a table of no rows."""
    return InputError(f"{where}: it has a header and no rows; write it again")


def _no_label(table: Table) -> InputError:
    """Return the error that lists the candidates with the command to run."""
    where = table_name(table)
    found = label_candidates(table)
    if not found:
        names = ", ".join(map(quoted, table.arrow.column_names[:12]))
        return InputError(f"{where}: no column looks like a label; name one of {names} with --label")
    listed = ", ".join(map(quoted, found[:8]))
    command = f"say label={found[0]!r}"
    if table.path is not None:
        command = f"run: trueneg audit {_shell(str(table.path))} --label {_shell(found[0])}"
    return InputError(f"{where}: no label is named; it could be {listed}; {command}")


def _shell(word: str) -> str:
    """Return `word` quoted for a shell."""
    import shlex

    short = one_line(word, 400)
    return shlex.quote(word if word.strip() == short else short)
