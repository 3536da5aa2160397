"""Every container comes back as it went in: types, nulls, categories, index, order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from trueneg.core.errors import InputError
from trueneg.sample import SMOTE, SMOTEN, SMOTENC, OverSampler, UnderSampler


def _frame(n=120):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "f64": rng.normal(size=n),
            "f32": rng.normal(size=n).astype("float32"),
            "i8": rng.integers(-100, 100, n).astype("int8"),
            "u16": rng.integers(0, 60_000, n).astype("uint16"),
            "flag": rng.random(n) < 0.5,
            "I": pd.array(np.where(np.arange(n) % 9, rng.integers(0, 9, n), None), dtype="Int64"),
            "F": pd.array(np.where(np.arange(n) % 8, rng.random(n), None), dtype="Float64"),
            "B": pd.array(np.where(np.arange(n) % 7, rng.random(n) < 0.5, None), dtype="boolean"),
            "arrow": pd.array(rng.integers(0, 9, n), dtype=pd.ArrowDtype(pa.int32())),
            "big": 2**60 + rng.integers(0, 9, n),
            "cat": pd.Categorical(rng.choice(list("xyz"), n), categories=list("wxyz"), ordered=True),
            "text": rng.choice(["u", "v"], n),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 3, n), unit="D"),
        }
    )


Y = np.where(np.arange(120) % 5 == 0, "rare", "common")
NUMBERS = ["f64", "f32", "i8", "u16", "flag", "I", "F", "B", "arrow"]


def test_pandas_types_and_kept_rows_survive():
    """Nullable, Arrow-backed, categorical and date columns keep their type; kept rows are equal to the last bit."""
    frame = _frame()
    out, y = SMOTENC(random_state=0).fit_resample(frame, pd.Series(Y, dtype="category", name="target"))
    assert out.dtypes.equals(frame.dtypes)
    pd.testing.assert_frame_equal(out.iloc[:120], frame)
    assert isinstance(y.dtype, pd.CategoricalDtype)
    assert y.name == "target"
    assert list(out.index) == list(y.index) == list(range(192))
    made = out.iloc[120:]
    assert made["I"].isna().any()
    assert set(made["cat"]) <= {"x", "y", "z"}


def test_the_same_children_come_out_of_every_container():
    """pandas, polars, Arrow and a plain array agree on the numbers, so that a change of library changes no result."""
    frame = _frame()[["f64", "i8", "f32"]]
    plain = SMOTE(random_state=0).fit_resample(frame.to_numpy(dtype=float), Y)[0]
    expected = np.c_[plain[:, 0], np.rint(plain[:, 1]), plain[:, 2]]
    for given in (frame, pl.from_pandas(frame), pl.from_pandas(frame).to_arrow()):
        out, _ = SMOTE(random_state=0).fit_resample(given, Y)
        assert type(out) is type(given)
        columns = out.to_pandas() if not isinstance(out, pd.DataFrame) else out
        np.testing.assert_allclose(columns.to_numpy(dtype=float), expected, atol=1e-6)


def test_polars_and_arrow_schemas_survive():
    """Types, nulls, categories and names of polars and Arrow tables, with labels in a polars series."""
    frame = pl.from_pandas(_frame().drop(columns="B")).with_columns(pl.col("text").cast(pl.Categorical))
    out, y = SMOTENC(random_state=0).fit_resample(frame, pl.Series("target", Y))
    assert out.schema == frame.schema
    assert out.head(120).equals(frame)
    assert isinstance(y, pl.Series)
    assert y.name == "target"
    assert out["F"][120:].null_count() > 0
    assert not out["F"].is_nan().any()
    table = _frame()[NUMBERS].pipe(pa.Table.from_pandas)
    made, _ = SMOTE(random_state=0).fit_resample(table, Y)
    assert made.schema.types == table.schema.types
    assert made.slice(0, 120).equals(table)


@pytest.mark.parametrize("kind", [OverSampler, UnderSampler, SMOTEN])
@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_rows_are_taken_whole(kind, library):
    """Samplers that blend nothing return rows, and values, that exist, in the type given."""
    frame = _frame()
    given = {"pandas": frame, "polars": pl.from_pandas(frame), "arrow": pl.from_pandas(frame).to_arrow()}[library]
    out, y = kind(random_state=0).fit_resample(given, Y)
    assert type(out) is type(given)
    rows = out if library == "pandas" else out.to_pandas()
    assert len(rows) == len(y) == (48 if kind is UnderSampler else 192)
    if kind is not SMOTEN and library == "pandas":
        assert rows.dtypes.equals(frame.dtypes)
        model = kind(random_state=0).fit(frame, Y)
        pd.testing.assert_frame_equal(rows, frame.iloc[model.sample_indices_])


@pytest.mark.parametrize(
    ("index", "made"),
    [
        (pd.RangeIndex(5, 125), list(range(125, 197))),
        (pd.Index(np.arange(120)[::-1] * 3), list(range(358, 430))),
        (pd.Index([f"row {i}" for i in range(120)], name="id"), [f"made {i}" for i in range(72)]),
        (pd.date_range("2020", periods=120), list(range(120, 192))),
    ],
    ids=["range", "numbers", "text", "dates"],
)
def test_an_index_goes_on(index, made):
    """Made rows get labels that no kept row has; dates cannot go on, and are numbered anew."""
    frame = _frame()[["f64", "i8"]].set_axis(index)
    out, y = SMOTE(random_state=0).fit_resample(frame, pd.Series(Y, index=index))
    assert list(out.index[120:]) == list(y.index[120:]) == made
    assert out.index.is_unique
    if not isinstance(index, pd.DatetimeIndex):
        assert out.index[:120].equals(index)
        assert out.index.name == index.name


def test_columns_that_cannot_be_blended_are_named():
    """A text or date column in SMOTE is refused by name, with the remedy; infinite values by row and column."""
    frame = _frame()
    with pytest.raises(InputError, match="column 'cat' holds category.*use SMOTENC"):
        SMOTE().fit_resample(frame[["f64", "cat"]], Y)
    with pytest.raises(InputError, match="column 'when'.*categorical_features"):
        SMOTENC(categorical_features=["cat"]).fit_resample(frame[["f64", "cat", "when"]], Y)
    frame.loc[7, "f64"] = np.inf
    with pytest.raises(InputError, match="row 7, column 'f64' is infinite"):
        SMOTE().fit_resample(frame[NUMBERS], Y)
    with pytest.raises(InputError, match="no number"):
        SMOTENC(categorical_features=[0]).fit_resample(np.array([["a", "b"]] * 120, dtype=object), Y)


def test_object_arrays_keep_their_values():
    """An object array of numbers and text comes back as one: whole numbers whole, text untouched."""
    frame = _frame()
    X = frame[["f64", "i8", "text"]].to_numpy(dtype=object)
    out, _ = SMOTENC(categorical_features=[2], random_state=0).fit_resample(X, Y)
    assert out.dtype == object
    assert {type(v) for v in out[:, 1]} <= {int, np.int64}
    assert set(out[120:, 2]) <= {"u", "v"}
    assert (out[:120] == X).all()


def test_sparse_nominal_columns_need_no_dense_table():
    """SMOTE-NC on a sparse matrix gives the rows it gives on the dense one, in the format given."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random((120, 6)) < 0.6, 0, rng.normal(size=(120, 6)))
    X[:, [1, 4]] = rng.integers(0, 3, size=(120, 2))
    sampler = SMOTENC(categorical_features=[1, 4], random_state=0)
    dense = sampler.fit_resample(X, Y)[0]
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array):
        out = sampler.fit_resample(kind(X), Y)[0]
        assert out.format == kind(X).format
        np.testing.assert_allclose(out.toarray(), dense, atol=1e-12)


def test_lists_come_back_as_lists():
    """Plain Python in, plain Python out."""
    rows, labels = SMOTE(random_state=0).fit_resample(_frame()[["f64", "f32"]].to_numpy().tolist(), Y.tolist())
    assert isinstance(rows, list)
    assert isinstance(labels, list)
    assert isinstance(labels[-1], str)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(Y == "rare", dtype="boolean"),
        pd.Series((Y == "rare").astype(int), dtype="Int64"),
        pd.Series(Y, dtype="string"),
        pd.Series(Y, dtype="category"),
        pl.Series(Y),
        pl.DataFrame({"y": Y}),
        pa.array(Y.tolist()),
        pa.chunked_array([(Y == "rare").tolist()]),
        np.c_[Y == "rare", Y != "rare"].astype(int),
    ],
    ids=lambda labels: f"{type(labels).__module__}.{type(labels).__name__} {getattr(labels, 'dtype', '')}",
)
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_labels_come_back_in_their_own_container(labels):
    """Labels of every container and type are read, and those of children are their parents'."""
    X = _frame()[["f64", "f32"]].to_numpy()
    plain = SMOTE(random_state=0).fit(X, Y == "rare")
    model = SMOTE(random_state=0)
    _, out = model.fit_resample(X, labels)
    assert type(out) is type(labels)
    assert len(out) == 192
    if isinstance(labels, (pd.Series, np.ndarray)):
        assert out.dtype == labels.dtype
    np.testing.assert_array_equal(model.sample_indices_, plain.sample_indices_)
    rows = np.r_[np.arange(120), model.parents_[:, 0]]
    given, after = (v.to_pylist() if hasattr(v, "to_pylist") else np.asarray(v).tolist() for v in (labels, out))
    assert after == [given[row] for row in rows]
