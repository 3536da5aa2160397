"""Read a table from a file or a frame into Arrow, and say in one line why a file cannot be read.

Arrow's own parsers do the work. What is added here is what they lack: a look at the head of the file before
anything large is read, encodings, and errors that name the file, the line and the remedy.
"""

from __future__ import annotations

from trueneg.data._readers.encoding import HEAD_BYTES
from trueneg.data._readers.read import format_of, read_frame, read_table
from trueneg.data._readers.table import Table, known_column, one_line, quoted

__all__ = ["HEAD_BYTES", "Table", "format_of", "known_column", "one_line", "quoted", "read_frame", "read_table"]
