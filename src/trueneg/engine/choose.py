"""An engine by its name, as the command line takes it."""

from __future__ import annotations

from trueneg.core.errors import InputError
from trueneg.engine.cluster import RayEngine
from trueneg.engine.local import InProcess

__all__ = ["engine_of"]

ENGINES = ("in-process", "ray")


def engine_of(
    name: str = "in-process",
    *,
    address: str | None = None,
    workers: int | None = None,
    shared_files: bool = False,
) -> InProcess | RayEngine:
    """Return the engine of a name; Ray is started or connected to when it is first needed.

    Parameters
    ----------
    name : {"in-process", "ray"}, default="in-process"
    address : str, optional
        Of a Ray cluster.
    workers : int, optional
    shared_files : bool, default=False
        Whether the cluster's workers see this machine's files under the same paths.

    Raises
    ------
    InputError
        For an unknown name, or an address that nothing would contact.
    """
    if name not in ENGINES:
        msg = f"--engine {name}: choose {' or '.join(ENGINES)}"
        raise InputError(msg)
    if name == "ray":
        return RayEngine(address, workers=workers, shared_files=True if shared_files else None)
    if address is not None or shared_files:
        msg = "--engine-address and --shared-files belong to --engine ray"
        raise InputError(msg)
    return InProcess(workers=workers or 1)
