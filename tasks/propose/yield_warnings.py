"""Warnings about yields that ingest would take: values far off, names spelt in several ways."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pandas as pd

from data.inputs.fix_commands import rewrite
from data.survey.recognise import WeatherColumns, YieldColumns
from data.survey.region_pairs import RegionPair
from data.survey.survey import Survey

_FAR = 30  # times the crop's median, which no harvest is
_FEWEST = 10


def yield_remarks(
    weather: Survey, yields: Survey, w: WeatherColumns, y: YieldColumns, pair: RegionPair, table: pd.DataFrame
) -> list[str]:
    """Sentences for people; `table` is crop_choice.yield_table of the crops chosen."""
    said = _far_values(table)
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
