"""Warnings about yields that ingest would take: values far off, names spelt in several ways."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd

from data.errors import InputError
from data.inputs.fix_commands import rewrite
from data.inputs.parsing import YEARS
from data.survey.columns import role_score
from data.survey.recognise import WeatherColumns, YieldColumns
from data.survey.region_pairs import RegionPair
from data.survey.survey import Survey
from tasks.yields.level_break import describe_level_break, find_level_break

_FAR = 30  # times the crop's median, which no harvest is
_FEWEST = 10
_MANY_COPIES = 0.5


def yield_remarks(
    weather: Survey, yields: Survey, w: WeatherColumns, y: YieldColumns, pair: RegionPair, table: pd.DataFrame
) -> list[str]:
    """Sentences for people; `table` is crop_choice.yield_table of the crops chosen."""
    said = _far_values(table) + _breaks(table)
    if y.crop:
        said += _variants(
            yields, y.crop, set(yields.names(y.crop).dropna()), "crops", "they count as different crops"
        )
    said += _variants(yields, y.region, pair.yield_names, "regions", _REGIONS)
    if weather.uri != yields.uri:
        said += _variants(weather, w.region, pair.weather_names, "regions", _REGIONS)
    return said


_REGIONS = "they count as different regions (if you write one input anew, do the same to the other)"


def _far_values(table: pd.DataFrame) -> list[str]:
    said = []
    for crop, value_N in table.groupby("crop", sort=False)["value"]:
        middle = float(value_N.median())
        far_N = value_N[value_N > _FAR * middle]
        if len(value_N) >= _FEWEST and middle > 0 and len(far_N):
            key = json.dumps(str(crop), ensure_ascii=False)
            limit = float(f"{2 * float(value_N[value_N <= _FAR * middle].max()):.1g}")
            said.append(
                f"{crop}: {len(far_N):,} of {len(value_N):,} yields exceed {_FAR} times the median "
                f"({middle:.3g}), up to {far_N.max():.3g}: faults? They would be learnt from. To reject "
                f"them, write a range, under [measures.{key}]: range = [0, {limit:g}]"
            )
    return said


def _breaks(table: pd.DataFrame) -> list[str]:
    said = []
    for crop, rows in table.groupby("crop", sort=False):
        one = rows[rows["year"].between(*YEARS)].drop_duplicates(["region", "year"])
        codes = pd.factorize(one["region"])[0].astype(np.int64)
        found = find_level_break(
            codes, one["year"].to_numpy().astype(np.int64), one["value"].to_numpy().astype(np.float64)
        )
        if found:
            said.append(
                f"{crop}: {describe_level_break(**asdict(found))}. Convert these rows; as they are, "
                "`cropyield train` won't publish."
            )
    return said


def finer_region(yields: Survey, y: YieldColumns, table: pd.DataFrame) -> str | None:
    """A column of the yields that divides the regions chosen and tells rows apart which repeat their key.

    None where rows don't repeat, or no column is one.
    """
    keys = ["region", "year", "crop"]
    copies = table.duplicated(keys, keep=False)
    if copies.mean() < _MANY_COPIES:
        return None
    for name in y.unused:
        if yields.kinds[name] not in ("text", "number") or role_score(name, "year") > 0.9:
            continue
        names = yields.names(name)
        finer = (names if y.crop else pd.concat([names] * len(y.wide), ignore_index=True)).reindex(
            table.index
        )
        nested = table.assign(finer=finer).dropna(subset=["finer"]).groupby("finer")["region"].nunique()
        several = finer[copies].nunique() > table.loc[copies, "region"].nunique()
        apart = table[keys].assign(finer=finer).duplicated().mean() < _MANY_COPIES / 10
        if several and apart and len(nested) and (nested == 1).mean() > 0.95:
            return name
    return None


def refuse_finer_region(yields: Survey, y: YieldColumns, table: pd.DataFrame) -> None:
    """Raise InputError where the yields are of smaller regions than the ones that have weather."""
    name = finer_region(yields, y, table)
    if name is None:
        return
    keys = [y.region, y.year, *([y.crop] if y.crop else []), *([y.unit] if y.unit else [])]
    raise InputError(
        f"{yields.place}: most rows repeat the region, year and crop of others: they are of {name!r}, which "
        f"divides the regions of {y.region!r} that the weather is of. Average them first (better: weighted "
        f"by area), or give weather of each {name!r}:\n"
        + rewrite(yields.place, f"t = t.groupby({keys}).mean(numeric_only=True).reset_index()")
    )


def _variants(survey: Survey, column: str, names: Iterable[str], what: str, effect: str) -> list[str]:
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(" ".join(name.split()).casefold(), []).append(name)
    several = [same for same in alike.values() if len(same) > 1]
    if not several:
        return []
    shown = "; ".join(", ".join(map(repr, same[:4])) for same in several[:3])
    blanks = all(len({" ".join(name.split()) for name in same}) == 1 for same in several)
    mend = f"t[{column!r}] = t[{column!r}].str.split().str.join(' ')"
    return [
        f"{survey.place}: {what} written in several ways, which differ in blanks or case only "
        f"({len(several):,}: {shown}): {effect}. Write them alike:\n"
        + rewrite(survey.place, mend + ("" if blanks else ".str.lower()"))
    ]
