"""The file of regions: names, larger units, areas and boundaries, Parquet or GeoJSON; each row judged.

Shapes: N rows of a file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.season_table import Flags
from data.contracts.vocabulary import REGIONS, Reason
from data.errors import InputError
from data.inputs.listing import list_files, locate_file, place_of, reading_errors
from data.inputs.parquet import read_batches, read_footers, require_alike
from data.inputs.parsing import Kind, Names, kind_of, name_of, numbers
from data.settings.schema import Settings
from tasks.ledger import rejected
from tasks.ledger.account import check_share
from tasks.ledger.copies import KEPT, resolve_duplicates
from tasks.ledger.faults import finite_range, value_faults

SECTION = "region_columns"
KEY, NAME, AREA, GEOMETRY = "region", "name", "area", "geometry"
GEOJSON = (".geojson", ".json")
_BATCH_ROWS = 1 << 16


@dataclass(frozen=True, eq=False)
class Regions:
    """What is known of regions besides weather and yields.

    `table` has a row for each region and the columns region, name, area (NaN where unknown), the label
    columns of `aggregate.levels`, and geometry (GeoJSON text); a text that isn't known is None. `rows` came
    in, `rejected` holds those that can't be used, laid out as contracts.REJECTED.
    """

    table: pd.DataFrame
    rows: int
    rejected: pa.Table


def read_regions(settings: Settings) -> Regions | None:
    """Read the file of regions; None where the settings name none.

    Raises InputError for a missing or unreadable file, a missing or mistyped column, and when too many
    rows are rejected; StorageError when the file system fails.
    """
    if settings.regions is None:
        return None
    frames, tables, rows = [], [rejected.NONE], 0
    for file, first, record in _records(settings, settings.regions):
        frame, faulty = _judge(settings, file, first, record)
        frames.append(frame)
        tables.append(faulty)
        rows += record.num_rows
    frame = pd.concat(frames, ignore_index=True)
    verdict_N = resolve_duplicates(*_comparable(frame, [NAME, AREA, *settings.aggregate.levels]))
    for file, index in frame[verdict_N != KEPT].groupby("file", sort=False).groups.items():
        tables.append(_copies(frame.loc[index], str(file), verdict_N[index]))
    lost = rejected.sort(pa.concat_tables(tables))
    check_share(settings, REGIONS, lost, rows)
    kept = frame[verdict_N == KEPT].drop(columns=["file", "row"]).reset_index(drop=True)
    return Regions(kept, rows, lost)


def _wanted(settings: Settings) -> dict[str, tuple[str, tuple[Kind, ...]]]:
    """Column by key: the source's name and what it can be read as."""
    names: tuple[Kind, ...] = ("text", "number")
    columns = {key: (source_of(settings, key), names) for key in (KEY, *settings.aggregate.levels)}
    return columns | {
        NAME: (source_of(settings, NAME), names),
        AREA: (source_of(settings, AREA), ("number", "text")),
    }


def source_of(settings: Settings, key: str) -> str:
    """What the file calls one of our columns."""
    return settings.region_columns.get(key, key)


def _optional(settings: Settings, key: str) -> bool:
    return key in (NAME, AREA) and key not in settings.region_columns


def _records(settings: Settings, uri: str) -> Iterator[tuple[str, int, pa.RecordBatch]]:
    """Rows of all files with their columns by our names: file, position of the first row, the rows."""
    wanted = _wanted(settings)
    if PurePosixPath(uri).suffix.lower() in GEOJSON:
        (file,) = list_files(uri)
        yield file.name, 0, _features(settings, uri, file.name, wanted)
        return
    footers = read_footers(uri)
    there = {
        key: of
        for key, of in wanted.items()
        if not _optional(settings, key) or all(footer.has(of[0]) for footer in footers)
    }
    require_alike(uri, footers, there, SECTION)
    for footer in footers:
        boundary = source_of(settings, GEOMETRY)
        columns = {key: source for key, (source, _) in there.items()}
        if boundary in footer.columns and kind_of(footer.columns[boundary]) == "text":
            columns[GEOMETRY] = boundary
        first = 0
        for batch in read_batches(
            uri, footer.file.name, list(dict.fromkeys(columns.values())),
            range(footer.metadata.num_row_groups), footer.folders, _BATCH_ROWS,
        ):  # fmt: skip
            arrays = [batch[columns[key]] for key in columns]
            yield footer.file.name, first, pa.RecordBatch.from_arrays(arrays, names=list(columns))
            first += batch.num_rows


def _features(
    settings: Settings, uri: str, name: str, wanted: dict[str, tuple[str, tuple[Kind, ...]]]
) -> pa.RecordBatch:
    """The features of a GeoJSON file as rows."""
    place, features = place_of(uri, name), feature_list(uri, name)
    rows = [{"id": each.get("id")} | (each.get("properties") or {}) for each in features]
    there = {column for row in rows for column in row if row[column] is not None}
    columns: dict[str, pa.Array] = {}
    for key, (source, _) in wanted.items():
        if source not in there and not _optional(settings, key):
            raise InputError(
                f"{place}: no feature has the property {source!r}; there are "
                f"{', '.join(sorted(there)[:12]) or 'none'}. If it goes by another name, say so in the "
                f'settings: [{SECTION}] {key} = "its name"'
            )
        if source in there:
            columns[key] = pa.array([name_of(row.get(source)) or None for row in rows], pa.string())
    boundaries = [
        json.dumps(each["geometry"], separators=(",", ":")) if each.get("geometry") else None
        for each in features
    ]
    columns[GEOMETRY] = pa.array(boundaries, pa.string())
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def feature_list(uri: str, name: str) -> list[dict[str, Any]]:
    """The features of a GeoJSON file. Raises InputError for any other, StorageError."""
    place = place_of(uri, name)
    with reading_errors(uri, name):
        files, path = locate_file(uri, name)
        with files.open_input_stream(path) as stream:
            content = stream.read()
    try:
        read = json.loads(content)
    except ValueError as error:
        raise InputError(f"{place} can't be read as GeoJSON: {error}") from None
    features = read.get("features") if isinstance(read, dict) else None
    if not isinstance(features, list) or not all(isinstance(each, dict) for each in features):
        raise InputError(f'{place}: is no GeoJSON FeatureCollection: it needs "features": […]')
    if not features:
        raise InputError(f"{place} has no features; write it again")
    return features


def _judge(
    settings: Settings, file: str, first: int, record: pa.RecordBatch
) -> tuple[pd.DataFrame, pa.Table]:
    """The rows that can be used, and those that can't."""
    count = record.num_rows
    frame = pd.DataFrame({"file": [file] * count, "row": np.arange(first, first + count)})
    for key in (KEY, NAME, *settings.aggregate.levels, GEOMETRY):
        frame[key] = _texts(record[key]) if key in record.schema.names else None
    frame = frame.astype(dict.fromkeys((KEY, NAME, *settings.aggregate.levels, GEOMETRY), object))
    frame[AREA] = np.nan
    faults: list[tuple[Reason, str, Flags]] = [(Reason.MISSING_KEY, KEY, frame[KEY].isna().to_numpy())]
    if AREA in record.schema.names:
        parsed = numbers(record[AREA])
        found = value_faults(AREA, parsed, finite_range(0.0, math.inf))
        missing_N = found[0][2] | np.isnan(parsed.value_N)  # an area that isn't known is no fault
        faults += [(reason, column, flag_N & ~missing_N) for reason, column, flag_N in found[1:]]
        frame[AREA] = np.where(missing_N, np.nan, parsed.value_N)
    fault_N = rejected.first_fault(faults, count)
    bad = np.flatnonzero(fault_N >= 0)
    used = {key: key for key in record.schema.names if key != GEOMETRY}
    lost = rejected.reject(
        REGIONS, file, bad + first, record.take(pa.array(bad)),
        rejected.Faults([(reason, column) for reason, column, _ in faults], fault_N[bad]),
        {"region": (KEY,)}, used,
    )  # fmt: skip
    return frame[fault_N < 0], lost


def _texts(column: pa.Array) -> list[str | None]:
    names, code_N = Names().read(column)
    return [names[code] if code >= 0 else None for code in code_N.tolist()]


def _comparable(frame: pd.DataFrame, columns: list[str]) -> tuple[Any, Any]:
    """Keys and values as numbers, for `resolve_duplicates`; two unknown values are alike."""
    key_N1 = pd.factorize(frame[KEY])[0][:, None].astype(np.int64)
    value_NV = np.column_stack([pd.factorize(frame[column])[0] for column in columns]).astype(np.float64)
    return key_N1, value_NV


def _copies(rows: pd.DataFrame, file: str, verdicts: Any) -> pa.Table:
    found = rows.drop(columns=["file", "row", GEOMETRY])
    batch = pa.RecordBatch.from_pandas(found, preserve_index=False)
    faults = rejected.Faults([(reason, None) for reason in rejected.REASONS], verdicts)
    return rejected.reject(
        REGIONS, file, rows["row"].to_numpy(), batch, faults, {"region": (KEY,)},
        {key: key for key in found.columns},
    )  # fmt: skip
