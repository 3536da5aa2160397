"""Fit a head to a file, and label a file with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import wilson
from trueneg.data.readers import Table, format_of, one_line, read_table
from trueneg.data.sniff import Roles, roles
from trueneg.jobs.fit.features import Features
from trueneg.jobs.fit.heads import head_of, settings_of
from trueneg.jobs.fit.model import Model

__all__ = ["fit", "predict"]

_RULES = 500  # kept with the model for its page
_LITERALS = 30  # of a rule, on the page
Progress = Callable[[str, int, int], None]


def fit(
    name: str,
    path: Path,
    *,
    label: str | None = None,
    text: str | None = None,
    features: str | None = None,
    settings: Sequence[str] = (),
    terms: int = 5000,
    held_out: float = 0.2,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Model:
    """Fit a head to a table.

    Parameters
    ----------
    name : str
        One of ``HEADS``.
    path : Path
        The table.
    label, text, features : str or None
        Columns, as in ``trueneg audit``.
    settings : sequence of str
        ``name=value`` of the head.
    terms : int, default=5000
        Terms of text to keep.
    held_out : float, default=0.2
        Share of the labelled rows that the model never sees and is measured on; 0 for none. A column ``split`` whose
        values are train and others is used instead where there is one.
    seed, jobs : int
        Of all chance; threads.
    progress : callable or None
        Called with a text, what is done, and the total.

    Returns
    -------
    Model
        With what was measured in ``about``.
    """
    kind = head_of(name)
    model = kind.make(settings_of(settings), seed, jobs)
    if not 0.0 <= held_out < 1.0:
        msg = f"--held-out {held_out:g}: give a share from 0 up to, not including, 1"
        raise InputError(msg)
    table = read_table(path)
    found = roles(table, label=label, text=text, features=features)
    codes, classes = _codes(table, found, path)
    learned, judged = _parts(table, found, codes, held_out, seed)
    reader = Features(found.text, [*found.numeric, *found.categorical], terms=terms)
    if not reader.columns:
        msg = f"{one_line(path)}: no column to learn from was found; name some with --text or --features"
        raise InputError(msg)
    X = reader.learn(table.arrow.take(learned), codes[learned])
    kind.learn(model, X, codes[learned], progress)
    about: dict[str, Any] = {
        "input": str(path),
        "title": kind.title,
        "rows": len(learned),
        "held_out": len(judged),
        "unlabelled": int((codes < 0).sum()),
        "features": X.shape[1],
        "notes": list(found.notes),
    }
    fitted = Model(name, model, reader, str(found.label), classes, about)
    _measure(fitted, table, codes, judged)
    return fitted


def _codes(table: Table, found: Roles, path: Path) -> tuple[NDArray[np.int64], list[str]]:
    if found.kind == "multilabel":
        msg = f"{one_line(path)}: several labels a row are not fitted here; name a column of one label a row"
        raise InputError(msg)
    codes, classes = found.codes(table)
    if len(np.unique(codes[codes >= 0])) < 2:
        msg = (
            f"{one_line(path)}: the label {found.label!r} has fewer than two classes, so there is nothing to tell apart"
        )
        raise InputError(msg)
    return codes, classes


def _parts(
    table: Table, found: Roles, codes: NDArray[np.int64], held_out: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to learn from and those to measure on."""
    known = np.flatnonzero(codes >= 0)
    if found.split is not None:
        own = np.array([str(v).lower() == "train" for v in table.arrow.column(found.split).to_pylist()])
        if own[known].any() and not own[known].all():
            return known[own[known]], known[~own[known]]
    if held_out == 0.0:
        return known, known[:0]
    rng = np.random.default_rng([seed, 1])
    groups = known
    if found.group is not None:
        values = [str(v) for v in table.arrow.column(found.group).to_pylist()]
        groups = np.unique(values, return_inverse=True)[1][known]
    out = np.zeros(len(known), dtype=bool)
    for c in np.unique(codes[known]):
        rows = rng.permutation(np.flatnonzero(codes[known] == c))
        out[rows[: min(len(rows) - 1, round(held_out * len(rows)))]] = True
    # A group goes where its first row went, so that no twin of a held-out row is learned from.
    first = np.unique(groups, return_index=True)
    out = out[first[1]][np.searchsorted(first[0], groups)]
    return known[~out], known[out]


def _measure(model: Model, table: Table, codes: NDArray[np.int64], judged: NDArray[np.int64]) -> None:
    """Add figures and rules, measured on rows that the model never saw."""
    about = model.about
    about["figures"], about["rules"], about["readability"] = {}, [], None
    known = np.asarray(model.classes, dtype=object)
    if len(judged):
        arrow = table.arrow.take(judged)
        right = model.predict(arrow)[0] == known[codes[judged]]
        about["figures"]["accuracy"] = wilson(int(right.sum()), len(right)).to_dict()
        often = int(np.bincount(codes[judged]).max())
        about["figures"]["the most frequent class alone"] = wilson(often, len(right)).to_dict()
    if model.head != "tsetlin":
        return
    machine, names = model.fitted, model.features.names()
    if len(judged):
        rules = machine.measure_rules(model.features.apply(arrow), codes[judged], names=names)
    else:
        from trueneg.heads._tsetlin.rules import rules_of

        rules = rules_of(machine.machine_, machine.classes_.tolist(), names)
    about["readability"] = str(machine.readability_)
    about["literals"] = machine.readability_.literals
    for rule in sorted(rules, key=lambda r: (-abs(r.weight), r.clause))[:_RULES]:
        stored = {**rule.to_dict(), "label": model.classes[rule.label], "text": rule.text(_LITERALS)}
        about["rules"].append({k: v for k, v in stored.items() if k not in ("present", "absent")})
    about["rules_in_all"] = len(rules)


def predict(
    path: Path,
    folder: Path,
    out: Path,
    *,
    id: str | None = None,  # noqa: A002
    progress: Progress | None = None,
) -> int:
    """Label a table batch by batch; memory does not grow with the file.

    Parameters
    ----------
    path : Path
        The table.
    folder : Path
        A model's.
    out : Path
        The file to write: ``row`` (from 0), the ``id`` column where named, ``predicted`` and ``margin``.
    id : str or None
        A column to carry over.
    progress : callable or None
        Called with a text, the rows done, and 0: the number of rows is not known beforehand.

    Returns
    -------
    int
        Rows written.
    """
    import pyarrow as pa

    from trueneg.data.readers import known_column
    from trueneg.data.streams import Manner, open_sink, open_stream
    from trueneg.data.writers import atomic

    kind, compression = format_of(out)
    if out.resolve() == path.resolve():
        msg = f"{one_line(out)} is the input, which is never written to: name another --out"
        raise InputError(msg)
    model = Model.load(folder)
    stream = open_stream(path)
    model.features.check(stream.names, one_line(path))
    extra = [] if id is None else [known_column(id, stream.names, one_line(path))]
    fields = [
        pa.field("row", pa.int64()),
        *(pa.field(c, stream.schema.field(stream.names.index(c)).type) for c in extra),
    ]
    schema = pa.schema([*fields, pa.field("predicted", pa.string()), pa.field("margin", pa.float64())])
    done = 0
    with atomic(out) as file, open_sink(file, out, schema, Manner(kind, compression)) as sink:
        for batch in stream.batches([*model.features.columns, *extra]):
            table = pa.table({name: batch.column(i) for i, name in enumerate(batch.schema.names)})
            labels, margin = model.predict(table)
            columns = [
                pa.array(np.arange(done, done + len(labels))),
                *(table.column(c).combine_chunks() for c in extra),
            ]
            columns += [pa.array(labels.tolist(), pa.string()), pa.array(margin)]
            sink.write(pa.RecordBatch.from_arrays(columns, schema=schema))
            done += len(labels)
            if progress is not None:
                progress("rows", done, 0)
    return done
