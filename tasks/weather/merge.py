"""Merging weather parts into sums by region-season, in the order of file and row.

The three steps `partition`, `aggregate_part` and `merge_parts` may run anywhere, side by side; the
result is the same to the last bit, because merging follows the order of the files, not of arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from data.contracts.vocabulary import MAIN, WEATHER, OutOfScope, Reason
from data.errors import InputError
from data.inputs.listing import place_of
from data.settings.calendar import Resolution
from data.settings.schema import Settings
from tasks.features.season_sums import Sums, merge, sum_rows
from tasks.features.time_table import TimeTable
from tasks.job import step_files
from tasks.ledger import account, rejected
from tasks.ledger.repeats import repeated_rows
from tasks.weather import files
from tasks.weather.duplicates import Reread, resolve
from tasks.weather.parts import SECTION, Part, time_tables
from tasks.weather.rows import RowBatch, read_rows
from tasks.weather.season_index import SeasonIndex

_EXAMPLES = 20  # region-seasons that an error looks at


@dataclass(frozen=True)
class Box:
    """The region-seasons a part may hold: first and last region name and harvest year."""

    regions: tuple[str, str]
    years: tuple[int, int]


@dataclass(frozen=True, eq=False)
class SeasonPart:
    """What one part gave for one season: sums, rows out of its scope, rejected rows in it."""

    sums: Sums
    outside: dict[str, int]
    rejected: pa.Table


@dataclass(frozen=True, eq=False)
class Partial:
    """What one part gave: for each season by name, and the values of text columns.

    `texts` counts, per column of text, the values that aren't empty and those that can't be parsed.
    """

    part: Part
    seasons: dict[str, SeasonPart]
    texts: dict[str, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Weather:
    """All weather of one season, per region and harvest year, each row of it accounted for.

    `outside` counts rows by OutOfScope; `rejected` holds the rows judged so far; `boxes` say for each
    of `parts` where a second reading may find a region-season.
    """

    resolution: Resolution
    sums: Sums
    rows: int
    outside: dict[str, int]
    rejected: pa.Table
    parts: tuple[Part, ...]
    boxes: tuple[Box | None, ...]

    def save(self, folder: Path) -> None:
        """Write it into a folder, which is made."""
        about = {
            "resolution": self.resolution,
            "rows": self.rows,
            "outside": self.outside,
            "parts": [asdict(part) for part in self.parts],
            "boxes": [box and asdict(box) for box in self.boxes],
            "sums": files.sums_about(self.sums),
        }
        tables = {"sums": files.sums_table(self.sums), "rejected": self.rejected}
        step_files.write(folder, about, tables)

    @classmethod
    def load(cls, folder: Path) -> Weather:
        """Read what `save` wrote."""
        about = step_files.read(folder)
        return cls(
            about["resolution"],
            files.sums_from(step_files.read_table(folder, "sums"), about["sums"]),
            about["rows"],
            about["outside"],
            step_files.read_table(folder, "rejected"),
            tuple(files.part_from(part) for part in about["parts"]),
            tuple(box and Box(tuple(box["regions"]), tuple(box["years"])) for box in about["boxes"]),
        )


def save_weather(seasons: Mapping[str, Weather], folder: Path) -> None:
    """Write the weather of all seasons into a folder, one folder for each."""
    for name, weather in seasons.items():
        weather.save(folder / name)
    step_files.write(folder, {"seasons": list(seasons)}, {})


def load_weather(folder: Path) -> dict[str, Weather]:
    """Read what `save_weather` wrote."""
    return {name: Weather.load(folder / name) for name in step_files.read(folder)["seasons"]}


def aggregate_part(settings: Settings, part: Part, total: int) -> Partial:
    """Judge and sum the rows of one part of an input of `total` rows.

    Raises InputError when the file can't be read or changed, and as soon as this part alone has more
    rejected rows, for one of the seasons, than the whole input may have.
    """
    tables = time_tables(settings, part.layout.resolution, part.as_of)
    blocks: dict[str, list[Sums]] = {name: [] for name in tables}
    outside: dict[str, Counter[OutOfScope]] = {name: Counter() for name in tables}
    rejects: dict[str, list[pa.Table]] = {name: [rejected.NONE] for name in tables}
    texts: dict[str, tuple[int, int]] = {}
    for batch in read_rows(settings, part, tables):
        for column, (seen, bad) in batch.texts.items():
            before = texts.get(column, (0, 0))
            texts[column] = (before[0] + seen, before[1] + bad)
        for name, table in tables.items():
            outside[name].update(batch.outside.get(name, {}))
            if len(found := batch.rejected.get(name, rejected.NONE)):
                rejects[name].append(found)
                account.check_share(settings, WEATHER, pa.concat_tables(rejects[name]), total)
            if len(batch):
                sums, skipped = sum_rows(batch.names, batch.code_N, batch.time_N, batch.values, table)
                blocks[name].append(sums)
                outside[name].update(skipped)
    return Partial(
        part,
        {
            name: SeasonPart(
                merge(blocks[name], table.plan), _counts(outside[name]), pa.concat_tables(rejects[name])
            )
            for name, table in tables.items()
        },
        texts,
    )


def merge_parts(settings: Settings, partials: Sequence[Partial]) -> dict[str, Weather]:
    """Merge the partials of all parts, in any order, for each season.

    Decides among rows of one region and time: where rows repeat, the parts concerned are read once
    more. Raises InputError when a text column holds no number at all, and when already too many rows
    are rejected.
    """
    partials = sorted(partials, key=lambda partial: (partial.part.file, partial.part.first_row))
    _refuse_texts(settings, partials)
    first = partials[0].part
    tables = time_tables(settings, first.layout.resolution, first.as_of)
    parts = tuple(partial.part for partial in partials)
    return {
        name: _merge_season(settings, parts, [partial.seasons[name] for partial in partials], table)
        for name, table in tables.items()
    }


def check_rejects(settings: Settings, partials: Sequence[Partial], rows: int) -> None:
    """Raise InputError when more of an input's `rows` are rejected, for one of the seasons, than may be."""
    for name in partials[0].seasons if partials else ():
        rejects = pa.concat_tables([partial.seasons[name].rejected for partial in partials])
        account.check_share(settings, WEATHER, rejects, rows)


def _merge_season(
    settings: Settings, parts: tuple[Part, ...], found: Sequence[SeasonPart], table: TimeTable
) -> Weather:
    rows = sum(part.rows for part in parts)
    tables = [each.rejected for each in found]
    account.check_share(settings, WEATHER, pa.concat_tables(tables), rows)
    blocks, plan = [each.sums for each in found], table.plan
    sums = merge(blocks, plan)
    if sums.repeated().any():
        scope = rows - sum(n for each in found for n in each.outside.values())
        copies = scope - sum(len(t) for t in tables) - int(sums.observed().sum())
        reread = _reread(settings, parts, table)
        if copies > settings.max_rejected * rows:  # don't gather them all first
            few = sums.take(np.flatnonzero(sums.repeated())[:_EXAMPLES])
            _, some = resolve(few, blocks, reread, plan)
            slots = sums.repeated_CW if sums.repeated_CW is not None else np.zeros(0, np.uint64)
            claimed = copies + int(np.bitwise_count(slots).sum())  # each with the first of its slot
            raise repeated_rows(settings, scope, claimed, pa.concat_tables(some))
        sums, more = resolve(sums, blocks, reread, plan)
        tables += more
    outside: Counter[str] = Counter()
    for each in found:
        outside.update(each.outside)
    return Weather(
        parts[0].layout.resolution, sums, rows, _counts(outside), rejected.sort(pa.concat_tables(tables)),
        parts, tuple(_box(block) for block in blocks),
    )  # fmt: skip


def reject_cells(settings: Settings, weather: Weather, cell_C: np.ndarray, reason: Reason) -> pa.Table:
    """All rows used for some region-seasons (mask or positions in `weather.sums`) as rejected rows.

    The settings are those of the weather's own season. Reads the parts again that hold these rows.
    Raises InputError, also when a file changed in between.
    """
    chosen = weather.sums.take(cell_C)
    rejects = [rejected.NONE]
    if not len(chosen):
        return rejects[0]
    tables = time_tables(settings, weather.resolution, weather.parts[0].as_of)
    (table,) = tables.values()
    cells = SeasonIndex(chosen.names, chosen.region_C, chosen.year_C)
    before = rejected.positions(weather.rejected)
    name_C = np.array(chosen.names, dtype=object)[chosen.region_C]
    for part, box in zip(weather.parts, weather.boxes, strict=True):
        if box is None:
            continue
        in_years = (chosen.year_C >= box.years[0]) & (chosen.year_C <= box.years[1])
        if not any(box.regions[0] <= name <= box.regions[1] for name in name_C[in_years]):
            continue
        gone = before.get(part.file, np.zeros(0, np.int64))
        for batch in read_rows(settings, part, tables):
            if len(batch):
                cell_N, _ = cells.of_rows(batch, table)
                rows = batch.take((cell_N >= 0) & ~np.isin(batch.rows(), gone))
                if len(rows):
                    rejects.append(rows.reject([reason], np.zeros(len(rows), np.int64)))
    return pa.concat_tables(rejects)


def _counts(outside: Mapping[OutOfScope, int] | Mapping[str, int]) -> dict[str, int]:
    return {str(scope): outside[scope] for scope in OutOfScope if outside.get(scope)}


def _reread(settings: Settings, parts: Sequence[Part], table: TimeTable) -> Reread:
    def read(n: int) -> tuple[TimeTable, Iterator[RowBatch]]:
        # of its own, because reading widens it, and parts are read side by side
        own = TimeTable(table.plan, table.first_season, table.last_season, table.until)
        return own, (batch for batch in read_rows(settings, parts[n], {MAIN: own}) if len(batch))

    return read


def _box(sums: Sums) -> Box | None:
    if not len(sums):
        return None
    return Box(
        (sums.names[int(sums.region_C.min())], sums.names[int(sums.region_C.max())]),
        (int(sums.year_C.min()), int(sums.year_C.max())),
    )


def _refuse_texts(settings: Settings, partials: Sequence[Partial]) -> None:
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for partial in partials:
        for column, (seen, bad) in partial.texts.items():
            before = counts.get((partial.part.file, column), (0, 0))
            counts[partial.part.file, column] = (before[0] + seen, before[1] + bad)
    for (file, column), (seen, bad) in counts.items():
        if seen == bad:
            raise InputError(
                f"{place_of(settings.weather, file)}: column {column!r} is text, and none of its {seen} "
                f"values is a number; map another column or convert it (settings: [{SECTION}])"
            )
