"""SemEval-2010 task 8: one marked pair of nominals a sentence, nine relations and ``Other``.

The class ``Other`` is this set's negative: any relation that is not one of the nine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trueneg.core.errors import InputError

if TYPE_CHECKING:  # pragma: no cover
    import pyarrow as pa

OTHER = "Other"
MAX_BETWEEN = 12

_SENTENCE = re.compile(r'^(\d+)\t"?(.*?)"?\s*$')
_PAIR = re.compile(r"^(.*?)<e1>(.*?)</e1>(.*?)<e2>(.*?)</e2>(.*)$")
_RELATION = re.compile(r"^(Other|[A-Z][a-z]+-[A-Z][a-z]+\((?:e1,e2|e2,e1)\))$")
_WORD = re.compile(r"\w+(?:['-]\w+)*|[^\w\s]")


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _features(before: Sequence[str], e1: Sequence[str], between: Sequence[str], e2: Sequence[str], after: str) -> str:
    """Describe one pair as blank-separated features, so that any text vectoriser can read it."""
    first, second = (e1[-1] if e1 else "_"), (e2[-1] if e2 else "_")
    inner = between[:MAX_BETWEEN]
    out = [f"h={first}", f"t={second}", f"gap={min(len(between), 10)}"]
    # Nominals share endings with their kind (-tion, -er): a cheap stand-in for entity types.
    out += [f"h..{first[-3:]}", f"t..{second[-3:]}", f"pre={before[-1] if before else '^'}", f"post={after}"]
    out += [f"b={w}" for w in inner]
    out += [f"bb={a}_{b}" for a, b in zip(inner, inner[1:], strict=False)]
    out += [f"all={'_'.join(inner)}"] if len(between) <= 4 else []
    return " ".join(out)


def _blocks(path: str | Path) -> list[list[str]]:
    """Groups of lines between blank ones: sentence, relation, comment."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 (byte {error.start}): give TRAIN_FILE.TXT or TEST_FILE_FULL.TXT as released"
        raise InputError(msg) from error
    blocks = [block.strip().splitlines() for block in re.split(r"\r?\n\s*\r?\n", text) if block.strip()]
    if not blocks:
        msg = f"{path} is empty: give TRAIN_FILE.TXT or TEST_FILE_FULL.TXT as released"
        raise InputError(msg)
    return blocks


def _row(path: str | Path, place: int, block: Sequence[str], directed: bool) -> tuple[str, str, str, str]:
    """Read one block: (id, sentence, features, relation)."""
    head = _SENTENCE.match(block[0])
    marked = _PAIR.match(head[2]) if head else None
    if head is None or marked is None:
        msg = f"{path}, example {place}: expected 'number<TAB>\"sentence with <e1> and <e2>\"', got {block[0][:60]!r}"
        raise InputError(msg)
    relation = block[1].strip() if len(block) > 1 else ""
    if not _RELATION.match(relation):
        msg = (
            f"{path}, example {place}: the line below the sentence names no relation ({relation[:40]!r}): "
            "give the file with keys (TEST_FILE_FULL.TXT, not TEST_FILE.txt)"
        )
        raise InputError(msg)
    before, e1, between, e2, after = (_words(part) for part in marked.groups())
    text = _features(before, e1, between, e2, after[0] if after else "$")
    plain = re.sub(r"</?e[12]>", "", head[2])
    return head[1], plain, text, relation if directed else relation.partition("(")[0]


def pairs(path: str | Path, *, directed: bool = True, max_sentences: int | None = None) -> pa.Table:
    """Read a file of SemEval-2010 task 8.

    Parameters
    ----------
    path : str or Path
        ``TRAIN_FILE.TXT`` (8,000 sentences) or ``TEST_FILE_FULL.TXT`` (2,717), as released.
    directed : bool, default True
        Keep the direction in the label (``Cause-Effect(e2,e1)``), as the official score does; the
        label is ``Cause-Effect`` otherwise.
    max_sentences : int, optional
        Read only the first ones.

    Returns
    -------
    pyarrow.Table
        ``id`` (string), ``sentence`` (without marks), ``text`` (blank-separated features of the pair, to
        be hashed by :func:`trueneg.data.redocred.hashed_features`), ``relation``. One row a sentence.

    Raises
    ------
    InputError
        For a file of another layout; the example at fault is named.

    Notes
    -----
    Source: Hendrickx et al. (2010), "SemEval-2010 Task 8: Multi-Way Classification of Semantic
    Relations Between Pairs of Nominals"; CC BY 3.0.
    """
    import pyarrow as pa

    blocks = _blocks(path)[:max_sentences]
    rows = [_row(path, place, block, directed) for place, block in enumerate(blocks)]
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        dict(zip(("id", "sentence", "text", "relation"), (pa.array(c, pa.string()) for c in columns), strict=True))
    )
