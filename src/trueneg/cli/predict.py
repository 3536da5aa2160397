"""``trueneg predict PATH``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trueneg.data.times import Clock


def predict(
    path: Path,
    *,
    model: Path,
    out: Path,
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
        CSV, TSV, Parquet, JSONL, Arrow or NPZ, with the columns that the model reads; an .npy file; a folder of images.
    model
        The model's folder.
    out
        The file to write; its name says the format.
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
    from rich.console import Console

    from trueneg.jobs.fit.stream import Watch
    from trueneg.jobs.fit.stream import predict as run_predict

    if video is not None:
        from trueneg.jobs.fit.videos import predict_videos

        done = predict_videos(path, model, out, video=video)
        Console().print(f"{done:,} videos labelled: {out}", markup=False, highlight=False, soft_wrap=True)
        return
    watch = Watch(clock)
    with Console(stderr=True).status("labelling"):
        done = run_predict(path, model, out, id=id, clock=clock, on_batch=watch.see)
    console = Console()
    console.print(f"{done:,} rows labelled: {out}", markup=False, highlight=False, soft_wrap=True)
    for line in watch.lines(hours):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


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
