"""Fit a head or rejecter to a file or folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import Table, one_line
from trueneg.data.sniff import Roles, roles
from trueneg.jobs.fit.dense import DenseFeatures
from trueneg.jobs.fit.features import Features
from trueneg.jobs.fit.heads import head_of, settings_of
from trueneg.jobs.fit.kinds.base import Kind, Setting, told_of
from trueneg.jobs.fit.measured import alarms, answers_right
from trueneg.jobs.fit.model import Columns, Model, Reader
from trueneg.jobs.fit.pixels import Maps, Pixels
from trueneg.jobs.fit.shown import measured_of, nothing_measured, threshold_of
from trueneg.jobs.fit.source import EMBEDDING, FILE, LABEL, labelled, without_labels

__all__ = ["Reading", "codes_of", "fit", "roles_of"]

_RULES = 500  # kept with the model for its page
_LITERALS = 30  # of a rule, on the page
_NORMAL = "normal"
_WEIGHED = 10  # rows of a kind that layers are weighed on, at least
_ALONE = ("hyp_oc", "intrusion")  # learn from one class as well
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Reading:
    """What is read of the data, as the command line says it.

    Parameters
    ----------
    label, text, features, embedding, image : str or None
        Columns, as in ``trueneg audit``.
    video : str or None
        Of hyp_oc: the column that names the video of a frame. Frames of a video stay on one side of every split, and
        videos have a threshold of their own. Of a folder, folders and names of files tell.
    unknown : str or None
        A value of the label that stands for rows of no class: never learned, used to measure a rejecter.
    terms : int
        Terms of text to keep.
    side : int
        Images are resized to this.
    held_out : float
        Share of the labelled rows that the model never sees and is measured on; 0 for none. A column ``split`` whose
        values are train and others is used instead where there is one.
    clean : bool
        Of intrusion and hyp_oc: all rows are normal, and there is no label.
    """

    label: str | None = None
    text: str | None = None
    features: str | None = None
    embedding: str | None = None
    image: str | None = None
    video: str | None = None
    unknown: str | None = None
    terms: int = 5000
    side: int = 224
    held_out: float = 0.2
    clean: bool = False


def fit(
    name: str,
    path: str | Path,
    *,
    reading: Reading | None = None,
    settings: Sequence[str] = (),
    space: Path | None = None,
    keep: float = 0.95,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Model:
    """Fit a head or rejecter.

    Parameters
    ----------
    name : str
        One of ``HEADS``.
    path : str or Path
        A table, an ``.npy`` array of embeddings, or a folder of class folders of images.
    reading : Reading or None, default=None
        What is read of it.
    settings : sequence of str
        ``name=value`` of the head.
    space : Path or None, default=None
        Labels and their distances, for Loki.
    keep : float, default=0.95
        Share of rows of the known classes that a rejecter must not reject.
    seed, jobs : int
        Of all chance; threads.
    progress : callable or None
        Called with a text, what is done, and the total.

    Returns
    -------
    Model
        With what was measured in ``about``.
    """
    reading, path = Reading() if reading is None else reading, Path(path)
    made = head_of(name).load()
    kind = made(_setting(made, settings, seed, jobs, space, keep))
    if not 0.0 <= reading.held_out < 1.0:
        msg = f"--held-out {reading.held_out:g}: give a share from 0 up to, not including, 1"
        raise InputError(msg)
    table, label = _table(name, path, reading)
    least = 1 if name in _ALONE else 2
    found = roles_of(table, label, reading, least)
    codes, classes, strange = codes_of(table, found, path, reading.unknown, least)
    learned, set_on, judged = _parts(table, found, codes, reading.held_out, seed, kind.rejects)
    used = kind.uses(codes, classes)
    if len(judged) and found.split is None:  # rows that nothing is learned from serve to measure
        judged = np.sort(np.concatenate([judged, *(rows[~used[rows]] for rows in (learned, set_on))]))
    learned, set_on = learned[used[learned]], set_on[used[set_on]]
    if not len(learned):
        raise InputError("all rows are held out with their video or group, none is left to learn from: --held-out 0")
    reader = _reader(kind, found, reading, seed)
    if not reader.columns:
        msg = f"{one_line(path)}: no column to learn from was found; name some with --text, --features or --embedding"
        raise InputError(msg)
    home = path if path.is_dir() else path.parent
    model = Model(name, kind, reader, str(found.label), classes)
    X = _learned(model, table.arrow.take(learned), codes[learned], home, progress)
    kind.widths = reader.widths if isinstance(reader, DenseFeatures) else ()
    kind.learn(X, codes[learned], classes, progress)
    unlabelled = int((codes < 0).sum()) - int(strange.sum())
    left = [f"{unlabelled:,} rows without a label were left out"] if unlabelled else []
    model.about = {
        "input": str(path),
        "title": head_of(name).title,
        "rows": len(learned) if kind.rows is None else kind.rows,
        "held_out": len(judged),
        "unlabelled": unlabelled,
        "features": X.num_columns if isinstance(reader, Columns) else math.prod(X.shape[1:]),
        "notes": found.notes_for("fit"),
        "told": [*left, *kind.told, *told_of(model.gaps(table.arrow.take(learned)), len(learned))],
    }
    other = np.flatnonzero(strange)
    if kind.weighs:
        set_on, other = _weighed(model, table, set_on, other, home, seed)
    if kind.rejects:
        set_rows = table.arrow.take(set_on if len(set_on) else learned)
        told = kind.calibrate(model.rows(set_rows, home), codes[set_on if len(set_on) else learned], classes)
        model.about["told"] += [told] if told else []
        if name == "hyp_oc" and found.group is not None and len(set_on):
            videos = _column(table, found.group)
            model.about["told"].append(
                kind.calibrate_videos(model.rows(set_rows, home), codes[set_on], videos[set_on], classes)  # type: ignore[attr-defined]
            )
        if not len(set_on) and name != "intrusion":
            why = "--held-out 0" if reading.held_out == 0.0 else "too few rows, videos or groups to hold any out"
            model.about["told"].append(f"the threshold was set on rows learned from ({why}): it rejects too much")
    _measure(model, table, codes, judged, other, home, found.group)
    return model


def _weighed(
    model: Model, table: Table, set_on: NDArray[np.int64], strange: NDArray[np.int64], home: Path, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weigh layers on a half of the rows set apart and of those of no class; return the other halves."""
    if min(len(set_on) // 2, len(strange) // 2) < _WEIGHED:
        msg = (
            f"--set weigh=true: there are {len(strange):,} rows of no class (--unknown) and {len(set_on):,} to set a "
            f"threshold on (half of --held-out); it takes half of each, {_WEIGHED} or more"
        )
        raise InputError(msg)
    rng = np.random.default_rng([seed, 3])
    (own, kept), (other, left) = (np.array_split(rng.permutation(rows), 2) for rows in (set_on, strange))
    sides = (model.rows(table.arrow.take(np.sort(rows)), home) for rows in (own, other))
    model.about["told"].append(model.fitted.weigh(*sides))
    return np.sort(kept), np.sort(left)


def _table(name: str, path: Path, reading: Reading) -> tuple[Table, str | None]:
    """Return the rows and the column of their label; frames in folders with the video of each."""
    table, label = _clean(name, path, reading) if reading.clean else labelled(path, reading.label)
    if name == "hyp_oc" and table.format == "images":
        from trueneg.jobs.fit.videos import by_video

        return by_video(table), label
    if reading.video is not None and (name != "hyp_oc" or table.format == "npy"):
        raise InputError("--video is for hyp_oc, on a table that has the column")
    return table, label


def _clean(name: str, path: Path, reading: Reading) -> tuple[Table, str]:
    """Return a table of normal flows, or of familiar rows, with a label that says so."""
    if name not in _ALONE or reading.label is not None:
        raise InputError("--clean is for intrusion and hyp_oc, on rows that are all normal: leave out --label")
    import pyarrow as pa

    table = without_labels(path)
    label = LABEL if table.format in ("images", "npy") else _NORMAL
    while label in table.arrow.column_names:
        label += "_"
    arrow = table.arrow.append_column(label, pa.repeat(_NORMAL, len(table)))
    return replace(table, arrow=arrow), label


def _setting(
    made: type[Kind], settings: Sequence[str], seed: int, jobs: int, space: Path | None, keep: float
) -> Setting:
    if not 0.0 < keep < 1.0:
        msg = f"--keep {keep:g}: give a share between 0 and 1"
        raise InputError(msg)
    if space is not None and made.__name__ != "Loki":
        raise InputError("--space is for loki alone: labels with distances")
    return Setting(settings_of(settings), seed, jobs, space, keep)


def roles_of(table: Table, label: str | None, reading: Reading, least: int = 2) -> Roles:
    """Settle which column is what, for a table, an array or a folder; a label has ``least`` classes or more."""
    if table.format == "images":
        return roles(table, label=label, image=FILE, features=[], least=least)
    if table.format == "npy":
        return roles(table, label=label, embedding=EMBEDDING, features=[], least=least)
    options = {name: getattr(reading, name) for name in ("text", "features", "embedding", "image")}
    if reading.video is not None:
        options["group"] = reading.video
    try:
        return roles(table, label=label, least=least, **options)
    except InputError as error:
        if label is not None or "; run: " not in str(error):
            raise
        # The next command it names is that of an audit; here the option is what lacks.
        said, _, first = str(error).rpartition(" --label ")
        msg = f"{said.partition('; run: ')[0]}; name the one to learn: --label {first}"
        raise InputError(msg) from None


def _reader(kind: Kind, found: Roles, reading: Reading, seed: int) -> Reader:
    plain = [*found.numeric, *found.categorical]
    if kind.reads in ("pixels", "maps"):
        if len(found.image) != 1:
            msg = f"training a network takes one column of images, and there are {len(found.image)}: name it by --image"
            raise InputError(msg)
        if kind.reads == "maps":
            return Maps(found.image[0], side=reading.side)
        return Pixels(found.image[0], side=kind.side)
    if kind.reads == "flows":
        return Columns([*plain, *found.text])
    if kind.reads == "binary" or (kind.reads == "either" and not (found.embedding or found.image)):
        return Features(found.text, plain, terms=reading.terms)
    options: dict[str, Any] = {"terms": reading.terms, "side": reading.side, "seed": seed, "stages": kind.stages}
    return DenseFeatures(found.embedding, plain, found.text, found.image, **options)


def _learned(model: Model, arrow: Any, codes: NDArray[np.int64], home: Path, progress: Progress | None) -> Any:
    reader = model.features
    if isinstance(reader, Features):
        return reader.learn(arrow, codes)
    if isinstance(reader, DenseFeatures):
        return reader.learn(arrow, home, progress)
    return model.rows(arrow, home, progress)


def codes_of(
    table: Table, found: Roles, path: Path, unknown: str | None, least: int = 2
) -> tuple[NDArray[np.int64], list[str], NDArray[np.bool_]]:
    """Return class numbers (-1 none), the classes, and which rows are of no class."""
    if found.kind == "multilabel":
        msg = f"{one_line(path)}: several labels a row are not fitted here; name a column of one label a row"
        raise InputError(msg)
    codes, classes = found.codes(table)
    strange = np.zeros(len(codes), dtype=bool)
    if unknown is not None:
        if unknown not in classes:
            msg = f"--unknown {unknown}: no row has that label; there are {', '.join(classes[:10])}"
            raise InputError(msg)
        at = classes.index(unknown)
        strange = codes == at
        codes = np.where(strange, -1, codes - (codes > at))
        classes = [c for c in classes if c != unknown]
    if len(np.unique(codes[codes >= 0])) < least:
        msg = (
            f"{one_line(path)}: the label {found.label!r} has fewer than two classes, so there is nothing to tell apart"
        )
        raise InputError(msg)
    return codes, classes, strange


def _parts(
    table: Table, found: Roles, codes: NDArray[np.int64], held_out: float, seed: int, rejects: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to learn from, those to set a threshold on (of a rejecter), and those to measure on."""
    learned, held = _held(table, found, codes, held_out, seed)
    if not rejects or not len(held):
        return learned, held[:0], held
    order = np.random.default_rng([seed, 2]).permutation(len(held))
    half = np.sort(order[: len(held) // 2])
    return learned, held[half], np.delete(held, half)


def _held(
    table: Table, found: Roles, codes: NDArray[np.int64], held_out: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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
        groups = np.unique(_column(table, found.group), return_inverse=True)[1][known]
    out = np.zeros(len(known), dtype=bool)
    for c in np.unique(codes[known]):
        rows = rng.permutation(np.flatnonzero(codes[known] == c))
        out[rows[: min(len(rows) - 1, round(held_out * len(rows)))]] = True
    # A group goes where its first row went, so that no twin of a held-out row is learned from.
    first = np.unique(groups, return_index=True)
    out = out[first[1]][np.searchsorted(first[0], groups)]
    return known[~out], known[out]


def _measure(
    model: Model,
    table: Table,
    codes: NDArray[np.int64],
    judged: NDArray[np.int64],
    strange: NDArray[np.int64],
    home: Path,
    group: str | None,
) -> None:
    """Add figures and rules, measured on rows that the model never saw."""
    about = model.about
    figures: dict[str, Any] = {}
    about["figures"], about["rules"], about["readability"] = figures, [], None
    about |= {"threshold": threshold_of(model.fitted), **nothing_measured()}
    if model.fitted.familiar is not None:
        judged = np.concatenate([judged, strange])
    if len(judged):
        X = model.rows(table.arrow.take(judged), home)
        answers = [model.fitted.answer(X, model.classes)]
        truth = np.array([*model.classes, None], dtype=object)[codes[judged]]  # rows of no class are of None
        if model.fitted.familiar is not None:
            groups = None if group is None else _column(table, group)[judged]
            beside, told = alarms(model.fitted, X, answers[0], truth, groups)
            figures.update(beside)
            about["told"] += told
        else:
            other = None
            if model.fitted.rejects and len(strange):
                rows = model.rows(table.arrow.take(strange), home)
                answers.append(model.fitted.answer(rows, model.classes))
                other = rows, answers[1]
            found, told = answers_right(model.fitted, X, truth, answers[0], other)
            figures.update(found)
            about["told"] += told
        about |= measured_of(model.fitted, model.classes, answers, codes[judged])
    about["figures"] = {name: found.to_dict() for name, found in figures.items()}
    if model.head != "tsetlin":
        return
    names = model.features.names()  # type: ignore[union-attr]
    held = model.rows(table.arrow.take(judged)) if len(judged) else None
    rules = model.fitted.rules(held, codes[judged], names)  # type: ignore[attr-defined]
    machine = model.fitted.model  # type: ignore[attr-defined]
    about["readability"] = str(machine.readability_)
    about["literals"] = machine.readability_.literals
    for rule in sorted(rules, key=lambda r: (-abs(r.weight), r.clause))[:_RULES]:
        stored = {**rule.to_dict(), "label": model.classes[rule.label], "text": rule.text(_LITERALS)}
        about["rules"].append({k: v for k, v in stored.items() if k not in ("present", "absent")})
    about["rules_in_all"] = len(rules)


def _column(table: Table, name: str) -> NDArray[Any]:
    return np.array([str(v) for v in table.arrow.column(name).to_pylist()])
