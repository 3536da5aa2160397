"""``trueneg predict PATH``."""

from __future__ import annotations

from pathlib import Path


def predict(
    path: Path,
    *,
    model: Path,
    out: Path,
    id: str | None = None,  # noqa: A002 - the option is --id
    hours: float | None = None,
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
        The time that the rows span: alarms are told an hour.
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
    from rich.console import Console

    from trueneg.jobs.fit.stream import Watch
    from trueneg.jobs.fit.stream import predict as run_predict

    if video is not None:
        from trueneg.jobs.fit.videos import predict_videos

        done = predict_videos(path, model, out, video=video)
        Console().print(f"{done:,} videos labelled: {out}", markup=False, highlight=False, soft_wrap=True)
        return
    watch = Watch()
    with Console(stderr=True).status("labelling"):
        done = run_predict(path, model, out, id=id, on_batch=watch.see)
    console = Console()
    console.print(f"{done:,} rows labelled: {out}", markup=False, highlight=False, soft_wrap=True)
    for line in watch.lines(hours):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
