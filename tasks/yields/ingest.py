"""The ingest of yields: one value for each region, season and crop, from long or wide files.

Shapes: N rows of a file, X yields.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from data.contracts.season_table import Flags, Floats, Integers
from data.contracts.vocabulary import YIELDS, Reason
from data.errors import InputError
from data.inputs.parquet import read_footers
from data.locations.uris import redact_uri
from data.settings.schema import Settings
from tasks.job import step_files
from tasks.ledger import account, rejected
from tasks.ledger.copies import KEPT, resolve_duplicates
from tasks.yields.rows import YieldCells, YieldReader, take

_ARRAYS = ("region_X", "year_X", "crop_X", "value_X", "file_X", "row_X")
_DESCRIBING = ("regions", "crops", "files", "units", "wide", "rows", "outside")


@dataclass(frozen=True, eq=False)
class Yields:
    """Sound yields in scope, one per region, harvest year and crop, in the order of file and row.

    `crop_X` are positions in `crops`, `file_X` in `files`. `rows` counts all rows that came in (cells
    of wide files), `outside` those out of scope, `rejected` holds the ones judged so far.
    `units`: unit of each crop, null where neither the file nor the settings know it.
    """

    regions: tuple[str, ...]
    region_X: Integers
    year_X: Integers
    crops: tuple[str, ...]
    crop_X: Integers
    value_X: Floats
    files: tuple[str, ...]
    file_X: Integers
    row_X: Integers
    units: dict[str, str | None]
    wide: bool
    rows: int
    outside: dict[str, int]
    rejected: pa.Table

    def __len__(self) -> int:
        return len(self.year_X)

    def save(self, folder: Path) -> None:
        """Write it into a folder, which is made."""
        about = {name: getattr(self, name) for name in _DESCRIBING}
        arrays = {name: pa.array(getattr(self, name)) for name in _ARRAYS}
        step_files.write(folder, about, {"yields": pa.table(arrays), "rejected": self.rejected})

    @classmethod
    def load(cls, folder: Path) -> Yields:
        """Read what `save` wrote."""
        about = step_files.read(folder)
        table = step_files.read_table(folder, "yields")
        lists = {name: tuple(about[name]) for name in ("regions", "crops", "files")}
        arrays = {name: table[name].to_numpy().copy() for name in _ARRAYS}
        return cls(**(about | lists | arrays), rejected=step_files.read_table(folder, "rejected"))

    def reject(self, chosen_X: Flags, reason: Reason) -> pa.Table:
        """Some of the yields as rejected rows."""
        tables = [rejected.NONE]
        groups = np.stack([self.file_X, self.crop_X], axis=1)
        for file, crop in np.unique(groups[chosen_X], axis=0).tolist():
            rows = np.flatnonzero(chosen_X & (self.file_X == file) & (self.crop_X == crop))
            value = self.crops[crop] if self.wide else "yield"
            found = pa.RecordBatch.from_arrays(
                [
                    pa.array([self.regions[at] for at in self.region_X[rows].tolist()]),
                    pa.array(self.year_X[rows]),
                    pa.array([self.crops[crop]] * len(rows)),
                    pa.array(self.value_X[rows]),
                ],
                names=["region", "year", "crop", "found"],
            )
            keys = {"region": ("region",), "date": ("year",), "crop": ("crop",)}
            tables.append(
                rejected.reject(
                    YIELDS, self.files[file], self.row_X[rows].tolist(), found,
                    [(reason, None)] * len(rows), keys, {value: "found"},
                )
            )  # fmt: skip
        return pa.concat_tables(tables)


def ingest_yields(settings: Settings) -> Yields:
    """Read all yields.

    Raises InputError for missing and unreadable files, missing or mistyped columns, crops that can't
    be told, mixed units of one crop, text without numbers, and when too many rows are rejected;
    StorageError when the file system fails.
    """
    reader = YieldReader(settings, read_footers(settings.yields))
    blocks = [cells for cells in reader.cells() if len(cells.index_N)]
    met = reader.crops.names()
    absent = [crop for crop in settings.crops if crop not in met]
    if absent:
        raise InputError(
            f"{redact_uri(settings.yields)}: column {reader.crop!r}: no row of "
            f"{', '.join(map(repr, absent))}; "
            f"the crops there are {', '.join(sorted(met)[:12])}; mend `crops` in the settings"
        )
    account.check_share(settings, YIELDS, pa.concat_tables(reader.rejected), reader.rows)
    units = _units(reader, blocks)
    region_X, year_X, crop_X = (
        _join([getattr(cells, name) for cells in blocks]) for name in ("region_N", "year_N", "crop_N")
    )
    value_X = np.concatenate([np.zeros(0), *(cells.value_N for cells in blocks)])
    verdict_X = resolve_duplicates(np.stack([region_X, year_X, crop_X], axis=1), value_X[:, None])
    kept = []
    end = 0
    for cells in blocks:
        verdict_N = verdict_X[end : end + len(cells.index_N)]
        end += len(cells.index_N)
        lost_N = verdict_N != KEPT
        if lost_N.any():
            reasons = [(rejected.REASONS[verdict], None) for verdict in verdict_N[lost_N].tolist()]
            reader.reject(cells, cells.index_N[lost_N], reasons)  # type: ignore[arg-type]
        kept.append(take(cells, np.flatnonzero(~lost_N)))
    file_X = _join([np.full(len(cells.index_N), cells.file) for cells in kept])
    row_X = _join([cells.index_N + cells.first_row for cells in kept])
    order = np.lexsort([row_X, file_X])
    region_X, year_X, crop_X = (
        _join([getattr(cells, name) for cells in kept])[order] for name in ("region_N", "year_N", "crop_N")
    )
    return Yields(
        reader.regions.names(), region_X, year_X, reader.crops.names(), crop_X,
        np.concatenate([np.zeros(0), *(cells.value_N for cells in kept)])[order],
        tuple(footer.file.name for footer in reader.footers), file_X[order], row_X[order], units, reader.wide,
        reader.rows, {str(scope): n for scope, n in reader.outside.items() if n},
        rejected.sort(pa.concat_tables(reader.rejected)),
    )  # fmt: skip


def _units(reader: YieldReader, blocks: list[YieldCells]) -> dict[str, str | None]:
    names, settings = reader.units.names(), reader.settings
    found: dict[str, dict[str, str]] = {crop: {} for crop in reader.crops.names()}
    for cells in blocks:
        pairs, first = np.unique(np.stack([cells.crop_N, cells.unit_N], axis=1), axis=0, return_index=True)
        for (crop, unit), at in zip(pairs.tolist(), first.tolist(), strict=True):
            if unit >= 0:
                where = (
                    f"{reader.footers[cells.file].file.name} row {cells.first_row + int(cells.index_N[at])}"
                )
                found[reader.crops.names()[crop]].setdefault(names[unit], where)
    units: dict[str, str | None] = {}
    for crop, known in found.items():
        stated = settings.crop_units.get(crop)
        if known and stated is not None:
            known = known | {stated: known.get(stated, "the settings, [crop_units]")}
        if len(known) > 1:
            listed = ", ".join(f"{unit!r} ({where})" for unit, where in known.items())
            raise InputError(
                f"{redact_uri(settings.yields)}: column {reader.unit!r}: {crop} has more than one unit: "
                f"{listed}; "
                "convert the yields to one unit"
            )
        units[crop] = next(iter(known), stated)
    return units


def _join(arrays: list[Integers]) -> Integers:
    return np.concatenate([np.zeros(0, np.int64), *arrays])
