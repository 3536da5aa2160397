"""The audit of a collection from its folder to findings, suspects and the report."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.data.retrieval import Splits, read_splits
from trueneg.jobs.audit._retrieval.context import CLASSES, RetrievalContext
from trueneg.jobs.audit._retrieval.pairs import KIND, Proposal, pairs_roles, pairs_table, suspects_of
from trueneg.jobs.audit.again import OWN
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.page import page_of
from trueneg.jobs.audit.reviewed import find_review
from trueneg.jobs.audit.stages import Stages

if TYPE_CHECKING:
    import pyarrow as pa

    from trueneg.data.readers import Table
    from trueneg.jobs.audit.folder import Ranking

TAKES = ("split", *OWN)
_BESIDE = ("kind", "quick", "thorough", "seed", "select", "ignore", "reviewed")
STANDS = ("finding", "advice")


def options_of(options: dict[str, Any], path: Path) -> dict[str, Any]:
    """Refuse what belongs to a table, and check what a collection takes."""
    extra = [name for name in options if name not in (*TAKES, *_BESIDE)]
    if extra:
        flag = "--" + extra[0].replace("_", "-")
        msg = (
            f"{one_line(path)} is a collection of documents, queries and judgments, which takes no {flag}; leave it out"
        )
        raise InputError(msg)
    given = options.get("embeddings")
    if given is not None and options.get("encoder") is not None:
        raise InputError("--encoder and --embeddings were both given; give one of the two")
    if given is not None and len(given) != 2:
        raise InputError("--embeddings takes two .npy files: of all queries and of all documents, in their order")
    return options


def examine(
    path: Path,
    options: dict[str, Any],
    *,
    folder: Path,
    cache: Path | None,
    progress: Callable[[str], None],
    run_check: Callable[[Any, Any], Finding],
) -> tuple[list[Finding], pa.Table, dict[str, Any], dict[str, Ranking], Table]:
    """Audit a collection.

    Parameters
    ----------
    path : Path
        Its folder.
    options : dict
        As :func:`options_of` returns them.
    folder : Path
        Of the audit; answers of a review in it are used.
    cache : Path or None
        Where lists and vectors are kept.
    run_check : callable
        ``run_check(check, context)``: a crash of one check must not hide the others.

    Returns
    -------
    findings, suspects, report, rankings, pairs
    """
    from trueneg.jobs.audit.checks import load

    progress("reading the collection")
    split = options.get("split")
    whole = read_splits(path, progress=lambda what, done, n: progress(f"{what} ({done} of {n} files)"))
    data = whole if split is None else _only(whole, split, path)
    context = _context(whole, data, options, cache, progress)
    table, roles = pairs_table(context), pairs_roles()
    answers, told = find_review(folder, options.get("reviewed"), table, roles, options)
    context.review = answers.get("TN502")
    findings = []
    for check in load(KIND):
        progress(check.TITLE)
        findings.append(run_check(check, context))
    findings.sort(key=Finding.rank)
    codes = [f.code for f in findings if f.status in STANDS]
    suspects = suspects_of(context, _proposals(context, codes), codes)
    report = page_of(str(path), table.arrow, roles, _classes(context), findings, suspects)
    report["input"] |= {
        "rows": len(context.judged[0]),
        "columns": 3,
        "counts": _counts(context),
        "judgments": _files(data, path),
        "saw": [*_saw(context), *context.notes, *([told] if told else [])],
    }
    report["title"] = f"Audit of {path.resolve().name}"
    ranked = any(f.code == "TN502" and f.status in (*STANDS, "passed") for f in findings)
    rankings = {"TN502": context.ranking} if ranked and len(context.doubt.query) else {}
    return findings, suspects, report, rankings, table


def _only(whole: Splits, split: str, path: Path) -> Splits:
    names = list(whole.files)
    if split not in names:
        msg = f"{one_line(path)} holds no split {one_line(split, 40)!r}, only {', '.join(names)}"
        raise InputError(msg)
    keep = whole.split == names.index(split)
    texts = (whole.documents, whole.document_ids, whole.queries, whole.query_ids)
    number = np.zeros(int(keep.sum()), dtype=np.int64)
    files = {split: whole.files[split]}
    return Splits(*texts, files, whole.query[keep], whole.document[keep], number, whole.grade[keep], whole.where)


def _context(
    whole: Splits, data: Splits, options: dict[str, Any], cache: Path | None, progress: Callable[[str], None]
) -> RetrievalContext:
    quick, thorough, seed = (options.get(name, 0) for name in ("quick", "thorough", "seed"))
    encoder, embeddings = options.get("encoder"), options.get("embeddings")
    if thorough and encoder is None and embeddings is None:
        encoder = "minilm"
    progress("fingerprint of the texts")
    key = {"texts": _mark(data), "seed": seed, "asked": [bool(quick), bool(thorough)]}
    return RetrievalContext(
        data,
        whole,
        float(options.get("positive_from", 1.0)),
        encoder,
        None if embeddings is None else (str(embeddings[0]), str(embeddings[1])),
        bool(quick),
        bool(thorough),
        int(seed),
        progress,
        Stages(cache, key),
    )


def _mark(data: Splits) -> str:
    """Fingerprint of what the lists depend on: texts, their order, and which queries are judged."""
    mark = hashlib.blake2b(digest_size=12)
    for side in (data.queries, data.documents):
        for text in side:
            mark.update(text.encode("utf-8", "surrogatepass") + b"\0")
        mark.update(b"\1")
    mark.update(np.unique(data.query).tobytes())
    return mark.hexdigest()


def _proposals(context: RetrievalContext, codes: list[str]) -> list[Proposal]:
    """Ask each finding that stands for the judgments that it would change."""
    from trueneg.jobs.audit.checks import by_code

    return [one for code in codes if hasattr(by_code(code), "proposals") for one in by_code(code).proposals(context)]


def _classes(context: RetrievalContext) -> list[dict[str, Any]]:
    grade = context.judged[1]
    counts = (
        int((context.doubt.given == 0).sum()),
        int((grade < context.positive_from).sum()),
        int((grade >= context.positive_from).sum()),
    )
    return [{"name": name, "count": count} for name, count in zip(CLASSES, counts, strict=True)]


def _counts(context: RetrievalContext) -> dict[str, int]:
    data = context.data
    return {
        "documents": len(data.documents),
        "judged queries": len(np.unique(data.query)),
        "judged pairs": len(context.judged[0]),
    }


def _saw(context: RetrievalContext) -> list[str]:
    data, (keys, grade) = context.data, context.judged
    out = [f"{len(data.documents):,} documents, {len(data.queries):,} queries, {len(keys):,} judged pairs"]
    names = list(data.files)
    counts = np.bincount(data.split, minlength=len(names)).tolist()
    out.append("splits: " + ", ".join(f"{one_line(n, 40)} {c:,}" for n, c in zip(names, counts, strict=True)))
    grades = Counter(grade.tolist())
    shown = ", ".join(f"{value:g} in {count:,}" for value, count in sorted(grades.items())[:12])
    out.append(f"grades: {shown}; relevant from {context.positive_from:g}")
    each = np.bincount(np.unique(context.positive[0], return_inverse=True)[1])
    if len(each):
        out.append(f"labelled positives a query: median {np.median(each):g}, at most {each.max():,}")
    words = " and ".join(f"{one.name}" for one in context.lists) or "none"
    out.append(f"retrievers asked: {words}, {len(context.asked):,} queries, the first 100 documents each")
    out.append("unjudged below are pairs among the first ten of a retriever; all other pairs are unjudged too")
    return out


def _files(data: Splits, path: Path) -> list[dict[str, str]]:
    """Note the files of judgments with the hash of each, so that a repair knows them again."""
    out = []
    for name, file in data.files.items():
        near = file.relative_to(path) if file.is_relative_to(path) else file
        out.append({"split": name, "path": near.as_posix(), "data": digest(file), "form": _form(file)})
    return out


def _form(file: Path) -> str:
    """Return the ending of a name under which the judgments can be written again."""
    if file.is_dir():
        return ".parquet"
    return "".join(file.suffixes[-2:]) if file.suffix == ".gz" else file.suffix


def digest(file: Path) -> str:
    """Hash a file, or the shards of a folder."""
    mark = hashlib.blake2b(digest_size=12)
    for one in [file] if file.is_file() else sorted(file.glob("*.arrow")):
        with one.open("rb") as source:
            mark.update(hashlib.file_digest(source, "blake2b").digest())
    return mark.hexdigest()
