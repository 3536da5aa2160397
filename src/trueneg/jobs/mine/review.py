"""Review a random sample of the mined pairs: the share of false negatives, with its interval, or the word unknown."""

from __future__ import annotations

import csv
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, jeffreys
from trueneg.data.readers import one_line
from trueneg.data.retrieval import read_collection
from trueneg.data.writers import atomic

__all__ = ["MinedReview", "expected_widths", "review_mined"]

N = 60
SHEET = "review.csv"
COLUMNS = ("list", "pair", "query_id", "document_id", "query", "document", "answer")
_YES, _NO, _UNSURE = "relevant", "not relevant", "unsure"
_WORDS = {_YES: 1, "yes": 1, "1": 1, "accept": 1, _NO: 0, "no": 0, "0": 0, "reject": 0, _UNSURE: -1, "": -2}


@dataclass(frozen=True, eq=False)
class MinedReview:
    """A review of mined pairs.

    Attributes
    ----------
    sheet : Path
    pairs : int
        Of the mined list.
    drawn, answered, unsure : int
    rate : Estimate or None
        Share of the mined pairs that are relevant, hence false negatives; None (unknown) without an answer. Who is
        unsure counts for neither side, and where some are, `lowest` and `highest` say what they could change.
    lowest, highest : float or None
    """

    sheet: Path
    pairs: int
    drawn: int
    answered: int
    unsure: int
    rate: Estimate | None
    lowest: float | None
    highest: float | None

    def lines(self) -> list[str]:
        """Say what is known, and what to do."""
        out = [f"{self.drawn:,} of {self.pairs:,} mined pairs are drawn at random in {self.sheet}"]
        if self.rate is None:
            out.append("share of false negatives: unknown, for no pair is answered")
        else:
            out.append(f"share of false negatives: {self.rate} ({self.answered:,} pairs judged)")
        if self.unsure and self.lowest is not None:
            out.append(
                f"{self.unsure:,} are unsure and count for neither; were they all true or all false negatives, it "
                f"would be {self.lowest:.3f} or {self.highest:.3f}"
            )
        left = self.drawn - self.answered - self.unsure
        if left:
            out += [f"- {line}" for line in expected_widths(self.pairs)]
            out.append(
                f"{left:,} to judge: write '{_YES}', '{_NO}' or '{_UNSURE}' into the column answer, in the order of "
                f"the file, then: trueneg review {shlex.quote(str(self.sheet.parent))}"
            )
        return out


def expected_widths(pairs: int) -> list[str]:
    """Say before anybody judges what 60, 120 and 240 pairs are worth: where a fifth of the list is false."""
    out = []
    for n in (60, 120, 240):
        if n <= pairs:
            at = jeffreys(round(0.2 * n), n)
            out.append(f"{n} judged pairs: about +-{(at.high - at.low) / 2:.2f} where a fifth of the list is false")
    return out or [f"all {pairs:,} pairs can be judged, and then the share is known"]


def review_mined(out: str | Path, *, n: int = N, seed: int = 0) -> MinedReview:
    """Draw a random sample of a mined list, or read the answers that are in it.

    Parameters
    ----------
    out : str or Path
        The folder that ``trueneg mine`` wrote.
    n : int, default=60
        Pairs in all; more than are drawn adds to them, and the answers stay.
    seed : int, default=0

    Returns
    -------
    MinedReview

    Raises
    ------
    InputError
        No mined folder, a sheet of another list, or an answer that is none of the words; file and line are named.
    """
    import pyarrow.parquet as pq

    out = Path(out)
    record = json.loads((out / "mine.json").read_text(encoding="utf-8"))
    table = pq.read_table(out / "negatives.parquet", columns=["query", "document"])
    pairs = table.num_rows
    if not pairs:
        msg = f"{one_line(out)}: the mined list is empty, and there is nothing to review; mine with a milder rule"
        raise InputError(msg)
    if n < 1:
        msg = f"n={n}: a review needs at least one pair"
        raise InputError(msg)
    sheet = out / SHEET
    order = np.random.default_rng(seed if not sheet.exists() else int(record.get("review_seed", seed))).permutation(
        pairs
    )
    told = _read(sheet, record["list"]) if sheet.exists() else []
    drawn = max(min(n, pairs), len(told))
    if len(told) < drawn:
        _write(sheet, out, record, table, order[:drawn], told)
        if not told:
            record["review_seed"] = seed
            with atomic(out / "mine.json") as temporary:
                temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
        told = _read(sheet, record["list"])
    done = _result(sheet, pairs, told)
    record["false_negative_rate"] = "unknown" if done.rate is None else done.rate.to_dict()
    with atomic(out / "mine.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return done


def _result(sheet: Path, pairs: int, told: list[dict[str, Any]]) -> MinedReview:
    answers = np.array([row["said"] for row in told])
    yes, no, unsure = (int((answers == value).sum()) for value in (1, 0, -1))
    if not yes + no:
        return MinedReview(sheet, pairs, len(told), 0, unsure, None, None, None)
    all_of_them = yes + no + unsure
    return MinedReview(
        sheet,
        pairs,
        len(told),
        yes + no,
        unsure,
        jeffreys(yes, yes + no),
        yes / all_of_them,
        (yes + unsure) / all_of_them,
    )


def _read(sheet: Path, mark: str) -> list[dict[str, Any]]:
    rows = []
    with sheet.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.DictReader(source)
        lacking = [name for name in ("list", "pair", "answer") if name not in (reader.fieldnames or ())]
        if lacking:
            msg = f"{one_line(sheet)} has no column {', '.join(lacking)}; keep the columns as they were written"
            raise InputError(msg)
        for row in reader:
            where = f"{one_line(sheet)}, line {reader.line_num}"
            if row["list"] != mark:
                msg = (
                    f"{where}: this pair belongs to another mined list; move {sheet.name} away, or mine with the "
                    "options of the review"
                )
                raise InputError(msg)
            said = " ".join((row["answer"] or "").lower().split())
            if said not in _WORDS:
                msg = f"{where}: {one_line(row['answer'], 30)!r} is no answer; write '{_YES}', '{_NO}' or '{_UNSURE}'"
                raise InputError(msg)
            rows.append({**row, "said": _WORDS[said]})
    return rows


def _write(
    sheet: Path, out: Path, record: dict[str, Any], table: Any, drawn: np.ndarray, told: list[dict[str, Any]]
) -> None:
    options = record["options"]
    data = read_collection(record["folder"], split=options["split"], positive_from=options["positive_from"])
    queries = dict(zip(map(str, data.query_ids), data.queries, strict=True))
    documents = dict(zip(map(str, data.document_ids), data.documents, strict=True))
    known = {int(row["pair"]): row["answer"] for row in told}
    picked = table.take(drawn).to_pylist()
    for row in picked:
        if row["query"] not in queries or row["document"] not in documents:
            msg = f"{one_line(out)}: the texts in {one_line(record['folder'])} have changed since; mine again"
            raise InputError(msg)
    with atomic(sheet) as temporary, temporary.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(COLUMNS)
        for pair, row in zip(drawn.tolist(), picked, strict=True):
            q, d = row["query"], row["document"]
            writer.writerow([record["list"], pair, q, d, queries[q], documents[d], known.get(pair, "")])
