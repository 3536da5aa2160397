"""The data sets by name: there and as published, or a claim that was not run."""

from __future__ import annotations

import os

import pytest

from trueneg.core.errors import ClaimNotRun, InputError
from trueneg.data import registry


def test_not_there(monkeypatch, tmp_path):
    """Without the folder the message says what to set; a set with a file missing counts as not there."""
    monkeypatch.delenv("TRUENEG_DATA", raising=False)
    with pytest.raises(ClaimNotRun, match="set TRUENEG_DATA"):
        registry.folder("redocred")
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    (tmp_path / "redocred").mkdir()
    with pytest.raises(ClaimNotRun, match="is missing"):
        registry.folder("redocred")


def test_unknown():
    """A mistyped name is answered with the nearest."""
    with pytest.raises(InputError, match="did you mean 'redocred'"):
        registry.folder("redocerd")
    with pytest.raises(InputError, match="it has dna.scale"):
        registry.file("uci/none")


def test_changed_file(monkeypatch, tmp_path):
    """A file that is not the published one is refused."""
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    (tmp_path / "20newsgroups.parquet").write_bytes(b"x")
    with pytest.raises(InputError, match="not the file published"):
        registry.verify("20newsgroups.parquet")


@pytest.mark.skipif(not os.environ.get("TRUENEG_DATA"), reason="TRUENEG_DATA is not set")
@pytest.mark.parametrize("name", registry.names())
def test_as_published(name):
    """Sizes and checksums of the registry are those of the files."""
    registry.verify(name)
