"""Queries as an instruction model takes them: worked examples, the task, the query; documents stay as they are.

An example that shows the query's own positive, or a pair that a test will ask for, makes a figure that nobody sees
again. So examples are chosen for each query from those that do not touch it, always in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.mine._mining.positives import Positives

__all__ = ["InstructionPrompt", "Prompts", "WorkedExamples"]

Count = Callable[[list[str]], Sequence[int]]
_TEMPLATE = "Instruct: {task}\nQuery: {query}"
_EXAMPLE = "Instruct: {task}\nQuery: {query}\nDocument: {document}\n\n"
_WORDS = 64


class WorkedExamples:
    """Pairs of a query and a document that answers it, to be shown before other queries.

    Parameters
    ----------
    queries, documents : sequences of str
    positives : Cells, Positives, or rows
        Which documents answer which query, as :func:`trueneg.mine.hard_negatives` takes them.
    held_out : sequence of int, optional
        Rows of queries that are tested on: neither they nor a document that answers one of them is ever shown.
    words : int, default=64
        Of a shown document; the rest is cut off.
    random_state : int, default=0
        The order in which examples are tried; the first that fit a query are shown to it. Most queries thus share their
        examples, and a model that keeps what it has read of a prompt reads them once.

    Raises
    ------
    InputError
        Where `held_out` leaves no example.
    """

    def __init__(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        positives: Any,
        *,
        held_out: Sequence[int] | NDArray[np.integer[Any]] = (),
        words: int = _WORDS,
        random_state: int = 0,
    ) -> None:
        if words < 1:
            msg = f"words={words!r}: give 1 or more"
            raise InputError(msg)
        self.queries, self.documents, self.words = queries, documents, words
        self.positives = Positives.of(positives, len(queries), len(documents))
        tested = np.unique(np.asarray(held_out, dtype=np.int64))
        if len(tested) and not 0 <= tested[0] <= tested[-1] < len(queries):
            msg = (
                f"held_out names the query {tested[0] if tested[0] < 0 else tested[-1]}, and there are {len(queries):,}"
            )
            raise InputError(msg)
        self._rows: dict[str, list[int]] = {}
        for i, text in enumerate(queries):
            self._rows.setdefault(_plain(text), []).append(i)
        # A text that is asked twice is one query: what answers it under one row answers it under the other.
        said = {_plain(queries[i]) for i in tested.tolist()}
        answers = self._answers([row for text in said for row in self._rows[text]])
        order = np.random.default_rng(random_state).permutation(len(queries))
        every = map(self._pair, order.tolist())
        self._pool = [one for one in every if one[2] not in said and one[3] not in answers]
        if not self._pool:
            raise InputError("held_out leaves no example: give queries that are not tested on, with other documents")

    def __len__(self) -> int:
        return len(self._pool)

    def choose(self, query: str, k: int, *, known: Sequence[int] = ()) -> list[tuple[str, str]]:
        """Return up to `k` pairs (query, document) that give nothing of this query away.

        Parameters
        ----------
        query : str
            Left out are its own pair, under whatever row, and every pair whose document answers it.
        k : int
        known : sequence of int, optional
            Rows of documents that answer it beside those that are known here.
        """
        own = _plain(query)
        answers = self._answers(self._rows.get(own, [])) | {_plain(self.documents[d]) for d in known}
        fit = (one for one in self._pool if one[2] != own and one[3] not in answers)
        chosen = islice(fit, k)
        return [(self.queries[q], " ".join(self.documents[d].split()[: self.words])) for q, d, _, _ in chosen]

    def _pair(self, q: int) -> tuple[int, int, str, str]:
        """Return a query, its first positive, and both texts as copies are found by."""
        d = int(self.positives.document[self.positives.start[q]])
        return q, d, _plain(self.queries[q]), _plain(self.documents[d])

    def _answers(self, rows: list[int]) -> set[str]:
        start, document = self.positives.start, self.positives.document
        return {_plain(self.documents[d]) for q in rows for d in document[start[q] : start[q + 1]].tolist()}


@dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts of queries.

    Attributes
    ----------
    texts : list of str
    shown : (n,) int64
        Examples in each; fewer than asked for where the budget or the examples gave out.
    cut : (n,) bool
        Queries that did not fit even alone, and lost their end.
    """

    texts: list[str]
    shown: NDArray[np.int64]
    cut: NDArray[np.bool_]


class InstructionPrompt:
    """Prompts "examples + Instruct: task + Query: query".

    Parameters
    ----------
    task : str
        In one sentence, such as "Given a question, retrieve the abstract that answers it".
    examples : WorkedExamples, optional
    k : int, default=0
        Examples a prompt.
    max_tokens : int, optional
        Most tokens of a prompt, [EOS] not counted: examples are dropped from the last one on, and only where the query
        does not fit alone is its end cut off. A tokenizer that truncates would cut off the query and keep the examples.
    count : callable, optional
        ``count(texts) -> numbers of tokens``, such as ``TorchEncoder.count``; needed with `max_tokens`.
    template : str
        With ``{task}`` and, at its end or near, ``{query}``.
    example : str
        With ``{query}`` and ``{document}``, and ``{task}`` where wanted.
    """

    def __init__(
        self,
        task: str,
        *,
        examples: WorkedExamples | None = None,
        k: int = 0,
        max_tokens: int | None = None,
        count: Count | None = None,
        template: str = _TEMPLATE,
        example: str = _EXAMPLE,
    ) -> None:
        for name, text, needed in (
            ("template", template, ("{query}",)),
            ("example", example, ("{query}", "{document}")),
        ):
            lacking = [one for one in needed if text.count(one) != 1]
            if lacking:
                msg = f"the {name} holds {lacking[0]} {text.count(lacking[0])} times: it must hold it once"
                raise InputError(msg)
        if k < 0 or (k and examples is None):
            msg = f"k={k}: give 0, or more with examples="
            raise InputError(msg)
        if (max_tokens is None) != (count is None) or (max_tokens is not None and max_tokens < 1):
            raise InputError("max_tokens and count belong together: give a number above 0 and a callable, or neither")
        self.task, self.examples, self.k = task, examples, k
        self.max_tokens, self.count = max_tokens, count
        self.template, self.example = template, example

    def render(self, queries: Sequence[str], *, known: Sequence[Sequence[int]] | None = None) -> Prompts:
        """Return the prompts of queries; documents are encoded without one.

        Parameters
        ----------
        queries : sequence of str
        known : sequence of sequences of int, optional
            For each query rows of documents that answer it, beside those the examples know: they are never shown.

        Raises
        ------
        InputError
            Where the budget does not hold the task alone.
        """
        if known is not None and len(known) != len(queries):
            msg = f"known holds {len(known):,} lists for {len(queries):,} queries: give one a query"
            raise InputError(msg)
        shown: list[list[str]] = []
        for i, query in enumerate(queries):
            pairs = self.examples.choose(query, self.k, known=known[i] if known else ()) if self.examples else []
            shown.append([_filled(self.example, task=self.task, query=q, document=d) for q, d in pairs])
        bodies = [_filled(self.template, task=self.task, query=query) for query in queries]
        cut = np.zeros(len(queries), dtype=bool)
        self._fit(shown, bodies, list(queries), cut)
        texts = ["".join(one) + body for one, body in zip(shown, bodies, strict=True)]
        return Prompts(texts, np.array([len(one) for one in shown], dtype=np.int64), cut)

    def _fit(self, shown: list[list[str]], bodies: list[str], queries: list[str], cut: NDArray[np.bool_]) -> None:
        """Drop examples until every prompt is within the budget, then the ends of queries."""
        over = np.arange(len(bodies))
        while len(over):
            over = over[self._too_long(["".join(shown[i]) + bodies[i] for i in over.tolist()])]
            bare = np.array([not shown[i] for i in over.tolist()], dtype=bool)
            cut[over[bare]] = True
            over = over[~bare]
            for i in over.tolist():
                shown[i].pop()
        for i in np.flatnonzero(cut).tolist():
            bodies[i] = self._shortened(queries[i])

    def _shortened(self, query: str) -> str:
        """Keep as many words of a query as fit, by bisection; letters where not one word fits."""
        whole = _filled(self.template, task=self.task, query="")
        if self._too_long([whole])[0]:
            msg = f"max_tokens={self.max_tokens}: the task alone is longer; shorten it, or allow more"
            raise InputError(msg)
        words = query.split()
        for pieces, glue in ((words, " "), (list(words[0]) if words else [], "")):
            low, high = 0, len(pieces)
            while low < high:
                middle = (low + high + 1) // 2
                text = _filled(self.template, task=self.task, query=glue.join(pieces[:middle]))
                low, high = (low, middle - 1) if self._too_long([text])[0] else (middle, high)
            if low:
                return _filled(self.template, task=self.task, query=glue.join(pieces[:low]))
        return whole

    def _too_long(self, texts: list[str]) -> NDArray[np.bool_]:
        if self.count is None or self.max_tokens is None:
            return np.zeros(len(texts), dtype=bool)
        return np.asarray(self.count(texts), dtype=np.int64) > self.max_tokens


def _filled(template: str, **fields: str) -> str:
    """Fill a template in one pass: braces in a query, even {document}, are text."""
    out, rest = [], template
    while rest:
        places = [(rest.find("{" + name + "}"), name) for name in fields]
        at, name = min(((place, name) for place, name in places if place >= 0), default=(-1, ""))
        if at < 0:
            break
        out += [rest[:at], fields[name]]
        rest = rest[at + len(name) + 2 :]
    return "".join(out) + rest


def _plain(text: str) -> str:
    """Return a text by which copies are found: letters and digits, in one case."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
