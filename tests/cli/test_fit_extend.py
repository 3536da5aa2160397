"""``trueneg fit teen ... --extend MODEL``: new classes of a few rows on top of a fitted model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from sklearn.datasets import load_digits

from trueneg.jobs.fit import Model, Reading, extend, fit

X, Y = load_digits(return_X_y=True)
X = X.astype(np.float32)
BASE, SHOTS = Y < 7, np.concatenate([np.flatnonzero(c == Y)[:5] for c in (7, 8, 9)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Write digits 0 to 6 to learn from, five rows of each other digit, and a model of the first."""
    where = tmp_path_factory.mktemp("digits")
    few = {"base": np.flatnonzero(BASE), "new": SHOTS, "seven": SHOTS[:5], "rest": SHOTS[5:], "known": np.arange(3)}
    for name, rows in few.items():
        np.save(where / f"{name}.npy", X[rows])
        np.save(where / f"{name}_y.npy", Y[rows])
    fit("teen", where / "base.npy", reading=Reading(label=str(where / "base_y.npy"))).save(where / "m")
    return where


def test_new_classes_join_a_fitted_model(run, made):
    """Protects TEEN at the command line: classes come by five rows each, calibrated, and say what they lean on."""
    done = run("fit", "teen", "new.npy", "--label", "new_y.npy", "--extend", "m", "--out", "n", cwd=made)
    assert done.returncode == 0, done.stderr
    assert "3 new classes of 15 rows" in done.stdout
    assert "9 (5 rows) leans on" in done.stdout
    model = Model.load(made / "n")
    table = pa.table({"embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), 64)})
    said = model.predict(table)[0].astype(int)
    left = np.setdiff1d(np.flatnonzero(~BASE), SHOTS)
    assert (said[left] == Y[left]).mean() > 0.5  # five rows a class; without them none could be right
    assert (said[BASE] == Y[BASE]).mean() > 0.85
    assert len(model.fitted.model.base_classes_) == 7
    again = run("predict", "new.npy", "--model", "n", "--out", "o.csv", cwd=made)
    assert again.returncode == 0
    assert set(map(str, pacsv.read_csv(made / "o.csv")["predicted"].to_pylist())) & {"7", "8", "9"}


def test_one_step_or_several_give_one_model(made):
    """Protects sessions: the classes at once, or one after the other from disk, have the same prototypes."""
    at_once = extend("teen", made / "new.npy", made / "m", label=str(made / "new_y.npy"))
    extend("teen", made / "rest.npy", made / "m", label=str(made / "rest_y.npy")).save(made / "half")
    in_two = extend("teen", made / "seven.npy", made / "half", label=str(made / "seven_y.npy"))
    assert sorted(at_once.classes) == sorted(in_two.classes)
    order = [in_two.classes.index(c) for c in at_once.classes]
    a, b = at_once.fitted.model.prototypes_, in_two.fitted.model.prototypes_[order]
    np.testing.assert_allclose(a, b, atol=1e-12)


def test_rows_of_known_classes_are_told(made):
    """Protects against labels that collide: rows of a class that is there are added to it, and that is said."""
    model = extend("teen", made / "known.npy", made / "m", label=str(made / "known_y.npy"))
    assert "rows of classes known before were added to them: 0, 1, 2" in model.about["told"]
    assert len(model.classes) == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["loki", "new.npy", "--label", "new_y.npy", "--extend", "m"], "for teen models"),
        (["teen", "new.npy", "--extend", "m"], "--label labels.npy"),
        (["teen", "new.npy", "--label", "new_y.npy", "--extend", "none"], "no model"),
        (["teen", "t.csv", "--extend", "m"], "no column 'embedding'"),
    ],
)
def test_bad_input_is_one_line(arguments, said, run, made):
    """Protects users: what is wrong is one line that says what to do, and nothing is written."""
    pacsv.write_csv(pa.table({"a": [1.0, 2.0], "b": ["x", "y"]}), made / "t.csv")
    done = run("fit", *arguments, "--out", "z", cwd=made)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (made / "z").exists()
