"""Choice of crops: which ones the yields hold, which have rows enough, their units.

Shapes: N sampled rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from data.errors import InputError
from data.inputs.fix_commands import rewrite
from data.survey.columns import crop_by_name, unit_by_name
from data.survey.recognise import YieldColumns
from data.survey.region_pairs import RegionPair
from data.survey.survey import Survey

_MOST_CROPS = 12
_FEW_ROWS, _FEW_SEASONS = 15, 5


@dataclass(frozen=True)
class CropFound:
    """A crop: name, column (of wide yields), yields with weather, their seasons, units; why not chosen."""

    name: str
    column: str | None
    rows: int
    seasons: int
    units: tuple[str, ...]
    why: str = ""


def yield_table(yields: Survey, y: YieldColumns, pair: RegionPair) -> pd.DataFrame:
    """region, year, crop, value, unit, known (the region has weather), one row per yield."""
    base = pd.DataFrame({"region": y.region_N, "year": y.year_N})
    base["known"] = base["region"].isin(pair.weather_names)
    unit = yields.names(y.unit) if y.unit else pd.Series([None] * len(base), dtype=object)
    if y.crop and y.value:
        table = base.assign(crop=yields.names(y.crop), value=yields.numbers(y.value), unit=unit)
    else:
        names = _wide_names(y.wide)
        parts = [
            base.assign(crop=names[column][0], value=yields.numbers(column), unit=unit) for column in y.wide
        ]
        table = pd.concat(parts, ignore_index=True)
    return table[
        table["year"].notna() & table["region"].notna() & table["crop"].notna() & (table["value"] >= 0)
    ]


def _wide_names(columns: tuple[str, ...]) -> dict[str, tuple[str, str | None]]:
    found = {column: crop_by_name(column) for column in columns}
    names = [name for name, _ in found.values()]
    taken = {"region", "year", "crop", "unit", "split"}
    return {
        column: ((name if names.count(name) == 1 and name not in taken else column), unit)
        for column, (name, unit) in found.items()
    }


def choose_crops(
    yields: Survey, y: YieldColumns, table: pd.DataFrame, matched: pd.DataFrame, training: pd.DataFrame
) -> tuple[tuple[CropFound, ...], tuple[CropFound, ...], dict[str, str], list[str]]:
    """Crops to model; the others, each with its reason; units by crop; what can't be told.

    `table` has all yields, `matched` those with weather, `training` of these those before the test seasons.
    Raises InputError where every crop has several units.
    """
    unresolved: list[str] = []
    by_name = {name: (column, unit) for column, (name, unit) in _wide_names(y.wide).items()}
    from_value = unit_by_name(y.value)[0] if y.value else None
    found: list[CropFound] = []
    trained = training["crop"].value_counts()
    for name, rows in matched.groupby("crop", sort=False):
        units = tuple(map(str, rows["unit"].dropna().unique()))
        column, told = by_name.get(str(name), (None, from_value))
        if not units and told:
            units = (told,)
        found.append(CropFound(str(name), column, len(rows), int(rows["year"].nunique()), units))
    found.sort(key=lambda crop: (-crop.rows, crop.name))
    mixed = [crop for crop in found if len(crop.units) > 1]
    if mixed:
        listed = "; ".join(f"{crop.name} in {', '.join(crop.units[:4])}" for crop in mixed[:5])
        if len(mixed) == len(found):
            other = (
                f" Is {y.value!r} one of several statistics, told apart by another column?"
                if y.unused
                else ""
            )
            kept = matched["unit"].value_counts().index[0]  # the commonest
            years = matched.loc[matched["unit"] == kept, "year"]
            last = int(matched["year"].max())
            newest = "" if int(years.max()) == last else f", and so none of the newest, up to {last}"
            raise InputError(
                f"{yields.place}: column {y.unit!r}: every crop has more than one unit ({listed}); keep the "
                f"rows of one unit, or convert the yields to one.{other} For example those in {kept}, which "
                f"are {len(years):,} of {len(matched):,} yields with weather, of {int(years.min())} to "
                f"{int(years.max())}{newest}:\n" + rewrite(yields.place, f"t = t[t[{y.unit!r}] == {kept!r}]")
            )
        unresolved.append(
            f"Crops left out because they have more than one unit: {listed}. Convert them to one unit."
        )
    fine = [crop for crop in found if len(crop.units) < 2]
    # a rare crop beside common ones would hold the features down for all
    most = int(trained.reindex([crop.name for crop in fine]).max())
    trained_seasons = training.groupby("crop")["year"].nunique()
    test = matched.drop(training.index)
    few = min(_FEW_SEASONS, int(trained_seasons.max()))

    def fault(crop: CropFound) -> str:
        rows, seasons = int(trained.get(crop.name, 0)), int(trained_seasons.get(crop.name, 0))
        if len(crop.units) > 1:
            return f"in several units: {', '.join(crop.units[:4])}"
        if len(test) and not (test["crop"] == crop.name).any():
            last, begin = matched.loc[matched["crop"] == crop.name, "year"].max(), test["year"].min()
            return f"its yields with weather end in {int(last)}, before the test seasons ({int(begin)} on)"
        least = max(_FEW_ROWS, 0.1 * most)
        if rows < least:
            return f"{rows:,} yields to train on, too few beside the {most:,} of the commonest crop"
        if seasons < few:
            return f"{seasons} seasons to train on, too few"
        return ""

    enough = [crop for crop in fine if not fault(crop)]
    chosen = (enough or fine[:1])[:_MOST_CROPS]
    others = tuple(
        replace(crop, why=fault(crop) or f"beyond the {_MOST_CROPS} commonest")
        for crop in found
        if crop not in chosen
    ) + tuple(
        CropFound(str(name), by_name.get(str(name), (None, None))[0], 0, 0, (), "no yield meets weather")
        for name in sorted({*table["crop"]} - {*matched["crop"]})
    )
    stated = {crop.name: crop.units[0] for crop in chosen if crop.units and not y.unit}
    without = [crop.name for crop in chosen if not crop.units]
    if without:
        unresolved.append(f'The unit of {", ".join(without)}: write it into [crop_units], as in "t/ha".')
    if len({crop.units for crop in chosen if crop.units}) > 1:
        unresolved.append(
            "The crops have different units: pooled errors average over them; read those of each crop."
        )
    return tuple(chosen), others, stated, unresolved
