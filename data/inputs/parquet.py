"""Reading Parquet: footers, the columns that a contract asks for, batches of rows. No meaning of values."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import InputError, StorageError
from data.inputs.fix_commands import unsplit_advice
from data.inputs.footers import Group, groups_of, read_tail
from data.inputs.listing import Listed, hive_columns, list_files, locate_file, place_of, reading_errors
from data.inputs.parsing import Kind, kind_of
from data.inputs.services import WEB_PAGE, is_web_page
from data.locations.uris import is_local

# a column chunk above this is read through a window instead of whole
_STREAM_ABOVE = 64 << 20
_WINDOW = 4 << 20
# the least similarity of names that is worth a question, 0 to 1
_ALIKE = 0.6
_TICKS = {"milliseconds": 86_400_000, "microseconds": 86_400_000_000, "nanoseconds": 86_400_000_000_000}


@dataclass(frozen=True, eq=False)
class Footer:
    """What a file says of itself: its columns, what its folders add, its row groups."""

    file: Listed
    columns: dict[str, pa.DataType]
    folders: dict[str, str | None]
    metadata: pq.FileMetaData
    groups: tuple[Group, ...]

    def kind(self, source: str) -> Kind | None:
        """What a column can be read as; folders are text. Raises KeyError for an unknown column."""
        return kind_of(self.columns[source]) if source in self.columns else self._folder(source)

    def has(self, source: str) -> bool:
        """The file or its folders know this column."""
        return source in self.columns or source in self.folders

    def ticks_per_day(self, source: str) -> int | None:
        """Of a timestamp as the file keeps it, which may be in another unit than it is read in."""
        schema = self.metadata.schema
        at = next(at for at in range(self.metadata.num_columns) if schema.column(at).path == source)
        unit = json.loads(schema.column(at).logical_type.to_json()).get("timeUnit")
        return _TICKS.get(unit)

    def _folder(self, source: str) -> Kind:
        return "null" if self.folders[source] is None else "text"


def read_footers(uri: str) -> tuple[Footer, ...]:
    """The footers of all Parquet files of an input, by name.

    Raises InputError for a missing or empty input and for files that can't be read, have no rows, or
    have two columns of one name; StorageError when the file system fails.
    """
    listed = list_files(uri)
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(lambda file: _read_footer(uri, file), listed))


def _read_footer(uri: str, file: Listed) -> Footer:
    with reading_errors(uri, file.name):
        files, path = locate_file(uri, file.name)
        with files.open_input_file(path) as source:
            try:
                tail = read_tail(source)
            except ValueError:
                if not is_local(uri) and is_web_page(source.read_at(200, 0)):
                    raise StorageError(f"{place_of(uri, file.name)}: {WEB_PAGE}") from None
                raise
        metadata = pq.read_metadata(pa.BufferReader(tail))
        schema, groups = metadata.schema.to_arrow_schema(), groups_of(tail)
        rows = sum(metadata.row_group(at).num_rows for at in range(metadata.num_row_groups))
        if rows != metadata.num_rows or len(groups) != metadata.num_row_groups:
            raise ValueError(f"its footer speaks of {metadata.num_rows} rows, its row groups of {rows}")
        names = schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{place_of(uri, file.name)}: column {twice[0]!r} is there twice; keep one of them")
    if names and (advice := unsplit_advice(place_of(uri, file.name), names)):
        raise InputError(f"{place_of(uri, file.name)}: {advice}")
    if metadata.num_rows == 0:
        raise InputError(
            f"{place_of(uri, file.name)} has no rows (columns: {_listing(names)}); remove it or "
            "write it again"
        )
    return Footer(
        file, dict(zip(names, schema.types, strict=True)), hive_columns(file.name), metadata, groups
    )


def _nearest(names: tuple[str, str], there: Sequence[str]) -> str | None:
    """Of the columns that nothing reads yet, the one most like either name; None below _ALIKE."""

    def alike(name: str) -> float:
        found = [0.0]
        for asked in names:
            one, other = asked.lower(), name.lower()
            found.append(difflib.SequenceMatcher(None, one, other).ratio())
            if min(len(one), len(other)) > 2 and (one.startswith(other) or other.startswith(one)):
                found.append(_ALIKE)
        return max(found)

    best = max(there, key=alike, default=None)
    return best if best is not None and alike(best) >= _ALIKE else None


def require(
    uri: str, footer: Footer, wanted: Mapping[str, tuple[str, Sequence[Kind]]], section: str
) -> dict[str, Kind]:
    """The kind of each wanted column: key -> (source, kinds that can be read).

    Raises InputError naming file and column, what was found and what was expected.
    """
    kinds: dict[str, Kind] = {}
    for key, (source, readable) in wanted.items():
        where = f"{place_of(uri, footer.file.name)}: column {source!r}"
        if not footer.has(source):
            there = [*footer.columns, *footer.folders]
            used = {name for name, _ in wanted.values()}
            near = _nearest((source, key), [name for name in there if name not in used])
            better = near or "its name"
            raise InputError(
                f"{where} is missing; the file has {_listing(there)}. "
                + (f"Did you mean {better!r}? " if near else "")
                + f'If it goes by another name, say so in the settings: [{section}] {key} = "{better}"'
            )
        kind = footer.kind(source)
        if kind is None or (kind not in readable and kind != "null"):
            expected = " or ".join(_WORDS[of] for of in readable)
            raise InputError(
                f"{where} is of type {footer.columns.get(source, 'text')}, expected {expected}; "
                f'convert it, or map another column in the settings: [{section}] {key} = "its name"'
            )
        kinds[key] = kind
    return kinds


def require_alike(
    uri: str, footers: Sequence[Footer], wanted: Mapping[str, tuple[str, Sequence[Kind]]], section: str
) -> None:
    """Every file has the wanted columns, each of one kind in all files. Raises InputError.

    Widths may differ (int32 here, float64 there); text here and numbers there may not, because they
    might mean different things (`0101` and `101`).
    """
    first: dict[str, tuple[Kind, Footer]] = {}
    for footer in footers:
        for name, kind in require(uri, footer, wanted, section).items():
            source = wanted[name][0]
            if kind == "null" or source not in footer.columns:
                continue
            known, other = first.setdefault(name, (kind, footer))
            if known != kind:
                raise InputError(
                    f"{place_of(uri, footer.file.name)}: column {source!r} is of type "
                    f"{footer.columns[source]}, but {other.columns[source]} in {other.file.name}; "
                    "write both alike"
                )


def read_batches(
    uri: str,
    name: str,
    columns: Sequence[str],
    row_groups: Sequence[int],
    folders: Mapping[str, str | None],
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Stream some row groups of one file, text as dictionaries, columns of its folders added.

    Raises InputError or StorageError.
    """
    with reading_errors(uri, name):
        files, path = locate_file(uri, name)
        with files.open_input_file(path) as source:
            tail = read_tail(source)
            metadata = pq.read_metadata(pa.BufferReader(tail))
            inside = [column for column in columns if column in metadata.schema.names]
            texts = [
                metadata.schema.column(at).path
                for at in range(metadata.num_columns)
                if metadata.schema.column(at).path in inside
                and metadata.schema.column(at).physical_type == "BYTE_ARRAY"
                and metadata.schema.column(at).logical_type.type != "DECIMAL"
            ]
            sizes = [chunk.size for group in row_groups for chunk in groups_of(tail)[group].values()]
            opened = pq.ParquetFile(
                source,
                metadata=metadata,
                read_dictionary=texts,
                pre_buffer=False,
                buffer_size=_WINDOW if max(sizes) > _STREAM_ABOVE else 0,
                page_checksum_verification=True,
            )
            left = sum(metadata.row_group(at).num_rows for at in row_groups)
            for batch in opened.iter_batches(
                batch_rows, row_groups=list(row_groups), columns=inside, use_threads=False
            ):
                for column in batch.columns:
                    _check_indices(column)
                left -= len(batch)
                yield _with_folders(batch, {name: folders[name] for name in columns if name not in inside})
            if left:
                raise ValueError(f"its pages hold {left} rows fewer than its footer speaks of")


def _check_indices(column: pa.Array) -> None:
    """Raises ValueError where a dictionary's positions point beyond it, which the library lets through."""
    if pa.types.is_dictionary(column.type) and column.null_count < len(column):
        bounds = pc.min_max(column.indices)
        if bounds["min"].as_py() < 0 or bounds["max"].as_py() >= len(column.dictionary):
            raise ValueError("a position in a dictionary lies beyond its end")


def _with_folders(batch: pa.RecordBatch, added: Mapping[str, str | None]) -> pa.RecordBatch:
    if not added:
        return batch
    arrays = list(batch.columns)
    for value in added.values():
        index = pa.repeat(pa.scalar(0, pa.int32()), batch.num_rows)
        arrays.append(pa.DictionaryArray.from_arrays(index, pa.array([value], pa.string())))
    return pa.RecordBatch.from_arrays(arrays, names=[*batch.schema.names, *added])


def _listing(names: Sequence[str]) -> str:
    shown_names = ", ".join(names[:12])
    return f"{shown_names} and {len(names) - 12} more" if len(names) > 12 else shown_names or "no columns"


_WORDS: dict[Kind, str] = {
    "number": "a number",
    "text": "text",
    "time": "a date or timestamp",
    "null": "nothing",
}
