"""``trueneg data list``."""

from __future__ import annotations


def list_data() -> None:
    """List the data sets that the claims run on, and whether TRUENEG_DATA holds them."""
    from rich.console import Console

    from trueneg.core.errors import ClaimNotRun
    from trueneg.data import registry

    console = Console()
    for name in registry.names():
        try:
            registry.folder(name)
            here = "here"
        except ClaimNotRun:
            here = "not here"
        console.print(f"{name:24} {here}", markup=False, highlight=False)
