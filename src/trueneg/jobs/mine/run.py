"""``trueneg mine``: read the folder, search once, put the rules side by side, write what the chosen one leaves."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import trueneg
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.data.readers import one_line
from trueneg.data.retrieval import Collection, read_collection
from trueneg.data.writers import atomic
from trueneg.engine import Engine, engine_of
from trueneg.jobs.mine.asking import asking
from trueneg.jobs.mine.candidates import SOURCES, Kept, source_of
from trueneg.jobs.mine.formats import FORMATS, rows_of, write_format, write_negatives
from trueneg.jobs.mine.independence import used_up
from trueneg.jobs.mine.indexing import check_index, indexed
from trueneg.jobs.mine.page import page
from trueneg.jobs.mine.review import expected_widths
from trueneg.jobs.mine.rules import RULES, Rule, side_by_side
from trueneg.jobs.mine.teaching import taught
from trueneg.mine import Bm25, Duplicates, Negatives, Positives
from trueneg.mine.mining import Source

__all__ = ["Mined", "Options", "mine"]

Progress = Callable[[str, int, int], None]
RECORD, TABLE, PAGE = "mine.json", "negatives.parquet", "report.html"


@dataclass(frozen=True)
class Options:
    """How to mine.

    Attributes
    ----------
    source : str
        ``dense``, ``bm25``, ``fusion``, or the path of a run.
    encoder : str
        ``minilm``, or a folder or name that sentence-transformers can load.
    embeddings : (Path, Path) or None
        ``.npy`` files of the queries and the documents, in the order of their files, in place of an encoder.
    rule : str
        Which of the rules is written; "auto" is the second opinion of BM25, or of embeddings where candidates come from
        BM25 and embeddings were given, or none where there is no second retriever.
    n : int
    ranks : (int, int)
    sampling : str
    near : float
        Share of common words from which texts count as copies.
    split : str or None
    positive_from : float
    formats : tuple of str
        Of ``FORMATS``; each is written as JSONL, or as Parquet where it ends in ``.parquet``.
    seed : int
    teachers : tuple of str
        Of ``dense``, ``bm25``, ``fusion`` and paths of runs: scored lists get their z-scores, averaged, in place of the
        source's, and the positives get one too.
    instruction : str
        Put before each query for the encoder, never before a document: ``Instruct: ... Query: ...``.
    worked_examples : int
        Pairs of other queries shown before that.
    index : str
        ``exact``, or ``hnsw`` or ``ivf``: an approximate index, whose recall is measured on some of the queries.
    engine : str
        ``in-process`` or ``ray``, which encodes and searches on its workers, to the same result.
    engine_address : str or None
        Of a Ray cluster; Ray is started here without it.
    shared_files : bool
        Whether the cluster's workers see the folder of results under the same path.
    """

    source: str = "dense"
    encoder: str = "minilm"
    embeddings: tuple[Path, Path] | None = None
    rule: str = "auto"
    n: int = 5
    ranks: tuple[int, int] = (0, 100)
    sampling: str = "top"
    near: float = 0.9
    split: str | None = None
    positive_from: float = 1.0
    formats: tuple[str, ...] = ()
    seed: int = 0
    teachers: tuple[str, ...] = ()
    instruction: str = ""
    worked_examples: int = 0
    index: str = "exact"
    engine: str = "in-process"
    engine_address: str | None = None
    shared_files: bool = False


@dataclass(frozen=True, eq=False)
class Mined:
    """What a run of ``trueneg mine`` found and wrote.

    Attributes
    ----------
    out : Path
    collection : Collection
    rules : list of Rule
        Side by side; the written one is `chosen`.
    chosen : Rule
    written : dict of str to int
        Files and their rows.
    resumed : int
        Queries whose lists an earlier run had searched.
    warning : str
        That the second opinion is not independent of what was labelled; empty where there is no sign of it.
    recall : Estimate or None
        Share of the exact lists that an approximate index finds.
    """

    out: Path
    collection: Collection
    rules: list[Rule]
    chosen: Rule
    written: dict[str, int]
    resumed: int
    rate: str = "unknown; no figure made from the labels alone holds"
    warning: str = ""
    recall: Estimate | None = None

    @property
    def negatives(self) -> Negatives:
        """The pairs that were written."""
        return self.chosen.mined

    def lines(self) -> list[str]:
        """Say what was found, what each filter removed, and what is not known."""
        mined, data = self.negatives, self.collection
        again = f" ({self.resumed:,} lists by an earlier run)" if self.resumed else ""
        out = [
            f"{len(data.queries):,} queries, {len(data.documents):,} documents, "
            f"{int((data.qrels.verdict == 1).sum()):,} known positives{again}",
            f"{mined.candidates:,} candidates in the window; {mined.known:,} known positives were met and left out",
            *(f"{name}: {count:,} removed" for name, count in mined.removed.items()),
            f"{len(mined):,} negatives of rule {self.chosen.name}, hardness {self.chosen.hardness}",
        ]
        if self.recall is not None:
            out.append(f"the index finds {self.recall} of the exact lists ({self.recall.n} queries searched both ways)")
        if len(mined.short):
            out.append(f"{len(mined.short):,} queries got fewer than {mined.wanted // len(data.queries)}")
        out += [self.warning] if self.warning and self.chosen.name == "second-opinion" else []
        out.append(f"share of false negatives: {self.rate}")
        out += [f"- {line}" for line in expected_widths(len(mined))]
        out += [f"wrote {self.out / name} ({count:,} rows)" for name, count in self.written.items()]
        return [*out, f"Next: trueneg review {shlex.quote(str(self.out))}"]


def mine(
    folder: str | Path, out: str | Path, options: Options | None = None, *, progress: Progress | None = None
) -> Mined:
    """Mine hard negatives of a folder and write them.

    Parameters
    ----------
    folder : str or Path
        BEIR's layout, or the same as TREC, Parquet or Arrow; see :func:`trueneg.data.retrieval.read_collection`.
    out : str or Path
        Where ``negatives.parquet``, ``report.html``, ``mine.json`` and the formats go; made where it is missing. Texts,
        vectors and lists that were done are kept in ``.stages``, and a run that was killed goes on from there.
    options : Options, optional
    progress : callable, optional
        Called with a text, things done, and their number.

    Returns
    -------
    Mined

    Raises
    ------
    InputError
        For bad data or options; nothing is then written.
    """
    how, out = options or Options(), Path(out)
    _check(how, out)
    tell = progress or (lambda *_: None)
    data = read_collection(folder, split=how.split, positive_from=how.positive_from, progress=tell)
    positives = Positives.of(data.qrels, len(data.queries), len(data.documents))
    with _engine(how) as engine:
        rules, resumed, warning, recall = _rules(data, positives, how, out / ".stages", tell, engine)
    chosen = _chosen(rules, how.rule)
    tell("writing", 0, 1)
    out.mkdir(parents=True, exist_ok=True)
    written = _write(out, data, positives, chosen, how, tell)
    done = Mined(out, data, rules, chosen, written, resumed, warning=warning, recall=recall)
    done = _record(done, Path(folder), how)
    with atomic(out / PAGE) as temporary:
        temporary.write_text(page(done.lines(), rules, chosen, data, positives), encoding="utf-8")
    return done


def _rules(
    data: Collection, positives: Positives, how: Options, stages: Path, tell: Progress, engine: Engine | None
) -> tuple[list[Rule], int, str, Estimate | None]:
    """Search once and put the rules side by side; lists of an earlier run; a warning; and an index's recall."""
    asked = asking(data, positives, how.instruction, how.worked_examples)
    source, words = source_of(data, how.source, how.encoder, how.embeddings, stages, tell, engine, asked)
    depth = min(how.ranks[1] + int(positives.count.max()), len(data.documents))
    source, by, recall = indexed(source, how.index, depth, how.seed, tell)
    kept = Kept(source, depth, f"{words}{by} {_texts(data)}", stages, tell)
    second = _second(data, how, stages, tell)
    tell("looking for copies", 0, 1)
    copies = Duplicates(data.documents, near=how.near)
    tell("comparing the rules", 0, 1)
    rules = side_by_side(
        kept, second, positives, copies, n=how.n, ranks=how.ranks, sampling=how.sampling, seed=how.seed, asked=how.rule
    )
    return rules, kept.resumed, used_up(positives, kept, second, random_state=how.seed), recall


def _engine(how: Options) -> AbstractContextManager[Engine | None]:
    """Open the engine; None is this process without more ado."""
    if how.engine == "in-process":
        return nullcontext()
    return engine_of(how.engine, address=how.engine_address, shared_files=how.shared_files)


def _check(how: Options, out: Path) -> None:
    """Refuse options that do not fit, before anything is read."""
    if how.rule not in ("auto", *RULES):
        msg = f"--rule {one_line(how.rule, 30)}: choose auto or one of {', '.join(RULES)}"
        raise InputError(msg)
    if how.rule == "second-opinion" and _dependent(how):
        msg = (
            "--rule second-opinion needs a retriever that is independent of the candidates: BM25 is theirs; take them "
            "from embeddings (--from dense) or from a run, or give --from bm25 the opinion of --embeddings"
        )
        raise InputError(msg)
    check_index(how.index, how.source, how.engine)
    engine_of(how.engine, address=how.engine_address, shared_files=how.shared_files)
    if how.engine != "in-process" and how.source not in ("dense", "fusion"):
        source = one_line(how.source, 30)
        msg = f"--engine {how.engine} spreads encoding and dense search, and --from {source} has neither: leave it out"
        raise InputError(msg)
    for form in how.formats:
        if form.removesuffix(".parquet") not in FORMATS:
            msg = f"--format {one_line(form, 30)}: choose {', '.join(FORMATS)}, with .parquet behind it for Parquet"
            raise InputError(msg)
    _check_lists(how)
    if out.exists() and not out.is_dir():
        msg = f"{one_line(out)} is a file; name a folder with --out"
        raise InputError(msg)
    if out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in (RECORD, ".stages")):
        msg = f"{one_line(out)} holds other files and no earlier run; name a new folder with --out"
        raise InputError(msg)


def _check_lists(how: Options) -> None:
    """Refuse teachers without a list, and instructions for nobody."""
    if how.teachers and "scored-lists" not in {form.removesuffix(".parquet") for form in how.formats}:
        raise InputError("--teacher scores the documents of scored lists: give --format scored-lists too")
    for name in how.teachers:
        if name not in SOURCES and not Path(name).is_file():
            msg = f"--teacher {one_line(name, 60)}: there is no such run; give a file, or {', '.join(SOURCES)}"
            raise InputError(msg)
    if how.instruction and (how.embeddings is not None or how.source not in ("dense", "fusion")):
        raise InputError("--instruction is for queries encoded here: leave out --embeddings, and take --from dense")
    if how.worked_examples < 0 or (how.worked_examples and not how.instruction):
        raise InputError("--worked-examples are shown before an instruction: give 0 or more, and --instruction")


def _texts(data: Collection) -> str:
    """Fingerprint of the texts and their order."""
    mark = hashlib.blake2b(digest_size=12)
    for text in (*data.queries, "\0", *data.documents):
        mark.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return mark.hexdigest()


def _dependent(how: Options) -> bool:
    """Whether every retriever at hand has given candidates."""
    return how.source == "fusion" or (how.source == "bm25" and how.embeddings is None)


def _second(data: Collection, how: Options, stages: Path, tell: Progress) -> Source | None:
    """Return an independent retriever: BM25, or given embeddings where BM25 gave the candidates."""
    if _dependent(how):
        return None
    if how.source == "bm25":
        return source_of(data, "dense", how.encoder, how.embeddings, stages, tell)[0]
    try:
        return Bm25(data.queries, data.documents)
    except ImportError:
        if how.rule == "second-opinion":
            raise
        return None


def _chosen(rules: list[Rule], name: str) -> Rule:
    found = {rule.name: rule for rule in rules}
    if name == "auto":
        return found.get("second-opinion", rules[0])
    if name not in found:
        msg = f"--rule {name}: there is no second retriever here; pip install 'trueneg[retrieval]'"
        raise InputError(msg)
    return found[name]


def _write(
    out: Path, data: Collection, positives: Positives, chosen: Rule, how: Options, tell: Progress
) -> dict[str, int]:
    def build(name: str) -> Source:
        asked = asking(data, positives, how.instruction, how.worked_examples)
        return source_of(data, name, how.encoder, how.embeddings, out / ".stages", tell, asked=asked)[0]

    scores = taught(how.teachers, build, positives, chosen.mined)
    write_negatives(out / TABLE, chosen.mined)
    written = {TABLE: len(chosen.mined)}
    for form in how.formats:
        name = form if form.endswith(".parquet") else f"{form}.jsonl"
        rows = rows_of(form.removesuffix(".parquet"), data, positives, chosen.mined, how.n, scores)
        written[name] = write_format(out / name, rows)
    return written


def _record(done: Mined, folder: Path, how: Options) -> Mined:
    """Keep what a review needs (where the texts are, which list was written), and what an earlier one found."""
    mined = done.negatives
    mark = hashlib.blake2b(np.ascontiguousarray(mined.query).tobytes() + mined.document.tobytes(), digest_size=12)
    told: dict[str, Any] = {
        "schema": "trueneg/mine/1",
        "version": trueneg.__version__,
        "folder": str(folder.resolve()),
        "options": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(how).items()},
        "rule": done.chosen.name,
        "list": mark.hexdigest(),
        "rules": [rule.row() for rule in done.rules],
        "removed": mined.removed,
        "false_negative_rate": "unknown",
    }
    path = done.out / RECORD
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if before.get("list") == told["list"]:
        told |= {name: before[name] for name in ("review_seed", "false_negative_rate") if name in before}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(told, indent=1, default=str), encoding="utf-8")
    rate = told["false_negative_rate"]
    if isinstance(rate, dict):
        said = f"{rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}] of {rate['n']} judged pairs of this list"
        return replace(done, rate=said)
    return done
