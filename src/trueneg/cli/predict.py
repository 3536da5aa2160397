"""``trueneg predict PATH``."""

from __future__ import annotations

from pathlib import Path


def predict(path: Path, *, model: Path, out: Path, id: str | None = None) -> None:  # noqa: A002 - the option is --id
    """Label a table with a model that 'trueneg fit' wrote, batch by batch.

    Writes one line a row: its number from 0, the --id column where named, the predicted label, and by how much the
    best class is ahead of the next (votes of a Tsetlin machine, log odds of naive Bayes).

    Parameters
    ----------
    path
        CSV, TSV, Parquet, JSONL, Arrow or NPZ, with the columns that the model reads.
    model
        The model's folder.
    out
        The file to write; its name says the format.
    id
        A column to carry over, such as a key.
    """
    from trueneg.jobs.fit.model import described

    described(model)  # refused before anything heavy is loaded
    from rich.console import Console

    from trueneg.jobs.fit.run import predict as run_predict

    with Console(stderr=True).status("labelling"):
        done = run_predict(path, model, out, id=id)
    Console().print(f"{done:,} rows labelled: {out}", markup=False, highlight=False, soft_wrap=True)
