"""The data sets by name: there and as published, or told with the command that gets them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import PurePosixPath

import pytest

from trueneg.core.errors import ClaimNotRun, InputError
from trueneg.data import registry

HERE = os.environ.get("TRUENEG_DATA")


def test_the_catalogue_is_whole():
    """Every set has a licence, and every file a size, a full SHA-256 and a way that can be gone."""
    found = set()
    for name in registry.names():
        item = registry.get(name)
        assert item.licence
        assert item.content
        assert item.files
        for file in item.files.values():
            found.add(file.way)
            assert re.fullmatch("[0-9a-f]{64}", file.sha256), file
            assert file.bytes > 0
            for path in (file.name, file.path):
                assert not PurePosixPath(path).is_absolute()
                assert ".." not in PurePosixPath(path).parts
            if file.way == "repository":
                assert re.fullmatch(r"[\w.-]+/[\w.-]+", file.where)
                assert re.fullmatch("[0-9a-f]{12}|[0-9a-f]{40}", file.commit)
            if file.way == "wheel":
                assert re.fullmatch(r"[\w.-]+==[\w.]+", file.where), "an unpinned wheel changes under its checksum"
    assert found == {"package", "wheel", "repository", "local"}


def test_two_files_of_one_set_may_come_from_two_places():
    """A file's own origin goes before that of its set, and a file nobody publishes is not needed for the set."""
    files = registry.get("humaneval_plus").files
    assert files["codegen16B_100_samples.jsonl"].where == "microsoft/CodeT"
    assert files["HumanEvalPlus.jsonl.gz"].where == "evalplus/humanevalplus_release"
    needed = {file.name for file in registry.get("humaneval_plus").needed}
    assert needed == {"codegen16B_100_samples.jsonl", "HumanEvalPlus.jsonl.gz"}


def test_what_may_not_be_done_is_told():
    """Sets that may not be passed on, or not be used for gain, say so wherever their licence is shown."""
    for name, term in [
        ("tiny_imagenet32_jpeg.parquet", "never redistribute"),
        ("nsl_kdd", "research only"),
        ("cifar_n", "non-commercial"),
        ("mrpc", "do not redistribute"),
        ("uci", "do not redistribute"),
    ]:
        assert term in registry.get(name).notice
        if name not in ("tiny_imagenet32_jpeg.parquet",):
            assert term in registry.how_to_get(name)
    assert registry.get("redocred").notice == "licence: MIT"


def test_not_there(monkeypatch, tmp_path):
    """The message holds the very command, with the folder where none is set; a file missing is a set missing."""
    monkeypatch.delenv("TRUENEG_DATA", raising=False)
    command = "get it with: export TRUENEG_DATA=~/trueneg-data && trueneg data get redocred"
    with pytest.raises(ClaimNotRun, match=f"{re.escape(command)}$"):
        registry.folder("redocred")
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    (tmp_path / "redocred").mkdir()
    (tmp_path / "redocred" / "dev_revised.json").write_text("{}")
    with pytest.raises(ClaimNotRun, match="get it with: trueneg data get redocred$"):
        registry.folder("redocred")
    for name in registry.names():
        assert "\n" not in registry.how_to_get(name)


def test_what_no_command_gets_says_so(monkeypatch, tmp_path):
    """A table made from an origin names that origin and its place, and no command that would fail."""
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    with pytest.raises(ClaimNotRun) as told:
        registry.folder("20newsgroups.parquet")
    assert "yao8839836/text_gcn @ 9622" in str(told.value)
    assert str(told.value).endswith(f"as {tmp_path / '20newsgroups.parquet'}")
    assert "trueneg data get" not in str(told.value)


def test_states(monkeypatch, tmp_path):
    """The list tells a set at hand from one that can be fetched, one that cannot, and one of another size."""
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    assert registry.state("digits") == "inside a package"
    assert registry.state("unime_v2") == "can be fetched"
    assert registry.state("keel_imbalanced") == "can be fetched"
    assert registry.state("bccd") == "local only"
    (tmp_path / "unime_v2").mkdir()
    path = tmp_path / "unime_v2" / "example_data.json"
    path.write_bytes(b"x")
    assert registry.state("unime_v2") == "changed"
    path.write_bytes(b"x" * registry.get("unime_v2").bytes)
    assert registry.state("unime_v2") == "here"


def test_unknown():
    """A mistyped name is answered with the nearest."""
    with pytest.raises(InputError, match="did you mean 'redocred'"):
        registry.folder("redocerd")
    with pytest.raises(InputError, match=r"it has dna\.scale"):
        registry.file("uci/none")


def test_changed_file(monkeypatch, tmp_path):
    """A file that is not the published one is refused, also when its size is right."""
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    item = registry.get("20newsgroups.parquet")
    for size in (1, item.bytes):
        (tmp_path / "20newsgroups.parquet").write_bytes(bytes(size))
        with pytest.raises(InputError, match="not the file published"):
            registry.verify("20newsgroups.parquet")


def test_inside_a_package():
    """What scikit-learn carries is what it was when the checksum was taken, and is found without importing it."""
    for name in ("digits", "breast_cancer", "wine"):
        registry.verify(name)
        assert registry.file(name).is_file()
    code = (
        "import sys; from trueneg.data import registry\n"
        "registry.verify('digits'); assert registry.state('wine') == 'inside a package'\n"
        "sys.exit('sklearn' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


WATCHED = """
import os, sys
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request", "subprocess.Popen"):
        sys.stderr.write(event)
        os._exit(7)
sys.addaudithook(hook)
import trueneg, trueneg.claims, trueneg.cli, trueneg.cli.data
from trueneg.data import download, registry
for name in registry.names():
    registry.state(name), registry.how_to_get(name)
if len(sys.argv) > 1:
    download.fetch(sys.argv[1], to=sys.argv[2])
"""


def watched(*arguments):
    """Run the program above, without TRUENEG_DATA, and return its exit code and what it said."""
    env = {k: v for k, v in os.environ.items() if k != "TRUENEG_DATA"} | {"TRUENEG_RAW_BASE": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, arguments)], check=False, capture_output=True, text=True, env=env
    )
    return done.returncode, done.stderr


def test_nothing_goes_out_before_it_is_asked_for(tmp_path):
    """Importing everything and asking after every set opens no connection and starts no process; fetching does."""
    assert watched() == (0, "")
    assert watched("uci", tmp_path) == (7, "urllib.Request")
    assert watched("keel_balanced", tmp_path) == (7, "subprocess.Popen")


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="TRUENEG_DATA is not set")
@pytest.mark.parametrize("name", registry.names())
def test_as_published(name):
    """Sizes and checksums of the registry are those of the files."""
    registry.verify(name)
