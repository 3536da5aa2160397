"""``trueneg data list | get``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_SAY = {"markup": False, "highlight": False, "soft_wrap": True}


def list_data() -> None:
    """List the data sets that the claims run on: whether each is at hand or can be fetched, its size and licence."""
    from rich.console import Console

    from trueneg.data import registry

    console = Console()
    names = registry.names()
    width = max(map(len, names))
    console.print(f"{'name':{width}}  {'state':16}  {'size':>8}  licence", **_SAY)  # type: ignore[arg-type]
    for name in names:
        item = registry.get(name)
        licence = item.notice.removeprefix("licence: ")
        line = f"{name:{width}}  {registry.state(name):16}  {_size(item.bytes):>8}  {licence}"
        console.print(line, **_SAY)  # type: ignore[arg-type]
    root = registry.root()
    place = f"{registry.VARIABLE} is {root}" if root else f"{registry.VARIABLE} is not set"
    console.print(f"\n{place}; get a set with: trueneg data get NAME", **_SAY)  # type: ignore[arg-type]


def get_data(name: str, /, *, to: Path | None = None) -> int:
    """Fetch a data set, verified by size and SHA-256, after telling its licence.

    Parameters
    ----------
    name
        As "trueneg data list" shows it.
    to
        A folder that gets NAME/ with the files; by default the one that TRUENEG_DATA names.
    """
    import shlex

    from rich.console import Console

    from trueneg.data import download, registry
    from trueneg.report.words import visible

    item = registry.get(name)
    console = Console()
    told = f"{name}: {item.content}\n{item.notice}\norigin: {item.origin}, {_size(item.bytes)}"
    console.print(told, **_SAY)  # type: ignore[arg-type]
    try:
        with _progress(console) as report:
            place = download.fetch(name, to=to, progress=report)
    except KeyboardInterrupt:
        line = "trueneg: interrupted; files fetched before are whole and stay, the same command gets the rest"
        Console(stderr=True).print(line, **_SAY)  # type: ignore[arg-type]
        return 130
    console.print(f"verified: {visible(place)}", **_SAY)  # type: ignore[arg-type]
    root = registry.root()
    if to is not None and (root is None or root.resolve() != to.expanduser().resolve()):
        path = shlex.quote(visible(to.expanduser().absolute()))
        line = f"for the claims to find it: export {registry.VARIABLE}={path}"
        console.print(line, **_SAY)  # type: ignore[arg-type]
    return 0


def _size(count: int) -> str:
    """Write a size in kB or MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Show one line that moves on a terminal, and a line a file elsewhere, where a moving one would fill the log."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    if not console.is_terminal:
        yield lambda name, done, total: _line(console, name, done, total)
        return
    # A name from the catalogue is no markup.
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def report(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total or None)

        yield report


def _line(console: Console, name: str, done: int, total: int) -> None:
    """Print a line when a file is complete, or when its size is not known."""
    if done >= total:
        console.print(f"  {name}" + (f"  {_size(total)}" if total else " ..."), **_SAY)  # type: ignore[arg-type]
