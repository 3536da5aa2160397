"""Label a file of posts batch by batch; memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import ClaimNotRun, InputError
from trueneg.data.readers import format_of, known_column, one_line
from trueneg.data.streams import Manner, open_sink, open_stream
from trueneg.data.writers import atomic
from trueneg.judge.sentiment import (
    PRESETS,
    DatasetCard,
    EmotionHead,
    EmotionModel,
    EmotionWriter,
    LabelPipeline,
    trained_head,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["label", "pipeline_of"]

Progress = Callable[[str, int, int], None]
_ROWS = 2_048  # labelled at once: the step of the progress


def pipeline_of(preset: str, emotion: str, *, answers: Path | None = None) -> LabelPipeline:
    """Return the pipeline of a preset.

    Parameters
    ----------
    preset : str
        As of :meth:`trueneg.judge.sentiment.LabelPipeline.preset`.
    emotion : str
        Who labels emotions: ``default`` (a head trained on GoEmotions), ``none``, the folder of a saved head, a
        language model as ``MODEL@URL`` of its server, a GGUF file, or ``local`` (the embedded one); else a model of the
        hub.
    answers : Path or None
        Where a language model's answers are kept, so that a run that was killed goes on.
    """
    if preset not in PRESETS:
        msg = f"--preset {one_line(preset)}: choose from {', '.join(PRESETS)}"
        raise InputError(msg)
    labeller: Any = None
    if emotion == "default":
        try:
            labeller = trained_head()
        except ClaimNotRun as error:
            msg = f"the default emotions are learned from GoEmotions: {error}; or name another --emotion, or none"
            raise InputError(msg) from error
    elif "@http" in emotion or emotion == "local" or emotion.endswith(".gguf"):
        labeller = _written(emotion, answers)
    elif emotion != "none":
        saved = Path(emotion) / "emotion.json"
        labeller = EmotionHead.load(emotion) if saved.is_file() else EmotionModel(emotion)
    return LabelPipeline.preset(preset, emotion=labeller)


def _written(emotion: str, answers: Path | None) -> EmotionWriter:
    """Return a labeller that asks a language model."""
    from trueneg.llm import LanguageModel, LocalModel, OpenAICompatible

    name, at, url = emotion.partition("@")
    backend: Any
    if at:
        backend = OpenAICompatible(name, base_url=url)
    else:
        backend = LocalModel(None if emotion == "local" else emotion)
    model = LanguageModel(backend, cache=answers, temperature=0.0, max_tokens=8, concurrency=4 if at else 1)
    return EmotionWriter(model, name=backend.identity)


def label(
    path: Path,
    *,
    to: Path,
    text: Sequence[str],
    url: str | None = None,
    date: str | None = None,
    card: Path | None = None,
    pipeline: LabelPipeline | None = None,
    progress: Progress | None = None,
) -> DatasetCard:
    """Label the text columns of a table.

    Parameters
    ----------
    path : Path
        CSV, TSV, JSONL, Parquet or Arrow.
    to : Path
        The table to write, of any of these kinds: all columns, and the labels behind them.
    text : sequence of str
        Columns to label, apart from each other.
    url, date : str or None
        Columns that say where and when a post appeared; without ``url`` a column of that name is taken.
    card : Path or None
        Where to write the data set's card (Markdown).
    pipeline : LabelPipeline or None
        By default raw texts, without emotions.
    progress : callable or None
        Called with a text, the rows done, and 0: the number of rows is not known beforehand.

    Returns
    -------
    DatasetCard

    Raises
    ------
    InputError
        For a column that is not there, holds no text, or would be written over.
    """
    if to.resolve() == path.resolve():
        msg = f"{one_line(to)}: this is the input, which is never written over; name another file"
        raise InputError(msg)
    kind, compression = format_of(to)
    pipeline = pipeline or LabelPipeline.preset()
    stream = open_stream(path)
    for name in [*text, *([] if url is None else [url]), *([] if date is None else [date])]:
        known_column(name, stream.names, one_line(path))
    if url is None:
        url = next((name for name in stream.names if name.lower() == "url"), None)
    pipeline.check(stream.names, list(text), url)
    counts = DatasetCard(text, [labeller.name for labeller in pipeline.labellers])
    with atomic(to) as temporary, ExitStack() as stack:
        sink: Any = None
        for batch in _batches(stream):
            labelled = _labelled(batch, pipeline, list(text), url, date, counts)
            if sink is None:
                sink = stack.enter_context(open_sink(temporary, to, labelled.schema, Manner(kind, compression)))
            sink.write(labelled)
            if progress is not None:
                progress("labelling", counts.rows, 0)
        if sink is None:
            msg = f"{one_line(path)} has no rows; there is nothing to label"
            raise InputError(msg)
    if card is not None:
        with atomic(card) as temporary:
            temporary.write_text(counts.markdown(path.name), encoding="utf-8")
    return counts


def _batches(stream: Any) -> Any:
    for batch in stream.batches():
        tidy = stream.tidy(batch)
        for start in range(0, tidy.num_rows, _ROWS):
            yield tidy.slice(start, _ROWS)


def _labelled(
    batch: pa.RecordBatch,
    pipeline: LabelPipeline,
    text: list[str],
    url: str | None,
    date: str | None,
    counts: DatasetCard,
) -> pa.RecordBatch:
    """Return a batch with the label columns behind its own, and count it."""
    import pyarrow as pa

    texts = {name: _values(batch, name) for name in text}
    new = pipeline.columns(texts, urls=None if url is None else _values(batch, url))
    counts.add(new, dates=None if date is None else batch.column(date).to_pylist(), texts=texts)
    fields, arrays = list(batch.schema), list(batch.columns)
    for name, values in new.items():
        kind = pa.float64() if name.endswith("_score") else pa.string()
        fields.append(pa.field(name, kind))
        arrays.append(pa.array(values, kind))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _values(batch: pa.RecordBatch, name: str) -> list[str | None]:
    import pyarrow as pa

    column = batch.column(name)
    kind = column.type
    if pa.types.is_null(kind):
        return [None] * len(column)
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        msg = f"column {one_line(name, 60)!r} holds {kind}, not text; name a text column"
        raise InputError(msg)
    return column.to_pylist()
