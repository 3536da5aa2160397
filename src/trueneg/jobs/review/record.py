"""What a review remembers: the sample of each finding, and the probabilities that it was drawn with."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import trueneg
from trueneg.core.errors import InputError
from trueneg.core.survey import Sample
from trueneg.data.readers import one_line
from trueneg.data.writers import atomic
from trueneg.jobs.audit.folder import Ranking

if TYPE_CHECKING:
    from trueneg.jobs.audit.folder import AuditFolder

SCHEMA = "trueneg/review/1"
RECORD, SHEET, PAGE = "review.json", "review.csv", "review.html"
_COLUMNS = ("row", "candidate", "verdict", "probability", "proposed")
# Options that decide what a finding's code means; under others the answers would answer another question.
_MEANING = ("label", "positive", "negative", "unlabeled")


@dataclass(frozen=True, eq=False)
class Drawn:
    """The sample of one finding.

    Attributes
    ----------
    code : str
        The finding.
    ranking : Ranking
        Its whole population, with the probabilities at the time of the first round.
    sample : Sample
        The cells drawn, as places in ``ranking``.
    keys : (n,) array of str
        The row key of each cell drawn.
    level : float
        Of the intervals.
    by_class : bool
        Whether each class has strata of its own.
    rounds : tuple of dict
        ``n``, ``seed`` and ``drawn`` (the time) of each round.
    """

    code: str
    ranking: Ranking
    sample: Sample
    keys: np.ndarray
    level: float
    by_class: bool
    rounds: tuple[dict[str, Any], ...]

    @property
    def rows(self) -> np.ndarray:
        """Row of the table of each cell drawn, shape (n,)."""
        return np.asarray(self.ranking.row)[self.sample.rows]

    @property
    def candidates(self) -> np.ndarray:
        """Given class of each cell drawn, or the label's column of a multi-label table, shape (n,)."""
        return np.asarray(self.ranking.candidate)[self.sample.rows]

    @property
    def proposed(self) -> np.ndarray:
        """Proposed class of each cell drawn, or the label's column; shape (n,)."""
        return np.asarray(self.ranking.proposed)[self.sample.rows]


@dataclass(frozen=True, eq=False)
class Record:
    """All that was drawn in one folder.

    Attributes
    ----------
    data : str
        Hash of the table.
    about : dict
        The options that decide what the findings mean.
    classes : list of str
        Names of the classes, or of the labels.
    drawn : dict of str to Drawn
        By finding code.
    """

    data: str
    about: dict[str, Any]
    classes: list[str]
    drawn: dict[str, Drawn] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name of this review: the same after a further round, another for other data or another first sample."""
        first = {code: d.sample.rows[d.sample.round == 0].tolist() for code, d in list(self.drawn.items())[:1]}
        text = json.dumps([self.data, self.about, first], sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def meaning(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that decide what a finding's code means."""
    return {name: options[name] for name in _MEANING if options.get(name) is not None}


def strata_by(ranking: Ranking, names: list[str]) -> np.ndarray:
    """Return the class of every cell (m,): the given one where several are doubted, else the proposed one."""
    given = np.asarray(ranking.candidate)
    code = given if len(given) and (given != given[0]).any() else np.asarray(ranking.proposed)
    return np.asarray([*names, "no proposal"])[code]  # -1 is the last


def _kept(folder: Path, code: str) -> Path:
    return folder / ".stages" / f"review-{code}.npz"


def save(record: Record, folder: Path) -> None:
    """Write ``review.json`` and, for each finding, the population that it was drawn from."""
    findings = {}
    for code, drawn in record.drawn.items():
        path = _kept(folder, code)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file, file.open("wb") as stream:
            np.savez(stream, **{name: getattr(drawn.ranking, name) for name in _COLUMNS})
        findings[code] = {
            "level": drawn.level,
            "by_class": drawn.by_class,
            "rounds": list(drawn.rounds),
            "keys": drawn.keys.tolist(),
            "sample": drawn.sample.to_dict(),
        }
    whole = {
        "schema": SCHEMA,
        "version": trueneg.__version__,
        "data": record.data,
        "about": record.about,
        "classes": record.classes,
        "findings": findings,
    }
    with atomic(folder / RECORD) as file:
        file.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace")


def load_record(folder: AuditFolder) -> Record | None:
    """Read what was drawn in an audit's folder; None where nothing was.

    Raises
    ------
    InputError
        Where the record is damaged.
    """
    path = folder.folder / RECORD
    if not path.exists():
        return None
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["schema"] != SCHEMA:
            msg = f"its schema is {one_line(saved['schema'], 40)}, not {SCHEMA}"
            raise ValueError(msg)  # noqa: TRY301
        classes = [str(name) for name in saved["classes"]]
        drawn = {code: _drawn(folder.folder, code, one, classes) for code, one in saved["findings"].items()}
        return Record(str(saved["data"]), dict(saved["about"]), classes, drawn)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        zipfile.BadZipFile,
        EOFError,
    ) as error:
        msg = (
            f"{one_line(path)} cannot be used ({one_line(error, 120)}); put it back as 'trueneg review' wrote it, or "
            "move it away to draw a new sample"
        )
        raise InputError(msg) from error


def _drawn(folder: Path, code: str, saved: dict[str, Any], classes: list[str]) -> Drawn:
    with np.load(_kept(folder, code), allow_pickle=False) as kept:
        ranking = Ranking(code, *(kept[name] for name in _COLUMNS))
    by = strata_by(ranking, classes) if saved["by_class"] else None
    sample = Sample.from_dict(saved["sample"], ranking.probability, by=by)
    keys = np.asarray(saved["keys"], dtype=object)
    if len(keys) != len(sample.rows):
        msg = f"{code}: {len(keys)} keys for {len(sample.rows)} rows"
        raise ValueError(msg)
    return Drawn(code, ranking, sample, keys, float(saved["level"]), bool(saved["by_class"]), tuple(saved["rounds"]))
