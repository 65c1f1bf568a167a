"""The ingest of yields: one value for each region, season and crop, duplicates decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.season_table import Flags
from data.contracts.vocabulary import YIELDS, OutOfScope, Reason
from data.errors import InputError
from data.inputs.parquet import read_footers
from data.locations.uris import redact_uri
from data.settings.schema import Settings
from data.settings.seasons import named_crops
from tasks.job import step_files
from tasks.ledger import account, rejected
from tasks.ledger.copies import KEPT, resolve_duplicates
from tasks.yields.layout import Layout, find_layout
from tasks.yields.rows import read_file

_NAMES = ["region", "crop", "file", "unit"]
_DESCRIBING = ("units", "wide", "rows", "outside")


@dataclass(frozen=True, eq=False)
class Yields:
    """Sound yields in scope, one per region, harvest year and crop, in the order of file and row.

    `table` has the columns region, year, crop, yield, area (harvested, in whatever unit; NaN where unknown),
    file and row (its position in the file), names as categories. `rows` counts all rows that came in (cells
    of wide files), `outside` those out of scope, `rejected` holds the ones judged so far. `units`: unit of
    each crop, null where neither the file nor the settings know it.
    """

    table: pd.DataFrame
    units: dict[str, str | None]
    wide: bool
    rows: int
    outside: dict[str, int]
    rejected: pa.Table

    def __len__(self) -> int:
        return len(self.table)

    def save(self, folder: Path) -> None:
        """Write it into a folder, which is made."""
        about = {name: getattr(self, name) for name in _DESCRIBING}
        table = pa.Table.from_pandas(self.table, preserve_index=False)
        step_files.write(folder, about, {"yields": table, "rejected": self.rejected})

    @classmethod
    def load(cls, folder: Path) -> Yields:
        """Read what `save` wrote."""
        table = step_files.read_table(folder, "yields").to_pandas()
        table = table.astype(
            dict.fromkeys(("region", "crop", "file"), "category")
        )  # lost where there are no rows
        return cls(table, **step_files.read(folder), rejected=step_files.read_table(folder, "rejected"))

    @property
    def crops(self) -> tuple[str, ...]:
        """All crops met, also those without a sound yield."""
        return tuple(self.units)

    def of_crops(self, crops: Collection[str]) -> Yields:
        """The yields of some crops; sound and rejected rows of the others are out of scope."""
        others = set(self.crops).difference(crops)
        # a crop that is a number may have been found as 3.0
        found = [str(crop).removesuffix(".0") for crop in self.rejected["crop"].to_pylist()]
        foreign = np.array([crop in others for crop in found], np.bool_)
        foreign_X = self.table["crop"].isin(others)
        skipped = int(foreign.sum()) + int(foreign_X.sum())
        if not skipped:
            return self
        outside = Counter(self.outside) + Counter({str(OutOfScope.CROP_NOT_SELECTED): skipped})
        return replace(
            self,
            table=self.table[~foreign_X].reset_index(drop=True),
            outside=dict(outside),
            rejected=self.rejected.filter(pa.array(~foreign)),
        )

    def reject(self, chosen_X: Flags, reason: Reason) -> pa.Table:
        """Some of the yields as rejected rows."""
        tables = [rejected.NONE]
        keys = {"region": ("region",), "date": ("year",), "crop": ("crop",)}
        for _, rows in self.table[chosen_X].groupby(["file", "crop"], observed=True):
            file, crop = rows[["file", "crop"]].iloc[0]
            found = pa.Table.from_pandas(rows, preserve_index=False)
            tables.append(
                rejected.reject(
                    YIELDS, file, rows["row"].to_numpy(), found,
                    rejected.Faults([(reason, None)], np.zeros(len(rows), np.int64)), keys,
                    {crop if self.wide else "yield": "yield"},
                )
            )  # fmt: skip
        return pa.concat_tables(tables)


def ingest_yields(settings: Settings) -> Yields:
    """Read all yields.

    Raises InputError for missing and unreadable files, missing or mistyped columns, crops that can't
    be told, mixed units of one crop, text without numbers, and when too many rows are rejected;
    StorageError when the file system fails.
    """
    footers = read_footers(settings.yields)
    layout = find_layout(settings, footers)
    files = [read_file(settings, layout, footer) for footer in footers]
    cells = pd.concat([file.cells for file in files], keys=[file.name for file in files], names=["file"])
    cells = cells.reset_index("file").reset_index(drop=True)
    cells[_NAMES] = cells[_NAMES].astype("category")
    met = dict.fromkeys(crop for file in files for crop in file.cells["crop"].cat.categories)
    absent = [crop for crop in named_crops(settings) if crop not in met]
    if absent:
        raise InputError(
            f"{redact_uri(settings.yields)}: column {layout.crop!r}: no row of "
            f"{', '.join(map(repr, absent))}; "
            f"the crops there are {', '.join(sorted(met)[:12])}; mend `crops` in the settings"
        )
    rows = sum(file.rows for file in files)
    rejects = [file.rejected for file in files]
    account.check_share(settings, YIELDS, pa.concat_tables(rejects), rows)
    units = _units(settings, layout, cells, list(met))

    codes = [cells[name].cat.codes for name in ("region", "crop")]
    verdict_X = resolve_duplicates(np.stack([*codes, cells["year"]], axis=1), cells[["yield"]].to_numpy())
    kept_X = verdict_X == KEPT
    lost = cells[~kept_X].assign(verdict=verdict_X[~kept_X])
    reasons = [(reason, None) for reason in rejected.REASONS]
    for file in files:
        for _, some in lost[lost["file"] == file.name].groupby("source", sort=False):
            rejects.append(file.reject(some, rejected.Faults(reasons, some["verdict"].to_numpy())))
    table = cells[kept_X].sort_values(["file", "row"], kind="stable", ignore_index=True)
    return Yields(
        table[["region", "year", "crop", "yield", "area", "file", "row"]], units, layout.wide, rows,
        dict(sum((+file.outside for file in files), Counter())), rejected.sort(pa.concat_tables(rejects)),
    )  # fmt: skip


def _units(
    settings: Settings, layout: Layout, cells: pd.DataFrame, crops: list[str]
) -> dict[str, str | None]:
    """The unit of each crop, by the files and the settings. Raises InputError where there are several."""
    named = cells.dropna(subset="unit").drop_duplicates(["crop", "unit"])
    units: dict[str, str | None] = {}
    for crop in crops:
        of_crop = named[named["crop"] == crop]
        known = {row.unit: f"{row.file} row {row.row}" for row in of_crop.itertuples()}
        stated = settings.crop_units.get(crop)
        if known and stated is not None:
            known.setdefault(stated, "the settings, [crop_units]")
        if len(known) > 1:
            listed = ", ".join(f"{unit!r} ({where})" for unit, where in known.items())
            raise InputError(
                f"{redact_uri(settings.yields)}: column {layout.unit!r}: {crop} has more than one unit: "
                f"{listed}; convert the yields to one unit"
            )
        units[crop] = next(iter(known), stated)
    return units
