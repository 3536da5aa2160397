"""A column of times as seconds since 1970: Arrow times, epochs, and dates in texts, day first or month first.

A text such as ``03/07/2017 08:55`` is two dates. Which one is decided by the whole column: one row such as
``25/12/2017 08:55`` says that all are day first. Where no row tells, the user must.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Clock"]

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
_OPTION = "--time-format"
# Years outside say that a number is no epoch, or that a clock was never set; they bound the hours there can be, too.
_FIRST, _LAST = (np.datetime64(f"{year}-01-01", "s").astype(np.int64) for year in (1980, 2100))
_UNITS = (1, 10**3, 10**6, 10**9)  # seconds to nanoseconds: a number of those years is one of them alone
_DATE = r"^\s*(?P<a>\d{1,4})[-/.](?P<b>\d{1,2})[-/.](?P<c>\d{1,4})"
_TIME = r"(?:T|\s+)(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,]\d+)?)?\s*(?P<p>[AaPp][Mm])?"
_ZONE = r"\s*(?P<z>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
_PATTERN = rf"{_DATE}(?:{_TIME}{_ZONE})?\s*$"


class Clock:
    """Reads the times of a column, batch by batch, after one look at all of it.

    Known are Arrow timestamps; numbers that are seconds, milli-, micro- or nanoseconds since 1970; texts of those
    numbers; ISO texts, and day/month/year or month/day/year with hours and minutes (seconds, am and pm, an offset from
    UTC may follow). Times before 1980 and after 2099 count as not readable: they are clocks that were never set.

    Parameters
    ----------
    column : str
        Its name.
    form : str or None, default=None
        "day-first" or "month-first" where the texts leave it open; or a pattern of ``strptime``, such as
        ``"%d/%b/%Y:%H:%M:%S %z"``, that texts and whole numbers must fit wholly.

    Attributes
    ----------
    order_ : str
        "day-first" or "month-first": how texts of which the first number is not the year are read.
    deduced_ : bool
        Whether some texts can be read either way, and others told which.
    utc_ : bool
        Whether the times are of UTC: epochs and times with a zone or an offset; others are as their clock told them.
    """

    def __init__(self, column: str, form: str | None = None) -> None:
        if form is not None and form not in (DAY_FIRST, MONTH_FIRST) and "%" not in form:
            msg = f"{_OPTION} {one_line(form)}: give {DAY_FIRST}, {MONTH_FIRST}, or a pattern such as '%d/%m/%y %H:%M'"
            raise InputError(msg)
        self.column, self.form = column, form
        self.order_, self.deduced_, self.utc_ = DAY_FIRST if form is None else form, False, False

    def learn(self, batches: Iterable[pa.Table], where: str) -> Clock:
        """Look at the whole column once, and decide how it is read.

        Parameters
        ----------
        batches : iterable of pyarrow.Table
            That hold the column; only some counts are kept of them.
        where : str
            What errors call the input.

        Raises
        ------
        InputError
            Where no time can be read, all are the same, or day and month cannot be told apart.
        """
        seen = _Seen()
        for batch in batches:
            column = batch.column(self.column)
            seen.rows += len(column)
            self._refuse_type(column.type, where)
            forms = (self.order_,) if self.form else (DAY_FIRST, MONTH_FIRST)
            seen.add(column, [self._read(column, form) for form in forms])
        if seen.rows:  # no rows, no times: nothing to decide
            self.order_ = seen.order(self.column, where) if self.form is None else self.form
            seen.check(self.order_, self.column, where)
            self.deduced_ = self.form is None and bool(seen.either)
        return self

    def seconds(self, column: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return the times of rows, (n,), in seconds since 1970, fractions cut off; NaN where it cannot be read."""
        return self._read(column, self.order_)

    def _refuse_type(self, kind: pa.DataType, where: str) -> None:
        import pyarrow as pa

        name = f"{where}: column {self.column!r}"
        if pa.types.is_date(kind) or pa.types.is_time(kind):
            lacks = "dates without a time of day" if pa.types.is_date(kind) else "times of day without a date"
            msg = f"{name} holds {lacks}: alarms by the hour need both"
            raise InputError(msg)
        numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        texts = _is_text(kind) or pa.types.is_null(kind)
        if not (numbers or texts or pa.types.is_timestamp(kind)):
            msg = f"{name} holds {kind}: times are texts, Arrow timestamps, or numbers since 1970"
            raise InputError(msg)
        pattern = self.form is not None and "%" in self.form
        if self.form is not None and not (texts or (pattern and pa.types.is_integer(kind))):
            msg = f"{name} holds {kind}, which is read as it is: {_OPTION} is for texts, leave it out"
            raise InputError(msg)

    def _read(self, column: pa.ChunkedArray, form: str) -> NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = column.type
        if pa.types.is_timestamp(kind):
            self.utc_ |= kind.tz is not None
            return _within(pc.cast(column, pa.int64()), {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit])
        if "%" not in form and not (_is_text(kind) or pa.types.is_null(kind)):
            return self._epochs(pc.cast(column, pa.float64(), safe=False))
        texts = pc.dictionary_encode(pc.cast(column, pa.large_string())).combine_chunks()
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.chunk(0)
        values = self._patterned(texts.dictionary, form) if "%" in form else self._texts(texts.dictionary, form)
        at = pc.fill_null(texts.indices, len(values)).to_numpy(zero_copy_only=False)
        return np.append(values, np.nan)[at]

    def _patterned(self, texts: pa.Array, form: str) -> NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            found = pc.strptime(pc.utf8_trim_whitespace(texts), format=form, unit="s", error_is_null=True)
        except (pa.ArrowException, ValueError) as error:
            msg = f"{_OPTION} {one_line(form)}: no pattern of strptime ({one_line(str(error), 60)})"
            raise InputError(msg) from error
        self.utc_ |= found.type.tz is not None
        return _within(pc.cast(found, pa.int64()), 1)

    def _texts(self, texts: pa.Array, order: str) -> NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        found = self._dates(pc.extract_regex(texts, _PATTERN), order)
        digits = pc.match_substring_regex(texts, r"^\s*\d{9,19}(?:\.\d*)?\s*$")
        if pc.any(digits).as_py():
            plain = pc.if_else(digits, pc.utf8_trim_whitespace(texts), None)
            found = np.where(np.isnan(found), self._epochs(pc.cast(plain, pa.float64())), found)
        return found

    def _epochs(self, numbers: Any) -> NDArray[np.float64]:
        values = np.asarray(numbers, dtype=np.float64)
        out = np.full(len(values), np.nan)
        for unit in _UNITS:
            here = (values >= _FIRST * unit) & (values < _LAST * unit)
            out[here] = np.floor(values[here] / unit)
        self.utc_ |= bool(np.isfinite(out).any())
        return out

    def _dates(self, fields: pa.StructArray, order: str) -> NDArray[np.float64]:
        import pyarrow.compute as pc

        def part(name: str) -> Any:
            return pc.struct_field(fields, name)

        a, b, c = (_whole(part(name)) for name in "abc")
        wide = [pc.fill_null(pc.utf8_length(part(name)), 0).to_numpy(zero_copy_only=False) for name in "ac"]
        iso = (wide[0] == 4) & (wide[1] <= 2)
        day, month = (a, b) if order == DAY_FIRST else (b, a)
        year, month, day = np.where(iso, a, c), np.where(iso, b, month), np.where(iso, c, day)
        hour, minute, second = (_whole(part(name)) for name in "hms")
        half = pc.utf8_lower(pc.fill_null(part("p"), "")).to_numpy(zero_copy_only=False)
        twelve = half != ""
        good = (year >= 1980) & (year < 2100) & (iso | ((wide[1] == 4) & (wide[0] <= 2)))
        good &= (month >= 1) & (month <= 12) & (day >= 1) & (hour >= 0) & (minute < 60) & (second <= 60)
        good &= np.where(twelve, (hour >= 1) & (hour <= 12), hour < 24)
        hour = np.where(twelve, hour % 12 + 12 * (half == "pm"), hour)
        months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
        days = months.astype("datetime64[D]") + np.where(good, day - 1, 0)
        good &= days.astype("datetime64[M]") == months  # no 31 April
        shift = pc.fill_null(part("z"), "").to_numpy(zero_copy_only=False)
        self.utc_ |= bool(((shift != "") & good).any())
        found = days.astype(np.int64) * 86_400 + hour * 3600 + minute * 60 + np.maximum(second, 0) - _offset(shift)
        return np.where(good, found, np.nan)


class _Seen:
    """What one look at a column found, day first and month first."""

    def __init__(self) -> None:
        self.rows = self.either = self.day_only = self.month_only = 0
        self.low, self.high = np.full(2, np.inf), np.full(2, -np.inf)
        self.sample = self.open = ""

    def add(self, column: pa.ChunkedArray, readings: list[NDArray[np.float64]]) -> None:
        self.sample = self.sample or _sample(column)
        day, month = readings[0], readings[-1]
        read_day, read_month = np.isfinite(day), np.isfinite(month)
        either = read_day & read_month & (day != month)
        if either.any() and not self.open:
            self.open = _sample(column.slice(int(either.argmax()), 1))
        self.either += int(either.sum())
        self.day_only += int((read_day & ~read_month).sum())
        self.month_only += int((read_month & ~read_day).sum())
        for i, (values, known) in enumerate(((day, read_day), (month, read_month))):
            if known.any():
                self.low[i] = min(self.low[i], values[known].min())
                self.high[i] = max(self.high[i], values[known].max())

    def order(self, column: str, where: str) -> str:
        """Return which order the rows prove; InputError where they prove none, or both."""
        ask = f"say which with {_OPTION} {DAY_FIRST} or {MONTH_FIRST}"
        if self.day_only and self.month_only:
            msg = (
                f"{where}: dates of {column!r} are day first in {self.day_only:,} rows and month first in "
                f"{self.month_only:,}; {ask}, the others count as not readable"
            )
            raise InputError(msg)
        if self.either and not (self.day_only or self.month_only):
            msg = f"{where}: dates of {column!r} such as {self.open!r} may be day first or month first; {ask}"
            raise InputError(msg)
        return MONTH_FIRST if self.month_only else DAY_FIRST

    def check(self, order: str, column: str, where: str) -> None:
        """Refuse a column of which nothing can be read, or that holds one time only."""
        i = int(order == MONTH_FIRST)
        if not np.isfinite(self.low[i]):
            held = f"such as {self.sample!r}" if self.sample else "it holds nothing"
            msg = (
                f"{where}: no time of column {column!r} can be read ({held}); it takes ISO texts, 31/12/2017 23:59, "
                f"seconds or milliseconds since 1970, and other texts by a pattern: {_OPTION} '%d/%m/%y %H:%M'"
            )
            raise InputError(msg)
        if self.low[i] == self.high[i]:
            at = np.datetime64(int(self.low[i]), "s")
            msg = f"{where}: all times of column {column!r} are {at}: no hour can be told; give --hours instead"
            raise InputError(msg)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _sample(column: pa.ChunkedArray) -> str:
    import pyarrow.compute as pc

    held = pc.drop_null(column.slice(0, 1000))
    return one_line(str(held[0].as_py()), 40) if len(held) else ""


def _whole(texts: pa.Array) -> NDArray[np.int64]:
    """Return digits as numbers: -1 for none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = pc.if_else(pc.equal(pc.fill_null(texts, ""), ""), "-1", texts)
    return np.asarray(pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _within(whole: Any, unit: int) -> NDArray[np.float64]:
    """Return whole numbers of 1/unit seconds as seconds, NaN for nulls and times out of bounds."""
    import pyarrow.compute as pc

    known = np.asarray(pc.is_valid(whole), dtype=bool)
    values = np.asarray(pc.fill_null(whole, 0), dtype=np.int64) // unit
    return np.where(known & (values >= _FIRST) & (values < _LAST), values, np.nan)


def _offset(zones: NDArray[Any]) -> NDArray[np.int64]:
    """Return seconds east of UTC."""
    out = np.zeros(len(zones), dtype=np.int64)
    for zone in set(zones.tolist()):
        if zone[:1] in ("+", "-"):
            seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
            out[zones == zone] = seconds if zone[0] == "+" else -seconds
    return out
