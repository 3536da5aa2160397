"""Answers that were paid for, in one SQLite file that processes share."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trueneg.core.errors import InputError
from trueneg.llm._client.reply import Reply, Request

__all__ = ["Cache", "key_of"]

_VERSION = 1
_KEPT = ("text", "finish", "refusal", "prompt_tokens", "completion_tokens")


def key_of(identity: str, request: Request) -> str:
    """Return the key of a request: SHA-256 of model, parameters, messages and sample index, as canonical JSON."""
    asked: dict[str, Any] = asdict(request)
    asked["messages"] = [dict(message) for message in request.messages]
    text = json.dumps([identity, asked], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """Replies by key; an answer is on the disk when :meth:`put` returns.

    Parameters
    ----------
    path : path
        The file; made where it is missing. It holds questions' keys and answers as JSON, nothing that runs.

    Notes
    -----
    Several processes may read and write it at once (write-ahead log). Two that ask the same question at the same moment
    both pay; the first answer stays, and both get it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.parent.is_dir():
            msg = f"{self.path}: its folder does not exist; make it first"
            raise InputError(msg)
        self._local = threading.local()
        self._connection()

    def get(self, key: str) -> Reply | None:
        """Return the reply of a key, None where there is none."""
        row = self._connection().execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        try:
            found = json.loads(row[0])
            return Reply(**{name: found[name] for name in _KEPT}, cached=True)
        except (ValueError, KeyError, TypeError):
            return None  # a row that was written by something else is asked again

    def put(self, key: str, reply: Reply) -> Reply:
        """Keep a reply, and return the one that is kept: an earlier one where another process was first."""
        row = json.dumps({name: getattr(reply, name) for name in _KEPT})
        connection = self._connection()
        with connection:
            connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, row))
        return self.get(key) or reply

    def __len__(self) -> int:
        """Return the number of replies."""
        return int(self._connection().execute("SELECT count(*) FROM replies").fetchone()[0])

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is not None:
            return found
        try:
            found = sqlite3.connect(self.path, timeout=60)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = NORMAL")
            version = found.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                msg = f"{self.path}: a cache of version {version}, which this trueneg does not read; name another file"
                raise InputError(msg)
            with found:
                found.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID")
                found.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.Error as error:
            msg = f"{self.path}: this is no cache of answers ({error}); name another file, or remove it"
            raise InputError(msg) from error
        self._local.connection = found
        return found
