"""The reader of the IMDb folder."""

import pytest

from trueneg.core.errors import InputError
from trueneg.data.imdb import read_imdb


def _folder(tmp_path):
    for part in ("train", "test"):
        for name, ratings in (("neg", (1, 4)), ("pos", (10, 7))):
            place = tmp_path / part / name
            place.mkdir(parents=True)
            for i, rating in enumerate(ratings):
                (place / f"{10 - i}_{rating}.txt").write_text(f"{part} {name} {i}<br />end", encoding="utf-8")
    (tmp_path / "train" / "unsup").mkdir()
    (tmp_path / "train" / "neg" / "notes.txt").write_text("no review", encoding="utf-8")
    return tmp_path


def test_label_rating_and_id_come_from_the_path(tmp_path):
    """Protects the labels: each text keeps its own, in the order of the ids, and other files are left out."""
    found = read_imdb(_folder(tmp_path), "train")
    assert found.text == ["train neg 1 end", "train neg 0 end", "train pos 1 end", "train pos 0 end"]
    assert found.label.tolist() == [0, 0, 1, 1]
    assert found.rating.tolist() == [4, 1, 7, 10]
    assert found.id.tolist() == [9, 10, 9, 10]
    assert read_imdb(tmp_path, "test").text[0] == "test neg 1 end"


def test_other_layouts_are_refused(tmp_path):
    """Protects users: another part, another folder and broken text end in one line that names the place."""
    folder = _folder(tmp_path)
    with pytest.raises(InputError, match="'train' or 'test'"):
        read_imdb(folder, "unsup")
    with pytest.raises(InputError, match="aclImdb"):
        read_imdb(folder / "train", "train")
    (folder / "test" / "pos" / "3_9.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="3_9.txt"):
        read_imdb(folder, "test")
