"""Warnings about the files behind a proposal, and questions that it leaves open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from data.survey.columns import is_index
from data.survey.number_texts import has_decimal_commas, not_numbers
from data.survey.recognise import WeatherColumns, YieldColumns
from data.survey.region_pairs import RegionPair, almost_common
from data.survey.survey import Survey
from tasks.propose.profiles import Profile


def seen(
    weather: Survey, yields: Survey, w: WeatherColumns, y: YieldColumns, pair: RegionPair,
    years: tuple[int, int], table: pd.DataFrame,
) -> tuple[str, ...]:  # fmt: skip
    kind = {"daily": "a day", "monthly": "a month", "season": "a season"}[w.resolution]
    if w.resolution == "daily" and w.spacing > 1.5:
        kind = f"every {w.spacing:g} days"
    shape = "long" if y.crop else "wide"
    looked = "" if weather.whole else f"; {sum(map(len, weather.batches)):,} of the rows were looked at"
    return (
        f"weather: {weather.rows:,} rows, one a region and {kind}, {years[0]} to {years[1]}, "
        f"{len(pair.weather_names):,} regions (column {w.region!r}){looked}",
        f"yields: {yields.rows:,} rows, {shape}, {span(table['year'])}, {len(pair.yield_names):,} regions "
        f"(column {y.region!r})",
        f"regions in both: {len(pair.common):,}",
    )


def span(years: Any) -> str:
    return f"{int(years.min())} to {int(years.max())}" if len(years) else "no year at all"


def warnings(
    weather: Survey,
    yields: Survey,
    w: WeatherColumns,
    y: YieldColumns,
    pair: RegionPair,
    profiles: list[Profile],
) -> list[str]:
    said: list[str] = []
    near = almost_common(pair)
    if near:
        pairs = ", ".join(f"{a!r} and {b!r}" for a, b in near[:3])
        said.append(
            f"{len(near)} regions agree but for case, blanks, punctuation or leading zeros (weather and "
            f"yields: {pairs}); names must agree to the letter, so they find no weather. Write them alike."
        )
    lost = sorted(pair.yield_names - pair.common - {b for _, b in near})
    if lost:
        said.append(
            f"{len(lost)} of {len(pair.yield_names)} regions of the yields have no weather, such as "
            f"{', '.join(map(repr, lost[:3]))}; their yields are out of scope."
        )
    idle = pair.weather_names - pair.common - {a for a, _ in near}
    if idle:
        said.append(
            f"{len(idle)} of {len(pair.weather_names)} regions of the weather have no yields, such as "
            f"{', '.join(map(repr, sorted(idle)[:3]))}; they are forecast from the pooled baseline."
        )
    empty = [profile.column for profile in profiles if profile.missing >= 1]
    if empty:
        said.append(f"Measures without any value: {', '.join(empty)}.")
    guessed = [f"{profile.unit} for {profile.column}" for profile in profiles if profile.guessed]
    if guessed:
        said.append(f"Units guessed from values: {', '.join(guessed)}; correct them in [measures].")
    without = [each.name for each in profiles if not each.unit and not is_index(each.column)]
    if without:
        said.append(f'The units of {", ".join(without)}: write them into [measures], as unit = "mm".')
    latest = float(np.nanmax(w.year_N()))
    if latest > datetime.now(UTC).year + 1:
        said.append(f"The weather reaches the year {latest:.0f}, in the future: are these dates right?")
    unread = [f"{name} ({why})" for s in (weather, yields) for name, why in s.unread.items()]
    if unread:
        said.append(f"Columns that can't be used: {', '.join(dict.fromkeys(unread))}.")
    commas = [name for name in w.unused if has_decimal_commas(weather, name)]
    if commas:
        said.append(f"{', '.join(map(repr, commas))} of the weather {not_numbers(weather, commas)}")
    unused = dict.fromkeys([*w.unused, *y.unused])
    if unused:
        said.append(f"Columns not used: {', '.join(unused)}.")
    if not y.crop and y.wide == ("yield",):
        said.append(
            "No column names the crop, so it goes by its column, 'yield': to call it wheat, rename that."
        )
    return said
