"""The layout of yield files: long (a column of crops) or wide (a column for each crop)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import InputError
from data.inputs.fix_commands import melt_advice
from data.inputs.listing import place_of
from data.inputs.parquet import Footer, require_alike
from data.inputs.parsing import Kind
from data.locations.uris import redact_uri
from data.settings.schema import Settings
from data.settings.seasons import named_crops

SECTION = "yield_columns"
_NAMES: tuple[Kind, ...] = ("text", "number")
_NUMBERS: tuple[Kind, ...] = ("number", "text")


@dataclass(frozen=True)
class Layout:
    """The files' columns by what they hold; `values` go from our name (`yield`, or a crop) to the column."""

    region: str
    year: str
    crop: str
    unit: str
    area: str
    wide: bool
    values: dict[str, str]


def find_layout(settings: Settings, footers: Sequence[Footer]) -> Layout:
    """The layout of the first file, which all files must have.

    Raises InputError for missing and mistyped columns, and where crops can't be told.
    """

    def source(name: str) -> str:
        return settings.yield_columns.get(name, name)

    first = footers[0]
    region, year, crop, value, unit, area = map(source, ("region", "year", "crop", "yield", "unit", "area"))
    if not first.has(year) and (spread := melt_advice(redact_uri(settings.yields), first.columns)):
        raise InputError(f"{place_of(settings.yields, first.file.name)}: {spread}")
    wanted: dict[str, tuple[str, tuple[Kind, ...]]] = {"region": (region, _NAMES), "year": (year, _NUMBERS)}
    wide = not (first.has(crop) and first.has(value))
    values = {name: source(name) for name in named_crops(settings)} if wide else {"yield": value}
    if not values:
        here = [name for name in first.columns if name not in (region, year) and first.kind(name) == "number"]
        line = ", ".join(f'"{name}"' for name in here)
        raise InputError(
            f"{place_of(settings.yields, first.file.name)}: no columns {crop!r} and "
            f"{value!r}, so each crop must be a column, and the settings don't name any; "
            + (f"add the crops among these: crops = [{line}]" if here else "no column holds numbers")
        )
    if not wide:
        wanted["crop"] = (crop, _NAMES)
    wanted |= {name: (column, _NUMBERS) for name, column in values.items()}
    if not wide and first.has(unit):
        wanted["unit"] = (unit, _NAMES)
    require_alike(settings.yields, footers, wanted, SECTION)
    return Layout(region, year, crop, unit, area, wide, values)
