"""``trueneg run-code SAMPLES``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def run_code(
    samples: Path,
    /,
    *,
    tests: str,
    to: Path,
    jobs: int = 2,
    seconds: float = 4.0,
    memory: int = 1024,
    allow_unsafe: bool = False,
) -> None:
    """Run generated programs on tests in a sandbox, and write an attempts table.

    Writes one line an attempt: problem, attempt, accepted (1, 0, or -1 for no verdict), outcome (accept, reject,
    timeout, error, unparsed), truth (by the tests that the verifier does not see), test, detail, seconds, dataset, and
    model where the samples name one. A run that was killed goes on where it stopped.

    Parameters
    ----------
    samples
        JSONL, also .gz: task_id with solution (a whole program) or completion (continues the prompt).
    tests
        humaneval+, mbpp+, or a JSONL file of tasks.
    to
        The table to write, as JSONL.
    jobs
        Programs that run at once.
    seconds
        Processor seconds a program, a quarter of it an input; or eight times the reference's, where that is more.
    memory
        MiB of address space a program.
    allow_unsafe
        Run with limits alone where bubblewrap cannot be used: programs then reach your files and network.
    """
    from rich.console import Console

    from trueneg.jobs.run_code import run_code as run

    log, console = Console(stderr=True), Console()
    with _Bar(log) as bar:
        done = run(
            samples,
            tests=tests,
            to=to,
            jobs=jobs,
            seconds=seconds,
            memory=memory << 20,
            allow_unsafe=allow_unsafe,
            progress=bar.update,
        )

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    if not done.isolated:
        say("Run WITHOUT a sandbox: bubblewrap could not be used, and --allow-unsafe was given.")
    again = f", {done.resumed:,} of them by an earlier run" if done.resumed else ""
    say(f"{done.attempts:,} attempts, {done.programs:,} different programs{again}")
    say(", ".join(f"{name} {count:,}" for name, count in sorted(done.outcomes.items())))
    say(f"pass the base tests: {done.accepted}")
    if done.false_accepts is not None:
        say(f"of those, wrong by the hidden tests: {done.false_accepts}")
    say(f"Next: trueneg audit {to}")


class _Bar:
    """Programs done, of all; says nothing where standard error is no terminal."""

    def __init__(self, console: Any) -> None:
        self._bar: Any = None
        if console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            told = TextColumn("{task.description}", markup=False)
            self._bar = Progress(
                BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), told, console=console, transient=True
            )

    def __enter__(self) -> _Bar:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("starting", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, text: str, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=text, completed=done, total=total or None)
