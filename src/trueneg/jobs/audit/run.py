"""Read, represent, check, write: the order of one audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import read_frame, read_table
from trueneg.data.sniff import roles as sniff_roles
from trueneg.jobs.audit.again import OWN
from trueneg.jobs.audit.checks import load
from trueneg.jobs.audit.context import Context
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.folder import _NOT_COLUMNS, Ranking, layout_of
from trueneg.jobs.audit.images import ImageColumn, suspect_images
from trueneg.jobs.audit.listing import suspects_table
from trueneg.jobs.audit.outcome import Audit
from trueneg.jobs.audit.page import SHOWN_SUSPECTS, beside, commands_into, lead_on, page_of, report_of
from trueneg.jobs.audit.prepare import table_context
from trueneg.jobs.audit.refuse import matches, refuse, refuse_choice, refuse_columns
from trueneg.jobs.audit.reviewed import find_review
from trueneg.jobs.audit.settings import read_settings
from trueneg.jobs.audit.stages import data_hash
from trueneg.jobs.audit.suspicion import doubted

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.data.sniff import Roles

LEFT_OUT = "left out by --select or --ignore"


def audit(
    data: Any,
    *,
    quick: bool = False,
    thorough: bool = False,
    seed: int = 0,
    select: list[str] | None = None,
    ignore: list[str] | None = None,
    progress: Callable[[str], None] | None = None,
    cache: str | Path | None = None,
    out: str | Path | None = None,
    reviewed: str | Path | None = None,
    miss_rate: float | None = None,
    false_alarm_rate: float | None = None,
    **columns: Any,
) -> Audit:
    """Audit a labelled table: which labels are wrong, which figure to trust, what to do.

    Parameters
    ----------
    data : path or frame
        A file (CSV, TSV, Parquet, JSONL, Arrow, NPZ, compressed or not) or any frame that narwhals reads; or the folder
        of a retrieval collection (documents, queries, judgments). Beside a file, ``.trueneg.toml`` may name columns
        and costs; what is given here comes first.
    quick : bool, default False
        Ask no model: classes, duplicates and leaks only, unless probabilities are given.
    thorough : bool, default False
        Look deeper, for several times the time: three rounds of cross-validation of both kinds of model on all rows,
        blended by held-out loss; neighbours of every row; five times the resamples. The report tells what it gained.
    seed : int, default 0
        Seed of the folds and models; the same seed gives the same report.
    select, ignore : list of str, optional
        Codes of checks to run alone or to leave out; a prefix (``TN2``) stands for its range.
    progress : callable, optional
        Called with one line whenever a stage begins.
    cache : path, optional
        A folder where out-of-fold probabilities and neighbours are kept for the next run; by default none.
    out : path, optional
        The audit's folder: the answers of a review in it are used, and the commands in the report name it. By default
        ``NAME.trueneg`` beside the file, none for a frame.
    reviewed : path, optional
        A file of answers to the sample of ``out``, or a folder of such files (one a reviewer), in place of the
        ``review.csv`` in it.
    miss_rate, false_alarm_rate : float, optional
        How often annotators err, where it is known: P(labelled negative | positive) and
        P(labelled positive | negative). TN301 then corrects every metric for them.
    **columns
        Names of the columns: ``label`` (required), ``positive``, ``negative``, ``unlabeled``, ``text``,
        ``features``, ``embedding``, ``proba``, ``id``, ``group``, ``trusted``, ``cost_fn``, ``cost_fp``; and ``kind``.
        Of a collection: ``split`` (which judgments), ``positive_from`` (grades from here on are relevant), ``encoder``
        or ``embeddings`` (of the second retriever).

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        What is wrong with the input, where, and what to do.
    """
    refuse(quick, thorough, columns.get("kind"))
    refuse_choice(seed, select, ignore, out)
    say = progress or (lambda _: None)
    asked: dict[str, Any] = {"quick": quick, "thorough": thorough, "seed": seed, "select": select, "ignore": ignore}
    asked |= {"miss_rate": miss_rate, "false_alarm_rate": false_alarm_rate, "reviewed": reviewed, **columns}
    if _is_collection(data, columns.get("kind")):
        given = {
            name: value for name, value in asked.items() if value is not None and (name, value) != ("thorough", False)
        }
        return _collection(Path(data), given, cache, None if out is None else Path(out), say)
    settings, told = read_settings(Path(data)) if isinstance(data, str | Path) else ({}, "")
    options = settings | {name: value for name, value in asked.items() if value is not None}
    if not thorough:
        options.pop("thorough")
    refuse(quick, thorough, options.get("kind"))
    if options.get("kind") == "retrieval":
        raise InputError(
            "kind 'retrieval' is the audit of a folder of documents, queries and judgments; name the folder"
        )
    own = next((name for name in OWN if name in options), None)
    if own is not None:
        raise InputError(f"--{own.replace('_', '-')} is for the folder of a retrieval collection; leave it out")
    refuse_columns(options)
    table, frame_kind, path = _read(data, say)
    options = _as_attempts(table, options)
    roles = sniff_roles(table, **{k: v for k, v in options.items() if k not in _NOT_COLUMNS})
    if told:
        roles.notes.insert(0, told)
    folder = Path(out) if out is not None else beside(path) if isinstance(data, str | Path) else None
    chosen = (select or [], ignore or [])
    answers, words = find_review(folder, reviewed, table, roles, options)
    if words:
        roles.notes.append(words)
    if roles.kind == "attempts":
        result = _attempts(table, roles, path, frame_kind, options, say=say, chosen=chosen, reviewed=answers)
    elif roles.kind == "multilabel":
        result = _multilabel(table, roles, path, frame_kind, options, say=say, chosen=chosen, reviewed=answers)
    else:
        context = table_context(table, roles, path, options, say=say, cache=cache, reviewed=answers)
        result = _table(table, context, frame_kind, chosen, image_named="image" in options)
    return _remember(result, options, table, roles, folder)


def _is_collection(data: Any, kind: str | None) -> bool:
    """Tell whether a collection was given: a folder of one, or any folder where the kind says so."""
    if not isinstance(data, str | Path):
        return False
    if kind == "retrieval":
        return True
    from trueneg.data.retrieval import is_collection

    return kind is None and Path(data).is_dir() and is_collection(data)


def _collection(
    path: Path, options: dict[str, Any], cache: str | Path | None, out: Path | None, say: Callable[[str], None]
) -> Audit:
    """Audit the folder of a retrieval collection."""
    from trueneg.jobs.audit._retrieval.audit import examine, options_of

    options = options_of(options, path)
    folder = out if out is not None else beside(path)
    chosen = (options.get("select", []), options.get("ignore", []))
    findings, suspects, report, rankings, pairs = examine(
        path,
        options,
        folder=folder,
        cache=None if cache is None else Path(cache),
        progress=say,
        run_check=lambda check, context: _one(check, context, *chosen),
    )
    report["options"] = options
    report["input"]["data"] = data_hash(pairs.arrow)
    result = Audit(findings, report, suspects, folder=folder, rankings=rankings, pairs=pairs)
    lead_on(report, folder)
    commands_into(findings, report)
    return result


def _read(data: Any, say: Callable[[str], None]) -> tuple[Any, str, str]:
    """Return the table, the kind of frame to give back, and the path to show."""
    if isinstance(data, str | Path):
        say("reading")
        return read_table(data), "arrow", str(data)
    return read_frame(data), type(data).__module__.split(".")[0], "(frame)"


def _table(
    table: Any, context: Context, frame_kind: str, chosen: tuple[list[str], list[str]], *, image_named: bool
) -> Audit:
    """Run the checks on a table with one label a row."""
    findings = sorted((_one(check, context, *chosen) for check in load("table")), key=Finding.rank)
    suspects = suspects_table(context, findings)
    report = report_of(context, findings, suspects)
    if context.roles.image and suspects.num_rows and not _images_left_out(context):
        report["suspects"]["images"] = suspect_images(
            ImageColumn(table.arrow, context.roles.image[0], Path(context.path).parent, image_named),
            suspects["row"].to_pylist()[:SHOWN_SUSPECTS],
        )
    near = context.neighbors if context.probability is not None else None
    rankings = _rankings(context, findings)
    return Audit(findings, report, suspects, frame_kind, rankings=rankings, neighbors=near)


def _remember(result: Audit, options: dict[str, Any], table: Any, roles: Roles, folder: Path | None) -> Audit:
    """Note in the report what the next command must know to find the same table and the same roles."""
    result.report["options"] = options
    result.report["input"]["data"] = data_hash(table.arrow)
    result.report["input"]["layout"] = layout_of(table, roles)
    result.folder = folder
    lead_on(result.report, folder or Path("OUT"))
    commands_into(result.findings, result.report)
    return result


def _rankings(context: Context, findings: list[Finding]) -> dict[str, Ranking]:
    """Return the whole population of each suspect check that ran."""
    if context.probability is None:
        return {}
    ran = {finding.code for finding in findings if finding.status in ("finding", "passed")}
    out = {}
    for code in doubted(context):
        if code not in ran:
            continue
        found = context.suspicion(code)
        given = context.codes[found.row].astype(np.int64)
        verdict = np.full(len(found.row), 0 if code == "TN201" else 1, np.int8)
        after = None if found.review is None else found.probability
        out[code] = Ranking(code, found.row, given, verdict, found.base, found.proposed, after)
    return out


def _multilabel(
    table: Any,
    roles: Roles,
    path: str,
    kind: str,
    options: dict[str, Any],
    *,
    say: Any,
    chosen: Any,
    reviewed: dict[str, Any],
) -> Audit:
    """Audit a table whose rows carry several labels; the same findings, over its cells."""
    import pyarrow.compute as pc

    from trueneg.jobs.audit.multilabel import audit_multilabel

    seed, quick = options["seed"], options["quick"]
    select, ignore = chosen
    findings, suspects, words = audit_multilabel(
        table, roles, seed=seed, quick=quick, progress=say, reviewed=reviewed, thorough=options.get("thorough", False)
    )
    for number, finding in enumerate(findings):
        if _left_out(finding.code, select, ignore):
            findings[number] = Finding(finding.code, finding.title, "ignored", LEFT_OUT)
            suspects = suspects.filter(pc.not_equal(suspects["finding"], finding.code))
    findings.sort(key=Finding.rank)
    report = page_of(path, table.arrow, roles, words["classes"], findings, suspects)
    report["input"]["saw"] = [*roles.notes, *words["saw"], f"probabilities: {words['model']}"]
    rankings = {c: r for c, r in words["rankings"].items() if not _left_out(c, select, ignore)}
    return Audit(findings, report, suspects, kind, rankings=rankings, neighbors=words["neighbors"])


def _as_attempts(table: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Name the kind and the verdict of a table of attempts, where nothing else was asked for."""
    from trueneg.data.sniff import attempt_columns, is_attempts

    names = table.arrow.column_names
    asked = options.get("kind") == "attempts"
    if not asked and ("kind" in options or "label" in options or not is_attempts(names)):
        return options
    verdict = attempt_columns(names).get("accepted")
    return {**options, "kind": "attempts", **({"label": verdict} if "label" not in options and verdict else {})}


def _attempts(
    table: Any,
    roles: Roles,
    path: str,
    kind: str,
    options: dict[str, Any],
    *,
    say: Any,
    chosen: Any,
    reviewed: dict[str, Any],
) -> Audit:
    """Audit attempts at problems: what a verifier lets pass."""
    from trueneg.jobs.audit.attempts import context_of, suspects_of

    context = context_of(
        table, roles, review=reviewed.get("TN601"), quick=options["quick"], seed=options["seed"], progress=say
    )
    findings = sorted((_one(check, context, *chosen) for check in load("attempts")), key=Finding.rank)
    listed = not _left_out("TN601", *chosen)
    suspects = suspects_of(context, table, listed=listed)
    counts = [int((context.accepted == v).sum()) for v in (0, 1)]
    classes = [{"name": n, "count": c} for n, c in zip(roles.classes, counts, strict=True)]
    report = page_of(path, table.arrow, roles, classes, findings, suspects)
    report["input"]["saw"] = [*table.notes, *roles.notes, *context.notes]
    rankings = {"TN601": context.ranking} if listed and len(context.doubted) else {}
    return Audit(findings, report, suspects, kind, rankings=rankings)


def _images_left_out(context: Context) -> bool:
    return context.data is None or any(note.startswith("images were left out") for note in context.data.notes)


def _left_out(code: str, select: list[str], ignore: list[str]) -> bool:
    return bool(select and not matches(code, select)) or matches(code, ignore)


def _one(check: Any, context: Any, select: list[str], ignore: list[str]) -> Finding:
    """Run one check; a crash is reported as an error of that check, the others go on."""
    if _left_out(check.CODE, select, ignore):
        return Finding(check.CODE, check.TITLE, "ignored", LEFT_OUT)
    try:
        found: Finding = check.run(context)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - one faulty check must not hide what the others found
        return Finding(
            check.CODE,
            check.TITLE,
            "error",
            f"this check failed: {type(error).__name__}: {error}",
            severity="low",
            remedy="please report it with this message; the other checks are not affected",
        )
    return found
