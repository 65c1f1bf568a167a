"""The rows to forecast: region-seasons without a yield, and the cut-off whose model serves each.

Shapes: C region-seasons with weather, X yields, T crops.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.season_table import Flags, Integers, SeasonTable
from data.contracts.vocabulary import MAIN, WEATHER, OutOfScope, Reason, SplitName
from data.errors import SettingsError
from data.settings.calendar import SeasonCalendar, cutoff_day
from data.settings.expand import cutoffs
from data.settings.schema import Settings
from tasks.assemble.join import ROUNDING, find_seasons, lay_out_yields
from tasks.features.plan import make_plan
from tasks.features.season_features import compute_features
from tasks.features.season_sums import Sums
from tasks.features.time_table import unpack_bits
from tasks.job.forecast_job import Trained
from tasks.ledger import rejected
from tasks.ledger.account import Ledger, account, check_ledger, check_share, example
from tasks.weather.merge import Weather, reject_cells
from tasks.yields.ingest import Yields


@dataclass(frozen=True, eq=False)
class ForecastRows:
    """What there is to forecast, and what became of every row of weather.

    `tables` go from cut-off to region-seasons that no later one serves, `served` to all that it serves; the
    yields in them are those known already, which aren't forecast. `until` says up to which day each
    region-season of `tables` has weather: region, year, weather_until. `harvested` and `short` count the
    region-seasons that are in none: those whose yields are known, and those without a yield and with too
    little weather. `rejected` is laid out as contracts.REJECTED.
    """

    tables: dict[str, SeasonTable]
    served: dict[str, SeasonTable]
    until: pd.DataFrame
    harvested: int
    short: int
    rejected: pa.Table
    ledger: Ledger

    def __len__(self) -> int:
        return sum(len(table) for table in self.tables.values())


def find_forecast_rows(
    weather: Weather,
    yields: Yields,
    settings: Settings,
    trained: Trained,
    crops: tuple[str, ...],
    as_of: date | None = None,
) -> ForecastRows:
    """Find the region-seasons to forecast and, for each, the latest cut-off that its weather serves.

    They are those with no yield of `crops` and, after the model's last season, those with a crop
    whose yield isn't known yet. A cut-off serves when its day has come by `as_of` and all its features
    are covered. `settings.as_of` are the model's cut-offs.

    Raises SettingsError for a season under way whose weather serves no cut-off, saying what to train;
    InputError when too many rows are rejected.
    """
    plan = make_plan(settings, weather.resolution)
    sums = weather.sums
    y_CT = lay_out_yields(yields.table, find_seasons(weather, yields), len(sums), crops)
    observed_CT = np.isfinite(y_CT)
    later_C = sums.year_C > trained.last_season
    asked_C = ~observed_CT.any(axis=1) | (later_C & ~observed_CT.all(axis=1))

    days = tuple(plan.cutoffs)
    x, served_C = {}, {}
    choice_C = np.full(len(sums), -1)
    for at, day in enumerate(days):  # the latest that serves is the last to write
        x[day], cover_C = compute_features(sums, plan, plan.cutoffs[day])
        serves_C = cover_C + ROUNDING >= settings.min_coverage
        served_C[day] = asked_C & serves_C & _come(settings, day, sums.year_C, as_of)
        choice_C[served_C[day]] = at
    short_C = asked_C & (choice_C < 0)
    _refuse_unserved(settings, weather, trained, asked_C, short_C, as_of)

    short = rejected.of_season(reject_cells(settings, weather, short_C, Reason.LOW_COVERAGE), trained.season)
    rejects = rejected.sort(pa.concat_tables([weather.rejected, short]))
    observed_C = sums.observed()
    in_scope = weather.rows - sum(weather.outside.values())
    if len(sums):  # before any data, the few rows without a date are all that is in scope
        check_share(settings, WEATHER, rejects, in_scope)
    ledger = {
        WEATHER: account(
            weather.rows,
            {str(SplitName.FORECAST): int(observed_C[choice_C >= 0].sum())},
            rejected.counts(rejects),
            weather.outside | {str(OutOfScope.HARVESTED): int(observed_C[~asked_C].sum())},
        )
    }
    check_ledger(ledger)

    def table(day: str, chosen_C: Flags) -> SeasonTable:
        features = tuple(spec.name for spec in plan.cutoffs[day])
        regions, region_N = np.unique(sums.region_C[chosen_C], return_inverse=True)
        return SeasonTable(
            tuple(sums.names[region] for region in regions.tolist()), region_N.astype(np.int64),
            sums.year_C[chosen_C], np.full(int(chosen_C.sum()), str(SplitName.FORECAST)), features,
            x[day][chosen_C], crops, y_CT[chosen_C],
        )  # fmt: skip

    return ForecastRows(
        {day: table(day, choice_C == at) for at, day in enumerate(days) if (choice_C == at).any()},
        {day: table(day, chosen_C) for day, chosen_C in served_C.items() if chosen_C.any()},
        _weather_until(sums.take(choice_C >= 0), plan.calendar, settings),
        int((~asked_C).sum()), int(short_C.sum()), rejects, ledger,
    )  # fmt: skip


def _weather_until(sums: Sums, calendar: SeasonCalendar, settings: Settings) -> pd.DataFrame:
    """The last day of weather of each region-season: region, year, weather_until."""
    seen_CK = unpack_bits(sums.present_CW, len(calendar))
    last_C = len(calendar) - 1 - seen_CK[:, ::-1].argmax(axis=1)
    until = [
        cutoff_day(settings.season, year, calendar.slot_end(slot))
        for year, slot in zip(sums.year_C.tolist(), last_C.tolist(), strict=True)
    ]
    names = [sums.names[region] for region in sums.region_C.tolist()]
    return pd.DataFrame({"region": names, "year": sums.year_C, "weather_until": until})


def _come(settings: Settings, cutoff: str, year_C: Integers, as_of: date | None) -> Flags:
    """Whether a cut-off's day is over in each of some harvest years (C)."""
    if as_of is None:
        return np.ones(len(year_C), np.bool_)
    years, year_at_C = np.unique(year_C, return_inverse=True)
    come = [cutoff_day(settings.season, year, cutoff) <= as_of for year in years.tolist()]
    return np.array(come, np.bool_)[year_at_C]


def _refuse_unserved(
    settings: Settings, weather: Weather, trained: Trained, asked_C: Flags, short_C: Flags, as_of: date | None
) -> None:
    """Raise SettingsError when the last season, begun but not over, has no region that a cut-off serves."""
    sums = weather.sums
    if not asked_C.any():
        return
    season = int(sums.year_C.max())
    of_season_C = asked_C & (sums.year_C == season)
    if not of_season_C.any() or (of_season_C & ~short_C).any():
        return
    calendar = make_plan(settings, weather.resolution).calendar
    seen_CK = unpack_bits(sums.present_CW[of_season_C], len(calendar))
    last_C = len(calendar) - 1 - seen_CK[:, ::-1].argmax(axis=1)
    if int(last_C.max()) == len(calendar) - 1:
        return  # the season is over: its weather has holes, and is rejected for them
    regions = len(last_C)
    day = calendar.slot_end(int(np.sort(last_C)[(regions - 1) // 2]))  # half of the regions get as far
    models = ", ".join(trained.cutoffs)
    rejects = _rejected_after(settings, weather, season, day)
    raise SettingsError(
        f"the season {season} has weather up to {day} only ({regions} regions without a yield"
        f"{f', as of {as_of}' if as_of else ''}), too little for the models of run {trained.run_id}, "
        f"which are for {models}; {rejects}{_remedy(settings, weather, day, trained.season)}"
    )


def _rejected_after(settings: Settings, weather: Weather, season: int, day: str) -> str:
    """The rows of a season's weather after a day that were rejected, in a clause; empty where none were."""
    found = weather.rejected["date"].to_pandas()
    date_N = pd.to_datetime(found, errors="coerce", format="mixed", utc=True)
    first, end = (
        pd.Timestamp(cutoff_day(settings.season, season, each) + timedelta(1), tz="UTC")
        for each in (day, settings.season.end)
    )
    rows = weather.rejected.filter(pa.array((first <= date_N) & (date_N < end)))
    if not len(rows):
        return ""
    reasons = "; ".join(
        f"{reason} {count:,}, for example {example(rows, reason)}"
        for reason, count in rejected.counts(rows).items()
    )
    return f"{len(rows):,} rows of weather after that day were rejected ({reasons}): mend them, or "


def _remedy(settings: Settings, weather: Weather, day: str, season: str) -> str:
    """What to train for the weather up to a day; where nothing can be, what to wait for."""
    if day in settings.as_of:
        return f"it has too many gaps for the one for {day} (min_coverage = {settings.min_coverage:g})"
    known = settings.model_copy(update={"as_of": tuple(dict.fromkeys((*settings.as_of, day)))})
    try:
        make_plan(known, weather.resolution)
    except SettingsError:
        return "no feature is known by then: wait for more weather"
    listed = ", ".join(f'"{each}"' for each in cutoffs(known)[:-1])
    key = "as_of" if season == MAIN else f"seasons.{season}.as_of"
    return (
        f"train one for that day with {key} = [{listed}] in the settings, or "
        f"`cropyield train … --set '{key}=[{listed}]'`, or wait for more weather"
    )
