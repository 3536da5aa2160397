"""``trueneg predict PATH``."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from trueneg.data.times import Clock

_PIPE = Path("-")


def predict(
    path: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    model: Path,
    out: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    id: str | None = None,  # noqa: A002 - the option is --id
    hours: float | None = None,
    time: str | None = None,
    time_format: str | None = None,
    video: str | None = None,
) -> None:
    """Label data with a model that 'trueneg fit' wrote, batch by batch.

    Writes one line a row: its number from 0, the --id column where named (the file, of a folder), the predicted label,
    and by how much the best class is ahead of the next (votes, log odds, cosines); of a rejecter the score, higher =
    more familiar, and its label for "none of these". An intrusion model tells its alarms against the budget.

    Parameters
    ----------
    path
        CSV, TSV, Parquet, JSONL, Arrow or NPZ, with the columns that the model reads; an .npy file; a folder of images;
        - for a table from a pipe, kept on disk until its end.
    model
        The model's folder.
    out
        The file to write; its name says the format; - for CSV to standard output.
    id
        A column to carry over, such as a key.
    hours
        The time that the rows span: alarms are told an hour, on average.
    time
        Of an intrusion model: the column of times. Alarms are told by the hour of the clock: on average, in the busiest
        hour, and how many hours are above the budget. ISO texts, 31/12/2017 23:59, 12/31/2017 11:59 PM, Arrow
        timestamps, and seconds or milliseconds since 1970 are read; rows may come in any order.
    time_format
        How texts of --time are read where the column leaves it open: day-first or month-first; or a pattern, such as
        '%d/%b/%Y:%H:%M:%S %z'.
    video
        Of a hyp_oc model: the column that names the video of a frame ("file" for a folder). One line a video is
        written, by the mean score of its frames.
    """
    from trueneg.core.errors import InputError
    from trueneg.jobs.fit.model import described

    head = described(model)["head"]
    rejects = head == "intrusion"  # refused before anything heavy is loaded
    if video is not None and (head != "hyp_oc" or id is not None):
        raise InputError("--video is for hyp_oc models, and writes videos: leave out --id")
    if hours is not None and not (rejects and hours > 0):
        told = "give the time the rows span, above 0" if rejects else "for intrusion models only"
        msg = f"--hours {hours:g}: {told}"
        raise InputError(msg)
    clock = _clock(time, time_format, hours, rejects)
    with ExitStack() as stack:
        _run(stack, path, model, out, id=id, hours=hours, clock=clock, video=video)


def _run(
    stack: ExitStack,
    path: Path,
    model: Path,
    out: Path,
    *,
    id: str | None,  # noqa: A002
    hours: float | None,
    clock: Clock | None,
    video: str | None,
) -> None:
    from rich.console import Console

    from trueneg.jobs.fit.piped import is_pipe, printed, spooled
    from trueneg.jobs.fit.stream import Watch
    from trueneg.jobs.fit.stream import predict as run_predict

    console, where = Console(), str(out)
    if path == _PIPE or is_pipe(path):
        path = stack.enter_context(spooled(sys.stdin.buffer if path == _PIPE else path))
    if out == _PIPE:
        console, where = Console(stderr=True), "standard output"
        out = stack.enter_context(printed(sys.stdout.buffer))

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    if video is not None:
        from trueneg.jobs.fit.videos import predict_videos

        say(f"{predict_videos(path, model, out, video=video):,} videos labelled: {where}")
        return
    watch = Watch(clock)
    with Console(stderr=True).status("labelling"):
        done = run_predict(path, model, out, id=id, clock=clock, on_batch=watch.see, told=watch.told.append)
    say(f"{done:,} rows labelled: {where}")
    for line in watch.lines(hours):
        say(line)


def _clock(time: str | None, form: str | None, hours: float | None, rejects: bool) -> Clock | None:
    """Return what reads the column of times; InputError where the options do not go together."""
    from trueneg.core.errors import InputError

    if time is None:
        if form is not None:
            raise InputError("--time-format says how the column of times is read: name it with --time")
        return None
    if not rejects:
        msg = f"--time {time}: for intrusion models only"
        raise InputError(msg)
    if hours is not None:
        raise InputError("--hours and --time: give one, --time where a column says when each row was")
    from trueneg.data.times import Clock

    return Clock(time, form)
