"""The card of a labelled data set: what is in it, how it was made, and what nobody has answered yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trueneg.core.intervals import Estimate, wilson

__all__ = ["DatasetCard"]

_OPEN = (
    "Who collected the posts, with which search terms, on which days? What was left out?",
    "May the texts be passed on under the terms of each source? Were their authors asked?",
    "Which languages are there? Lexicons of English words call texts of other languages neutral.",
    "How often is each label right? Have a person label a random few hundred rows and correct the shares by them.",
)


_COMMON = frozenset(
    (
        "the",
        "a",
        "an",
        "of",
        "to",
        "in",
        "is",
        "it",
        "and",
        "or",
        "for",
        "on",
        "with",
        "at",
        "by",
        "from",
        "this",
        "that",
    )
    + (
        "are",
        "was",
        "be",
        "as",
        "i",
        "you",
        "we",
        "he",
        "she",
        "they",
        "my",
        "your",
        "our",
        "how",
        "what",
        "why",
        "not",
    )
    + (
        "have",
        "has",
        "do",
        "does",
        "will",
        "can",
        "all",
        "about",
        "his",
        "her",
        "its",
        "but",
        "if",
        "so",
        "no",
        "there",
    )
)
_WORD = re.compile(r"[^\W\d_]+")


def looks_english(text: str) -> bool:
    """Say whether a text holds a common English word; short ones get the benefit of the doubt."""
    words = _WORD.findall(text.lower())
    return len(words) < 6 or not _COMMON.isdisjoint(words)


class DatasetCard:
    """Counts what labelled batches hold, and writes it up; memory grows with the classes and sources alone."""

    def __init__(self, text: Sequence[str], labels: Sequence[str]) -> None:
        self.text, self.labels = list(text), list(labels)
        self.rows = 0
        self.shares: dict[str, Counter[str | None]] = {f"{t}_{k}": Counter() for t in text for k in labels}
        self.pairs: dict[str, Counter[tuple[str, str]]] = {k: Counter() for k in labels}
        self.sources: Counter[str] = Counter()
        self.months: Counter[tuple[str, str]] = Counter()
        self.about: Counter[str] = Counter()
        self.long = self.foreign = 0

    def add(
        self,
        columns: Mapping[str, Sequence[Any]],
        *,
        dates: Sequence[Any] | None = None,
        texts: Mapping[str, Sequence[str | None]] | None = None,
    ) -> None:
        """Count a batch: the columns that labelling added, the dates, and the texts."""
        self.rows += len(columns["labelled_by"])
        self.about.update(columns["labelled_by"])
        for name, counter in self.shares.items():
            counter.update(columns[name])
        if len(self.text) == 2:
            for kind, pairs in self.pairs.items():
                sides = zip(*(columns[f"{t}_{kind}"] for t in self.text), strict=True)
                pairs.update((a, b) for a, b in sides if a is not None and b is not None)
        if "source" in columns:
            self.sources.update(s or "(none)" for s in columns["source"])
        if dates is not None:
            from_where = columns.get("source", ["(all)"] * len(dates))
            months = ("(none)" if d is None else str(d)[:7] for d in dates)
            self.months.update((s or "(none)", m) for s, m in zip(from_where, months, strict=True))
        for values in (texts or {}).values():
            given = [t for t in values if t]
            self.long += sum(len(t) >= 500 for t in given)
            self.foreign += sum(not looks_english(t) for t in given)

    def share(self, column: str, label: str) -> Estimate:
        """Return the share of a label among the labelled rows of a column, as the labeller has it."""
        counter = self.shares[column]
        return wilson(counter[label], sum(n for k, n in counter.items() if k is not None))

    def agreement(self, kind: str) -> tuple[Estimate, float] | None:
        """Return how often the two texts of a post have one label, and Cohen's kappa; None where none has both."""
        counter = self.pairs[kind]
        names = sorted({name for pair in counter for name in pair})
        if not names:
            return None
        table = np.array([[counter[(a, b)] for b in names] for a in names], dtype=float)
        n, same = table.sum(), np.trace(table)
        chance = float((table.sum(axis=0) * table.sum(axis=1)).sum()) / n**2
        kappa = (same / n - chance) / (1 - chance) if chance < 1 else 0.0
        return wilson(int(same), int(n)), float(kappa)

    def questions(self) -> list[str]:
        """Return the open questions, those first that these data raise."""
        found = []
        for name, counter in self.shares.items():
            named = {k: n for k, n in counter.items() if k is not None}
            if named and max(named.values()) > 0.9 * sum(named.values()):
                top = max(named, key=lambda k: named[k])
                found.append(f"Nearly all of {name} is {top!r}: does the labeller see anything there?")
            if counter[None] > 0.2 * max(self.rows, 1):
                found.append(f"{counter[None]:,} of {self.rows:,} rows have no {name}: are texts missing at random?")
        for kind in self.labels:
            pair = self.agreement(kind)
            if pair is not None and pair[1] < 0.4:
                found.append(
                    f"{kind} of {' and '.join(self.text)} agree little (kappa {pair[1]:.2f}): which one counts?"
                )
        if self.foreign:
            found.append(f"{self.foreign:,} texts of six words or more have no common English word: which language?")
        if self.long:
            found.append(f"{self.long:,} texts are long: does one label say what they say?")
        return [*found, *_OPEN]

    def markdown(self, title: str) -> str:
        """Return the card as Markdown."""
        lines = [f"# {title}", "", f"{self.rows:,} rows. Labels are automatic: {' / '.join(self.about)}.", ""]
        lines += ["## Labels", "", "| column | label | rows | share, as labelled |", "|---|---|---|---|"]
        for name, counter in self.shares.items():
            for label, n in sorted(counter.items(), key=lambda item: (item[0] is None, -item[1])):
                share = "no label" if label is None else str(self.share(name, label))
                lines.append(f"| {name} | {'' if label is None else label} | {n:,} | {share} |")
        both = {kind: pair for kind in self.labels if (pair := self.agreement(kind)) is not None}
        if both:
            lines += ["", f"## {' and '.join(self.text)}", "", "| label | agree | kappa |", "|---|---|---|"]
            lines += [f"| {kind} | {pair[0]} | {pair[1]:.2f} |" for kind, pair in both.items()]
        if self.sources:
            lines += ["", "## Sources", "", "| source | rows | share |", "|---|---|---|"]
            total = sum(self.sources.values())
            lines += [f"| {_cell(s)} | {n:,} | {wilson(n, total)} |" for s, n in self.sources.most_common(20)]
            if len(self.sources) > 20:
                lines.append(f"| {len(self.sources) - 20:,} others | {total - _top(self.sources, 20):,} | |")
        if self.months:
            lines += ["", "## By month", "", "| month | rows | largest source |", "|---|---|---|"]
            for month in sorted({m for _, m in self.months}):
                here = Counter({s: n for (s, m), n in self.months.items() if m == month})
                top, n = here.most_common(1)[0]
                lines.append(f"| {_cell(month)} | {sum(here.values()):,} | {_cell(top)} ({n:,}) |")
        lines += ["", "## Open questions", "", *[f"- {question}" for question in self.questions()], ""]
        return "\n".join(lines)


def _cell(text: str) -> str:
    """Keep a value within its cell of the table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")[:80]


def _top(counter: Counter[str], n: int) -> int:
    return sum(count for _, count in counter.most_common(n))
