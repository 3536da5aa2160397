"""Images: described, shown, and never a way out of the table's folder."""

import base64
import builtins
import contextlib
import io
import os
import re

import numpy as np
import pyarrow as pa
import pytest

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.data.readers import read_frame, read_table
from trueneg.data.sniff import Roles
from trueneg.data.sniff import roles as sniff_roles
from trueneg.jobs.audit.images import ImageColumn, describe, image_features, suspect_images
from trueneg.jobs.audit.represent import represent
from trueneg.report.thumbnails import UnreadableImage, decode, thumbnails

Image = pytest.importorskip("PIL.Image")


def picture(kind="png", size=(40, 30), mode="RGB", seed=0, **options) -> bytes:
    """One image file of noise."""
    rng = np.random.default_rng(seed)
    shape = (size[1], size[0], len(Image.new(mode, (1, 1)).getbands()))
    raw = rng.integers(0, 256, shape).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(raw.squeeze()).convert(mode).save(out, format=kind, **options)
    return out.getvalue()


def column(values, folder, *, absolute=False) -> ImageColumn:
    """One column of images."""
    return ImageColumn(pa.table({"image": values}), "image", folder, absolute)


@pytest.fixture
def home(tmp_path):
    """A table's folder with one image, beside a secret one, and a link to it."""
    inside = tmp_path / "data"
    (inside / "sub").mkdir(parents=True)
    (inside / "sub" / "a.png").write_bytes(picture())
    (tmp_path / "secret.png").write_bytes(picture(seed=1))
    (tmp_path / "data2").mkdir()
    (tmp_path / "data2" / "b.png").write_bytes(picture(seed=2))
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    (inside / "folder").symlink_to(tmp_path / "data2")
    return inside


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("../secret.png", r"'\.\.' leads out"),
        ("sub/../../secret.png", r"'\.\.' leads out"),
        ("../data2/b.png", r"'\.\.' leads out"),
        ("link.png", "a symbolic link leads out"),
        ("folder/b.png", "a symbolic link leads out"),
        ("https://example.org/a.png", "nothing is fetched"),
        ("file:///etc/passwd", "nothing is fetched"),
        ("a\0.png", "not a path"),
        ("x" * 5000 + ".png", "cannot be read|followed|no such"),
        ("sub", "not a file"),
        ("none.png", "no such file"),
        ("", "the cell is empty"),
    ],
)
def test_no_path_leads_out(home, value, reason):
    """A table from elsewhere must not pull the user's own files into a report."""
    with pytest.raises(UnreadableImage, match=reason):
        column([value], home).read(0)


def test_absolute_paths_only_where_the_user_named_the_column(home):
    """A sniffed column of absolute paths is the table's choice, a named one is the user's."""
    outside = str(home.parent / "secret.png")
    with pytest.raises(UnreadableImage, match="--image image"):
        column([outside], home).read(0)
    assert column([outside], home, absolute=True).read(0) == picture(seed=1)
    with pytest.raises(UnreadableImage, match="leads out"):
        column(["../secret.png"], home, absolute=True).read(0)


def test_a_pipe_is_not_waited_for(home):
    """Opening a pipe blocks for ever; a cell that names one is told like any other."""
    os.mkfifo(home / "pipe.png")
    with pytest.raises(UnreadableImage, match="not a file"):
        column(["pipe.png"], home).read(0)


def test_paths_inside_the_folder_are_read(home):
    """The fence must let the honest through, a detour within the folder included."""
    for value in ("sub/a.png", "./sub/a.png", "sub/../sub/a.png"):
        assert column([value], home).read(0) == picture()


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp", "tiff"])
def test_every_format_is_read(kind):
    """Each promised format decodes to upright RGB."""
    assert decode(picture(kind), near=64).mode == "RGB"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I"])
def test_every_mode_becomes_rgb(mode):
    """Masks, palettes, transparency and 16-bit scans are ordinary in data sets."""
    if mode.startswith("I"):
        raw = (np.arange(1200).reshape(30, 40) * 50).astype(np.uint16 if ";" in mode else np.int32)
        out = io.BytesIO()
        Image.fromarray(raw).save(out, format="tiff")
        data = out.getvalue()
    else:
        data = picture("tiff" if mode == "CMYK" else "png", mode=mode)
    shown = np.asarray(decode(data, near=64))
    assert shown.shape == (30, 40, 3)
    assert 20 < shown.mean() < 235  # 16 bits clipped at 255 would be white


def test_broken_bytes_have_a_reason_and_no_traceback():
    """Random, cut and oversized files are a property of the data, not a crash."""
    whole = picture("jpeg", (200, 200))
    rng = np.random.default_rng(0)
    flipped = bytearray(whole)
    for i in rng.integers(0, len(flipped), 60):
        flipped[i] = 0
    for data in (
        b"",
        b"no image",
        whole[: len(whole) // 2],
        rng.bytes(5000),
        picture()[:40],
        b"%!PS-Adobe-3.0 EPSF-3.0",
    ):
        with pytest.raises(UnreadableImage):
            decode(data, near=64)
    with contextlib.suppress(UnreadableImage):  # a decoder may mend what it can
        decode(bytes(flipped), near=64)


def test_a_bomb_is_refused_before_it_is_unpacked():
    """A file of kilobytes may unpack to gigabytes."""
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, format="png")
    with pytest.raises(UnreadableImage, match="million pixels"):
        decode(out.getvalue(), near=64)


def test_thumbnails_are_small_data_uris_without_metadata():
    """The page carries at most 500 pictures of 64 px, and never where a photo was taken."""
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = picture("jpeg", (300, 200), exif=exif)
    assert b"taken at home" in data
    made = thumbnails(range(700), lambda row: data, lambda row: f"<b>{row}</b>")
    assert len(made) == 500
    assert made[3]["alt"] == "row 3: <b>3</b>"  # the page escapes, not the dict
    body = re.fullmatch(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/]+=*)", made[0]["src"])
    shown = base64.b64decode(body[2])
    assert b"taken at home" not in shown
    assert max(Image.open(io.BytesIO(shown)).size) == 64
    assert len(shown) < 12_000


def _report(n):
    """Return the smallest report with n suspects."""
    seen = {"path": "t.csv", "rows": n, "columns": 2, "kind": "table", "classes": [], "saw": []}
    suspects = {"columns": ["row", "given"], "rows": [[i, "no"] for i in range(n)], "total": n}
    words = {"schema": "trueneg/audit/1", "title": "t", "generated": "", "version": "0", "next": ""}
    return {**words, "input": seen, "options": {}, "findings": [], "figures": [], "suspects": suspects}


def test_the_page_shows_pictures_escapes_names_and_tells_broken_ones(home):
    """Alternative text comes from the data, so it must not become markup; a broken image keeps its row."""
    from trueneg.report import render

    report = _report(60)
    hostile = '"><script>alert(1)</script>.png'
    values = ["sub/a.png", "gone.png", hostile] * 20
    report["suspects"]["images"] = suspect_images(column(values, home), range(60))
    page = render(report)
    assert page.count('<img src="data:image/') == 20
    assert "<script>alert" not in page
    assert "no picture of row 1: no such file" in page
    report["suspects"]["images"].pop()
    with pytest.raises(InputError, match="59 pictures, but 60 rows"):
        render(report)
    report["suspects"]["images"].append({"src": "https://example.org/a.png", "alt": "x"})
    with pytest.raises(InputError, match="src"):
        render(report)


def test_a_report_without_images_has_no_column_for_them():
    """Tables without pictures look as they did."""
    from trueneg.report import render

    assert 'class="picture"' not in render(_report(3))


def test_gradients_turn_with_the_image():
    """Stripes across and stripes down must differ where brightness and colour do not."""
    stripes = np.tile((np.arange(32) // 2 % 2 * 255).astype(np.uint8)[None, :, None], (32, 1, 3))
    across, down = describe(np.stack([stripes, stripes.transpose(1, 0, 2)]))
    assert np.linalg.norm(across[:-192] - down[:-192]) > 0.5 * np.linalg.norm(across[:-192])
    np.testing.assert_allclose(across[-192:], down[-192:], atol=1e-5)
    assert np.isfinite(describe(np.zeros((1, 32, 32, 3), np.uint8))).all()


def _shapes(n, seed=0):
    """Discs and crosses in random place and colour, as PNG bytes, and which is which."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n)
    out = []
    grid = np.indices((32, 32))
    for k in kind:
        at = rng.integers(11, 21, 2)
        away = np.abs(grid - at[:, None, None])
        inside = np.hypot(*away) < 8 if k else ((away < 3).any(axis=0) & (away < 10).all(axis=0))
        raw = np.where(inside[..., None], rng.integers(120, 256, 3), rng.integers(0, 110, 3)).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(raw).save(file, format="png")
        out.append(file.getvalue())
    return out, kind


def test_the_embedding_tells_shapes_apart():
    """The representation must carry what the eye sees, or no suspect can be found with it."""
    from sklearn.linear_model import LogisticRegression

    files, kind = _shapes(300)
    table = pa.table({"image": files})
    seen = image_features(ImageColumn(table, "image", None), random_state=0)
    model = LogisticRegression(max_iter=1000).fit(seen.embedding[:200], kind[:200])
    assert model.score(seen.embedding[200:], kind[200:]) > 0.95
    again = image_features(ImageColumn(table, "image", None), random_state=0)
    np.testing.assert_array_equal(seen.embedding, again.embedding)


def test_more_images_than_the_components_are_fitted_to(monkeypatch):
    """Beyond the fitted part every row still lands in its own place."""
    from trueneg.jobs.audit import images

    files, _ = _shapes(60)
    files[7] = b"broken"
    monkeypatch.setattr(images, "BLOCK", 10)
    monkeypatch.setattr(images, "FIT_ON", 30)
    monkeypatch.setattr(images, "COMPONENTS", 5)
    seen = image_features(ImageColumn(pa.table({"image": files * 2}), "image", None), random_state=0)
    assert seen.embedding.shape == (120, 5)
    np.testing.assert_allclose(seen.embedding[:60], seen.embedding[60:], atol=1e-4)
    assert set(seen.broken) == {7, 67}
    assert not seen.embedding[[7, 67]].any()
    assert seen.content[7] != seen.content[67]
    assert (
        np.delete(seen.content, [7, 67]).reshape(2, -1)[0] == np.delete(seen.content, [7, 67]).reshape(2, -1)[1]
    ).all()


def test_broken_images_are_told_with_row_and_count(home):
    """The user must learn which rows to mend, in one line, however many."""
    values = ["sub/a.png"] * 3 + ["../secret.png", None] + [f"gone{i}.png" for i in range(8)]
    seen = image_features(column(values, home), random_state=0)
    (note,) = seen.notes
    assert note.startswith("10 of 13 images in 'image' could not be read: row 3: refused")
    assert "row 4: the cell is empty" in note
    assert note.endswith("and 5 more")
    assert len(np.unique(seen.content)) == 11  # a missing image equals no other


def test_no_readable_image_is_one_line(home):
    """Nothing to learn from must end in an error that says where the paths were looked for."""
    with pytest.raises(InputError, match="none of the 2 images.*row 0: no such file"):
        image_features(column(["x.png", "y.png"], home), random_state=0)


def test_a_file_of_paths_is_represented_from_its_folder(home, monkeypatch):
    """Paths are relative to the table, wherever the command runs; equal images are equal rows."""
    monkeypatch.chdir(home.parent)
    (home / "c.png").write_bytes(picture(seed=3))
    (home / "t.csv").write_text("image,y\n" + "sub/a.png,a\nc.png,b\n" * 3 + "gone.png,b\n")
    table = read_table(home / "t.csv")
    found = sniff_roles(table, label="y")
    assert found.image == ["image"]
    data = represent(table, found, random_state=0)
    assert data.duplicate_of[[0, 2, 4]].tolist() == [data.duplicate_of[0]] * 3
    assert len(set(data.duplicate_of)) == 3
    assert len(data.notes) == 1
    (home / "c.png").write_bytes(picture(seed=4))
    assert represent(table, found, random_state=0).digest != data.digest


def test_unreadable_images_are_no_near_duplicates():
    """They are described alike, and have nothing in common."""
    import trueneg

    files, kind = _shapes(100)
    files[3], files[4], files[5] = b"broken", None, b"gone"
    table = pa.table({"image": files, "y": [f"c{k}" for k in np.r_[kind[:3], 0, 1, 0, kind[6:]]]})
    out = trueneg.audit(table, label="y", image="image", select=["TN106"])
    found = next(f for f in out.findings if f.code == "TN106")
    assert not {3, 4, 5} & set(found.rows)
    assert "looked at 97 rows" in found.message


def test_sniffed_images_that_are_not_there_do_not_stop_the_audit(tmp_path):
    """A column of file names beside real features was readable before images were; named, it must be right."""
    table = read_frame(pa.table({"x": np.arange(4.0), "file": ["a.png", "b.png", "c.png", "d.png"]}))
    found = Roles(numeric=["x"], image=["file"])
    data = represent(table, found, random_state=0)
    assert "images were left out" in data.notes[0]
    with pytest.raises(InputError, match="none of the 4 images"):
        represent(table, found, random_state=0, image_named=True)


def test_without_pillow_the_cure_is_named(monkeypatch):
    """A missing extra is one line with the command that installs it."""
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name.split(".")[0] == "PIL":
            raise ImportError(name)
        return real(name, *rest, **more)

    data = picture()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'trueneg\[image\]'"):
        decode(data, near=64)
