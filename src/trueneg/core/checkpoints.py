"""Where training is, kept on disk so that a kill loses little: safetensors and JSON, no pickle.

A checkpoint is a folder ``step-NNN`` that takes its place in one move, so that there is a whole one or none; older ones
go once it stands.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from trueneg.core.errors import InputError, missing_extra

try:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file
except ModuleNotFoundError:
    missing_extra("torch with safetensors", "text")

__all__ = ["latest", "optimizer_tensors", "restore_optimizer", "save"]

_TENSORS, _ABOUT = "tensors.safetensors", "about.json"


def save(folder: str | Path, step: int, tensors: dict[str, Any], about: dict[str, Any]) -> Path:
    """Write a checkpoint and remove those before it.

    Parameters
    ----------
    folder : path
        Of the training; made where it is missing.
    step : int
        Steps done.
    tensors : dict of str to torch.Tensor
        Copied to the CPU; two that share memory are written twice.
    about : dict
        What JSON can hold.

    Returns
    -------
    Path
        The checkpoint.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    place, new = root / f"step-{step:09d}", root / f".step-{step:09d}"
    for stale in (new, place):
        shutil.rmtree(stale, ignore_errors=True)
    new.mkdir()
    save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, new / _TENSORS)
    (new / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
    os.replace(new, place)
    for old in _all(root):
        if old != place:
            shutil.rmtree(old, ignore_errors=True)
    return place


def latest(folder: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Read the last checkpoint of a folder; None where there is none.

    Raises
    ------
    InputError
        On a checkpoint that cannot be read.
    """
    found = _all(Path(folder))
    if not found:
        return None
    try:
        about = json.loads((found[-1] / _ABOUT).read_text(encoding="utf-8"))
        return load_file(found[-1] / _TENSORS), about
    except (OSError, ValueError, SafetensorError) as error:
        msg = f"{found[-1]} cannot be read ({type(error).__name__}): remove it, and training starts again."
        raise InputError(msg) from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return what an optimiser remembers of each parameter, by ``number.name``."""
    state = optimizer.state_dict()["state"]
    return {
        f"{i}.{name}": torch.as_tensor(value)
        for i, kept in state.items()
        for name, value in kept.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Give an optimiser back what :func:`optimizer_tensors` took."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        i, _, name = key.partition(".")
        state.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _all(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("step-*") if p.is_dir()) if root.is_dir() else []
