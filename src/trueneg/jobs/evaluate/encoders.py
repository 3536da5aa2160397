"""Encoders side by side on tasks of every kind: each figure with its interval, paired differences, Borda's count.

All intervals come from one bootstrap: in each resample the rows of every task are drawn anew, and all encoders are
held to the same rows. Where a figure is a mean over draws (few-shot classifiers, starts of k-means), draws are
resampled too.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.data.readers import one_line
from trueneg.data.writers import atomic
from trueneg.encoders.cache import CachedEncoder, vector_cache
from trueneg.encoders.text import text_encoder
from trueneg.jobs.evaluate.borda import places, points
from trueneg.jobs.evaluate.figures import Figure
from trueneg.jobs.evaluate.kinds import KINDS, Task
from trueneg.jobs.evaluate.tasks import Sizes, read_tasks

__all__ = ["Compared", "TaskResult", "evaluate_encoders"]

Progress = Callable[[str, int, int], None]
Floats = NDArray[np.float64]
_RESAMPLES, _CELLS, _LEVEL = 1000, 4_000_000, 0.95


@dataclass(frozen=True, eq=False)
class TaskResult:
    """What one task says of every encoder.

    Attributes
    ----------
    name, kind, main, about : str
        `main` is the figure that the task is ranked by.
    figures : dict of str to dict of str to Estimate
        By encoder and figure; the main one comes first.
    differences : dict of str to Estimate
        The main figure of every other encoder less that of the first, on the same rows.
    notes : list of str
    """

    name: str
    kind: str
    main: str
    about: str
    figures: dict[str, dict[str, Estimate]]
    differences: dict[str, Estimate]
    notes: list[str]

    def lines(self) -> list[str]:
        """Say it in plain words."""
        out = [f"{self.name}, {self.kind}: {self.about}"]
        width = max(map(len, self.figures))
        for encoder, figures in self.figures.items():
            line = f"  {encoder:<{width}}  " + "  ".join(f"{name} {value}" for name, value in figures.items())
            difference = self.differences.get(encoder)
            if difference is not None:
                line += f"  against the first {difference}"
                line += " (no difference shown)" if difference.low <= 0 <= difference.high else ""
            out.append(line)
        return [*out, *(f"  {note}" for note in self.notes)]


@dataclass(frozen=True, eq=False)
class Compared:
    """Encoders on tasks.

    Attributes
    ----------
    tasks : list of TaskResult
    borda, place : dict of str to Estimate
        Points and place of each encoder, the best first; empty where there is one encoder.
    most : int
        Points of an encoder that beats every other one on every task.
    """

    tasks: list[TaskResult]
    borda: dict[str, Estimate] = field(default_factory=dict)
    place: dict[str, Estimate] = field(default_factory=dict)
    most: int = 0

    def lines(self) -> list[str]:
        """Say it in plain words."""
        out = [line for task in self.tasks for line in task.lines()]
        if not self.borda:
            return out
        width = max(map(len, self.borda))
        what = "task" if len(self.tasks) == 1 else "tasks"
        out.append(f"Borda's count over {len(self.tasks)} {what}, a point for each encoder beaten, of {self.most:,}:")
        for encoder, value in self.borda.items():
            place = self.place[encoder]
            told = f"{value.value:g} [{value.low:g}, {value.high:g}]"
            out.append(f"  {encoder:<{width}}  {told}, place {place.value:g} [{place.low:g}, {place.high:g}]")
        return out


def evaluate_encoders(
    tasks: str | Path | Sequence[str | Path],
    encoders: Sequence[str] | Mapping[str, Any],
    *,
    kinds: Sequence[str] = KINDS,
    sizes: Sizes | None = None,
    cache: str | Path | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
    to: str | Path | None = None,
) -> Compared:
    """Hold encoders to tasks, side by side.

    Parameters
    ----------
    tasks : path or sequence of paths
        Files and folders, see :func:`trueneg.jobs.evaluate.tasks.read_tasks`.
    encoders : sequence of str, or mapping of str to encoder
        Names as :func:`trueneg.encoders.text_encoder` takes them; or encoders (``encode(texts) -> (n, d)``) by the
        names to show. The others are compared with the first.
    kinds : sequence of str, default=all
        Of ``classification, clustering, similarity, reranking, retrieval``.
    sizes : Sizes, optional
        At most 2,048 rows to test on; 10 draws; 8 examples a label.
    cache : path, optional
        Folder of the vectors, by default the user's cache. An encoder of yours is kept there where it has a
        ``fingerprint``.
    random_state : int, default=0
        Seed of what is drawn, of k-means, and of the bootstrap.
    progress : callable, optional
        Called with a text, things done, and their number.
    to : path, optional
        A CSV to write: one line a task, encoder and figure.

    Returns
    -------
    Compared
        The main figures are accuracy, V-measure, Spearman's correlation, MAP and nDCG@10.

    Raises
    ------
    InputError
        Naming the file and what it lacks, or the encoder that fails.
    """
    given = [tasks] if isinstance(tasks, (str, Path)) else list(tasks)
    if not given:
        raise InputError("no task is given: name a file or folder")
    models = _models(encoders, cache)
    tell = progress or (lambda *_: None)
    every = [task for path in given for task in read_tasks(path, kinds=kinds, sizes=sizes, random_state=random_state)]
    _no_name_twice(every)
    results, drawn, whole = [], [], []
    for number, task in enumerate(every):
        measured = {name: _measure(task, name, model, random_state, tell) for name, model in models.items()}
        tell(f"resampling {task.name}", number, len(every))
        result, main, value = _resampled(task, measured, np.random.default_rng([random_state, number]))
        results.append(result)
        drawn.append(main)
        whole.append(value)
    out = Compared(results)
    if len(models) > 1:
        out = _ranked(results, list(models), np.array(whole), np.stack(drawn, axis=1))
    if to is not None:
        _write(Path(to), out)
    return out


def _models(encoders: Sequence[str] | Mapping[str, Any], cache: str | Path | None) -> dict[str, Any]:
    """Build the encoders, each with the cache where it can have one."""
    folder = Path(cache) if cache is not None else vector_cache()
    if isinstance(encoders, str):
        encoders = [encoders]
    if not encoders:
        raise InputError("no encoder is given: name one, such as minilm")
    if isinstance(encoders, Mapping):
        bare = {name for name, m in encoders.items() if hasattr(m, "fingerprint") and not isinstance(m, CachedEncoder)}
        return {name: CachedEncoder(m, folder) if name in bare else m for name, m in encoders.items()}
    twice = next((name for name in encoders if list(encoders).count(name) > 1), None)
    if twice is not None:
        msg = f"the encoder {one_line(twice, 60)} is named twice; name each once"
        raise InputError(msg)
    return {name: text_encoder(name, folder=folder) for name in encoders}


def _no_name_twice(tasks: list[Task]) -> None:
    seen = [(task.name, task.kind) for task in tasks]
    twice = next((pair for pair in seen if seen.count(pair) > 1), None)
    if twice is not None:
        msg = f"two tasks are called {one_line(twice[0], 60)} ({twice[1]}): rename one of the files"
        raise InputError(msg)


def _measure(task: Task, name: str, model: Any, seed: int, tell: Progress) -> dict[str, list[Figure]]:
    """Encode what the task asks for, and take its figures."""

    def encode(texts: list[str]) -> NDArray[Any]:
        what = f"{name} on {task.name}"
        if isinstance(model, CachedEncoder):
            return model.encode(texts, progress=tell, what=what)
        tell(what, 0, len(texts))
        vectors = np.asarray(model.encode(texts))
        if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
            msg = f"the encoder {name} gave shape {vectors.shape} for {len(texts):,} texts: finite (n, d) is needed"
            raise InputError(msg)
        return vectors

    return task.measure(encode, seed)


def _resampled(
    task: Task, measured: dict[str, dict[str, list[Figure]]], rng: np.random.Generator
) -> tuple[TaskResult, Floats, Floats]:
    """Return the result, the main figure of every encoder in each resample (b, n_encoders), and as it is."""
    n_units = int(task.unit.max()) + 1
    if n_units < 2:
        msg = f"{task.name}, {task.kind}: one unit of {task.units} has no spread; give two or more"
        raise InputError(msg)
    draws: dict[tuple[str, str], list[Floats]] = {(e, f): [] for e, found in measured.items() for f in found}
    step = max(1, min(_RESAMPLES, _CELLS // max(len(task.unit), 1)))
    for start in range(0, _RESAMPLES, step):
        counts = _counts(rng, min(step, _RESAMPLES - start), n_units)[:, task.unit]
        seed = int(rng.integers(2**63))
        for (encoder, name), kept in draws.items():
            kept.append(_mean_of(measured[encoder][name], counts, np.random.default_rng(seed)))
    ones = np.ones((1, len(task.unit)))
    method = f"percentile bootstrap of {task.units}"
    values = {key: float(np.mean([part(ones)[0] for part in measured[key[0]][key[1]]])) for key in draws}
    drawn = {key: _centred(np.concatenate(kept), values[key]) for key, kept in draws.items()}
    figures = {
        encoder: {name: _estimate(drawn[encoder, name], values[encoder, name], method, n_units) for name in found}
        for encoder, found in measured.items()
    }
    main = np.stack([drawn[encoder, task.main] for encoder in measured], axis=1)
    value = np.array([values[encoder, task.main] for encoder in measured])
    differences = {
        encoder: _estimate(main[:, i] - main[:, 0], float(value[i] - value[0]), f"paired {method}", n_units)
        for i, encoder in enumerate(measured)
        if i
    }
    return TaskResult(task.name, task.kind, task.main, task.about, figures, differences, task.notes), main, value


def _counts(rng: np.random.Generator, n: int, n_units: int) -> Floats:
    """Draw how often each unit is in each of n resamples."""
    picked = rng.integers(0, n_units, (n, n_units)) + n_units * np.arange(n)[:, None]
    return np.bincount(picked.ravel(), minlength=n * n_units).reshape(n, n_units).astype(np.float64)


def _mean_of(parts: list[Figure], counts: Floats, rng: np.random.Generator) -> Floats:
    """Mean over draws, which are resampled as the rows are; the seed is the same for every encoder."""
    each = np.stack([part(counts) for part in parts], axis=1)
    if len(parts) == 1:
        return np.asarray(each[:, 0])
    weight = _counts(rng, len(counts), len(parts))
    return np.asarray((each * weight).sum(axis=1) / len(parts))


def _centred(draws: Floats, value: float) -> Floats:
    """Take off the bias of resampling: repeated rows alone make a V-measure larger, the most for a poor encoder."""
    moved = draws + (value - draws.mean())
    return np.asarray(moved if (draws < 0).any() else np.maximum(moved, 0))


def _estimate(draws: Floats, value: float, method: str, n: int) -> Estimate:
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(value, float(low), float(high), _LEVEL, method, n)


def _ranked(results: list[TaskResult], names: list[str], whole: Floats, drawn: Floats) -> Compared:
    """Count points on the rows as they are and in every resample, shapes (tasks, encoders) and (b, tasks, encoders)."""
    total, every = points(whole), points(drawn)
    method = "percentile bootstrap within tasks"
    borda = [_estimate(every[:, i], float(total[i]), method, len(results)) for i in range(len(names))]
    rank, ranks = places(total), places(every)
    place = [_estimate(ranks[:, i], float(rank[i]), method, len(results)) for i in range(len(names))]
    order = np.argsort(rank, kind="stable").tolist()
    most = len(results) * (len(names) - 1)
    return Compared(results, {names[i]: borda[i] for i in order}, {names[i]: place[i] for i in order}, most)


def _write(to: Path, compared: Compared) -> None:
    rows = [
        (task.name, task.kind, encoder, name, one)
        for task in compared.tasks
        for encoder, figures in task.figures.items()
        for name, one in figures.items()
    ]
    for what, found in (("Borda points", compared.borda), ("place", compared.place)):
        rows += [("all tasks", "", encoder, what, one) for encoder, one in found.items()]
    with atomic(to) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["task", "kind", "encoder", "figure", "value", "low", "high", "units"])
        writer.writerows((*keys, one.value, one.low, one.high, one.n) for *keys, one in rows)
