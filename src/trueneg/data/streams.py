"""Read and write tables in record batches, so that memory does not grow with the file.

A whole read (:mod:`trueneg.data.readers`) and a stream give the same values and types. For a text file that needs the
schema of the whole, since a type is decided by all values; Parquet and Arrow carry theirs.
"""

from __future__ import annotations

from trueneg.data._streams.read import TEXT, SpeltStream, Stream, line_blocks, open_stream, spelt_stream
from trueneg.data._streams.write import Manner, Sink, manner_of, open_sink

__all__ = [
    "TEXT",
    "Manner",
    "Sink",
    "SpeltStream",
    "Stream",
    "line_blocks",
    "manner_of",
    "open_sink",
    "open_stream",
    "spelt_stream",
]
