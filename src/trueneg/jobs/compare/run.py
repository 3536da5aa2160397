"""``trueneg compare``: settle what is compared, run it within the budget, say what came out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trueneg
from trueneg.core.errors import InputError
from trueneg.jobs.compare import advice
from trueneg.jobs.compare.differences import Row
from trueneg.jobs.compare.engine import Kept, Runner
from trueneg.jobs.compare.metrics import settle_metric
from trueneg.jobs.compare.page import make_report
from trueneg.jobs.compare.plan import PILOT_ROWS, Plan, drawn, fit_plan, folds_of, parse_budget, settle_folds
from trueneg.jobs.compare.remedies import ALWAYS, Remedy, chosen
from trueneg.jobs.compare.setting import settle_kind, unfit, with_answers
from trueneg.jobs.compare.summary import summarise
from trueneg.jobs.compare.task import Task, make_task, open_source

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[str, int, int], None]

_SHORT = 60.0


@dataclass
class Comparison:
    """The outcome of a comparison.

    Attributes
    ----------
    report : dict
        All of it, of schema ``trueneg/compare/1``.
    rows : list of Row
        The figures of each remedy, *nothing* first.
    winner : str or None
        The name of the remedy to take; None where nothing beats nothing.
    """

    report: dict[str, Any]
    rows: list[Row] = field(repr=False)
    winner: str | None = None

    @property
    def failed(self) -> bool:
        """Whether a remedy failed on a fold; the others went on."""
        return any(row.status in ("failed", "partly failed") for row in self.rows)

    def __getitem__(self, name: str) -> Row:
        """Return a remedy's figures by its name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def _repr_html_(self) -> str:
        import html

        from trueneg.report.comparison import render

        page = html.escape(render(self.report), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:800px;border:0" sandbox="allow-scripts"></iframe>'

    def save(self, out: str | Path) -> Path:
        """Write ``compare.json`` and ``compare.html`` to a folder and return it; drawn before either is written."""
        from trueneg.data.writers import atomic
        from trueneg.report.comparison import render
        from trueneg.report.files import dump

        page = render(self.report)
        folder = Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"cannot write to {folder}: {error.strerror}; name another folder"
            raise InputError(msg) from error
        with atomic(folder / "compare.html") as file:
            file.write_text(page, encoding="utf-8", errors="replace")
        dump(self.report, folder / "compare.json")
        return folder


def compare(
    audit: Any,
    *,
    frame: Any = None,
    remedies: str | Sequence[str | Remedy] | None = None,
    metric: str | None = None,
    cost_fn: float | None = None,
    cost_fp: float | None = None,
    folds: int = 5,
    repeats: int = 2,
    seed: int = 0,
    budget: str | float | None = "10m",
    progress: Progress | None = None,
    **columns: Any,
) -> Comparison:
    """Compare remedies on the user's own data: which way to train is better than the model as it is, and by how much.

    Every remedy trains the audit's own kind of model, on the training part of the same folds; it never sees the test
    part. Trusted rows are trained on as they are, never repaired, and reported apart: each is predicted by models that
    saw neither it nor its group.

    Parameters
    ----------
    audit : path, Audit or frame
        The folder of an audit, an audit, or, where there is none, a file or a frame that narwhals reads.
    frame : frame, optional
        The frame, beside the folder or the audit of one.
    remedies : "shortlist", "all", or sequence of names or Remedy, optional
        Default: the short list. *Nothing*, *class weights* and *tuned threshold* are always among them.
    metric : str, optional
        What decides. Default: the cost where costs are given; else MCC, which label errors do not reorder; macro F1 of
        several classes.
    cost_fn, cost_fp : float, optional
        Costs of a missed positive and of a false alarm; default: those of the audit, else none.
    folds, repeats : int, default 5 and 2
        Of the cross-validation: stratified, groups whole. Folds are lowered where the rarer class has fewer groups.
    seed : int, default 0
        Seed of the folds, models and samplers.
    budget : str or float, default "10m"
        Time to keep to, such as ``"90s"``, or seconds; None sets none. Repeats, rows and remedies are fitted to it by a
        timed first fold, and what was cut is said.
    progress : callable, optional
        ``progress(line, done, total)``, called after each fold of each remedy.
    **columns
        As for :func:`trueneg.audit`, where ``audit`` is a table: ``label`` (required), ``positive``, ``group``, ...

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        What is wrong with the input, where, and what to do.
    """
    seconds = parse_budget(budget)
    asked = chosen(remedies)
    start = time.monotonic()
    say: Progress = progress or (lambda *_: None)
    source = open_source(audit, frame, columns)
    task = make_task(source, seed=seed, cost_fn=cost_fn, cost_fp=cost_fp, progress=lambda text: say(text, 0, 0))
    task = with_answers(task, source)
    sides = {"binary": task.binary, "costs": task.costs is not None, "negative": task.negative is not None}
    metric = settle_metric(metric, **sides)
    folds, said = settle_folds(task, folds, repeats)
    kind, shared = settle_kind(task, seed, lambda text: say(text, 0, 0))
    left_out = {r.name: why for r in asked if (why := unfit(r, task, kind))}
    wished = Plan(len(task), folds, repeats, left_out, said)
    job = _Job(task, asked, wished, kind, metric, seed, say, start, seconds)
    runner, plan, late = job.run()
    if late:
        plan.said.append(_told_late(runner, plan, budget))
    rows = summarise(runner, {}, lambda text: say(text, runner.total, runner.total))
    rows += _not_run(asked, plan)
    head = ""
    if any(r.name == "naive-bayes" for r in runner.remedies):
        say("which head the rows call for", runner.total, runner.total)
        short_of_time = seconds is not None and time.monotonic() - start > 0.9 * seconds
        head = advice.head(runner.task, seed=seed, quick=short_of_time)
    options = {"remedies": [r.name for r in asked], "metric": metric, "folds": folds, "repeats": repeats, "seed": seed}
    options |= {"budget": budget, "cost_fn": cost_fn, "cost_fp": cost_fp}
    options = {k: v for k, v in options.items() if v is not None}
    report = make_report(
        runner, rows, plan, said=plan.said, shared=[*shared, task.grouped_by], head=head, options=options
    )
    best = advice.winner(rows, metric)
    return Comparison(report, rows, None if best is None else best.name)


@dataclass
class _Job:
    """One comparison from the settled task to all results."""

    task: Task
    remedies: Sequence[Remedy]
    wished: Plan
    kind: str
    metric: str
    seed: int
    say: Progress
    start: float
    budget: float | None

    def run(self) -> tuple[Runner, Plan, bool]:
        """Plan, run the first fold, plan again by it, run the rest; the bool says whether the budget ran out."""
        saved = self._saved_plan()
        plan = saved or self._by_pilot()
        task = self.task if plan.rows >= len(self.task) else self.task.take(drawn(self.task, plan.rows, self.seed))
        if plan.rows < len(self.task):
            plan.rows = len(task)
        splits = [folds_of(task, plan.folds, repeat, self.seed) for repeat in range(plan.repeats)]
        runner = self._runner(task, splits, plan, Kept(self._kept(plan)))
        deadline = None if self.budget is None else self.start + self.budget
        seconds = runner.first(deadline)
        if saved is None:
            if deadline is not None:
                left = max(deadline - time.monotonic(), 0.0)
                again = fit_plan(plan, seconds, len(task), left, runner.workers, ALWAYS, rows_fixed=True)
                runner = self._runner(task, splits[: again.repeats], again, runner.kept, runner)
                plan = again
            self._save_plan(plan)
        late = runner.rest(seconds, deadline)
        done = {cell[1:] for cell in runner.results if cell[0] == "nothing"}
        if len(done) < 2:
            need = sum(seconds.values()) * plan.folds
            raise InputError(
                f"the budget of {self.budget:g} s allows {len(done)} fold where two are needed; "
                f"give --budget {max(1, round(need / 60 + 0.5))}m or fewer --remedies"
            )
        return runner, plan, late

    def _runner(self, task: Task, splits: Any, plan: Plan, kept: Kept, before: Runner | None = None) -> Runner:
        from joblib import cpu_count

        used = [r for r in self.remedies if r.name not in plan.left_out]
        made = Runner(task, used, splits, self.kind, self.metric, self.seed, kept, self.say, max(1, cpu_count()))
        if before is not None:
            names = {r.name for r in used}
            made.results = {cell: x for cell, x in before.results.items() if cell[0] in names}
            made.failures = {cell: x for cell, x in before.failures.items() if cell[0] in names}
        return made

    def _by_pilot(self) -> Plan:
        """Fit the plan to the budget by a fold of at most 4,000 rows, where there are more."""
        if self.budget is None or len(self.task) <= PILOT_ROWS:
            return self.wished
        size = PILOT_ROWS if self.budget >= _SHORT else PILOT_ROWS // 4
        small = self.task.take(drawn(self.task, size, self.seed))
        folds, _ = settle_folds(small, self.wished.folds, 1)
        pilot = self._runner(small, [folds_of(small, folds, 0, self.seed)[:1]], self.wished, Kept(None))
        pilot.progress = lambda text, *_: self.say(f"timing on {len(small):,} rows, {text}", 0, 0)
        seconds = pilot.first(self.start + 0.2 * self.budget)
        left = max(self.start + self.budget - time.monotonic(), 0.0)
        return fit_plan(self.wished, seconds, len(small), left, pilot.workers, ALWAYS)

    # -- what lies in the audit's folder, so that a run that was killed goes on ------------------------------------

    def _key(self, **more: Any) -> str:
        task = self.task
        key = {
            "data": task.data,
            "codes": hashlib.blake2b(task.codes.tobytes() + task.groups.tobytes() + task.answers.tobytes()).hexdigest(),
            "trusted": hashlib.blake2b(task.trusted.tobytes()).hexdigest(),
            "learnt": task.features.words,
            "costs": repr(task.costs),
            "kind": self.kind,
            "metric": self.metric,
            "seed": self.seed,
            "folds": self.wished.folds,
            "version": trueneg.__version__,
            **more,
        }
        return hashlib.blake2b(json.dumps(key, sort_keys=True, default=str).encode(), digest_size=10).hexdigest()

    def _kept(self, plan: Plan) -> Path | None:
        folder = self.task.folder
        return None if folder is None else folder / ".stages" / f"compare-{self._key(rows=plan.rows)}"

    def _plan_file(self) -> Path | None:
        names = [r.name for r in self.remedies]
        key = self._key(budget=self.budget, remedies=names, repeats=self.wished.repeats)
        return None if self.task.folder is None else self.task.folder / ".stages" / f"compare-plan-{key}.json"

    def _saved_plan(self) -> Plan | None:
        path = self._plan_file()
        if path is None or not path.exists():
            return None
        try:
            return Plan(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _save_plan(self, plan: Plan) -> None:
        from trueneg.data.writers import atomic

        path = self._plan_file()
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file:
            file.write_text(json.dumps(plan.to_dict()), encoding="utf-8")


def _told_late(runner: Runner, plan: Plan, budget: Any) -> str:
    done = {cell[1:] for cell in runner.results if cell[0] == "nothing"}
    return f"the budget of {budget} ran out after {len(done)} of {plan.folds * plan.repeats} folds"


def _not_run(asked: Sequence[Remedy], plan: Plan) -> list[Row]:
    return [
        Row(r.name, r.title, r.kind, "not run", plan.left_out[r.name], verdict="not run", note="", apply=r.apply)
        for r in asked
        if r.name in plan.left_out
    ]
