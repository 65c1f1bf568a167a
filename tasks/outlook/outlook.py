"""The outlook of a run or a forecast: drivers, aggregates and chances, laid out as they are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.contracts.columns import AGGREGATE_COLUMNS, FORECAST_COLUMNS, OUTLOOK_COLUMNS, schema_of
from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import MAIN, SplitName
from data.settings.calendar import cutoff_day
from data.settings.expand import expand_features
from data.settings.schema import Settings
from tasks.assemble.forecast_rows import ForecastRows
from tasks.assemble.regions import Regions
from tasks.evaluate.backtest import Backtest
from tasks.evaluate.hindcast import Hindcast
from tasks.evaluate.predictions import predictions_of
from tasks.model.forecaster import Forecaster
from tasks.model.model import Model
from tasks.outlook.aggregates import (
    Ground,
    aggregate,
    choose_cutoffs,
    history_table,
    parts_of,
    weights_table,
)
from tasks.outlook.chances import chances_of_regions, percentiles, recent_yields
from tasks.outlook.drivers import drivers_of, joined_drivers
from tasks.outlook.errors import Errors
from tasks.outlook.record import record_of
from tasks.outlook.weights import weigh
from tasks.outlook.why import describe_terms
from tasks.yields.ingest import Yields

SAID = ("region", "year", "crop", "season", "as_of", "unit", "split", "predicted", "baseline", "actual")
"""The columns of predictions.parquet that an outlook is made of."""


@dataclass(frozen=True, eq=False)
class Basis:
    """What chances at one cut-off rest on: a model's errors, and the departures that it sees in the past.

    `past` holds region, year, crop, departure.
    """

    errors: Errors
    past: pd.DataFrame

    @classmethod
    def of(cls, model: Forecaster, errors: Errors, table: SeasonTable) -> Self:
        """The basis of a model that learned from the rows of a table."""
        departure_NT = model.predict(table) - model.baseline_of(table)
        known_NT = np.isfinite(table.y_NT[:, [table.crops.index(crop) for crop in model.crops]])
        row_E, crop_E = np.nonzero(known_NT)
        names, crops = np.array(table.region_names, object), np.array(model.crops, object)
        past = {
            "region": names[table.region_N[row_E]],
            "year": table.year_N[row_E],
            "crop": crops[crop_E],
            "departure": departure_NT[row_E, crop_E],
        }
        return cls(errors, pd.DataFrame(past))


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fit at one cut-off with its errors of rolling origin and the rows that it learned from."""

    model: Model
    errors: Errors
    learned: SeasonTable

    def basis(self) -> Basis:
        """What chances rest on."""
        return Basis.of(self.model, self.errors, self.learned)


def harvests_of(yields: Yields, crops: Sequence[str]) -> pd.DataFrame:
    """Known yields of some crops with their areas: region, year, crop, yield, area."""
    frame = yields.table[["region", "year", "crop", "yield", "area"]]
    frame = frame[frame["crop"].isin(crops)].reset_index(drop=True)
    return frame.astype({"region": object, "crop": object})


def ground_of(
    settings: Settings,
    harvests: pd.DataFrame,
    regions: Regions | None,
    years: Sequence[int],
    last: int | None = None,
) -> Ground:
    """What aggregates of some harvest years stand on; yields after `last` count as not known yet."""
    weights = weigh(harvests, regions, max(years))
    known = harvests if last is None else harvests[harvests["year"] <= last]
    ranges = {str(crop): settings.yield_range(str(crop)) for crop in pd.unique(harvests["crop"])}
    return Ground(
        parts_of(settings.aggregate.levels, regions, weights.regions), weights,
        known[["region", "year", "crop", "yield"]], settings.aggregate.min_share, ranges,
    )  # fmt: skip


def aggregates_table(
    said: Mapping[str, pd.DataFrame],
    bases: Mapping[str, Basis],
    ground: Ground,
    run_id: str,
    season: str = MAIN,
) -> pa.Table:
    """Aggregates of predictions at several cut-offs, earliest first, laid out as `aggregates.parquet`.

    `said` maps a cut-off to rows as `aggregates.aggregate` takes them; of forecasts only seasons after the
    last one learned from, since gaps of earlier ones are no whole. Sorted by level, name, year, crop and
    cut-off, the smallest level first, parts without a name last.
    """
    schema = schema_of(AGGREGATE_COLUMNS)
    parts = [_to_come(rows, bases[day].errors.last_season) for day, rows in said.items()]
    if not any(map(len, parts)):
        return schema.empty_table()
    rows = pd.concat(parts, ignore_index=True)
    chosen = choose_cutoffs(rows, ground, list(said))
    found = []
    for day, basis in bases.items():
        own = chosen[chosen["as_of"] == day]
        if len(own):
            found.append(aggregate(own, basis.errors, basis.past, ground))
    if not found:
        return schema.empty_table()
    frame = pd.concat(found, ignore_index=True).assign(season=season, run_id=run_id)
    levels = {level: at for at, level in enumerate(dict.fromkeys(ground.parts.units["level"]))}
    days = {day: at for at, day in enumerate(said)}
    order = frame.assign(at=frame["level"].map(levels), day=frame["as_of"].map(days))
    frame = frame.loc[order.sort_values(["at", "name", "year", "crop", "day"], na_position="last").index]
    return _laid_out(frame, schema)


def _to_come(rows: pd.DataFrame, last_season: int) -> pd.DataFrame:
    return rows[(rows["split"] != str(SplitName.FORECAST)) | (rows["year"] > last_season)]


def with_chances(
    predictions: pa.Table,
    bases: Mapping[str, Basis],
    harvests: pd.DataFrame,
    until: pd.DataFrame,
    settings: Settings,
) -> pa.Table:
    """Predictions of seasons to come, laid out as a forecast's: with chances, and how old their weather is.

    `until` holds the last day of weather of each region-season: region, year, weather_until.
    """
    frame = predictions.to_pandas().merge(until, on=["region", "year"], how="left")
    frame = frame.join(chance_columns(frame, bases, harvests, settings.min_trend_seasons))
    season = settings.season
    days = frame[["year", "as_of"]].drop_duplicates()
    days["cutoff"] = [
        cutoff_day(season, year, day) for year, day in zip(days["year"], days["as_of"], strict=True)
    ]
    days["end"] = [cutoff_day(season, year, season.end) for year in days["year"]]
    frame = frame.merge(days, on=["year", "as_of"], how="left")
    reach, cutoff, end = (pd.to_datetime(frame[name]) for name in ("weather_until", "cutoff", "end"))
    frame["days_unused"] = (reach - cutoff).dt.days.clip(lower=0)
    frame["lead_days"] = (end - cutoff).dt.days
    metadata = {**schema_of(FORECAST_COLUMNS).metadata, **(predictions.schema.metadata or {})}
    return _laid_out(frame, schema_of(FORECAST_COLUMNS).with_metadata(metadata))


def chance_columns(
    said: pd.DataFrame, bases: Mapping[str, Basis], history: pd.DataFrame, own_seasons: int
) -> pd.DataFrame:
    """contracts.OUTLOOK_COLUMNS for regional predictions: region, year, crop, as_of, predicted, baseline."""
    asked = said.assign(unit=said["region"], departure=said["predicted"] - said["baseline"])
    found = recent_yields(
        asked, history.rename(columns={"region": "unit"})[["unit", "crop", "year", "yield"]]
    )
    found = found.assign(chance_below_mean_5=np.nan, percentile=np.nan)
    asked = asked.assign(bound=found["mean_5"])
    for day, rows in asked.groupby("as_of"):
        basis = bases[str(day)]
        chance = chances_of_regions(rows, basis.errors, own_seasons)
        found.loc[rows.index, "chance_below_mean_5"] = chance
        past = basis.past.rename(columns={"region": "unit"})
        found.loc[rows.index, "percentile"] = percentiles(rows, past)
    return found[[column.name for column in OUTLOOK_COLUMNS]]


def outlook_of_run(
    predictions: pa.Table,
    tested: Mapping[str, tuple[Fitted, SeasonTable]],
    ahead: Mapping[str, tuple[Fitted, SeasonTable]],
    yields: Yields,
    regions: Regions | None,
    settings: Settings,
    run_id: str,
    season: str = MAIN,
) -> dict[str, pa.Table]:
    """A season's drivers of a run, aggregates and weights of these, of test seasons and seasons to come.

    `predictions` (SAID suffices) are the run's, `settings` the season's; `tested` maps each cut-off to the
    evaluation fit and the test rows, `ahead` to the published fit and the rows to forecast.
    """
    predictions = predictions.filter(pc.equal(predictions["season"], season))
    harvests = harvests_of(yields, predictions["crop"].unique().to_pylist())
    years = predictions["year"].unique().to_pylist()
    drivers, tables = [], []
    for split, of in ((SplitName.TEST, tested), (SplitName.FORECAST, ahead)):
        rows = predictions.filter(pc.equal(predictions["split"], str(split))).to_pandas()
        if not len(rows):
            continue
        said = {day: rows[rows["as_of"] == day] for day in of}
        bases = {day: fitted.basis() for day, (fitted, _) in of.items()}
        last = min(basis.errors.last_season for basis in bases.values()) if split == SplitName.TEST else None
        ground = ground_of(settings, harvests, regions, years, last)
        drivers += [
            drivers_of(of[day][0].model, of[day][1], said[day], season) for day in of if len(said[day])
        ]
        tables.append(aggregates_table(said, bases, ground, run_id, season))
    joined = pa.concat_tables([schema_of(AGGREGATE_COLUMNS).empty_table(), *tables])
    ground = ground_of(settings, harvests, regions, years)
    later = predictions.filter(pc.not_equal(predictions["split"], str(SplitName.TRAIN)))
    return {
        "drivers": joined_drivers(drivers, _described(settings, season, drivers)),
        "aggregates": joined,
        "weights": weights_table(ground, later["year"].unique().to_pylist()),
    }


def outlook_of_forecast(
    predictions: pa.Table,
    served: Mapping[str, Hindcast],
    fitted: Mapping[str, Fitted],
    found: ForecastRows,
    yields: Yields,
    regions: Regions | None,
    settings: Settings,
    season: str = MAIN,
) -> dict[str, pa.Table]:
    """One season's tables of a forecast: predictions with their chances, drivers, aggregates, weights,
    the record's rows and the yields known so far.

    `predictions` are of the latest cut-off that serves each region-season, `served` what each cut-off says of
    all that it serves, of which aggregates take one.
    """
    frame = predictions.to_pandas()
    if not len(frame):
        return {"predictions": predictions}
    run_id = str(frame["run_id"].iloc[0])
    harvests = harvests_of(yields, [crop for each in fitted.values() for crop in each.model.crops])
    bases = {day: each.basis() for day, each in fitted.items()}
    drivers = [
        drivers_of(fitted[day].model, table, frame[frame["as_of"] == day], season)
        for day, table in found.tables.items()
    ]
    said = {day: predictions_of([each], run_id).to_pandas() for day, each in served.items()}
    years = sorted({int(year) for rows in said.values() for year in pd.unique(rows["year"])})
    ground = ground_of(settings, harvests, regions, years)
    aggregates = aggregates_table(said, bases, ground, run_id, season)
    told = with_chances(predictions, bases, harvests, found.until, settings)
    last = max((basis.errors.last_season for basis in bases.values()), default=0)
    return {
        "predictions": told,
        "drivers": joined_drivers(drivers, _described(settings, season, drivers)),
        "aggregates": aggregates,
        "record": record_of(told, aggregates, last, settings.season),
        "weights": weights_table(ground, years),
        "history": history_table(ground),
    }


def outlook_of_backtest(
    made: Backtest, yields: Yields, regions: Regions | None, settings: Settings, run_id: str
) -> tuple[pd.DataFrame, pa.Table]:
    """A held-out season's predictions with their chances, and its aggregates.

    Yields of the season and after count as not known yet.
    """
    hindcast = made.hindcast
    frame = predictions_of([hindcast], run_id).to_pandas()
    if not len(frame):
        return frame, schema_of(AGGREGATE_COLUMNS).empty_table()
    day, year = hindcast.as_of, int(frame["year"].iloc[0])
    bases = {day: Basis.of(made.model, Errors.of(made.calibration, made.train), made.train)}
    harvests = harvests_of(yields, made.model.crops)
    known = harvests[harvests["year"] < year]
    chances = chance_columns(frame, bases, known, settings.min_trend_seasons)
    ground = ground_of(settings, harvests, regions, [year], year - 1)
    aggregates = aggregates_table({day: frame}, bases, ground, run_id, hindcast.season)
    return frame.join(chances), aggregates


def _described(settings: Settings, season: str, drivers: Sequence[pa.Table]) -> dict[str, str]:
    days = {day for table in drivers for day in table["as_of"].unique().to_pylist()}
    specs = {day: expand_features(settings, day) for day in sorted(days)}
    return describe_terms(specs, settings.baseline, season)


def _laid_out(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    table = pa.Table.from_pandas(frame[schema.names], schema.remove_metadata(), preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)
