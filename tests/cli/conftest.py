"""The command line without a new interpreter: what a child would say, minus the seconds that its libraries load."""

from __future__ import annotations

import contextlib
import io
import subprocess
import warnings

import pytest

from trueneg.cli import main


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
