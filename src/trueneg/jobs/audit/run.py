"""Read, represent, check, write: the order of one audit."""

from __future__ import annotations

import datetime
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import trueneg
from trueneg.core.errors import InputError
from trueneg.data.readers import read_frame, read_table
from trueneg.data.sniff import roles as sniff_roles
from trueneg.data.sniff import trusted_mask
from trueneg.jobs.audit.checks import load
from trueneg.jobs.audit.context import Context
from trueneg.jobs.audit.findings import SEVERITIES, Finding
from trueneg.jobs.audit.folder import Ranking, save_rankings, source_of
from trueneg.jobs.audit.images import ImageColumn, suspect_images
from trueneg.jobs.audit.represent import Representation, out_of_fold, represent
from trueneg.jobs.audit.stages import Stages, data_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from trueneg.data.sniff import Roles

SHOWN_SUSPECTS = 500
LEFT_OUT = "left out by --select or --ignore"


@dataclass
class Audit:
    """The outcome of an audit: the findings in order, the suspects, the report as one dict.

    ``suspects_arrow`` holds one row a suspect, most probable first; ``suspects`` is the same as a
    frame of the type that came in (an Arrow table where a file came in). ``rankings`` holds every cell that a
    direction of error can touch, suspected or not, by finding code; ``neighbors`` the nearest labelled rows.
    """

    findings: list[Finding]
    report: dict[str, Any]
    suspects_arrow: pa.Table
    frame_kind: str = "arrow"
    rankings: dict[str, Ranking] = field(default_factory=dict)
    neighbors: np.ndarray | None = None

    @property
    def suspects(self) -> Any:
        """The suspects as a frame of the user's own kind."""
        if self.frame_kind == "pandas":
            return self.suspects_arrow.to_pandas()
        if self.frame_kind == "polars":
            import polars as pl

            return pl.from_arrow(self.suspects_arrow)
        return self.suspects_arrow

    @property
    def crashed(self) -> bool:
        """Whether a check failed on a fault of its own; the others went on."""
        return any(f.status == "error" for f in self.findings)

    def fails_on(self, severity: str) -> bool:
        """Whether a finding of this severity or worse stands."""
        bar = SEVERITIES.index(severity)
        return any(f.status == "finding" and SEVERITIES.index(f.severity) <= bar for f in self.findings)

    def _repr_html_(self) -> str:
        import html

        from trueneg.report.html import render

        page = html.escape(render(self.report), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:800px;border:0" sandbox="allow-scripts"></iframe>'

    def save(self, out: str | Path) -> Path:
        """Write ``audit.json``, ``report.html``, ``suspects.parquet`` and ``suspects.csv``; return the folder.

        Everything is drawn before the first file is written, each file is replaced whole. What ``review``, ``repair``
        and ``compare`` need beside these lies in ``.stages``.
        """
        from trueneg.data.writers import atomic, write_table
        from trueneg.report.files import dump
        from trueneg.report.html import render

        page = render(self.report)
        folder = Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"cannot write to {folder}: {error.strerror}; name another folder with --out"
            raise InputError(msg) from error
        self.report["input"]["source"] = source_of(self.report["input"]["path"], folder)
        save_rankings(folder, self.rankings, self.neighbors)
        write_table(self.suspects_arrow, folder / "suspects.parquet")
        write_table(self.suspects_arrow, folder / "suspects.csv")
        with atomic(folder / "report.html") as file:
            file.write_text(page, encoding="utf-8", errors="replace")
        dump(self.report, folder / "audit.json")
        return folder


def audit(
    data: Any,
    *,
    quick: bool = False,
    seed: int = 0,
    select: list[str] | None = None,
    ignore: list[str] | None = None,
    progress: Callable[[str], None] | None = None,
    cache: str | Path | None = None,
    miss_rate: float | None = None,
    false_alarm_rate: float | None = None,
    **columns: Any,
) -> Audit:
    """Audit a labelled table: which labels are wrong, which figure to trust, what to do.

    Parameters
    ----------
    data : path or frame
        A file (CSV, TSV, Parquet, JSONL, Arrow, NPZ, compressed or not) or any frame that narwhals reads.
    quick : bool, default False
        Ask no model: classes, duplicates and leaks only, unless probabilities are given.
    seed : int, default 0
        Seed of the folds and models; the same seed gives the same report.
    select, ignore : list of str, optional
        Codes of checks to run alone or to leave out; a prefix (``TN2``) stands for its range.
    progress : callable, optional
        Called with one line whenever a stage begins.
    cache : path, optional
        A folder where out-of-fold probabilities and neighbours are kept for the next run; by default none.
    miss_rate, false_alarm_rate : float, optional
        How often annotators err, where it is known: P(labelled negative | positive) and
        P(labelled positive | negative). TN301 then corrects every metric for them.
    **columns
        Names of the columns: ``label`` (required), ``positive``, ``negative``, ``unlabeled``, ``text``,
        ``features``, ``embedding``, ``proba``, ``id``, ``group``, ``trusted``, ``cost_fn``, ``cost_fp``.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        What is wrong with the input, where, and what to do.
    """
    say = progress or (lambda _: None)
    if isinstance(data, str | Path):
        say("reading")
        table, kind = read_table(data), "arrow"
        path = str(data)
    else:
        table, kind = read_frame(data), type(data).__module__.split(".")[0]
        path = "(frame)"
    roles = sniff_roles(table, **columns)
    asked: dict[str, Any] = {"quick": quick, "seed": seed, "select": select, "ignore": ignore}
    asked |= {"miss_rate": miss_rate, "false_alarm_rate": false_alarm_rate, **columns}
    options = {name: value for name, value in asked.items() if value is not None}
    if roles.kind == "multilabel":
        result = _multilabel(table, roles, path, kind, quick=quick, seed=seed, say=say, chosen=(select, ignore))
        return _remember(result, options, table)
    named = columns.get("image") is not None
    context = _context(table, roles, path, quick=quick, seed=seed, say=say, cache=cache, image_named=named)
    if miss_rate is not None or false_alarm_rate is not None:
        context.noise_rates = (miss_rate or 0.0, false_alarm_rate or 0.0)
    findings = sorted((_one(c, context, select or [], ignore or []) for c in load()), key=Finding.rank)
    suspects = _suspects(context, findings)
    report = _report(context, findings, suspects, table.notes)
    if roles.image and suspects.num_rows and not _images_left_out(context):
        report["suspects"]["images"] = suspect_images(
            ImageColumn(table.arrow, roles.image[0], Path(path).parent, named),
            suspects["row"].to_pylist()[:SHOWN_SUSPECTS],
        )
    near = context.neighbors if context.probability is not None else None
    return _remember(Audit(findings, report, suspects, kind, _rankings(context, findings), near), options, table)


def _remember(result: Audit, options: dict[str, Any], table: Any) -> Audit:
    """Note in the report what the next command must know to find the same table and the same roles."""
    result.report["options"] = options
    result.report["input"]["data"] = data_hash(table.arrow)
    return result


def _rankings(context: Context, findings: list[Finding]) -> dict[str, Ranking]:
    """Return the whole population of each suspect check that ran."""
    if context.probability is None:
        return {}
    ran = {finding.code for finding in findings if finding.status in ("finding", "passed")}
    out = {}
    for code, suspect in _suspected(context).items():
        if code not in ran:
            continue
        ranker = context.ranker(suspect)
        judged = context.codes >= 0 if suspect is None else context.codes == suspect
        if context.trusted is not None:
            judged &= ~context.trusted
        row = np.flatnonzero(judged)
        given = context.codes[row].astype(np.int64)
        verdict = np.zeros(len(row), np.int8) if code == "TN201" else np.ones(len(row), np.int8)
        proposed = np.asarray(ranker.proposed_)[row].astype(np.int64)
        out[code] = Ranking(code, row, given, verdict, np.nan_to_num(ranker.probability_[row]).astype(float), proposed)
    return out


def _suspected(context: Context) -> dict[str, int | None]:
    """The given class that each suspect check doubts, None for any."""
    return {"TN201": context.negative, "TN202": context.positive, "TN203": None}


def _multilabel(
    table: Any, roles: Roles, path: str, kind: str, *, quick: bool, seed: int, say: Any, chosen: tuple[Any, Any]
) -> Audit:
    """Audit a table whose rows carry several labels; the same findings, over its cells."""
    import pyarrow.compute as pc

    from trueneg.jobs.audit.multilabel import audit_multilabel

    select, ignore = chosen[0] or [], chosen[1] or []
    findings, suspects, words = audit_multilabel(table, roles, seed=seed, quick=quick, progress=say)
    for number, finding in enumerate(findings):
        if _left_out(finding.code, select, ignore):
            findings[number] = Finding(finding.code, finding.title, "ignored", LEFT_OUT)
            suspects = suspects.filter(pc.not_equal(suspects["finding"], finding.code))
    findings.sort(key=Finding.rank)
    report = _page(path, table.arrow, roles, words["classes"], findings, suspects)
    report["input"]["saw"] = [*table.notes, *roles.notes, *words["saw"], f"probabilities: {words['model']}"]
    report["next"] = _next(path, roles, quick, findings)
    rankings = {c: r for c, r in words["rankings"].items() if not _left_out(c, select, ignore)}
    return Audit(findings, report, suspects, kind, rankings, words["neighbors"])


def _context(
    table: Any, roles: Roles, path: str, *, quick: bool, seed: int, say: Any, cache: Any, image_named: bool
) -> Context:
    arrow = table.arrow
    codes, classes = roles.codes(table)
    groups = None
    if roles.group:
        groups = np.asarray(arrow[roles.group].dictionary_encode().combine_chunks().indices.fill_null(-1))
    trusted = trusted_mask(table, roles.trusted) if roles.trusted else None
    key = {} if cache is None else {"data": data_hash(arrow), "seed": seed, "roles": vars(roles) | {"notes": None}}
    stages = Stages(None if cache is None else Path(cache), key)
    quick_given = quick and not roles.proba
    data = None
    if roles.numeric or roles.categorical or roles.text or roles.image or roles.embedding or not roles.proba:
        say("representation")
        data = represent(table, roles, random_state=seed, image_named=image_named, quick=quick, progress=say)
        stages.key["content"] = data.digest
    probability, model = None, "no model (--quick)"
    if roles.proba:
        probability, model = roles.proba_matrix(table), "given probabilities"
    elif not quick_given and data is not None:
        probability, model = _learnt(stages, data, codes, len(classes), groups, seed, say)
    return Context(
        arrow, roles, codes, list(classes), path, seed, quick, data, probability, model, groups, trusted, say, stages
    )


def _learnt(
    stages: Stages, data: Representation, codes: np.ndarray, n_classes: int, groups: Any, seed: int, say: Any
) -> tuple[np.ndarray, str]:
    def make() -> dict[str, np.ndarray]:
        proba, model = out_of_fold(data, codes, n_classes, groups=groups, random_state=seed, progress=say)
        return {"proba": proba, "model": np.asarray(model)}

    kept = stages.get("out-of-fold", make)
    return kept["proba"], str(kept["model"])


def _images_left_out(context: Context) -> bool:
    return context.data is None or any(note.startswith("images were left out") for note in context.data.notes)


def _matches(code: str, wanted: list[str]) -> bool:
    return any(code.startswith(w.upper()) for w in wanted)


def _left_out(code: str, select: list[str], ignore: list[str]) -> bool:
    return bool(select and not _matches(code, select)) or _matches(code, ignore)


def _one(check: Any, context: Context, select: list[str], ignore: list[str]) -> Finding:
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


def _suspects(context: Context, findings: list[Finding]) -> pa.Table:
    """All rows that a suspect finding names, most probable first, as a table."""
    import pyarrow as pa

    suspect_of = _suspected(context)
    parts = []
    for finding in findings:
        if finding.code not in suspect_of or finding.status != "finding":
            continue
        ranker = context.ranker(suspect_of[finding.code])
        rows = np.asarray(finding.rows, np.int64)
        parts.append((rows, ranker.probability_[rows], np.asarray(ranker.proposed_)[rows], finding.code))
    row = np.concatenate([p[0] for p in parts]) if parts else np.empty(0, np.int64)
    probability = np.concatenate([p[1] for p in parts]) if parts else np.empty(0)
    proposed = np.concatenate([p[2] for p in parts]) if parts else np.empty(0, np.int64)
    code = np.concatenate([[p[3]] * len(p[0]) for p in parts]) if parts else np.empty(0, "U5")
    order = np.lexsort((row, -probability, code))
    row, probability, proposed, code = row[order], probability[order], proposed[order], code[order]
    names = np.asarray(context.names, dtype=object)
    columns: dict[str, Any] = {"row": row}
    if context.roles.id:
        columns["id"] = context.arrow[context.roles.id].take(pa.array(row))
    columns |= {
        "finding": [str(c) for c in code],
        "given": [str(v) for v in names[context.codes[row]]],
        "proposed": [str(names[int(k)]) if k >= 0 else None for k in proposed],
        "probability": np.round(probability.astype(float), 4),
        "given_probability": _at(context, row, context.codes[row]),
        "proposed_probability": _at(context, row, proposed.astype(np.int64)),
        "nearest_row": _nearest(context, row),
    }
    columns["reason"] = _reasons(context, row, proposed.astype(np.int64))
    return pa.table(columns)


def _reasons(context: Context, row: np.ndarray, proposed: np.ndarray) -> list[str]:
    """Say in words which evidence speaks against the given label of each listed row."""
    given, other = context.codes[row], np.maximum(proposed, 0)
    p_given, p_other = _at(context, row, given), _at(context, row, other)
    names = np.asarray(context.names, dtype=object)
    words = [
        f"model: {names[k]} {b:.2f}, {names[g]} {a:.2f}"
        for g, k, a, b in zip(given, other, p_given, p_other, strict=True)
    ]
    if context.neighbors is None:
        return words
    near = context.neighbors[row]
    label = np.where(near >= 0, context.codes[np.maximum(near, 0)], -1)
    votes = (label == other[:, None]).sum(axis=1)
    known = (label >= 0).sum(axis=1)
    return [
        f"{said}; {v} of {n} nearest rows are {names[k]}"
        for said, v, n, k in zip(words, votes, known, other, strict=True)
    ]


def _at(context: Context, row: np.ndarray, label: np.ndarray) -> np.ndarray:
    if context.probability is None or not row.size:
        return np.zeros(len(row))
    return np.round(context.probability[row, np.maximum(label, 0)].astype(float), 4)


def _nearest(context: Context, row: np.ndarray) -> np.ndarray:
    return np.full(len(row), -1) if context.neighbors is None else context.neighbors[row, 0]


def _report(context: Context, findings: list[Finding], suspects: pa.Table, notes: list[str]) -> dict[str, Any]:
    counts = np.bincount(context.codes[context.codes >= 0], minlength=len(context.classes))
    classes = [{"name": n, "count": int(c)} for n, c in zip(context.names, counts, strict=True)]
    report = _page(context.path, context.arrow, context.roles, classes, findings, suspects)
    saw = [*notes, *context.roles.notes, *context.notes, *(context.data.notes if context.data else [])]
    if context.data is not None:
        saw.append(f"learnt from: {context.data.words}")
    report["input"]["saw"] = [*saw, f"probabilities: {context.model}"]
    report["next"] = _next(context.path, context.roles, context.quick, findings)
    return report


def _page(
    path: str, arrow: pa.Table, roles: Roles, classes: list[dict[str, Any]], findings: list[Finding], suspects: pa.Table
) -> dict[str, Any]:
    """Return what every kind's report holds; the caller fills in what it saw and the options."""
    shown = suspects.slice(0, SHOWN_SUSPECTS)
    return {
        "schema": "trueneg/audit/1",
        "title": f"Audit of {Path(path).name}",
        "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": trueneg.__version__,
        "input": {
            "path": path,
            "rows": arrow.num_rows,
            "columns": arrow.num_columns,
            "kind": roles.kind,
            "classes": classes,
            "saw": [],
        },
        "options": {},
        "findings": [finding.to_dict() for finding in findings],
        "figures": [figure for finding in findings for figure in finding.figures],
        "suspects": {
            "columns": shown.column_names,
            "rows": [list(r.values()) for r in shown.to_pylist()],
            "total": suspects.num_rows,
        },
        "next": "",
    }


def _next(path: str, roles: Roles, quick: bool, findings: list[Finding]) -> str:
    """Return the one command to run next: on a finding, or without ``--quick``, or the claims behind the figures."""
    code = next((f.code for f in findings if f.status == "finding"), None)
    if code is not None:
        return f"trueneg explain {code}"
    if not quick:
        return "trueneg claims list"
    label = f" --label {shlex.quote(roles.label)}" if isinstance(roles.label, str) else ""
    return f"trueneg audit {shlex.quote(path)}{label}"
