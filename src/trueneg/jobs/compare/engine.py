"""Run every remedy on every fold: in threads, each result kept at once, within the budget."""

from __future__ import annotations

import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.data.writers import atomic
from trueneg.jobs.compare.fold import Fold, Learner, Shared, View
from trueneg.jobs.compare.metrics import Predicted
from trueneg.jobs.compare.remedies import REMEDIES, Remedy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trueneg.jobs.compare.task import Task

    Split = tuple[NDArray[np.int64], NDArray[np.int64]]
    Progress = Callable[[str, int, int], None]

_ARRAYS = ("decision", "given", "top", "right", "brier", "score", "certain")


@dataclass(frozen=True, eq=False)
class Result:
    """One remedy on one fold.

    Attributes
    ----------
    predicted : Predicted
        Of the test rows, in their order.
    seconds : float
        To train and to predict, what several remedies share included.
    rows : int
        Rows trained on.
    peak : float
        Most bytes held at once beyond the data, measured on the first fold; NaN on others.
    note : str
    """

    predicted: Predicted
    seconds: float
    rows: int
    peak: float
    note: str


@dataclass(frozen=True)
class Kept:
    """Results on disk, one file a remedy and fold; None keeps nothing.

    A remedy of the user's own is never kept: nothing tells whether its code has changed.
    """

    folder: Path | None

    def path(self, remedy: Remedy, repeat: int, fold: int) -> Path | None:
        """Return the file of one result."""
        if self.folder is None or remedy not in REMEDIES:
            return None
        return self.folder / f"{remedy.name}-{repeat}-{fold}.npz"

    def get(self, remedy: Remedy, repeat: int, fold: int) -> Result | None:
        """Read a result; a file cut short counts as none."""
        path = self.path(remedy, repeat, fold)
        if path is None or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                predicted = Predicted(*(kept[name] for name in _ARRAYS))
                seconds, rows, peak = kept["numbers"]
                return Result(predicted, float(seconds), int(rows), float(peak), str(kept["note"]))
        except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError):
            return None

    def put(self, remedy: Remedy, repeat: int, fold: int, result: Result) -> None:
        """Write a result, whole or not at all."""
        path = self.path(remedy, repeat, fold)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = np.array([result.seconds, result.rows, result.peak])
        arrays = {name: getattr(result.predicted, name) for name in _ARRAYS}
        with atomic(path) as file, file.open("wb") as stream:
            np.savez(stream, **arrays, numbers=numbers, note=np.asarray(result.note))


class OpenFold:
    """One fold with its preprocessing fitted, as long as remedies still need it."""

    def __init__(self, runner: Runner, repeat: int, fold: int) -> None:
        task, (train, test) = runner.task, runner.splits[repeat][fold]
        seed = int(np.random.SeedSequence([runner.seed, repeat, fold, 7]).generate_state(1)[0] >> 1)
        start = time.perf_counter()
        prepared = task.features.prepare(train, task.codes[train], task.groups[train], runner.kind, seed)
        self.test = test
        self.view = View(prepared.rows(test), lambda: prepared.dense(test))
        self.fold = Fold(
            X=prepared.rows(train),
            y=task.codes[train],
            groups=task.groups[train],
            trusted=task.trusted[train],
            answers=task.answers[train],
            n_classes=len(task.classes),
            positive=task.positive,
            negative=task.negative,
            costs=task.costs_of(train),
            metric=runner.metric,
            learner=Learner(runner.kind, len(task.classes), seed, prepared.expand),
            nominal=prepared.nominal,
            seed=seed,
            dense_of=lambda: prepared.dense(train),
            shared=Shared(),
        )
        self.seconds = time.perf_counter() - start


@dataclass(eq=False)
class Runner:
    """All folds of all repeats.

    Parameters
    ----------
    task : Task
    remedies : sequence of Remedy
    splits : list of list of (train, test)
        By repeat and fold.
    kind : {"linear", "boosting"}
        Of the base learner.
    metric : str
    seed : int
    kept : Kept
    progress : callable
    workers : int
    """

    task: Task
    remedies: Sequence[Remedy]
    splits: list[list[Split]]
    kind: Any
    metric: str
    seed: int
    kept: Kept
    progress: Progress
    workers: int

    def __post_init__(self) -> None:
        self.results: dict[tuple[str, int, int], Result] = {}
        self.failures: dict[tuple[str, int, int], str] = {}
        self.total = len(self.remedies) * sum(map(len, self.splits))
        self._lock = threading.Lock()
        self._open: dict[tuple[int, int], list[Any]] = {}

    def first(self, deadline: float | None = None) -> dict[str, float]:
        """Run the first fold alone, one remedy after the other, and return the seconds of each.

        With a deadline, remedies beyond it are left for later and count as the slowest one.
        """
        seconds: dict[str, float] = {}
        with one_thread():
            for remedy in self.remedies:
                if deadline is not None and seconds and time.monotonic() > deadline:
                    seconds[remedy.name] = max(seconds.values())
                    continue
                start = time.perf_counter()
                result = self._one(remedy, 0, 0, measure=True)
                seconds[remedy.name] = time.perf_counter() - start if result is None else result.seconds
        return seconds

    def rest(self, seconds: dict[str, float], deadline: float | None) -> bool:
        """Run what is left, fold by fold; return whether the deadline left something undone."""
        cells = iter(
            [
                (r, repeat, f)
                for repeat, folds in enumerate(self.splits)
                for f in range(len(folds))
                for r in self.remedies
            ]
        )
        late = threading.Event()

        def work() -> None:
            with one_thread(openmp_only=True):
                while not late.is_set():
                    with self._lock:
                        cell = next(cells, None)
                    if cell is None:
                        return
                    remedy, repeat, fold = cell
                    if (remedy.name, repeat, fold) in self.results or (remedy.name, repeat, fold) in self.failures:
                        continue
                    known = self.kept.path(remedy, repeat, fold)
                    soon = time.monotonic() + (0.0 if known and known.exists() else seconds.get(remedy.name, 0.0))
                    if deadline is not None and soon > deadline:
                        late.set()
                        return
                    self._one(remedy, repeat, fold)

        with one_thread(), ThreadPoolExecutor(self.workers) as pool:
            tasks = [pool.submit(work) for _ in range(self.workers)]
            try:
                for one in tasks:
                    one.result()
            except BaseException:
                late.set()  # the others stop after the fold they are at; what is done is kept
                raise
        return late.is_set()

    def _one(self, remedy: Remedy, repeat: int, fold: int, *, measure: bool = False) -> Result | None:
        where = (remedy.name, repeat, fold)
        found = self.kept.get(remedy, repeat, fold)
        if found is None:
            opened = self._opened(repeat, fold)
            try:
                found = self._run(remedy, opened, measure)
                self.kept.put(remedy, repeat, fold, found)
            except MemoryError:
                self.failures[where] = "out of memory"
            except Exception as error:  # noqa: BLE001 - one remedy's fault must not cost the others' results
                self.failures[where] = f"{type(error).__name__}: {error}".splitlines()[0]
        with self._lock:
            if found is not None:
                self.results[where] = found
            done = len(self.results) + len(self.failures)
            self._close(repeat, fold)
        self.progress(f"{remedy.title}: repeat {repeat + 1}, fold {fold + 1}", done, self.total)
        return found

    def _run(self, remedy: Remedy, opened: OpenFold, measure: bool) -> Result:
        task, fold = self.task, opened.fold
        measure = measure and not tracemalloc.is_tracing()
        if measure:
            tracemalloc.start()

        def work() -> tuple[Any, Any, Any, Any]:
            model = remedy.fit(fold)
            proba = np.asarray(model.predict_proba(opened.view), np.float64)
            certain = None if model.certainty is None else model.certainty(opened.view)
            return model, proba, model.decisions(proba), certain

        try:
            (model, proba, decision, certain), seconds = fold.shared.timed(work)
            peak = float(tracemalloc.get_traced_memory()[1]) if measure else float("nan")
        finally:
            if measure:
                tracemalloc.stop()
        if proba.shape != (len(opened.test), len(task.classes)) or not np.isfinite(proba).all():
            msg = f"its probabilities have shape {proba.shape} or are not finite"
            raise ValueError(msg)
        predicted = Predicted.of(proba, decision, task.codes[opened.test], task.positive, certain=certain)
        return Result(predicted, seconds + opened.seconds, model.rows, peak, model.note)

    def _opened(self, repeat: int, fold: int) -> OpenFold:
        with self._lock:
            slot = self._open.setdefault((repeat, fold), [threading.Lock(), None])
        with slot[0]:
            if slot[1] is None:
                slot[1] = OpenFold(self, repeat, fold)
            return slot[1]  # type: ignore[no-any-return]

    def _close(self, repeat: int, fold: int) -> None:
        """Forget a fold that no remedy needs any more."""
        names = [r.name for r in self.remedies]
        if all((n, repeat, fold) in self.results or (n, repeat, fold) in self.failures for n in names):
            self._open.pop((repeat, fold), None)


@contextmanager
def one_thread(*, openmp_only: bool = False) -> Iterator[None]:
    """Give every model one thread: the folds are what runs side by side.

    BLAS has one setting for the process, OpenMP one a thread: the first is set around the pool, the second inside.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp" if openmp_only else None):
        yield
