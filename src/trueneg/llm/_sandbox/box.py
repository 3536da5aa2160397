"""The box: one bubblewrap and one interpreter a program, watched by a clock."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trueneg.core.errors import InputError
from trueneg.llm._sandbox import worker

__all__ = ["Answer", "Sandbox"]

_NOBODY = 65_534
_LINE, _ALL = 64 << 20, 1 << 30  # bytes of one answer, and of all answers of a program
_CURE = "install bubblewrap (apt-get install bubblewrap), or take the risk yourself with allow_unsafe (--allow-unsafe)"


@dataclass(frozen=True)
class Answer:
    """What the program did with one input.

    ``kind`` is ``value`` (then ``value`` holds it), ``raised``, ``timeout``, ``error`` (it died, or answered what is no
    answer) or ``unparsed`` (it is no Python); ``detail`` says more in a line,
    ``seconds`` the processor time, as the program's process tells it.
    """

    kind: str
    value: Any = None
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Sandbox:
    """Runs programs that nobody has read.

    Each program gets a fresh bubblewrap: no network, no files but the interpreter's (read-only), no other process in
    sight, an empty environment, no user rights; and limits on memory, processor time, written bytes and processes. The
    program never sees an expected value: it is sent inputs, and its answers come back as JSON.

    Good against accidents and nuisance (endless loops, memory, deleted files, network calls, fork bombs, floods of
    output), and against programs that fake a pass. The kernel is shared: against a program written to break out of it,
    run the whole command in a virtual machine.

    Parameters
    ----------
    memory : int, default=1 GiB
        Bytes of address space.
    processes : int, default=0
        Processes and threads that a program may start besides its own.
    allow_unsafe : bool, default=False
        Run with the limits alone where bubblewrap is missing or cannot make its namespaces. Files and network are then
        within the program's reach.

    Raises
    ------
    InputError
        When bubblewrap cannot be used and ``allow_unsafe`` is false.
    """

    memory: int = 1 << 30
    processes: int = 0
    allow_unsafe: bool = False

    def __post_init__(self) -> None:
        if self.memory < 64 << 20:
            msg = f"memory={self.memory:,} bytes: the interpreter alone needs 64 MiB (67,108,864)."
            raise InputError(msg)
        if not self.allow_unsafe and (why := unusable()) is not None:
            msg = f"generated code is not run without its sandbox: {why}; {_CURE}"
            raise InputError(msg)

    @property
    def isolated(self) -> bool:
        """Whether bubblewrap stands around the programs."""
        return unusable() is None

    def run(
        self,
        program: str,
        entry_point: str,
        inputs: Sequence[Sequence[Any]],
        *,
        seconds: float = 4.0,
        each: Sequence[float] | None = None,
    ) -> Generator[Answer, None, None]:
        """Call a function of a program on inputs, one after the other.

        Parameters
        ----------
        program : str
            Python.
        entry_point : str
            The name of the function.
        inputs : sequence of sequences
            Positional arguments of each call.
        seconds : float, default=4.0
            Processor seconds for all calls together; twice that and 2 s on the clock.
        each : sequence of float or None
            Processor seconds of each call, besides.

        Yields
        ------
        Answer
            One an input, as they come; after the first that is neither ``value`` nor ``raised`` no other. Closing the
            iterator ends the program.
        """
        job = {
            "program": program,
            "entry_point": entry_point,
            "inputs": [worker.encode(list(given)) for given in inputs],
            "seconds": seconds,
            "each": None if each is None else list(each),
            "memory": self.memory,
            "processes": self.processes,
            "recursion": 10_000,
            "user": _NOBODY if self.isolated else None,
        }
        return _answers(self._start(), json.dumps(job).encode(), len(inputs), seconds)

    def _start(self) -> subprocess.Popen[bytes]:
        own = Path(worker.__file__)
        if self.isolated:
            command, env = [*_bwrap(own), "/box/worker.py"], {}
        else:
            command, env = [sys.executable, "-s", "-S", "-P", str(own)], _ENVIRONMENT
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=env, cwd="/", start_new_session=True
        )


_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}


def _bwrap(own: Path) -> list[str]:
    """Return the command up to the file that the interpreter runs."""
    python = Path(os.path.realpath(sys.executable))
    command = [str(shutil.which("bwrap")), "--die-with-parent", "--new-session", "--clearenv", "--chdir", "/"]
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.getuid() == 0:  # a real other user, which a namespace of one user does not have
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--uid", str(_NOBODY), "--gid", str(_NOBODY)]
    roots = [Path("/usr/lib"), Path("/usr/lib64"), Path("/lib"), Path("/lib64"), Path(sys.base_prefix, "lib"), python]
    roots += [Path("/etc/ld.so.cache"), *_shared_library(python)]
    made: set[Path] = set()
    for root in roots:
        if root.is_symlink() and root.parent == Path("/"):
            command += ["--symlink", os.readlink(root), str(root)]
        elif root.exists():
            for parent in [p for p in reversed(root.parents) if p not in made and p != Path("/")]:
                command += ["--perms", "0755", "--dir", str(parent)]  # else only root could look past it
                made.add(parent)
            command += ["--ro-bind", str(root), str(root)]
    command += [
        "--dev",
        "/dev",
        "--perms",
        "0755",
        "--dir",
        "/box",
        "--ro-bind",
        str(own),
        "/box/worker.py",
        "--remount-ro",
        "/",
    ]
    for name, value in _ENVIRONMENT.items():
        command += ["--setenv", name, value]
    return [*command, str(python), "-s", "-S", "-P"]


def _shared_library(python: Path) -> list[Path]:
    """Return the folder of interpreters that keep their library in /usr/local or beside them."""
    return [p for p in (Path("/usr/local/lib"), python.parent.parent / "lib") if p.is_dir()]


@lru_cache(maxsize=1)
def unusable() -> str | None:
    """Say why bubblewrap cannot be used on this machine, None where it can; tried once, by running it."""
    if shutil.which("bwrap") is None:
        return "bubblewrap (bwrap) is not installed"
    own = Path(worker.__file__)
    try:
        done = subprocess.run([*_bwrap(own), "-c", "pass"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not start ({str(error)[:100]})"
    if done.returncode:
        told = done.stderr.strip().splitlines()
        return f"bubblewrap cannot make its namespaces here ({told[-1][:150] if told else 'no reason given'})"
    return None


def _answers(process: subprocess.Popen[bytes], job: bytes, n: int, seconds: float) -> Generator[Answer, None, None]:
    """Feed the job, and yield an answer an input until one ends it; the process is dead afterwards, come what may."""
    try:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for the type checker
        with suppress(BrokenPipeError):
            process.stdin.write(job)
        with suppress(BrokenPipeError):
            process.stdin.close()
        lines = _lines(process.stdout.fileno(), 2 * seconds + 2, late := [False])
        first = _first(lines)
        if first.kind != "value":
            yield _timed(first, process, late[0])
            return
        for index in range(n):
            answer = _read(next(lines, None), index)
            yield _timed(answer, process, late[0])
            if answer.kind not in ("value", "raised"):
                return
    finally:
        _end(process)


def _first(lines: Iterator[bytes]) -> Answer:
    """Return a value where the program was loaded."""
    start = _parsed(next(lines, None))
    if start is None or start[:1] != ["ready"]:
        return Answer("error", detail="the sandbox did not start the program")
    then = _parsed(next(lines, None))
    if then is not None and then[:1] == ["loaded"]:
        return Answer("value")
    if then is not None and len(then) == 2 and then[0] in ("unparsed", "raised"):
        return Answer("unparsed" if then[0] == "unparsed" else "error", detail=str(then[1])[:200])
    return Answer("error", detail="it ended before its function was there")


def _read(line: bytes | None, index: int) -> Answer:
    parts = _parsed(line)
    if line is None:
        return Answer("error", detail="it ended before it answered")
    if parts is None or len(parts) != 4 or type(parts[0]) is not int or parts[0] != index:
        return Answer("error", detail="it wrote something else to the pipe of its answers")
    try:
        if parts[1] == "raised":
            return Answer("raised", None, str(parts[2])[:200], float(parts[3]))
        if parts[1] == "value":
            return Answer("value", worker.decode(parts[2]), "", float(parts[3]))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        pass
    return Answer("error", detail="it wrote something else to the pipe of its answers")


def _parsed(line: bytes | None) -> list[Any] | None:
    if line is None:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _timed(answer: Answer, process: subprocess.Popen[bytes], late: bool) -> Answer:
    """Turn an end without an answer into a time-out where the clock or a signal of time was behind it."""
    if answer.kind != "error" or "ended before" not in answer.detail:
        return answer
    if late:
        return Answer("timeout", detail="out of time on the clock")
    with suppress(subprocess.TimeoutExpired):
        code = process.wait(2)
        number = -code if code < 0 else code - 128  # bubblewrap tells the signal of its child as the shell does
        if number in (signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL):
            return Answer("timeout", detail="out of processor time")
    return answer


def _lines(source: int, seconds: float, late: list[bool]) -> Iterator[bytes]:
    """Yield lines until the end, too many bytes, or the deadline (then ``late[0]`` is set)."""
    parts: list[bytes] = []
    deadline, size, total = time.monotonic() + seconds, 0, 0
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                late[0] = True
                return
            block = os.read(source, 1 << 20)
            total += len(block)
            *whole, rest = block.split(b"\n")
            for line in whole:
                yield b"".join([*parts, line])
                parts, size = [], 0
            parts.append(rest)
            size += len(rest)
            if not block or size > _LINE or total > _ALL:
                return


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all that it started, and take its pipes down."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
