"""The layout of weather files, and their parts, which can be read side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import product

import numpy as np
import pyarrow as pa

from data.contracts.vocabulary import MAIN
from data.errors import InputError
from data.inputs.listing import place_of
from data.inputs.parquet import Footer, read_footers, require_alike
from data.inputs.parsing import DAYS, YEARS, Kind
from data.settings.calendar import Resolution
from data.settings.schema import YEAR, Settings
from data.settings.seasons import of_season, season_names
from tasks.features.plan import make_plan, spread_cutoffs
from tasks.features.time_table import TimeTable

SECTION = "weather_columns"
# row groups are joined up to this, so that a part is worth the trouble
PART_ROWS = 1 << 20
_NAMES: tuple[Kind, ...] = ("text", "number")
_DATES: tuple[Kind, ...] = ("time", "text")
_NUMBERS: tuple[Kind, ...] = ("number", "text")


@dataclass(frozen=True)
class Layout:
    """Names in the source: of the region, of what makes up a row's time, of measures (name, source)."""

    resolution: Resolution
    region: str
    times: tuple[str, ...]
    measures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Part:
    """Some consecutive row groups of one file, as the file was when it was listed.

    `keys_only`: its footer says that all of its rows are out of scope of every season, so only their
    times are read. `as_of`: the last day that counts, YYYY-MM-DD; later rows are out of scope.
    """

    file: str
    size: int
    mtime_ns: int
    row_groups: tuple[int, ...]
    first_row: int
    rows: int
    folders: tuple[tuple[str, str | None], ...]
    layout: Layout
    keys_only: bool = False
    as_of: str | None = None


def partition(settings: Settings, as_of: date | None = None) -> list[Part]:
    """The parts of the weather input, in the order of file name and row; `as_of`: as known on that day.

    Raises InputError for a missing input, unreadable or empty files, missing columns and columns of
    the wrong type; SettingsError for features that such data can't give; StorageError.
    """
    footers = read_footers(settings.weather)
    layout = find_layout(settings, footers[0])
    wanted: dict[str, tuple[str, tuple[Kind, ...]]] = {"region": (layout.region, _NAMES)}
    if layout.resolution == "daily":
        wanted["date"] = (layout.times[0], _DATES)
    else:
        wanted |= {name: (source, _NUMBERS) for name, source in zip(("year", "month"), layout.times)}  # noqa: B905
    wanted |= {name: (source, _NUMBERS) for name, source in layout.measures}
    require_alike(settings.weather, footers, wanted, SECTION)
    known = None if as_of is None else as_of.isoformat()
    tables = time_tables(settings, layout.resolution, known)
    return [part for footer in footers for part in _parts_of(footer, layout, tables, known)]


def with_named_cutoffs(settings: Settings) -> Settings:
    """The settings with every cut-off named, those of `as_of_every` included: see `plan.spread_cutoffs`.

    Raises InputError where the weather can't be read, StorageError.
    """
    if not settings.as_of_every:
        return settings
    layout = find_layout(settings, read_footers(settings.weather)[0])
    days = {
        name: spread_cutoffs(of_season(settings, name), layout.resolution).as_of
        for name in season_names(settings)
    }
    seasons = {
        name: season.model_copy(update={"as_of": days[name]}) for name, season in settings.seasons.items()
    }
    main = days.get(MAIN, settings.as_of)
    return settings.model_copy(update={"as_of": main, "as_of_every": 0, "seasons": seasons})


def find_layout(settings: Settings, footer: Footer) -> Layout:
    """Resolution and columns, from the first file. Raises InputError when it has no column of time."""

    def source(key: str) -> str:
        return settings.weather_columns.get(key, key)

    asked = [
        feature.measure for name in season_names(settings) for feature in of_season(settings, name).features
    ]
    measures = tuple((measure, source(measure)) for measure in dict.fromkeys(asked) if measure != YEAR)
    of_time: dict[Resolution, tuple[str, ...]] = {
        "daily": ("date",),
        "monthly": ("year", "month"),
        "season": ("year",),
    }
    for resolution, key in of_time.items():
        times = tuple(source(name) for name in key)
        if all(footer.has(name) for name in times):
            return Layout(resolution, source("region"), times, measures)
    raise InputError(
        f"{place_of(settings.weather, footer.file.name)}: no column 'date', nor 'year' and 'month', "
        f"nor 'year'; the file has {', '.join([*footer.columns, *footer.folders])}. "
        f'If it goes by another name, say so in the settings: [{SECTION}] date = "its name"'
    )


def time_tables(settings: Settings, resolution: Resolution, as_of: str | None = None) -> dict[str, TimeTable]:
    """The calendar of each season; times after the day `as_of` (YYYY-MM-DD) are out of scope.

    Raises SettingsError for features that such data can't give.
    """
    tables = {}
    for name in season_names(settings):
        plan = make_plan(of_season(settings, name), resolution)
        until = None if as_of is None else plan.calendar.last_known(date.fromisoformat(as_of))
        tables[name] = TimeTable(plan, settings.first_season, settings.last_season, until)
    return tables


def _parts_of(
    footer: Footer, layout: Layout, tables: Mapping[str, TimeTable], as_of: str | None
) -> list[Part]:
    file = footer.file
    folders = tuple(footer.folders.items())
    whole = Part(file.name, file.size, file.mtime_ns, (), 0, 0, folders, layout, as_of=as_of)
    parts: list[Part] = []
    row = 0
    for group in range(footer.metadata.num_row_groups):
        about = footer.metadata.row_group(group)
        keys_only = all(_none_in_scope(footer, group, layout, table) for table in tables.values())
        last = parts[-1] if parts else None
        if last and last.keys_only == keys_only and last.rows + about.num_rows <= PART_ROWS:
            parts[-1] = replace(last, row_groups=(*last.row_groups, group), rows=last.rows + about.num_rows)
        elif about.num_rows:
            parts.append(
                replace(whole, row_groups=(group,), first_row=row, rows=about.num_rows, keys_only=keys_only)
            )
        row += about.num_rows
    return parts


def _none_in_scope(footer: Footer, group: int, layout: Layout, table: TimeTable) -> bool:
    """The footer proves that no row of a row group is in scope and that all their times are readable."""
    bounds = [_bounds(footer, group, name) for name in layout.times]
    if not all(bounds):
        return False
    (first, last), *months = [bound for bound in bounds if bound]
    low, high = DAYS if layout.resolution == "daily" else YEARS
    if not low <= first <= last <= high:
        return False
    if layout.resolution == "monthly":
        if not 1 <= months[0][0] <= months[0][1] <= 12:
            return False
        years, in_year = range(first, last + 1), range(months[0][0], months[0][1] + 1)
        times = np.array([year * 12 + month - 1 for year, month in product(years, in_year)])
    else:
        times = np.arange(first, last + 1)
    table.cover(int(times[0]), int(times[-1]))
    return bool((table.scope_of(times) >= 0).all())


def _bounds(footer: Footer, group: int, name: str) -> tuple[int, int] | None:
    """First and last time of a row group without nulls, in days or as they are; None where not known."""
    known, of = footer.groups[group].get(name), footer.columns.get(name)
    if known is None or not isinstance(known.low, int) or not isinstance(known.high, int) or known.nulls != 0:
        return None
    if pa.types.is_timestamp(of):
        ticks = footer.ticks_per_day(name)
        margin = 0 if of.tz is None else 1  # bounds are in UTC; a local date may be a day off
        return ticks and (known.low // ticks - margin, known.high // ticks + margin)
    return (known.low, known.high) if pa.types.is_date(of) or pa.types.is_signed_integer(of) else None
