"""Evaluate a run, and compare two on the same queries."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap
from trueneg.core.ranked import Measure, Unjudged, parse_measure, rank
from trueneg.data.readers import one_line
from trueneg.data.retrieval import Lines, read_qrels, read_run
from trueneg.data.writers import atomic

MEASURES = ("nDCG@10", "MRR@10", "R@100", "MAP")
__all__ = ["MEASURES", "Evaluation", "evaluate"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Attributes
    ----------
    figures : dict of str to Estimate
        The mean over the queries, its interval from a bootstrap over queries.
    differences : dict of str to Estimate
        The run less the other, paired by query; empty where no other was given.
    judged : Estimate
        Share of the first 10 documents of a query that are judged: what is unjudged counts as said by `unjudged`.
    queries, missing : int
        Judged queries, and how many of them the run has no list for (each counts as 0).
    without : int
        Judged queries without a relevant document (each counts as 0).
    foreign : int
        Queries of the run without a judgment, which are left out.
    per_query : dict of str to float64 array of shape (queries,)
    query_ids : object array of shape (queries,)
    unjudged : str
    """

    figures: dict[str, Estimate]
    differences: dict[str, Estimate]
    judged: Estimate
    queries: int
    missing: int
    without: int
    foreign: int
    per_query: dict[str, np.ndarray]
    query_ids: np.ndarray
    unjudged: str

    def lines(self) -> list[str]:
        """Say it in plain words."""
        how = {"negative": "counts as not relevant", "condensed": "is taken out before ranks are counted"}
        out = [f"{self.queries:,} queries; what is unjudged {how.get(self.unjudged, 'is taken out of the first k')}"]
        for name, figure in self.figures.items():
            difference = self.differences.get(name)
            beside = f"   against the other run {difference}" if difference is not None else ""
            if difference is not None and difference.low <= 0 <= difference.high:
                beside += " (no difference shown)"
            out.append(f"{name}: {figure}{beside}")
        out.append(f"judged among the first 10: {self.judged}")
        for n, what in (
            (self.missing, "queries have no list in the run and count as 0"),
            (self.without, "queries have no relevant document and count as 0"),
            (self.foreign, "queries of the run have no judgment and are left out"),
        ):
            if n:
                out.append(f"{n:,} {what}")
        return out


def evaluate(
    run: str | Path,
    qrels: str | Path,
    *,
    against: str | Path | None = None,
    measures: Sequence[str] = MEASURES,
    unjudged: Unjudged = "negative",
    positive_from: float = 1.0,
    n_boot: int = 2000,
    random_state: int = 0,
    to: str | Path | None = None,
) -> Evaluation:
    """Evaluate a ranker's run on judgments.

    Parameters
    ----------
    run, qrels : str or Path
        TREC, TSV with a header, JSONL or Parquet.
    against : str or Path, optional
        Another run: the differences are paired by query.
    measures : sequence of str, default=("nDCG@10", "MRR@10", "R@100", "MAP")
        Also ``P@k`` and ``Judged@k``. nDCG takes the grades as gains.
    unjudged : {"negative", "condensed", "judged-only"}, default="negative"
        What an unjudged document is: not relevant; taken out before ranks are counted (condensed lists); or taken out
        of the first k, so that what lies deeper does not move up.
    positive_from : float, default=1
        Grades from here on are relevant.
    n_boot : int, default=2000
        Resamples of queries.
    random_state : int, default=0
    to : str or Path, optional
        A CSV to write: one line a query, one column a measure.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        Naming file and line; or where run and judgments share no query.
    """
    wanted = [parse_measure(text) for text in measures]
    judgments = read_qrels(qrels)
    query_ids, judged_query = np.unique(judgments.query.astype(str), return_inverse=True)
    shared = (judgments, query_ids, judged_query, wanted, unjudged, positive_from)
    values, first, missing, foreign, top = _values(run, *shared)
    differences: dict[str, Estimate] = {}
    if against is not None:
        other = _values(against, *shared)[0]
        for name, column in values.items():
            differences[name] = _mean(column - other[name], n_boot, random_state)
    figures = {name: _mean(column, n_boot, random_state) for name, column in values.items()}
    if to is not None:
        _write(Path(to), query_ids, values)
    return Evaluation(
        figures,
        differences,
        _mean(top, n_boot, random_state),
        len(query_ids),
        missing,
        int((first == 0).sum()),
        foreign,
        values,
        query_ids.astype(object),
        unjudged,
    )


def _values(
    run: str | Path,
    judgments: Lines,
    query_ids: np.ndarray,
    judged_query: np.ndarray,
    wanted: list[Measure],
    unjudged: Unjudged,
    positive_from: float,
) -> tuple[dict[str, np.ndarray], np.ndarray, int, int, np.ndarray]:
    """Values by measure and query, relevant documents, missing and foreign queries, and what is judged at the top."""
    found = read_run(run)
    names = found.query.astype(str)
    at = np.minimum(np.searchsorted(query_ids, names), len(query_ids) - 1)
    query = np.where(query_ids[at] == names, at, -1)
    if (query < 0).all():
        msg = (
            f"{one_line(run)} and the judgments share no query (the run has {one_line(names[0], 30)}, the judgments "
            f"{one_line(query_ids[0], 30)}): give the run of these queries"
        )
        raise InputError(msg)
    both = np.concatenate([found.document.astype(str), judgments.document.astype(str)])
    codes = np.unique(both, return_inverse=True)[1]
    n = len(names)
    lists = rank(
        query,
        codes[:n],
        found.value,
        judged_query,
        codes[n:],
        judgments.value,
        n_queries=len(query_ids),
        positive_from=positive_from,
    )
    values = {str(m): lists.values(m, unjudged=unjudged) for m in wanted}
    missing = len(query_ids) - len(np.unique(query[query >= 0]))
    foreign = len(np.unique(names[query < 0]))
    return values, lists.relevant, missing, foreign, lists.values(Measure("Judged", 10))


def _mean(values: np.ndarray, n_boot: int, seed: int) -> Estimate:
    """Mean over queries with a bootstrap interval; one query has no spread and its interval is all there can be."""
    if len(values) < 2:
        return Estimate(float(values.mean()), -1.0, 1.0, 0.95, "one query: nothing is known of others", len(values))
    return bootstrap(np.mean, values, n_boot=n_boot, random_state=seed)


def _write(to: Path, query_ids: np.ndarray, values: dict[str, np.ndarray]) -> None:
    with atomic(to) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["query", *values])
        writer.writerows(zip(query_ids.tolist(), *(column.tolist() for column in values.values()), strict=True))
