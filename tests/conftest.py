"""What all tests share: the command line without a new interpreter, and figures that are drawn once a form."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from trueneg.cli import main


def _form(value: Any, *, data: bool = False) -> Any:
    """Say all of a specification but how large the numbers of its data are, and how often a row of one kind comes."""
    if isinstance(value, Mapping):
        return {key: _form(item, data=data or key == "values") for key, item in value.items()}
    if isinstance(value, list | tuple):
        forms = [_form(item, data=data) for item in value]
        return sorted({json.dumps(form, sort_keys=True): form for form in forms}) if data else forms
    if data and isinstance(value, int | float) and not isinstance(value, bool):
        return (value > 0) - (value < 0)
    return value


@pytest.fixture(scope="session")
def _drawn() -> dict[str, str]:
    """Keep what was drawn, by its form."""
    return {}


@pytest.fixture(autouse=True)
def _one_drawing_of_a_form(request, monkeypatch, _drawn):
    """Draw each form of figure once: two thirds of what it takes to save an audit is the drawing of its figures.

    Tests of the report itself, and slow ones, draw every figure as it is.
    """
    if request.path.parent.name == "report" or request.node.get_closest_marker("slow"):
        return
    vl_convert = pytest.importorskip("vl_convert")
    draw = vl_convert.vegalite_to_svg

    def once(spec, **how):
        form = json.dumps([_form(spec), how], sort_keys=True)
        if form not in _drawn:
            _drawn[form] = draw(spec, **how)
        return _drawn[form]

    monkeypatch.setattr(vl_convert, "vegalite_to_svg", once)


def _warn_as_a_child_does():
    """Set the filters that Python starts with: what a user would see on standard error is seen here too."""
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)


@pytest.fixture(scope="session")
def run():
    """Return a function that runs one command in a folder; exit code, standard output and error as of a child.

    The start of the interpreter, signals and limits are left to the tests that do start a child.
    """

    def run(*arguments, cwd="."):
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(record=True) as told,
        ):
            _warn_as_a_child_does()
            with pytest.raises(SystemExit) as ended:
                main([str(a) for a in arguments])
        for one in told:
            err.write(warnings.formatwarning(one.message, one.category, one.filename, one.lineno, one.line))
        return subprocess.CompletedProcess(arguments, ended.value.code, out.getvalue(), err.getvalue())

    return run
