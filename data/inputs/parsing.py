"""Arrow columns to numbers, dates and names: which types are supported, which values can't be read.

Shapes: N values, D distinct ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["number", "text", "time", "null"]
Bytes = npt.NDArray[np.uint8]
SOUND, MISSING, UNREADABLE = 0, 1, 2
YEARS = (1, 9999)
"""The years that calendars know; a time outside them is none."""
LARGEST = 1e150
"""What is larger is no measurement, and its square would not be finite."""
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_EPOCH = date(1970, 1, 1).toordinal()
DAYS = (date(YEARS[0], 1, 1).toordinal() - _EPOCH, date(YEARS[1], 12, 31).toordinal() - _EPOCH)
"""The same in days since 1970-01-01."""


@dataclass(frozen=True, eq=False)
class Parsed:
    """Values of a column; `fault_N` is None when all are sound, else SOUND, MISSING or UNREADABLE each.

    The value at a fault is unspecified (but finite where it is an integer). `texts` counts the
    non-empty values of a text column, `unparsed` those of them that stand for nothing.
    """

    value_N: npt.NDArray[Any]
    fault_N: Bytes | None = None
    texts: int = 0
    unparsed: int = 0


def kind_of(of: pa.DataType) -> Kind | None:
    """What a column of this type can be read as; None: it can't."""
    if pa.types.is_dictionary(of):
        return kind_of(of.value_type)
    if pa.types.is_null(of):
        return "null"
    if pa.types.is_integer(of) or pa.types.is_floating(of) or pa.types.is_decimal(of):
        return "number"
    if pa.types.is_timestamp(of) or pa.types.is_date(of):
        return "time"
    if (
        pa.types.is_string(of)
        or pa.types.is_large_string(of)
        or pa.types.is_string_view(of)
        or pa.types.is_binary(of)  # what writers without a notion of text leave
        or pa.types.is_large_binary(of)
    ):
        return "text"
    return None


def numbers(column: pa.Array) -> Parsed:
    """A measure as float64. NaN and infinities come back as they are, not as faults."""
    kind = kind_of(column.type)
    if kind == "text":
        return _parse_text(column, _number, np.float64)
    if kind == "null":
        return _all_missing(len(column), np.float64)
    column = _plain(column)
    missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    value_N = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return Parsed(value_N, None if missing is None else missing.astype(np.uint8))


def integers(column: pa.Array) -> Parsed:
    """Years and months as int64; fractions, infinities and other texts are unreadable."""
    kind = kind_of(column.type)
    if kind == "text":
        return _parse_text(column, _integer, np.int64)
    if kind == "null":
        return _all_missing(len(column), np.int64)
    column = _plain(column)
    if pa.types.is_integer(column.type) and not column.null_count:
        return Parsed(column.to_numpy(zero_copy_only=False).astype(np.int64))
    missing = column.is_null().to_numpy(zero_copy_only=False)
    value_N = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    missing |= np.isnan(value_N)
    whole = ~missing & (np.abs(np.where(missing, 0.0, value_N)) < 2**53) & (np.trunc(value_N) == value_N)
    fault_N = np.where(missing, MISSING, np.where(whole, SOUND, UNREADABLE)).astype(np.uint8)
    return Parsed(np.where(whole, value_N, 0).astype(np.int64), fault_N if fault_N.any() else None)


def days(column: pa.Array) -> Parsed:
    """Dates as whole days since 1970-01-01; timestamps with a zone as their local date."""
    kind = kind_of(column.type)
    if kind == "text":
        return _parse_text(column, _day, np.int64)
    if kind == "null":
        return _all_missing(len(column), np.int64)
    column = _plain(column)
    missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    ticks = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    if missing is not None:
        ticks = ticks.fill_null(0)
    value_N = ticks.to_numpy(zero_copy_only=False)
    if not pa.types.is_date32(column.type):
        unit = column.type.unit if pa.types.is_timestamp(column.type) else "ms"
        value_N = np.floor_divide(value_N, _PER_DAY[unit])
    return Parsed(value_N, None if missing is None else missing.astype(np.uint8))


class Names:
    """Regions and crops as positions in a list of distinct names; -1 where there is none.

    Remembers the last list, because batches of one file mostly share their dictionary.
    """

    def __init__(self) -> None:
        self._seen: pa.Array | None = None
        self._names: tuple[str, ...] = ()
        self._at: npt.NDArray[np.int32] | None = None

    def read(self, column: pa.Array) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
        """Distinct names (D) and the position of each value's (N)."""
        if not pa.types.is_dictionary(column.type):
            column = (
                column.cast(pa.string()) if pa.types.is_null(column.type) else column
            ).dictionary_encode()
        if self._seen is None or not self._seen.equals(column.dictionary):
            self._seen = column.dictionary
            self._names, self._at = _distinct([name_of(value) for value in _values(column.dictionary)])
        indices = column.indices
        if indices.null_count:
            indices = indices.cast(pa.int32()).fill_null(-1)
        code_N = indices.to_numpy(zero_copy_only=False)
        if self._at is not None:  # the last entry answers for -1
            code_N = self._at[code_N]
        return self._names, code_N.astype(np.int32, copy=False)


def name_of(value: Any) -> str:
    """A name as text; empty where there is none. Integers that came as floats lose their `.0`."""
    if value is None or isinstance(value, bytes) or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def texts(column: pa.Array) -> pa.StringArray:
    """Values as a table may show them (N); what isn't UTF-8 in a text is replaced, nulls stay."""
    of = column.type
    if pa.types.is_dictionary(of):
        return texts(column.dictionary).take(column.indices)
    if kind_of(of) == "text":
        raw = column.cast(pa.large_binary())
        try:
            return raw.cast(pa.string())
        except pa.ArrowInvalid:
            decoded = [value and value.decode("utf-8", "replace") for value in raw.to_pylist()]
            return pa.array(decoded, pa.string())
    if pa.types.is_timestamp(of):
        local = pc.local_timestamp(column) if of.tz is not None else column
        shown = pc.replace_substring(local.cast(pa.string()), " ", "T", max_replacements=1)
        return pc.replace_substring_regex(shown, r"\.0+$", "")
    return (column.cast(pa.date32()) if pa.types.is_date64(of) else column).cast(pa.string())


def _values(column: pa.Array) -> list[Any]:
    """Values of a column; texts that aren't UTF-8 stay bytes."""
    if kind_of(column.type) != "text":
        try:
            return list(column.to_pylist())
        except (ValueError, OverflowError):  # times that Arrow knows and Python doesn't
            return list(texts(column).to_pylist())
    raw = column.cast(pa.large_binary())
    try:
        return list(raw.cast(pa.large_string()).to_pylist())
    except pa.ArrowInvalid:
        return [_decoded(value) for value in raw.to_pylist()]


def _decoded(value: bytes | None) -> str | bytes | None:
    try:
        return value if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _distinct(found: list[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int32] | None]:
    names = tuple(dict.fromkeys(name for name in found if name.strip()))
    if list(names) == found:
        return names, None
    position = {name: at for at, name in enumerate(names)}
    return names, np.array([position.get(name, -1) for name in found] + [-1], dtype=np.int32)


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _all_missing(count: int, of: Any) -> Parsed:
    return Parsed(np.zeros(count, of), np.full(count, MISSING, np.uint8))


def _parse_text(column: pa.Array, parse: Callable[[str], Any], of: Any) -> Parsed:
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    found = _values(coded.dictionary)
    value_D = np.zeros(len(found) + 1, of)
    fault_D = np.full(len(found) + 1, MISSING, np.uint8)  # the last entry answers for nulls
    for at, raw in enumerate(found):
        text = name_of(raw).strip()
        if text or isinstance(raw, bytes):
            value = parse(text)
            fault_D[at] = UNREADABLE if value is None else SOUND
            value_D[at] = 0 if value is None else value
    index_N = coded.indices.cast(pa.int64()).fill_null(len(found)).to_numpy(zero_copy_only=False)
    fault_N = fault_D[index_N]
    counts = np.bincount(fault_N, minlength=3)
    return Parsed(
        value_D[index_N],
        fault_N if counts[SOUND] < len(fault_N) else None,
        texts=int(counts[SOUND] + counts[UNREADABLE]),
        unparsed=int(counts[UNREADABLE]),
    )


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _integer(text: str) -> int | None:
    value = _number(text)
    return int(value) if value is not None and abs(value) < 2**53 and value.is_integer() else None


def _day(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).date().toordinal() - _EPOCH
    except ValueError:
        return None
