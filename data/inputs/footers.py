"""What a Parquet footer says of its column chunks: sizes, and the bounds of their values.

Read here from the bytes, because the library's own accessors end the process where a footer is damaged.
A footer is a struct in Thrift's compact protocol (`parquet.thrift` of parquet-format).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

MAGIC = b"PAR1"
_TAIL = 64 << 10  # what is read at once: most footers are smaller
_DEEPEST = 16
# ids of fields in parquet.thrift
_ROW_GROUPS, _COLUMNS, _COLUMN = 4, 1, 3
_TYPE, _PATH, _COMPRESSED, _STATISTICS = 1, 3, 7, 12
_OLD_MAX, _OLD_MIN, _NULLS, _MAX, _MIN = 1, 2, 3, 5, 6
_NUMBERS = {1: "<i", 2: "<q", 4: "<f", 5: "<d"}  # INT32, INT64, FLOAT, DOUBLE
# what is read of a struct, by the ids that lead to it: what its fields hold in turn, or None for a value
_WANTED: Mapping[int, Any] = {
    _ROW_GROUPS: {
        _COLUMNS: {
            _COLUMN: {
                _TYPE: None,
                _PATH: None,
                _COMPRESSED: None,
                _STATISTICS: dict.fromkeys((_OLD_MAX, _OLD_MIN, _NULLS, _MAX, _MIN)),
            }
        }
    }
}


@dataclass(frozen=True)
class Chunk:
    """A column in a row group: its bytes in the file, and bounds and nulls where the footer tells."""

    size: int
    low: float | None
    high: float | None
    nulls: int | None


Group = Mapping[str, Chunk]
"""A row group's chunks by the names of their columns."""


def read_tail(source: pa.NativeFile) -> bytes:
    """The end of a Parquet file, from its footer on. Raises ValueError where there is none."""
    size = source.size()
    tail: bytes = source.read_at(min(size, _TAIL), max(size - _TAIL, 0))
    if len(tail) < 12 or tail[-4:] != MAGIC:
        raise ValueError("no Parquet magic bytes at its end")
    wanted = int.from_bytes(tail[-8:-4], "little") + 8
    if wanted > size:
        raise ValueError(f"its footer would be longer than the file ({wanted} of {size} bytes)")
    return tail[-wanted:] if wanted <= len(tail) else source.read_at(wanted, size - wanted)


@lru_cache(maxsize=8)  # the parts of a file ask one after the other
def groups_of(tail: bytes) -> tuple[Group, ...]:
    """The row groups of a file, by what `read_tail` gave. Raises ValueError for a damaged footer."""
    try:
        footer = _Compact(tail[:-8]).struct(_WANTED)
        return tuple(dict(_chunks(group)) for group in footer.get(_ROW_GROUPS, ()))
    except (IndexError, struct.error, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"its footer is damaged ({type(error).__name__})") from error


def _chunks(group: Mapping[int, Any]) -> Iterator[tuple[str, Chunk]]:
    for column in group.get(_COLUMNS, ()):
        about = column[_COLUMN]
        known = about.get(_STATISTICS, {})
        of = _NUMBERS.get(about[_TYPE])
        low, high = (
            struct.unpack(of, found)[0] if of and found is not None else None
            for found in (known.get(_MIN, known.get(_OLD_MIN)), known.get(_MAX, known.get(_OLD_MAX)))
        )
        path = b".".join(about[_PATH]).decode()
        yield path, Chunk(about[_COMPRESSED], low, high, known.get(_NULLS))


class _Compact:
    """A reader of the compact protocol over bytes."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def struct(self, wanted: Mapping[int, Any], depth: int = 0) -> dict[int, Any]:
        """The wanted fields of a struct by their ids; the others are passed over."""
        if depth > _DEEPEST:
            raise ValueError("its footer is nested too deep")
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            field = field + delta if delta else self._zigzag()
            inner = wanted.get(field, {}) if field in wanted else {}
            value = self._value(kind, inner or {}, depth)
            if field in wanted:
                found[field] = value
        return found

    def _value(self, kind: int, wanted: Mapping[int, Any], depth: int) -> Any:
        if kind in (1, 2):  # a boolean's value is its kind
            return kind == 1
        if kind in (3, 4, 5, 6):
            return self._byte() if kind == 3 else self._zigzag()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            return list(self._list(wanted, depth))
        if kind == 12:
            return self.struct(wanted, depth + 1)
        raise ValueError(f"its footer holds a value of the unknown kind {kind}")

    def _list(self, wanted: Mapping[int, Any], depth: int) -> Iterator[Any]:
        head = self._byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self._varint()
        if count > len(self.content):
            raise ValueError("its footer holds a list longer than itself")
        for _ in range(count):
            yield self._byte() if kind in (1, 2) else self._value(kind, wanted, depth)

    def _byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        if self.at + count > len(self.content):
            raise ValueError("its footer holds a text longer than itself")
        self.at += count
        return self.content[self.at - count : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("its footer holds a number that is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
