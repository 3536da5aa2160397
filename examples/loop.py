"""The whole loop on Re-DocRED: audit, review, repair, compare, with an answer that none of them sees.

Annotators of DocRED missed about one relation in two; Re-DocRED put them back. Here every third document keeps the
repaired labels and counts as verified; the others carry the labels as first given. The audit ranks the pairs labelled
``no_relation``, a simulated person judges a random sample of them by the repaired labels, the audit turns the judgments
into a number with an interval, the table is written again without the worst, and ``compare`` says on the verified
documents whether a model trained so is better than one trained on the labels as they are.

1. Get ``dev_revised.json`` from https://github.com/tonytan48/Re-DocRED (folder ``data``; MIT licence).
2. ``python examples/loop.py dev_revised.json loop``
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

import trueneg
from trueneg.clean import SuspectRanker
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.data.redocred import NO_RELATION, pairs
from trueneg.data.writers import write_table
from trueneg.jobs.compare import Remedy
from trueneg.jobs.repair import repair_to
from trueneg.jobs.review.sheet import read_lines, write_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.jobs.compare import Comparison
    from trueneg.jobs.compare.fold import Fold, Model

OPTIONS: dict[str, Any] = {
    "label": "relation",
    "positive": "yes",
    "text": "text",
    "group": "document",
    "trusted": "verified",
}
EVERY = 3


@dataclass(frozen=True)
class Loop:
    """What came out of each step.

    Attributes
    ----------
    audited : Path
        The audit's folder.
    stated, measured : Estimate or None, Estimate
        False negatives among the unverified pairs labelled ``no_relation``: as the first audit says, and after the
        review.
    truth, population : int
        Their true number, and the pairs that could be one.
    removed, removed_wrong : int
        Pairs that the repaired table leaves out, and how many of them were false negatives.
    comparison : Comparison
    """

    audited: Path
    stated: Estimate | None
    measured: Estimate
    truth: int
    population: int
    removed: int
    removed_wrong: int
    comparison: Comparison


def build(source: str | Path, folder: Path, documents: int) -> tuple[Path, np.ndarray]:
    """Write the table (text, document, verified, relation); return its path and which rows are false negatives."""
    table = pairs(source, max_documents=documents)
    given = np.asarray(table["relation"].to_pylist()) != NO_RELATION
    true = np.asarray(table["true_relation"].to_pylist()) != NO_RELATION
    verified = np.asarray(table["document"]) % EVERY == 0
    label = np.where(np.where(verified, true, given), "yes", "no")
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"verified": pa.array(verified), "relation": pa.array(label.tolist())}
    out = pa.table({"text": table["text"], "document": table["document"], **columns})
    return write_table(out, folder / "pairs.parquet"), ~verified & true & ~given


def judge(sheet: Path, missed: np.ndarray) -> None:
    """Answer every row of a review by the truth: accept where a relation was missed."""
    lines = read_lines(sheet)
    write_lines([replace(line, answer=int(missed[int(line.row)])) for line in lines], sheet)


def remove(fold: Fold, *, share: float, by_chance: bool) -> Model:
    """Leave out this share of the unverified negatives: those that rank highest, or as many by chance."""
    doubted = np.flatnonzero((fold.y == fold.negative) & ~fold.trusted)
    n = round(share * len(doubted))
    if by_chance:
        gone = np.random.default_rng(fold.seed).choice(doubted, n, replace=False)
    else:
        ranker = SuspectRanker(suspect_classes=[fold.negative]).fit(
            None,
            fold.y,
            pred_proba=fold.proba,
            neighbors=fold.neighbors,
            trusted=fold.trusted,
            classes=np.arange(fold.n_classes),
        )
        gone = doubted[np.argsort(-ranker.probability_[doubted], kind="stable")[:n]]
    kept = np.ones(len(fold.y), bool)
    kept[gone] = False
    return fold.model(fold.X[kept], fold.y[kept], note=f"{n} rows removed")


def run(
    source: str | Path,
    folder: str | Path,
    *,
    documents: int = 300,
    answers: int = 240,
    metric: str = "f1",
    say: Callable[[str], Any],
) -> Loop:
    """Go round the loop once.

    Parameters
    ----------
    source : path
        ``dev_revised.json``.
    folder : path
        Where to write.
    documents : int, default 300
        The first so many.
    answers : int, default 240
        Rows to judge.
    metric : str, default "f1"
        What decides the comparison; F1 is the figure of relation extraction.
    say : callable
        Called with a line after each step.
    """
    folder = Path(folder)
    path, missed = build(source, folder, documents)
    audit = trueneg.audit(path, cache=folder / "pairs.trueneg" / ".stages", **OPTIONS)
    out = audit.save(folder / "pairs.trueneg")
    first = next(f for f in audit.findings if f.code == "TN201")
    say(f"audit: {first.message}")
    review = trueneg.review(out, n=answers, finding="TN201")
    judge(review.sheet, missed)
    again = trueneg.audit(path, cache=out / ".stages", reviewed=review.sheet, **OPTIONS)
    again.save(out)
    second = next(f for f in again.findings if f.code == "TN201")
    measured = second.details["number in all"]
    say(f"review: {second.message}")
    n = round(measured["value"])
    done = repair_to(out, folder / "pairs-repaired.parquet", action="eliminate", top=n, findings=["TN201"])
    gone = np.asarray([row[0] for row in done.removed["rows"]], np.int64)
    say(f"repair: {len(gone):,} rows left out, {int(missed[gone].sum()):,} of them false negatives")
    # Of the rows that could be false negatives: labelled negative and not verified.
    population = len(again.rankings["TN201"].row)
    share = n / population
    remedies = [
        Remedy("measured", "top of the ranking removed", partial(remove, share=share, by_chance=False), "cleaning"),
        Remedy("by-chance", "as many by chance (control)", partial(remove, share=share, by_chance=True), "control"),
    ]
    comparison = trueneg.compare(out, remedies=remedies, metric=metric, budget=None)
    comparison.save(out)
    say(f"compare: {comparison.report['summary']}")
    figure = Estimate(**measured)
    return Loop(
        out, first.estimate, figure, int(missed.sum()), population, len(gone), int(missed[gone].sum()), comparison
    )


def main(arguments: list[str] | None = None) -> int:
    """Go round the loop and show what came out."""
    parser = argparse.ArgumentParser(description="audit, review, repair and compare on Re-DocRED")
    parser.add_argument("source", help="dev_revised.json")
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument("--documents", type=int, default=300, help="only the first so many documents")
    parser.add_argument("--answers", type=int, default=240, help="rows to judge")
    parser.add_argument("--metric", default="f1", help="what decides the comparison")
    options = parser.parse_args(arguments)

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    try:
        chosen = {"documents": options.documents, "answers": options.answers, "metric": options.metric}
        loop = run(options.source, options.folder, say=say, **chosen)
    except (InputError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    say(f"truth: {loop.truth:,} false negatives")
    for row in loop.comparison.rows:
        found = row.trusted_difference.get(loop.comparison.report["setup"]["metric"])
        say(f"{row.title}: {row.verdict}" + ("" if found is None else f", {found.estimate} on the verified documents"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
