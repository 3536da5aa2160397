"""Fetching, against loopback servers laid out like the real ones: the published file whole, or nothing and one line."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from trueneg.cli import main
from trueneg.core.errors import InputError
from trueneg.data import download, registry
from trueneg.data.registry import Dataset, File

COMMIT = "0123456789abcdef0123456789abcdef01234567"
A, B = b"first file\n" * 9000, b"second file\n" * 50


def file(name, content, *, way="repository", where="owner/name", path=None, packed=False):
    """Return what the catalogue would know of a file with this content."""
    total = hashlib.sha256(content).hexdigest()
    commit = COMMIT if way == "repository" else ""
    return File(name, len(content), total, way, where, commit=commit, path=path or name, packed=packed)


class Server:
    """A loopback server: answers by path, each a list of (status, body, declared length), and what was asked."""

    def __init__(self):
        self.answers, self.asked, self.hold = {}, [], threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                left = outer.answers.get(self.path, [(404, b"", None)])
                status, body, declared = left.pop(0) if len(left) > 1 else left[0]
                if status == "stall":
                    outer.hold.wait(5)
                    return
                self.send_response(status)
                if declared != "none":
                    self.send_header("Content-Length", str(declared or len(body)))
                if self.path.endswith("/"):
                    self.send_header("Content-Type", "text/html")
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *args):
                """Be quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def put(self, path, *answers):
        """Answer a path."""
        self.answers[path] = [a if isinstance(a, tuple) else (200, a, None) for a in answers]


@pytest.fixture
def server(monkeypatch):
    """Serve on the loopback, as the host of repositories."""
    running = Server()
    monkeypatch.setenv("TRUENEG_RAW_BASE", running.base)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield running
    running.hold.set()
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Replace the catalogue by one made-up set "toy" with two files, and TRUENEG_DATA by an empty folder."""
    sets = {}

    def add(name, *files, **more):
        told = {"licence": "research", "terms": "never redistribute", "content": "A toy.", "origin": "owner/name @ c"}
        sets[name] = Dataset(name, files={f.name: f for f in files}, **{**told, **more})

    monkeypatch.setattr(registry, "_catalogue", lambda: sets)
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path / "data"))
    add("toy", file("a.txt", A, path="deep/a +1.txt"), file("sub/b.txt", B))
    return add


URL_A, URL_B = f"/owner/name/{COMMIT}/{quote('deep/a +1.txt')}", f"/owner/name/{COMMIT}/sub/b.txt"


def there(folder):
    """Return every file below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def fetch(name, **more):
    """Fetch without waiting between tries."""
    return download.fetch(name, **{"pause": 0.01, "timeout": 5, **more})


def refused(name, says, **more):
    """Fetch, expect one line that says so, and return it."""
    with pytest.raises(InputError, match=says) as told:
        fetch(name, **more)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_repository(server, known, tmp_path):
    """Files come from /owner/name/commit/path, land under their names, and are not asked for twice."""
    server.put(URL_A, A)
    server.put(URL_B, B)
    steps = []
    place = fetch("toy", progress=lambda *step: steps.append(step))
    assert place == tmp_path / "data" / "toy" == registry.folder("toy")
    assert there(tmp_path) == ["data/toy/a.txt", "data/toy/sub/b.txt"]
    assert (place / "a.txt").read_bytes() == A
    assert server.asked == [URL_A, URL_B]
    assert steps[0] == ("a.txt", 0, len(A))
    assert ("a.txt", len(A), len(A)) in steps
    assert steps[-1] == ("sub/b.txt", len(B), len(B))
    mask = os.umask(0)
    os.umask(mask)
    assert (place / "a.txt").stat().st_mode & 0o777 == 0o666 & ~mask
    fetch("toy")
    assert len(server.asked) == 2


def test_elsewhere_and_from_a_folder(server, known, tmp_path):
    """--to is laid out like TRUENEG_DATA, and what that folder holds already is copied, not fetched again."""
    server.put(URL_A, A)
    server.put(URL_B, B)
    fetch("toy", to=tmp_path / "one")
    assert there(tmp_path) == ["one/toy/a.txt", "one/toy/sub/b.txt"]
    os.rename(tmp_path / "one", tmp_path / "data")
    fetch("toy", to=tmp_path / "two")
    assert there(tmp_path / "two") == ["toy/a.txt", "toy/sub/b.txt"]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (A[:-1] + b"x", r"its SHA-256 is \w{16}\.\.\., not"),
        (A + b"x", "more than 99,000 bytes came"),
        (A[:-1], "98,999 of 99,000 bytes came"),
        (b"", "0 of 99,000 bytes came"),
        (b"version https://git-lfs.github.com/spec/v1\n", "43 of 99,000"),
    ],
)
def test_another_file_is_refused(server, known, tmp_path, body, says):
    """A file with another sum or size is refused at the first try, and nothing of it is left."""
    server.put(URL_A, body)
    message = refused("toy", says)
    assert "a.txt from owner/name is not the published file and was refused" in message
    assert there(tmp_path) == []
    assert server.asked == [URL_A]


def test_an_endless_answer_is_not_heard_out(server, known, tmp_path):
    """A host that sends far more than was published must not fill the disk."""
    server.put(URL_A, (200, bytes(50_000_000), "none"))
    seen = []
    refused("toy", "more than 99,000 bytes", progress=lambda name, done, total: seen.append(done))
    assert max(seen) <= len(A)
    assert len(seen) < 10
    assert there(tmp_path) == []


def test_what_may_pass_is_tried_again(server, known):
    """A busy host and a connection that breaks off are tried again, at most as often as told."""
    server.put(URL_A, (503, b"", None), (200, A[:500], len(A)), A)
    server.put(URL_B, B)
    assert (fetch("toy") / "a.txt").read_bytes() == A
    assert server.asked == [URL_A] * 3 + [URL_B]


def test_what_does_not_pass_ends(server, known, tmp_path):
    """A host that stays busy ends after the tries with the last reason; a file that is gone is not asked for twice."""
    server.put(URL_A, (503, b"", None))
    message = refused("toy", "in 3 tries: the host answered 503")
    assert "TRUENEG_RAW_BASE" in message
    assert server.asked == [URL_A] * 3
    server.put(URL_A, (404, b"", None))
    refused("toy", "the host answered 404 Not Found")
    assert server.asked == [URL_A] * 4
    assert there(tmp_path) == []


def test_a_silent_host_times_out(server, known):
    """A host that takes the connection and says nothing is given up after the timeout."""
    server.put(URL_A, ("stall", b"", None))
    started = time.monotonic()
    refused("toy", "in 2 tries: .*timed out", timeout=0.2, tries=2)
    assert time.monotonic() - started < 4


def test_no_host(monkeypatch, known, tmp_path):
    """A host that is not there is one line that names the address and the remedy."""
    monkeypatch.setenv("TRUENEG_RAW_BASE", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9/owner/name/" in refused("toy", "refused")
    assert there(tmp_path) == []


def test_the_rest_is_fetched_later(server, known, tmp_path):
    """A set cut off in the middle keeps its whole files, is not there yet, and the next fetch gets the rest only."""
    server.put(URL_A, A)
    refused("toy", "404")
    assert there(tmp_path) == ["data/toy/a.txt"]
    assert registry.state("toy") == "can be fetched"
    server.put(URL_B, B)
    fetch("toy")
    assert server.asked == [URL_A, URL_B, URL_B]
    assert registry.state("toy") == "here"


def test_what_is_there_is_not_overwritten(server, known, tmp_path):
    """A file of the user's own under that name stays as it is."""
    server.put(URL_A, A)
    path = tmp_path / "data" / "toy" / "a.txt"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    refused("toy", "something else than the file published")
    assert path.read_text() == "mine"
    assert server.asked == []


def test_full_disk_and_no_folder(server, known, tmp_path, monkeypatch):
    """A disk that fills, a file where the folder should be, and no folder named: a line each, nothing half."""
    server.put(URL_A, A)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        refused("toy", "No space left on device; name another folder")
    assert there(tmp_path) == []
    assert len(server.asked) == 1, "a full disk is no reason to download again"
    (tmp_path / "taken").write_text("")
    refused("toy", "toy cannot be written to .*taken", to=tmp_path / "taken")
    monkeypatch.delenv("TRUENEG_DATA")
    refused("toy", r"name one with --to DIR, or run: export TRUENEG_DATA=\S+ && trueneg data get toy$")


def test_mirrors_laid_out_otherwise(monkeypatch):
    """A template is filled in; what gives no http address is refused, so that no file: address is ever opened."""
    item = file("x", A, path="deep/a +1.txt")
    monkeypatch.setenv("TRUENEG_RAW_BASE", "https://mirror.example/git/{repository}/raw/{path}?at={commit}")
    assert download.url_of(item) == f"https://mirror.example/git/owner/name/raw/deep/a%20%2B1.txt?at={COMMIT}"
    monkeypatch.setenv("TRUENEG_RAW_BASE", "https://mirror.example/raw/")
    assert download.url_of(item) == f"https://mirror.example/raw/owner/name/{COMMIT}/deep/a%20%2B1.txt"
    monkeypatch.delenv("TRUENEG_RAW_BASE")
    assert download.url_of(item).startswith("https://raw.githubusercontent.com/owner/name/")
    for bad in ("file:///etc", "ftp://x", "mirror.example", "https://", "https://x/{repo}", "http://[x"):
        monkeypatch.setenv("TRUENEG_RAW_BASE", bad)
        with pytest.raises(InputError, match="gives no http"):
            download.url_of(item)


# ------------------------------------------------------------------------------------------------ wheels


def wheel(members, requires=">=99"):
    """Return the bytes of a wheel that no Python could install."""
    about = (
        f"Metadata-Version: 2.1\nName: madeup-ds\nVersion: 1.2\nRequires-Python: {requires}\nRequires-Dist: nothere\n"
    )
    inner = {
        "madeup_ds-1.2.dist-info/METADATA": about.encode(),
        "madeup_ds-1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "madeup_ds-1.2.dist-info/RECORD": b"",
        **members,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in inner.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def index(server, monkeypatch):
    """Serve a package index on the loopback, configured as a user configures a mirror; return how to put a wheel in."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in [n for n in os.environ if n.startswith("PIP_") and n != "PIP_CONFIG_FILE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.base}/mirror/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    def put(content):
        name = "madeup_ds-1.2-py3-none-any.whl"
        server.put("/mirror/simple/madeup-ds/", f'<a href="../../{name}">{name}</a>'.encode())
        server.put(f"/mirror/{name}", content)

    return put


MEMBERS = {"madeup_ds/data/a.dat": A, "madeup_ds/data/raw/x.dat": B, "madeup_ds/data/raw/y.dat": A}


def wheel_files():
    """Return a single member and a zip of two, as the catalogue would know them."""
    lines = "".join(f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in (("x.dat", B), ("y.dat", A)))
    packed = file("raw.zip", b"", way="wheel", where="madeup-ds==1.2", path="madeup_ds/data/raw/*.dat", packed=True)
    packed = File(**{**vars(packed), "sha256": hashlib.sha256(lines.encode()).hexdigest(), "bytes": 1})
    return file("a.dat", A, way="wheel", where="madeup-ds==1.2", path="madeup_ds/data/a.dat"), packed


def test_wheel(index, server, known, tmp_path):
    """Pip's own configuration finds the wheel behind a mirror; its members are taken, no dependency is asked for."""
    index(wheel({**MEMBERS, "madeup_ds/__init__.py": b"raise SystemExit('was run')"}))
    known("tables", *wheel_files())
    place = fetch("tables")
    assert there(tmp_path) == ["data/tables/a.dat", "data/tables/raw.zip"]
    assert (place / "a.dat").read_bytes() == A
    with zipfile.ZipFile(place / "raw.zip") as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {"x.dat": B, "y.dat": A}
    registry.verify("tables")
    assert sum(path.endswith(".whl") for path in server.asked) == 1
    assert not any("nothere" in path for path in server.asked)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (wheel({**MEMBERS, "madeup_ds/data/a.dat": A[:-1] + b"x"}), "a.dat .*is not the published file"),
        (wheel({**MEMBERS, "madeup_ds/data/a.dat": A + A}), "198,000 bytes instead of the published 99,000"),
        (wheel({}), "has no madeup_ds/data/a.dat"),
        (wheel(MEMBERS)[:-40], "madeup-ds==1.2"),
        (b"<html>sign in</html>", "madeup-ds==1.2"),
    ],
)
def test_another_wheel_is_refused(index, known, tmp_path, content, says):
    """A wheel with another member, without it, cut off or no wheel at all gives one line and leaves nothing."""
    index(content)
    known("tables", *wheel_files())
    refused("tables", says)
    assert there(tmp_path) == []


def test_packed_members_are_compared_one_by_one(index, known, tmp_path):
    """A zip made of members is refused when one of them differs or is missing, though zips differ in their bytes."""
    known("tables", wheel_files()[1])
    for members in ({**MEMBERS, "madeup_ds/data/raw/y.dat": B}, {"madeup_ds/data/raw/x.dat": B}):
        index(wheel(members))
        refused("tables", "raw.zip from madeup-ds==1.2 is not the published file")
    assert there(tmp_path) == []


def test_no_wheel(index, known, tmp_path):
    """An index without the wheel is told in pip's own last word."""
    known("tables", *wheel_files())
    refused("tables", "pip could not fetch madeup-ds==1.2: ERROR: No matching distribution")
    assert there(tmp_path) == []


# ------------------------------------------------------------------------------------- packages and folders


def test_inside_a_package(known, tmp_path, monkeypatch):
    """A file inside a package is where the package is, is copied on demand, and the package is never run."""
    (tmp_path / "site" / "carrier" / "data").mkdir(parents=True)
    (tmp_path / "site" / "carrier" / "__init__.py").write_text("raise SystemExit('was run')")
    (tmp_path / "site" / "carrier" / "data" / "a.txt").write_bytes(A)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    known("carried", file("a.txt", A, way="package", where="carrier", path="carrier/data/a.txt"))
    assert fetch("carried") == tmp_path / "site" / "carrier" / "data" == registry.folder("carried")
    fetch("carried", to=tmp_path / "out")
    assert there(tmp_path / "out") == ["carried/a.txt"]
    (tmp_path / "site" / "carrier" / "data" / "a.txt").write_bytes(B)
    refused("carried", "install carrier again")
    known("absent", file("a.txt", A, way="package", where="absent-ds", path="absent_ds/a.txt"))
    refused("absent", "pip install absent-ds$")


def test_local_only(known, tmp_path):
    """What only a folder can give is refused with its origin, and copied from the folder once it is there."""
    known("made.txt", file("made.txt", A, way="local"), made="the texts")
    refused("made.txt", "no command gets it, since it is made from the texts of owner/name", to=tmp_path / "out")
    assert there(tmp_path) == []
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "made.txt").write_bytes(A)
    fetch("made.txt", to=tmp_path / "out")
    assert there(tmp_path / "out") == ["made.txt"]


# ---------------------------------------------------------------------------------------- the command line


def run(*tokens):
    """Run a command and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(tokens))
    return ended.value.code


def test_the_command_of_the_message_gets_the_set(server, known, capsys):
    """The command that a claim not run names makes it run; the licence is told before anything comes."""
    server.put(URL_B, B)
    assert run("data", "get", "toy") == 2
    told = capsys.readouterr()
    assert "licence: research; never redistribute" in told.out
    assert told.err.count("\n") == 1
    server.put(URL_A, A)
    program, *tokens = registry.how_to_get("toy").partition("get it with: ")[2].split()
    assert program == "trueneg"
    assert run(*tokens) == 0
    out = capsys.readouterr().out
    assert out.index("never redistribute") < out.index("a.txt") < out.index("verified: ")
    assert registry.folder("toy").is_dir()


def test_get_to_a_folder_tells_how_claims_find_it(server, known, capsys, tmp_path):
    """A folder that TRUENEG_DATA does not name is told as the line to paste, quoted for the shell."""
    server.put(URL_A, A)
    server.put(URL_B, B)
    assert run("data", "get", "toy", "--to", str(tmp_path / "my data")) == 0
    assert f"export TRUENEG_DATA='{tmp_path / 'my data'}'" in capsys.readouterr().out


def test_interrupted(known, capsys, monkeypatch):
    """Ctrl-C ends with 130 and says what became of the files, not that nothing was written."""

    def stop(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "fetch", stop)
    assert run("data", "get", "toy") == 130
    assert "the same command gets the rest" in capsys.readouterr().err


def test_list(known, capsys):
    """The list is a line a set with state, size and licence, whatever the width of the terminal."""
    known("made.txt", file("made.txt", B, way="local"), licence="MIT", terms="")
    assert run("data", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["made.txt", "local", "only", "0.6", "kB", "MIT"]
    assert lines[2].split() == ["toy", "can", "be", "fetched", "99.6", "kB", "research;", "never", "redistribute"]
    assert run("data", "get", "tyo") == 2
    assert "did you mean 'toy'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("TRUENEG_DATA"), reason="TRUENEG_DATA is not set")
def test_every_repository_set_over_loopback(server, tmp_path, monkeypatch):
    """Every set of a repository arrives from a host laid out as the catalogue says, and verifies there."""
    fetched = 0
    for name in registry.names():
        item = registry.get(name)
        for known in item.needed:
            if known.way == "repository":
                address = f"/{known.where}/{known.commit}/{quote(known.path)}"
                server.put(address, (item.below(registry.root()) / known.name).read_bytes())
    monkeypatch.setenv("TRUENEG_DATA", str(tmp_path))
    for name in registry.names():
        if registry.get(name).needed[0].way == "repository":
            fetch(name)
            registry.verify(name)
            fetched += 1
    assert fetched >= 25
    assert len(server.asked) == len(set(server.asked))
