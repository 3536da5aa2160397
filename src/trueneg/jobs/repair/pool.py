"""Every cell that may be repaired, in the order in which an audit lists and ranks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.suspects import Suspects

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from trueneg.jobs.audit.folder import Ranking
    from trueneg.jobs.repair.judged import Judged

Ints = np.ndarray
NOBODY = -2


class Pool:
    """The populations of some findings. A cell is a pair: number of its finding, place in that finding's ranking.

    Parameters
    ----------
    rankings : dict of str to Ranking
        The populations.
    listed : pyarrow.Table
        The audit's suspects, best first.
    classes : list of str
        Names of the candidates.
    """

    def __init__(self, rankings: dict[str, Ranking], listed: pa.Table, classes: list[str]) -> None:
        self.codes, self.rankings, self.classes = list(rankings), list(rankings.values()), classes
        self.probability = [_probability(ranking) for ranking in self.rankings]
        self._reasons = listed["reason"].to_pylist() if "reason" in listed.column_names else None
        self.line_finding, self.line_place, self._line_of = self._lines(listed)

    def _lines(self, listed: pa.Table) -> tuple[Ints, Ints, dict[tuple[int, int], int]]:
        """Find every line of the suspects in its ranking; lines of other findings are left out."""
        number = {code: c for c, code in enumerate(self.codes)}
        labels = listed["label"].to_pylist() if "label" in listed.column_names else [None] * len(listed)
        code_of = {name: k for k, name in enumerate(self.classes)}
        line_of: dict[tuple[int, int], int] = {}
        rows = zip(listed["finding"].to_pylist(), listed["row"].to_pylist(), labels, strict=True)
        for line, (code, row, label) in enumerate(rows):
            place = -1 if code not in number else self.find(number[code], row, code_of.get(label) if label else None)
            if place >= 0:
                line_of.setdefault((number[code], place), line)
        cells = np.asarray(list(line_of) or np.empty((0, 2)), np.int64)
        return cells[:, 0], cells[:, 1], line_of

    def find(self, c: int, row: int, candidate: int | None) -> int:
        """Return the place of a cell in a ranking (of a row's only cell, where no candidate is given), else -1."""
        ranking = self.rankings[c]
        low, high = np.searchsorted(ranking.row, (row, row + 1))
        if candidate is None:
            return int(low) if high == low + 1 else -1
        inside = np.flatnonzero(ranking.candidate[low:high] == candidate)
        return int(low + inside[0]) if len(inside) else -1

    def places_of_row(self, row: int) -> list[tuple[int, int]]:
        """Return all cells of a row."""
        out = []
        for c, ranking in enumerate(self.rankings):
            low, high = np.searchsorted(ranking.row, (row, row + 1))
            out += [(c, place) for place in range(int(low), int(high))]
        return out

    def ranked(self, top: int | None, minimum: float | None) -> tuple[Ints, Ints, Ints]:
        """Return the cells that rank and probability choose: finding, place, and True for each."""
        finding, place = self.line_finding, self.line_place
        if top is None and minimum is None:
            finding, place = finding[:0], place[:0]
        else:
            finding, place = finding[:top], place[:top]
            more = None if top is None else top - len(place)
            if more is None or more > 0:
                rest = self._beyond(more, minimum)
                finding, place = np.concatenate([finding, rest[0]]), np.concatenate([place, rest[1]])
            if minimum is not None:
                # A listed probability is rounded; the ranking's own decides.
                enough = self._probability_at(finding, place) >= minimum
                finding, place = finding[enough], place[enough]
        first = self._distinct(finding, place)
        return finding[first], place[first], np.ones(len(first), bool)

    def _beyond(self, more: int | None, minimum: float | None) -> tuple[Ints, Ints]:
        """Return the cells that no line lists, most probable first: so many, or those probable enough."""
        found, places = [], []
        for c, probability in enumerate(self.probability):
            free = np.ones(len(probability), bool)
            free[self.line_place[self.line_finding == c]] = False
            if minimum is not None:
                free &= probability >= minimum
            place = np.flatnonzero(free)
            if more is not None and len(place) > more:
                # ties at the border go to the earlier rows
                bar = np.partition(probability[place], len(place) - more)[len(place) - more]
                over = place[probability[place] > bar]
                place = np.sort(np.concatenate([over, place[probability[place] == bar][: more - len(over)]]))
            found.append(np.full(len(place), c))
            places.append(place)
        finding, place = np.concatenate(found), np.concatenate(places)
        order = np.argsort(-self._probability_at(finding, place), kind="stable")[:more]
        return finding[order], place[order]

    def with_judged(
        self, finding: Ints, place: Ints, ranked: Ints, judged: Judged, only: Sequence[str] | None
    ) -> tuple[Ints, Ints, Ints]:
        """Add the judged cells that rank and probability did not choose, at the end."""
        have = set(zip(finding.tolist(), place.tolist(), strict=True))
        extra = []
        for code, row, candidate in judged.cells:
            if only is not None and code not in only:
                continue
            cell = self._judged_cell(code, row, candidate, judged)
            if cell not in have:
                extra.append(cell)
                have.add(cell)
        if not extra:
            return finding, place, ranked
        cells = np.asarray(extra, np.int64)
        finding, place = np.concatenate([finding, cells[:, 0]]), np.concatenate([place, cells[:, 1]])
        ranked = np.concatenate([ranked, np.zeros(len(cells), bool)])
        first = self._distinct(finding, place)
        return finding[first], place[first], ranked[first]

    def _judged_cell(self, code: str, row: int, candidate: int, judged: Judged) -> tuple[int, int]:
        if code not in self.codes:  # a finding that says "passed" has a population all the same
            if code not in judged.rankings:
                msg = f"{judged.words}: the audit ranked no row for {code}; repair with the audit that was reviewed"
                raise InputError(msg)
            self.codes.append(code)
            self.rankings.append(judged.rankings[code])
            self.probability.append(_probability(judged.rankings[code]))
        c = self.codes.index(code)
        place = self.find(c, row, candidate)
        if place < 0:
            msg = (
                f"{judged.words}: row {row:,} is no row that {code} may touch (it is trusted, unjudged, or not of the "
                "doubted class); take its answer out"
            )
            raise InputError(msg)
        return c, place

    def _distinct(self, finding: Ints, place: Ints) -> Ints:
        """Return the first position of each cell: two findings may doubt the same one."""
        cell = np.zeros(len(place), np.int64)
        for c, ranking in enumerate(self.rankings):
            own = finding == c
            at = place[own]
            cell[own] = ranking.row[at].astype(np.int64) * max(1, len(self.classes)) + ranking.candidate[at]
        return np.sort(np.unique(cell, return_index=True)[1])

    def answers(self, finding: Ints, place: Ints, judged: Judged | None) -> Ints:
        """Return what was said about each cell: 1 wrong, 0 right, -1 unsure, -2 nothing."""
        out = np.full(len(place), NOBODY)
        if judged is not None:
            for i, (c, p) in enumerate(zip(finding.tolist(), place.tolist(), strict=True)):
                cell = (self.codes[c], int(self.rankings[c].row[p]), int(self.rankings[c].candidate[p]))
                out[i] = judged.cells[cell][0] if cell in judged.cells else NOBODY
        return out

    def suspects(self, finding: Ints, place: Ints, n_rows: int) -> Suspects:
        """Return cells as suspects, in this order."""
        columns: dict[str, Any] = {}
        for name in ("row", "candidate", "verdict", "proposed"):
            columns[name] = np.zeros(len(place), np.int64)
            for c, ranking in enumerate(self.rankings):
                columns[name][finding == c] = getattr(ranking, name)[place[finding == c]]
        verdict = columns["verdict"]
        probability = np.clip(self._probability_at(finding, place), 0.0, 1.0)
        return Suspects(
            columns["row"], columns["candidate"], verdict, 1 - verdict, columns["proposed"], probability, n_rows=n_rows
        )

    def reason(self, c: int, place: int) -> str:
        """Return the sentence that the audit gives for a cell, or one from its probability."""
        line = self._line_of.get((c, place))
        if line is not None and self._reasons is not None and self._reasons[line]:
            return str(self._reasons[line])
        ranking, p = self.rankings[c], self.probability[c][place]
        given, proposed = int(ranking.candidate[place]), int(ranking.proposed[place])
        if given == proposed:
            state = "missing" if ranking.verdict[place] == 0 else "wrong"
            return f"label {self.classes[given]!r} is probably {state} (probability {p:.2f})"
        instead = f", {self.classes[proposed]!r} proposed" if proposed >= 0 else ""
        return f"label {self.classes[given]!r} wrong with probability {p:.2f}{instead}"

    def sizes(self, codes: list[str]) -> dict[str, int]:
        """Return how many cells each finding may touch."""
        return {code: len(self.rankings[self.codes.index(code)].row) for code in codes}

    def highest(self) -> float:
        """Return the largest probability."""
        return max((float(p.max()) for p in self.probability if len(p)), default=0.0)

    def _probability_at(self, finding: Ints, place: Ints) -> Ints:
        out = np.zeros(len(place))
        for c, probability in enumerate(self.probability):
            out[finding == c] = probability[place[finding == c]]
        return out


def _probability(ranking: Ranking) -> Ints:
    """Return the probabilities to act on: those after a review, where there was one."""
    after = ranking.recalibrated
    return np.asarray(ranking.probability if after is None else after)
