"""Simulated weather and the yields that follow from it by known weights, a block of regions at a time.

Yields follow the model exactly: yield = level of the region + its trend × (year - middle year)
+ Σ weight × (season's feature - the region's mean of it) + noise, the features being computed
from the written (rounded) weather. Fitting trends and weather one after the other, as the
`trend` baseline does, attenuates weights by the share of the weather's variance that lines over
the years explain (about 1/(years - 1)); worlds without trends are free of that.

Shapes: R regions of a block, Y years, D days, months or seasons of all years, M measures, T crops.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.contracts.columns import CROP, REGION, SEASON_YEAR, UNIT
from data.contracts.season_table import Floats

Resolution = Literal["daily", "monthly", "season"]
Singles = npt.NDArray[np.float32]

DATE, MONTH, YIELD = "date", "month", "yield"
MEASURES = ("temperature", "rainfall", "humidity")
MEASURE_UNITS = {"temperature": "°C", "rainfall": "mm", "humidity": "%"}
FEATURES = ("temperature_mean", "rainfall_sum", "humidity_mean")
SEASON_MONTHS = (4, 5, 6, 7, 8, 9)
LAST_YEAR = 2023
MODES = 5  # waves along the row of regions that neighbours share


@dataclass(frozen=True)
class TrueCrop:
    """What makes one crop's yields, in t/ha; the weights are per unit of MEASURE_UNITS."""

    name: str
    level: float
    """Mean over regions in the middle year; regions spread evenly by a quarter to either side."""
    trend: float
    """Mean over regions, per year; regions spread evenly by half to either side."""
    weights: tuple[float, float, float]
    """Of the season's mean temperature, summed rainfall and mean humidity."""
    noise_sd: float
    """Of independent normal noise."""
    missing: float = 0.04
    """Share of region-seasons in which the crop isn't grown."""


@dataclass(frozen=True)
class World:
    """Everything that is true in a simulated world."""

    crops: tuple[TrueCrop, ...] = (
        TrueCrop("apples", 42.0, 0.35, (-1.3, 0.018, 0.12), 2.0),
        TrueCrop("oranges", 36.0, 0.25, (0.9, 0.014, -0.15), 1.7),
    )
    unit: str = "t/ha"


@dataclass(frozen=True)
class Steps:
    """The time axis of one resolution, all years."""

    per_year: int  # mean number
    year_D: npt.NDArray[np.int64]  # position of the year
    days_D: Floats  # days that the value stands for; weighs in a mean
    cycle_D: Floats  # cosine of the year, warmest at 1
    in_season_D: npt.NDArray[np.bool_]
    columns: dict[str, npt.NDArray[Any]]
    spell: int  # steps that weather lasts
    temperature_sd: float
    humidity_sd: float
    wetness: float  # rain ∝ max(z + wetness, 0)²: spells and dry days at -0.4, nearly normal at 8
    wet_year: float  # how far a wet year shifts z


@dataclass(frozen=True)
class Block:
    """Some regions' rows in input layout, and the level and trend that each region truly has."""

    weather: pa.Table
    yields: pa.Table
    truth: dict[str, Any]


def time_steps(years: range, resolution: str) -> Steps:
    """The time axis of full calendar years; a value for a season stands for April to September."""
    first, last = np.datetime64(f"{years[0]:04d}-01-01"), np.datetime64(f"{years[-1] + 1:04d}-01-01")
    if resolution == "daily":
        date_D = np.arange(first, last)
        month_D = date_D.astype("datetime64[M]").astype(np.int64) % 12 + 1
        year_D = date_D.astype("datetime64[Y]").astype(np.int64) + 1970
        of_year_D = (date_D - date_D.astype("datetime64[Y]")).astype(np.float64)
        days_D, columns = np.ones(len(date_D)), {DATE: date_D}
        shape = (365, 5, 2.6, 7.0, -0.4, 0.11)
    elif resolution == "monthly":
        starts_D = np.arange(first.astype("datetime64[M]"), last.astype("datetime64[M]"))
        month_D = starts_D.astype(np.int64) % 12 + 1
        year_D = starts_D.astype("datetime64[Y]").astype(np.int64) + 1970
        days_D = ((starts_D + 1).astype("datetime64[D]") - starts_D.astype("datetime64[D]")).astype(
            np.float64
        )
        of_year_D = (month_D - 0.5) * 365.25 / 12
        columns = {SEASON_YEAR.name: year_D.astype(np.int16), MONTH: month_D.astype(np.int8)}
        shape = (12, 1, 1.2, 4.0, 2.5, 0.3)
    else:
        year_D = np.arange(years[0], years[-1] + 1)
        month_D = np.full(len(year_D), SEASON_MONTHS[0])
        days_D = np.full(len(year_D), 183.0)
        of_year_D = np.full(len(year_D), 182.0)
        columns = {SEASON_YEAR.name: year_D.astype(np.int16)}
        shape = (1, 1, 0.4, 1.2, 8.0, 0.8)
    cycle_D = np.cos(2 * np.pi * (of_year_D - 200) / 365.25)  # the warmest day is 20 July
    in_season_D = np.isin(month_D, SEASON_MONTHS)
    return Steps(shape[0], year_D - years[0], days_D, cycle_D, in_season_D, columns, *shape[1:])


def simulate_block(
    at_R: npt.NDArray[np.int64],
    regions: int,
    steps: Steps,
    shared_2KY: Floats,
    world: World,
    rng: np.random.Generator,
) -> Block:
    """Weather and yields of the regions at positions `at_R` among all `regions`.

    `shared_2KY` holds what neighbours share of each year: warmth and wetness, by wave along the
    row of regions. Values depend on the arguments and on `rng` alone.
    """
    waves_RK = np.stack(
        [np.cos(np.pi * wave * (at_R + 0.5) / regions) * 0.8**wave for wave in range(MODES)], axis=1
    )
    local_2RY = rng.standard_normal((2, len(at_R), shared_2KY.shape[2]))
    warm_RY, wet_RY = (
        0.55 * sum(waves_RK[:, k, None] * shared[k] for k in range(MODES)) + 0.45 * local
        for shared, local in zip(shared_2KY, local_2RY, strict=True)
    )
    climate_R3 = rng.uniform((9.0, 1.4, 55.0), (17.0, 3.6, 75.0), (len(at_R), 3))  # °C, mm a day, %
    measures = list(_weather(climate_R3, np.asarray(warm_RY), np.asarray(wet_RY), steps, rng))
    names = [f"R{at + 1:04d}" for at in at_R]
    season_D = steps.in_season_D
    weights_D = steps.days_D[season_D]
    by_year = (len(at_R), shared_2KY.shape[2], -1)
    days_Y = weights_D.reshape(by_year[1:]).sum(axis=1)
    x_MRY = [
        value_RD[:, season_D].reshape(by_year).sum(axis=2)
        if measure == "rainfall"
        else (value_RD[:, season_D] * weights_D).reshape(by_year).sum(axis=2) / days_Y
        for measure, value_RD in zip(MEASURES, measures, strict=True)
    ]
    count = len(season_D)
    columns = {
        REGION.name: _repeated(names, np.repeat(np.arange(len(at_R), dtype=np.int32), count)),
        **{name: pa.array(np.tile(values_D, len(at_R))) for name, values_D in steps.columns.items()},
        **{name: pa.array(value_RD.ravel()) for name, value_RD in zip(MEASURES, measures, strict=True)},
    }
    years_Y = np.arange(LAST_YEAR - shared_2KY.shape[2] + 1, LAST_YEAR + 1)
    yields, truth = _yields(names, years_Y, x_MRY, world, rng)
    return Block(pa.table(columns), yields, truth)


def _weather(
    climate_R3: Floats, warm_RY: Floats, wet_RY: Floats, steps: Steps, rng: np.random.Generator
) -> Iterator[Floats]:
    """Temperature, rainfall and humidity (regions × steps), rounded to a tenth as stations report."""
    shape = (len(climate_R3), len(steps.year_D))
    cycle_D = steps.cycle_D.astype(np.float32)
    year_D = steps.year_D
    # what lasts some days, and what is of one day alone
    spells = (shape[0], -(-shape[1] // steps.spell))
    spells_RD = np.repeat(rng.standard_normal(spells, np.float32), steps.spell, axis=1)
    warm_RD = np.float32(0.6) * spells_RD[:, : shape[1]]
    warm_RD += np.float32(0.8) * rng.standard_normal(shape, np.float32)
    temperature_RD = warm_RD * np.float32(steps.temperature_sd)
    temperature_RD += climate_R3[:, :1].astype(np.float32) + np.float32(9.5) * cycle_D
    temperature_RD += warm_RY.astype(np.float32)[:, year_D]
    yield _tenths(temperature_RD)

    z_RD = rng.standard_normal(shape, np.float32)
    z_RD *= np.float32(math.sqrt(1 - steps.wet_year**2))
    z_RD += (steps.wet_year * wet_RY).astype(np.float32)[:, year_D]
    a = steps.wetness  # mean of max(z + a, 0)² for a standard normal z
    mean = (1 + a * a) * 0.5 * math.erfc(-a / math.sqrt(2)) + a * math.exp(-a * a / 2) / math.sqrt(
        2 * math.pi
    )
    rate_D = (steps.days_D * (1 + 0.35 * steps.cycle_D) / mean).astype(np.float32)
    rainfall_RD = np.square(np.maximum(z_RD + np.float32(a), 0))
    rainfall_RD *= climate_R3[:, 1:2].astype(np.float32) * rate_D
    yield _tenths(rainfall_RD)

    z_RD *= np.float32(0.6)  # wet days are humid, warm ones dry
    z_RD -= np.float32(0.3) * warm_RD
    z_RD += np.float32(0.7) * rng.standard_normal(shape, np.float32)
    z_RD *= np.float32(steps.humidity_sd)
    z_RD += (climate_R3[:, 2:] + 3.0 * wet_RY).astype(np.float32)[:, year_D]
    z_RD -= np.float32(6) * cycle_D
    yield _tenths(np.clip(z_RD, 5, 100))


def _yields(
    names: list[str],
    years_Y: npt.NDArray[np.int64],
    x_MRY: list[Floats],
    world: World,
    rng: np.random.Generator,
) -> tuple[pa.Table, dict[str, Any]]:
    """Long yields (t/ha) from the seasons' features, and each region's level and trend."""
    shape = x_MRY[0].shape
    truth: dict[str, Any] = {"regions": names, "levels": {}, "trends": {}}
    observed_TRY, yield_TRY = [], []
    for crop in world.crops:
        level_R = np.round(crop.level * rng.uniform(0.75, 1.25, shape[0]), 6)
        # over very many years the same rise a year would start below nothing
        trend_R = np.round(crop.trend * rng.uniform(0.5, 1.5, shape[0]) * min(1.0, 40 / shape[1]), 6)
        yield_RY = level_R[:, None] + trend_R[:, None] * (years_Y - years_Y.mean())
        for weight, x_RY in zip(crop.weights, x_MRY, strict=True):
            yield_RY += weight * (x_RY - x_RY.mean(axis=1, keepdims=True))
        yield_RY += crop.noise_sd * rng.standard_normal(shape)
        yield_TRY.append(np.maximum(np.round(yield_RY, 4), 0.0))
        observed_TRY.append(rng.random(shape) >= crop.missing)
        truth["levels"][crop.name] = level_R.tolist()
        truth["trends"][crop.name] = trend_R.tolist()
    region_N, year_N, crop_N = np.nonzero(np.stack(observed_TRY, axis=-1))
    table = pa.table(
        {
            REGION.name: _repeated(names, region_N.astype(np.int32)),
            SEASON_YEAR.name: pa.array(years_Y[year_N].astype(np.int16)),
            CROP.name: _repeated([crop.name for crop in world.crops], crop_N.astype(np.int32)),
            YIELD: pa.array(np.stack(yield_TRY)[crop_N, region_N, year_N]),
            UNIT.name: _repeated([world.unit], np.zeros(len(crop_N), dtype=np.int32)),
        }
    )
    return table, truth


def _tenths(value_RD: Singles) -> Floats:
    tenths_RD: Floats = np.rint(value_RD.astype(np.float64) * 10) / 10
    return tenths_RD


def _repeated(names: list[str], at_N: npt.NDArray[np.int32]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(at_N), pa.array(names, pa.string()))
