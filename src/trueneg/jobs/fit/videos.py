"""Frames of videos: which frame is of which video, and one answer a video in place of one a frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import wilson
from trueneg.data.readers import Table, format_of, known_column, one_line
from trueneg.jobs.fit.kinds.hyp_oc import HypOc
from trueneg.jobs.fit.model import Model
from trueneg.jobs.fit.source import FILE, GROUP, LABEL, open_source

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate

__all__ = ["by_video", "predict_videos", "video_figures"]

_FEWEST = 4  # videos of a class, below which names are taken for names of pictures


def by_video(table: Table) -> Table:
    """Return a folder's table with the video of each frame as its group, where the names tell of several a class."""
    names, labels = (table.arrow.column(c).to_pylist() for c in (FILE, LABEL))
    videos = _videos(names, {v for v in labels if v is not None})
    of = {label: {v for v, own in zip(videos, labels, strict=True) if own == label} for label in set(labels) - {None}}
    if min(len(found) for found in of.values()) < _FEWEST or len(set(videos)) == len(videos):
        return table
    import pyarrow as pa

    arrow = table.arrow.drop_columns([GROUP]) if GROUP in table.arrow.column_names else table.arrow
    return Table(arrow.append_column(GROUP, pa.array(videos.tolist())), table.format, table.path)


def video_figures(kind: HypOc, scores: NDArray[Any], videos: NDArray[Any], truth: NDArray[Any]) -> dict[str, Estimate]:
    """Return the shares of videos rejected, of the familiar class and of all others; none without a threshold."""
    normal, threshold = kind.familiar, kind.video_threshold
    found: dict[str, Estimate] = {}
    if threshold is None:
        return found
    for what, kept in (
        (f"videos of {normal} rejected", truth == normal),
        ("all other videos rejected", truth != normal),
    ):
        if kept.any():
            low = kind.of_videos(scores[kept], videos[kept])[1] < threshold
            found[what] = wilson(int(low.sum()), len(low))
    return found


def predict_videos(path: str | Path, folder: str | Path, out: str | Path, *, video: str) -> int:
    """Write one row a video: its name, its frames, what is said of it, and the mean score of its frames.

    Parameters
    ----------
    path : str or Path
        Frames: a table, or a folder as it was fitted to.
    folder : str or Path
        A hyp_oc model that knows a threshold of videos.
    out : str or Path
        The file to write: ``video``, ``frames``, ``predicted``, ``score``.
    video : str
        The column that names the video; of a folder ``file``.

    Returns
    -------
    int
        Videos written.
    """
    import pyarrow as pa

    from trueneg.data.streams import Manner, open_sink
    from trueneg.data.writers import atomic

    path, out = Path(path), Path(out)
    shape, compression = format_of(out)
    model, source = Model.load(folder), open_source(path)
    kind = model.fitted
    if not isinstance(kind, HypOc) or kind.video_threshold is None:
        msg = f"{one_line(folder)}: the model knows no threshold of videos; fit hyp_oc to frames of videos (--video)"
        raise InputError(msg)
    where = one_line(path)
    model.features.check(source.names, where)
    known_column(video, source.names, where)
    scores, videos = [], []
    for table in source.batches(list(dict.fromkeys([*model.features.columns, video]))):
        scores.append(model.answer(table, source.home).score)
        own = table.column(video).to_pylist()
        videos.append(_videos(own, model.classes) if path.is_dir() and video == FILE else np.array(own, dtype=str))
    if not scores:
        msg = f"{where} holds no row"
        raise InputError(msg)
    names, mean, frames = kind.of_videos(np.concatenate(scores), np.concatenate(videos))
    said = kind.said(mean, model.classes, kind.video_threshold)[0]
    schema = pa.schema(
        [("video", pa.string()), ("frames", pa.int64()), ("predicted", pa.string()), ("score", pa.float64())]
    )
    columns = [pa.array(names.tolist(), pa.string()), pa.array(frames), pa.array(said.tolist(), pa.string())]
    with atomic(out) as file, open_sink(file, out, schema, Manner(shape, compression)) as sink:
        sink.write(pa.RecordBatch.from_arrays([*columns, pa.array(mean)], schema=schema))
    return len(names)


def _videos(names: Sequence[str], classes: Any) -> NDArray[Any]:
    """Return the video of each file of a folder; ``attack`` has a level of folders for kinds of attacks."""
    from trueneg.reject.hyp_oc import video_of

    tops = [name.partition("/")[0] if "/" in name else "" for name in names]
    real = [top if top in classes and top != "attack" else "real" for top in tops]
    return np.array([video_of(name, real=own) for name, own in zip(names, real, strict=True)])
