"""A column of times: every common form is the same second, and a date that is two dates is never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.data.times import Clock

_MOMENTS = st.datetimes(datetime(1980, 1, 2), datetime(2099, 12, 30)).map(lambda t: t.replace(microsecond=0))


def _read(values, form=None, kind=None):
    """Return the seconds and the clock of a column, learned in two batches."""
    column = values if isinstance(values, pa.Array) else pa.array(values, kind)
    table = pa.table({"t": column})
    half = len(table) // 2
    clock = Clock("t", form).learn([table.slice(0, half), table.slice(half)], "f.csv")
    return clock.seconds(table.column("t")), clock


def _of(moment):
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@settings(max_examples=15, deadline=None)
@given(st.lists(_MOMENTS, min_size=2, max_size=8, unique=True))
def test_every_form_is_the_same_second(moments):
    """Protects the hour of an alarm: Python's own reading is the oracle, in every form that is known."""
    expected = np.array([_of(moment) for moment in moments])
    forms = {
        "%Y-%m-%d %H:%M:%S": None,
        "%Y-%m-%dT%H:%M:%S.250": None,
        "%d/%m/%Y %H:%M:%S": "day-first",
        "%m/%d/%Y %I:%M:%S %p": "month-first",
        "%d.%m.%Y %H:%M:%S": "day-first",
        "%d %b %Y %H:%M:%S": "%d %b %Y %H:%M:%S",
    }
    for written, form in forms.items():
        found, clock = _read([moment.strftime(written) for moment in moments], form)
        np.testing.assert_array_equal(found, expected)
        assert not clock.utc_
    for unit in (1, 10**3, 10**6, 10**9):
        whole = [int(t) * unit for t in expected]
        for values in (pa.array(whole), pa.array([str(v) for v in whole]), pa.array(np.array(whole, float))):
            found, clock = _read(values)
            np.testing.assert_array_equal(found, expected)
            assert clock.utc_
    for unit in ("s", "ms", "us", "ns"):
        np.testing.assert_array_equal(_read(moments, kind=pa.timestamp(unit))[0], expected)
    east = [(m.replace(tzinfo=UTC)).astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat() for m in moments]
    found, clock = _read(east)
    np.testing.assert_array_equal(found, expected)
    assert clock.utc_


def test_forms_of_common_exports():
    """Protects users of those files: no seconds, one digit, dictionaries, blanks, and what no clock shows."""
    found, clock = _read(["7/7/2017 3:30", " 14/7/2017 15:30 ", "07/07/2017 03:30:00 PM", "7/7/2017 12:05 am"])
    expected = [datetime(2017, 7, 7, 3, 30), datetime(2017, 7, 14, 15, 30), datetime(2017, 7, 7, 15, 30)]
    assert found.tolist() == [_of(t) for t in [*expected, datetime(2017, 7, 7, 0, 5)]]
    assert clock.order_ == "day-first"
    odd = ["31/04/2017 10:00", "1/1/2017 24:00", "1/1/2017 13:00 pm", "1/1/1970 00:00", "1/1/17 00:00", "", None, "n/a"]
    found, _ = _read(pa.array([*odd, "1/1/2017 10:00", "1/1/2017 11:00"]).dictionary_encode())
    assert np.isfinite(found).tolist() == [False] * len(odd) + [True, True]


def test_the_whole_column_tells_day_from_month():
    """Protects the date: one row that can be read one way only tells the others, wherever it stands."""
    open_ = ["03/07/2017 08:00"] * 5
    day, clock = _read([*open_, "25/07/2017 08:00"])
    assert (clock.order_, clock.deduced_) == ("day-first", True)
    month, clock = _read(["07/25/2017 08:00", *open_])
    assert (clock.order_, clock.deduced_) == ("month-first", True)
    assert (day[0], month[1]) == (_of(datetime(2017, 7, 3, 8)), _of(datetime(2017, 3, 7, 8)))
    same, clock = _read(["7/7/2017 3:30", "8/8/2017 3:31"])  # the same date either way: nothing to ask
    assert not clock.deduced_
    assert same[0] == _of(datetime(2017, 7, 7, 3, 30))
    asked, _ = _read([*open_, "04/07/2017 08:00"], "month-first")
    assert asked[0] == month[1]


@pytest.mark.parametrize(
    ("values", "form", "said"),
    [
        (["n/a", "03/07/2017 08:00", "04/07/2017 09:00"], None, "such as '03/07/2017 08:00' may be day first or month"),
        (["25/07/2017 08:00", "07/26/2017 08:00"], None, "day first in 1 rows and month first in 1; say which"),
        (["x", None], None, "no time of column 't' can be read (such as 'x')"),
        ([None, None], None, "it holds nothing"),
        ([0.5, 1.5], None, "no time of column 't' can be read (such as '0.5')"),
        (["2017-07-03", "2017-07-04"], None, "no time of column 't' can be read"),
        (["2017-07-03 08:00", "2017-07-03 08:00"], None, "all times of column 't' are 2017-07-03T08:00:00"),
        ([datetime(2017, 7, 3).date()], None, "dates without a time of day"),
        ([datetime(2017, 7, 3).time()], None, "times of day without a date"),
        ([True, False], None, "holds bool"),
        ([1499072158, 1499072159], "day-first", "leave it out"),
        (["a"], "dayfirst", "give day-first, month-first"),
        (["a", "b"], "%d/%m/%y %H:%M", "such as 'a'"),
    ],
)
def test_what_cannot_be_told_is_one_line(values, form, said):
    """Protects users: a column that tells no hour is refused with what to do."""
    with pytest.raises(InputError) as error:
        _read(values, form)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_pattern_reads_whole_numbers():
    """Protects stamps of digits, which a CSV gives as numbers."""
    found, _ = _read([20170703085558, 20170703095558], "%Y%m%d%H%M%S")
    assert found.tolist() == [_of(datetime(2017, 7, 3, hour, 55, 58)) for hour in (8, 9)]
