"""What cannot be compared is refused in one line; what fails on one fold does not take the others with it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.core.errors import InputError
from trueneg.jobs.compare import Remedy
from trueneg.jobs.compare.plan import parse_budget

YES = {"label": "label", "positive": "yes"}


def test_a_remedy_that_fails_on_one_fold_is_reported_and_the_others_go_on(make):
    """Hours of results must not be lost to one remedy's fault, nor its fault be hidden."""
    calls = []

    def shaky(fold):
        calls.append(fold.seed)
        if len(calls) == 2:
            msg = "no luck today"
            raise RuntimeError(msg)
        return fold.model()

    def broken(fold):
        return 1 / 0

    remedies = [Remedy("shaky", "shaky", shaky), Remedy("broken", "broken", broken)]
    out = trueneg.compare(make(200), **YES, remedies=remedies, folds=4, repeats=1)
    assert out.failed
    assert (out["shaky"].status, out["shaky"].folds) == ("partly failed", 3)
    assert "failed on 1 of 4 folds" in out["shaky"].reason
    assert "no luck today" in out["shaky"].reason
    assert out["shaky"].difference["mcc"].estimate.n == 3
    assert (out["broken"].status, out["broken"].verdict) == ("failed", "failed")
    assert out["class-weights"].folds == 4


def test_wrong_probabilities_are_a_fault_of_the_remedy(make):
    """A plug-in that returns NaN or too few columns is named, and no figure is made of it."""
    from trueneg.jobs.compare.fold import Model

    remedies = [
        Remedy("nan", "nan", lambda fold: Model(lambda view: np.full((view.X.shape[0], 2), np.nan), 1)),
        Remedy("thin", "thin", lambda fold: Model(lambda view: np.ones((view.X.shape[0], 1)), 1)),
    ]
    out = trueneg.compare(make(120), **YES, remedies=remedies, folds=3, repeats=1)
    assert all("shape" in out[name].reason for name in ("nan", "thin"))


def test_all_one_class_after_cleaning(make):
    """A cleaner that removes every positive leaves nothing to train on, and that is the reason given."""

    def purge(fold):
        kept = fold.y != fold.positive
        return fold.model(fold.X[kept], fold.y[kept])

    out = trueneg.compare(make(150), **YES, remedies=[Remedy("purge", "purge", purge)], folds=3, repeats=1)
    assert "one class only is left" in out["purge"].reason


def test_fewer_positives_than_folds(make):
    """Three positives cannot be in five folds: there are three folds, and the page says so."""
    frame = make(90, rate=0.2)
    yes = np.flatnonzero(np.asarray(frame["label"].to_pylist()) == "yes")
    kept = np.setdiff1d(np.arange(90), yes[3:])
    out = trueneg.compare(frame.take(pa.array(kept)), **YES, remedies=[], repeats=1)
    assert out.report["setup"]["folds"] == 3
    assert any("folds lowered from 5 to 3" in line for line in out.report["setup"]["said"])
    one = np.setdiff1d(np.arange(90), yes[1:])
    with pytest.raises(InputError, match="'yes' stands in 1 group of rows only.*label more rows"):
        trueneg.compare(frame.take(pa.array(one)), **YES, remedies=[])


def test_positives_of_one_group_are_refused(make):
    """Where all positives come from one document no split can train and test on them."""
    frame = make(60)
    label = np.asarray(frame["label"].to_pylist())
    frame = frame.append_column("doc", pa.array(["a" if v == "yes" else f"n{i}" for i, v in enumerate(label)]))
    with pytest.raises(InputError, match="rows of one doc stay together"):
        trueneg.compare(frame, **YES, group="doc", remedies=[])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"remedies": "smot"}, "no remedy is called 'smot'; did you mean smote"),
        ({"remedies": ["rankr-eliminate"]}, "did you mean ranker-eliminate"),
        ({"metric": "f11"}, "no metric is called 'f11'; did you mean f1"),
        ({"metric": "cost"}, "needs --cost-fn and --cost-fp"),
        ({"cost_fn": 3.0}, "give both --cost-fn and --cost-fp"),
        ({"budget": "soon"}, "budget 'soon' is no time; write it as 90s, 10m or 1h30m"),
        ({"budget": "0s"}, "above zero"),
        ({"folds": 1}, "give 2 folds or more"),
        ({"repeats": 0}, "1 repeat or more"),
    ],
)
def test_options_that_cannot_be_meant(make, options, message):
    """One line that says what is wrong and what was probably meant."""
    with pytest.raises(InputError, match=message) as error:
        trueneg.compare(make(60), **YES, **{"remedies": [], **options})
    assert "\n" not in str(error.value)


def test_tables_that_cannot_be_compared_on(make, tmp_path):
    """Several labels a row, one class, a folder without an audit: each with its reason."""
    many = pa.table({"x": [0.1, 0.2, 0.3, 0.4], "y_a": [0, 1, 0, 1], "y_b": [1, 1, 0, 0]})
    with pytest.raises(InputError, match="one label a row"):
        trueneg.compare(many, label="y_*")
    with pytest.raises(InputError, match="two classes"):
        trueneg.compare(pa.table({"x": [1.0, 2.0], "label": ["no", "no"]}), label="label")
    with pytest.raises(InputError, match="holds no audit"):
        trueneg.compare(tmp_path)
    frame = make(60)
    audit = trueneg.audit(frame, **YES)
    with pytest.raises(InputError, match="pass the frame"):
        trueneg.compare(audit)
    with pytest.raises(InputError, match="content has changed"):
        trueneg.compare(audit, frame=make(60, seed=3))
    with pytest.raises(InputError, match="the audit knows which column is which; leave out label"):
        trueneg.compare(audit, frame=frame, label="label")


def test_budgets_are_read():
    """A budget that is misread by a factor of sixty is an afternoon lost."""
    assert [parse_budget(b) for b in ("90s", "10m", "1h30m", "45", 5, None)] == [90, 600, 5400, 45, 5, None]
    for text in ("10 minutes", "-3m", "1.5.2h", "m", "", "inf", "nan"):
        with pytest.raises(InputError):
            parse_budget(text)


def test_the_command_line_refuses_before_anything_heavy_is_loaded():
    """A misspelt remedy must not cost the seconds that loading scikit-learn takes."""
    code = (
        "import sys\n"
        "from trueneg.cli import main\n"
        "try:\n    main(['compare', 'nowhere', '--remedies', 'smotee'])\n"
        "except SystemExit as e:\n    assert e.code == 2, e.code\n"
        "assert 'sklearn' not in sys.modules and 'pyarrow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "did you mean smote?" in done.stderr
    assert done.stderr.count("\n") == 1
