"""Relation tables: Re-DocRED with its own human false negatives, and a user's own TACRED.

Re-DocRED exists because the ``no_relation`` pairs of DocRED hide many true relations.
A triple that the revision added carries an empty ``evidence`` list, so one file holds
both the labels that annotators missed and the labels as repaired: *noisy* = triples with
evidence, *true* = all triples. That is an approximation of the first release (the
revision may also have emptied or removed a few old triples), and it says so here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError

if TYPE_CHECKING:  # pragma: no cover
    import pyarrow as pa
    from scipy.sparse import csr_matrix

NO_RELATION = "no_relation"
MAX_BETWEEN = 20


def _features(head_type: str, tail_type: str, between: Sequence[str], forward: bool, heads: str, tails: str) -> str:
    """Describe one pair as blank-separated features, so that any text vectoriser can read it."""
    way = "fwd" if forward else "bwd"
    words = [w.replace(" ", "_") for w in between][:MAX_BETWEEN]
    out = [
        f"[H:{head_type}]",
        f"[T:{tail_type}]",
        f"[{head_type}>{tail_type}:{way}]",
        f"[{way}:gap={min(len(words), 10)}]",
    ]
    out += [f"b={w.lower()}" for w in words]
    out += [f"{way}:{head_type}>{tail_type}:b={w.lower()}" for w in words]
    out += [f"bb={a.lower()}_{b.lower()}" for a, b in zip(words, words[1:], strict=False)]
    out += [f"h={heads.lower()}", f"t={tails.lower()}"]
    return " ".join(out)


def _nearest_mentions(head: list[dict[str, Any]], tail: list[dict[str, Any]]) -> tuple[dict, dict] | None:
    """The two mentions standing nearest in one sentence; None when they never share one."""
    best: tuple[int, dict, dict] | None = None
    for a in head:
        for b in tail:
            if a["sent_id"] != b["sent_id"]:
                continue
            gap = max(b["pos"][0] - a["pos"][1], a["pos"][0] - b["pos"][1])
            if best is None or gap < best[0]:
                best = (gap, a, b)
    return None if best is None else best[1:]


def _last_token(name: str) -> str:
    parts = name.split()
    return parts[-1] if parts else "_"


def _describe(sentence: Sequence[str], a: dict[str, Any], b: dict[str, Any]) -> str:
    """Features of head mention ``a`` and tail mention ``b`` in their sentence."""
    forward = a["pos"][0] <= b["pos"][0]
    first, second = (a, b) if forward else (b, a)
    between = sentence[first["pos"][1] : max(second["pos"][0], first["pos"][1])]
    return _features(a["type"], b["type"], between, forward, _last_token(a["name"]), _last_token(b["name"]))


def _read_json(path: str | Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        msg = f"{path} is not JSON (line {error.lineno}): give the .json file of the release as it is"
        raise InputError(msg) from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        msg = f"{path} must hold a non-empty JSON list of objects, one a document or example"
        raise InputError(msg)
    return rows


def commonest_relations(path: str | Path, n_relations: int = 20) -> list[str]:
    """Name the ``n_relations`` relations most often annotated *with* evidence, commonest first.

    Parameters
    ----------
    path : str or Path
        A Re-DocRED file. Use the training file's list for the test file too.
    n_relations : int, default 20

    Returns
    -------
    list of str
        Relation codes (``"P17"``); ties in alphabetical order.
    """
    count = Counter(t["r"] for doc in _read_json(path) for t in doc.get("labels", ()) if t.get("evidence"))
    return [name for name, _ in sorted(count.items(), key=lambda item: (-item[1], item[0]))[:n_relations]]


def _document_rows(number: int, doc: dict[str, Any], rank: dict[str, int]) -> list[tuple[str, str, int, str, str]]:
    """All same-sentence ordered pairs of one document: (id, text, document, noisy, true)."""
    noisy: dict[tuple[int, int], str] = {}
    true: dict[tuple[int, int], str] = {}
    for triple in sorted(doc.get("labels", ()), key=lambda t: rank.get(t["r"], len(rank))):
        if triple["r"] not in rank:
            continue
        pair = (triple["h"], triple["t"])
        true.setdefault(pair, triple["r"])
        if triple.get("evidence"):
            noisy.setdefault(pair, triple["r"])
    rows = []
    entities = doc["vertexSet"]
    for h, head in enumerate(entities):
        for t, tail in enumerate(entities):
            mentions = None if h == t else _nearest_mentions(head, tail)
            if mentions is None:
                continue
            text = _describe(doc["sents"][mentions[0]["sent_id"]], *mentions)
            given = noisy.get((h, t), NO_RELATION)
            # A pair may hold several relations; one already annotated is no false negative.
            repaired = given if given != NO_RELATION else true.get((h, t), NO_RELATION)
            rows.append((f"{number}#h{h}#t{t}", text, number, given, repaired))
    return rows


def pairs(
    path: str | Path,
    *,
    n_relations: int = 20,
    relations: Sequence[str] | None = None,
    max_documents: int | None = None,
) -> pa.Table:
    """Build the table of ordered entity pairs that share a sentence in a Re-DocRED file.

    Parameters
    ----------
    path : str or Path
        ``dev_revised.json`` or ``test_revised.json`` (or the training file).
    n_relations : int, default 20
        Keep the commonest relations; every rarer one counts as ``no_relation`` in both columns.
    relations : sequence of str, optional
        Use these instead: pass the training file's relations when reading the test file.
    max_documents : int, optional
        Read only the first documents.

    Returns
    -------
    pyarrow.Table
        ``id`` (``doc#h<i>#t<j>``), ``text`` (blank-separated features), ``document`` (int64, the
        group), ``relation`` (noisy), ``true_relation`` (repaired). One row an ordered pair.

    Notes
    -----
    A pair with several relations takes the commonest; if one of them was annotated with
    evidence, both columns carry that one, so that the columns differ only where a true
    relation stands as ``no_relation``.

    Source: Re-DocRED (Tan et al. 2022), https://github.com/tonytan48/Re-DocRED, MIT licence.
    """
    import pyarrow as pa

    documents = _read_json(path)
    if "vertexSet" not in documents[0] or "sents" not in documents[0]:
        msg = f"{path} has no 'vertexSet' and 'sents': this is not a DocRED file"
        raise InputError(msg)
    if relations is not None and not len(relations):
        msg = "relations is empty: name at least one relation, or leave it out for the commonest"
        raise InputError(msg)
    names = list(relations) if relations is not None else commonest_relations(path, n_relations)
    rank = {name: place for place, name in enumerate(names)}
    rows = [row for number, doc in enumerate(documents[:max_documents]) for row in _document_rows(number, doc, rank)]
    ids, text, document, relation, true = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "text": pa.array(text, pa.string()),
            "document": pa.array(document, pa.int64()),
            "relation": pa.array(relation, pa.string()),
            "true_relation": pa.array(true, pa.string()),
        }
    )


def read_tacred(path: str | Path, *, patch: str | Path | None = None) -> pa.Table:
    """Read a user's own copy of TACRED (its licence forbids shipping it).

    Parameters
    ----------
    path : str or Path
        A JSON file of the LDC release: a list of objects with ``id``, ``docid``, ``relation``,
        ``token``, ``subj_start/end``, ``obj_start/end`` (ends inclusive), ``subj_type``, ``obj_type``.
    patch : str or Path, optional
        A JSON object ``{id: label}`` (Re-TACRED's form): adds ``true_relation``, and drops the
        rows whose id the patch leaves out, as Re-TACRED does.

    Returns
    -------
    pyarrow.Table
        Columns as :func:`pairs`; ``document`` is a string, ``true_relation`` only with ``patch``.
    """
    import pyarrow as pa

    rows = _read_json(path)
    needed: tuple[str, ...] = ("id", "docid", "relation", "token", "subj_start", "subj_end", "obj_start", "obj_end")
    needed = (*needed, "subj_type", "obj_type")
    for place, row in enumerate(rows):
        missing = [name for name in needed if name not in row]
        if missing:
            msg = f"{path}: example {place} lacks {', '.join(missing)}: give TACRED's own JSON, not the CoNLL form"
            raise InputError(msg)
    labels: dict[str, str] | None = None
    if patch is not None:
        labels = json.loads(Path(patch).read_text(encoding="utf-8"))
        if not isinstance(labels, dict):
            msg = f"{patch} must be a JSON object of id -> label"
            raise InputError(msg)
        rows = [row for row in rows if row["id"] in labels]
    mentions = [(_tacred_mention(row, "subj"), _tacred_mention(row, "obj")) for row in rows]
    columns = {
        "id": [row["id"] for row in rows],
        "text": [_describe(row["token"], a, b) for row, (a, b) in zip(rows, mentions, strict=True)],
        "document": [row["docid"] for row in rows],
        "relation": [row["relation"] for row in rows],
    }
    if labels is not None:
        columns["true_relation"] = [labels[row["id"]] for row in rows]
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _tacred_mention(row: dict[str, Any], role: str) -> dict[str, Any]:
    start, stop = int(row[f"{role}_start"]), int(row[f"{role}_end"]) + 1
    return {"pos": [start, stop], "type": row[f"{role}_type"], "name": " ".join(row["token"][start:stop])}


def hashed_features(text: Sequence[str], *, n_features: int = 2**18) -> csr_matrix:
    """Hash the feature strings of a pair table into a sparse matrix; no vocabulary, no state.

    Parameters
    ----------
    text : sequence of str, shape (n,)
        The ``text`` column: features separated by blanks, taken as they are.
    n_features : int, default 2**18

    Returns
    -------
    scipy.sparse.csr_matrix, shape (n, n_features), float32, rows of unit length
    """
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer

    hasher = HashingVectorizer(n_features=n_features, token_pattern=r"\S+", lowercase=False, dtype=np.float32)
    return hasher.transform(text)
