"""Closed lists of the contract: schema version, inputs, splits, reasons; they need no Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

SCHEMA_VERSION = 2


class Reason(StrEnum):
    """Why a row was rejected; where several apply, the first in this order."""

    MISSING_KEY = "missing key"
    MISSING_VALUE = "missing value"
    NOT_A_NUMBER = "not a number"
    OUT_OF_RANGE = "outside the valid range"
    DUPLICATE = "duplicate"
    CONFLICT = "conflicting duplicate"
    LOW_COVERAGE = "too little of the season covered"
    FEW_ROWS = "too few rows for this crop"


class OutOfScope(StrEnum):
    """Why a sound row was not asked for."""

    OUTSIDE_SEASON = "outside the season"
    BEFORE_FIRST = "before first_season"
    AFTER_LAST = "after last_season"
    CROP_NOT_SELECTED = "crop not selected"
    NO_YIELD = "weather without a yield"
    NO_WEATHER = "yield without weather"
    NO_DATA = "region without weather and yields"
    # of forecasts, which are made of what isn't harvested yet
    AFTER_AS_OF = "after the as-of day"
    HARVESTED = "weather with a yield"


class SplitName(StrEnum):
    """What a region-season was used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    FORECAST = "forecast"


WEATHER, YIELDS, REGIONS = "weather", "yields", "regions"
MATCHED = "matched"
"""What a used row of the file of regions is: a region with data."""
MAIN = "main"
"""The season of `[season]`."""
LEVELS = (80, 95)
"""Of prediction intervals, in per cent."""
NAIVE_BASELINES = {
    "training_mean": "training mean",
    "region_mean": "region mean",
    "last_five_seasons": "last five seasons",
    "region_trend": "region trend",
}
"""Predictions without weather that every model is held against, and what people call them."""


def best_baseline(baselines: Mapping[str, float | None]) -> tuple[str, float] | tuple[None, None]:
    """The naive baseline of the least MSE, and its MSE; None where none could be had."""
    known = [(name, mse) for name, mse in baselines.items() if mse is not None]
    return min(known, key=lambda each: each[1], default=(None, None))
