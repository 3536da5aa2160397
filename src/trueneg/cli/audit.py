"""``trueneg audit PATH``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from trueneg.cli.options import Column, Seed

_COSTS = Group("Costs, and how annotators err", sort_key=2)
_CHECKS = Group("Checks", sort_key=3)
_COLLECTION = Group("A retrieval collection", sort_key=4)


def audit(
    path: Path,
    /,
    *,
    label: Column = None,
    positive: Column = None,
    negative: Column = None,
    unlabeled: Column = None,
    text: Column = None,
    image: Column = None,
    features: Column = None,
    embedding: Column = None,
    proba: Column = None,
    id: Column = None,  # noqa: A002 - the option is called --id
    group: Column = None,
    trusted: Column = None,
    split: Column = None,
    cost_fn: Annotated[str | None, Parameter(group=_COSTS)] = None,
    cost_fp: Annotated[str | None, Parameter(group=_COSTS)] = None,
    miss_rate: Annotated[float | None, Parameter(group=_COSTS)] = None,
    false_alarm_rate: Annotated[float | None, Parameter(group=_COSTS)] = None,
    reviewed: Path | None = None,
    kind: str | None = None,
    label_sep: Column = None,
    positive_from: Annotated[float | None, Parameter(group=_COLLECTION)] = None,
    encoder: Annotated[str | None, Parameter(group=_COLLECTION)] = None,
    embeddings: Annotated[tuple[Path, Path] | None, Parameter(group=_COLLECTION, negative="")] = None,
    quick: Annotated[bool, Parameter(group=_CHECKS, negative="")] = False,
    thorough: Annotated[bool, Parameter(group=_CHECKS, negative="")] = False,
    select: Annotated[str | None, Parameter(group=_CHECKS)] = None,
    ignore: Annotated[str | None, Parameter(group=_CHECKS)] = None,
    fail_on: Annotated[Literal["high", "medium", "low"] | None, Parameter(group=_CHECKS)] = None,
    seed: Seed = 0,
    no_cache: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
) -> int:
    """Audit a labelled table or a retrieval collection: which labels are wrong, which figure to trust, what to do.

    Writes audit.json, report.html, suspects.parquet and suspects.csv beside the input, or to --out. Where a review of
    that folder has answers, they are used. Column names and costs may stand in .trueneg.toml beside the input.
    Exit code 0: done; 1: --fail-on was met; 2: bad input; 3: a check crashed.

    Parameters
    ----------
    path
        CSV, TSV, Parquet, JSONL, Arrow or NPZ; .gz and .zst are read as well. Or the folder of a retrieval collection
        (corpus, queries and qrels, in the layouts that trueneg mine takes).
    label
        The column that holds the label; without it, the columns that could be it are listed.
    positive
        The positive class: errors are then called false negatives and false positives.
    negative
        The "none of these" class of a label with several classes.
    unlabeled
        A value that means "not judged" (an empty cell always does).
    text
        Text columns, separated by commas.
    image
        Columns of image paths (relative to the table's file) or image bytes; absolute paths are read only where named.
    features
        Columns to learn from, separated by commas; by default all that are not named otherwise.
    embedding
        A column of vectors, or columns separated by commas.
    proba
        Columns of out-of-sample probabilities, one a class in the order of the classes, or one of the positive class;
        of two classes also decision scores or log odds, which are then calibrated on the labels.
    id
        A column that names each row.
    group
        Rows of one group (a patient, a document) stay in one fold.
    trusted
        A column that is true where the label was verified.
    split
        A column that names the side of a split (train, test) of each row; of a collection, which judgments.
    cost_fn
        What a false negative costs: a number, or a column.
    cost_fp
        What a false positive costs: a number, or a column; of attempts, a wrong answer where a right one brings 1.
    miss_rate
        How often annotators label a positive row negative, where that is known.
    false_alarm_rate
        How often annotators label a negative row positive, where that is known.
    reviewed
        A file of answers to the folder's sample, or a folder of such files (one a reviewer), in place of the
        review.csv in it.
    kind
        What the input holds: table (a label a row), multilabel, attempts (a verdict a row, on the columns problem
        and accepted) or retrieval (a folder); by default as it looks.
    label_sep
        What separates several labels in one column.
    positive_from
        Of a collection: grades from here on are relevant (1).
    encoder
        Of a collection: the second retriever, by the names of trueneg mine; by default a latent analysis of its texts.
    embeddings
        Of a collection: two .npy files in place of an encoder, of all queries and all documents in their order.
    quick
        Ask no model: classes, duplicates and leaks in seconds. Of a collection, ask BM25 alone.
    thorough
        Look deeper, for several times the time: three rounds of both kinds of model, neighbours of every row. Of a
        collection, ask MiniLM (extra text) for all judged queries.
    select
        Codes of the checks to run, separated by commas; TN2 stands for all that begin so.
    ignore
        Codes of the checks to leave out.
    fail_on
        Exit with 1 where a finding of this severity or worse stands.
    seed
        Seed of the folds and models.
    no_cache
        Compute everything anew, and keep nothing for the next run.
    out
        The folder to write to; by default NAME.trueneg beside the input.
    """
    from trueneg.core.errors import InputError

    if not path.exists() and not path.parent.exists():
        msg = f"no such file: {path}; check the path"
        raise InputError(msg)
    _refuse(quick, thorough, reviewed)
    from rich.console import Console

    from trueneg.report.terminal import terminal

    log = Console(stderr=True)
    with log.status("starting") if log.is_terminal else _quiet() as status:
        from trueneg.jobs.audit.page import beside
        from trueneg.jobs.audit.run import audit as run_audit

        folder = out or beside(path)
        result = run_audit(
            path,
            quick=quick,
            thorough=thorough,
            out=folder,
            reviewed=reviewed,
            miss_rate=miss_rate,
            false_alarm_rate=false_alarm_rate,
            seed=seed,
            cache=None if no_cache else folder / ".stages",
            select=_split(select),
            ignore=_split(ignore),
            progress=status.update,
            label=label,
            positive=positive,
            negative=negative,
            unlabeled=unlabeled,
            text=_split(text),
            image=_split(image),
            features=_split(features),
            embedding=_split(embedding),
            proba=_split(proba),
            id=id,
            group=group,
            trusted=trusted,
            split=split,
            cost_fn=_number(cost_fn),
            cost_fp=_number(cost_fp),
            kind=kind,
            label_sep=label_sep,
            positive_from=positive_from,
            encoder=encoder,
            embeddings=None if embeddings is None else [str(path) for path in embeddings],
        )
        result.save(folder)
    terminal(result.report, Console())
    Console().print(f"Report: {folder / 'report.html'}", markup=False, highlight=False, soft_wrap=True)
    if result.crashed:
        return 3
    return int(fail_on is not None and result.fails_on(fail_on))


def _refuse(quick: bool, thorough: bool, reviewed: Path | None) -> None:
    """Refuse before anything heavy is loaded."""
    from trueneg.core.errors import InputError

    if quick and thorough:
        raise InputError("--quick asks no model and --thorough asks more of them; give one of the two")
    if reviewed is not None and not reviewed.exists():
        msg = f"no such file of answers: {reviewed}; give the CSV that the review's page exported"
        raise InputError(msg)


def _split(value: str | None) -> list[str] | None:
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def _number(value: str | None) -> float | str | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return value


class _quiet:  # noqa: N801 - stands in for a function
    """A progress line that says nothing, where standard error is no terminal."""

    def __enter__(self) -> _quiet:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, _: Any) -> None:
        return None
