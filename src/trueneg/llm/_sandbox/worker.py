"""What runs inside the box: it calls the program on inputs and sends back values, and knows no expected one.

This file is run alone, without trueneg, by the bare interpreter; the parent imports only :func:`encode` and
:func:`decode` from it. The program shares this process and can read or forge anything here. All that this gives it is
the choice of its own answers, which it has anyway.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

_SAFE = 1 << 53  # larger whole numbers travel as hexadecimal text: no limit on digits, no loss


def encode(value: Any) -> Any:
    """Return a value as JSON can hold it, types told apart by one-letter tags.

    Parameters
    ----------
    value : object
        None, booleans, numbers, texts, bytes, lists, tuples, sets, dicts, and what derives from them (a ``Counter`` is
        a dict). Of anything else only the name of its type is sent, which equals nothing.

    Returns
    -------
    object
        ``[tag, content]``, or the value itself where JSON has it.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        whole = int.__index__(value)
        return whole if -_SAFE < whole < _SAFE else ["i", hex(whole)]
    if isinstance(value, float):
        return ["f", float.__repr__(value)]
    if isinstance(value, complex):
        return ["c", [float.__repr__(value.real), float.__repr__(value.imag)]]
    if isinstance(value, bytes | bytearray):
        return ["b", bytes(value).hex()]
    if isinstance(value, list):
        return ["l", [encode(item) for item in list.__iter__(value)]]
    if isinstance(value, tuple):
        return ["t", [encode(item) for item in tuple.__iter__(value)]]
    if isinstance(value, set | frozenset):
        return ["s", [encode(item) for item in value]]
    if isinstance(value, dict):
        return ["d", [[encode(key), encode(item)] for key, item in dict.items(value)]]
    return ["?", type(value).__name__[:80]]


class Unknown:
    """Stands for a value that did not travel; equal to nothing, itself included."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return False


def decode(value: Any) -> Any:
    """Return what :func:`encode` was given, of plain types only.

    Raises
    ------
    ValueError, TypeError, KeyError
        For what ``encode`` never writes.
    """
    if not isinstance(value, list):
        return float(value) if isinstance(value, float) else value
    tag, content = value
    return _DECODERS[tag](content)


_DECODERS: dict[str, Any] = {
    "i": lambda text: int(text, 16),
    "f": float,
    "c": lambda parts: complex(float(parts[0]), float(parts[1])),
    "b": bytes.fromhex,
    "l": lambda items: [decode(item) for item in items],
    "t": lambda items: tuple(decode(item) for item in items),
    "s": lambda items: {decode(item) for item in items},
    "d": lambda pairs: {decode(key): decode(item) for key, item in pairs},
    "?": Unknown,
}


def _limit(job: dict[str, Any]) -> None:
    """Give up root where there is one, then memory, time, files and further processes."""
    import resource

    if os.getuid() == 0 and job["user"] is not None:
        os.setgroups([])
        os.setresgid(job["user"], job["user"], job["user"])
        os.setresuid(job["user"], job["user"], job["user"])
    seconds = int(job["seconds"]) + 1
    signal.setitimer(signal.ITIMER_PROF, max(job["each"] or [job["seconds"]]))
    for name, most in (
        ("RLIMIT_AS", job["memory"]),
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NPROC", job["processes"]),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 64),
    ):
        resource.setrlimit(getattr(resource, name), (most, most))


def _told(error: BaseException) -> str:
    """Return an exception in a line; asking a hostile one may raise again."""
    try:
        return f"{type(error).__name__}: {error}"[:200]
    except BaseException:  # noqa: BLE001 - whatever the program's own exception does
        return "an exception that cannot be told"


def main() -> None:
    """Read one job from standard input, answer line by line on what was standard output."""
    job = json.loads(sys.stdin.buffer.read())
    out = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.setrecursionlimit(job["recursion"])
    _limit(job)

    def say(*line: Any) -> None:
        data = memoryview(json.dumps(line).encode() + b"\n")
        while data:
            data = data[os.write(out, data) :]

    say("ready")
    try:
        code = compile(job["program"], "program.py", "exec", dont_inherit=True)
    except BaseException as error:  # noqa: BLE001 - also MemoryError and RecursionError of a strange text
        return say("unparsed", _told(error))
    names: dict[str, Any] = {"__name__": "program"}
    try:
        exec(code, names)  # noqa: S102 - this is what the box is for
    except BaseException as error:  # noqa: BLE001 - SystemExit too is no pass
        return say("raised", _told(error))
    function = names.get(job["entry_point"])
    if function is None:
        return say("raised", f"it defines no {job['entry_point']}")
    say("loaded")
    clock = time.process_time
    for index, given in enumerate(job["inputs"]):
        started = clock()
        if job["each"]:
            signal.setitimer(signal.ITIMER_PROF, job["each"][index])
        try:
            answer = encode(function(*decode(given)))
        except BaseException as error:  # noqa: BLE001 - SystemExit too is no pass
            say(index, "raised", _told(error), clock() - started)
        else:
            say(index, "value", answer, clock() - started)
    return None


if __name__ == "__main__":
    main()
    os._exit(0)  # nothing that the program has registered runs
