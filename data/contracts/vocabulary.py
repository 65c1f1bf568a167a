"""Closed lists of the contract: schema version, inputs, splits, reasons; they need no Arrow."""

from __future__ import annotations

from enum import StrEnum

SCHEMA_VERSION = 1


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
    # of forecasts, which are made of what isn't harvested yet
    AFTER_AS_OF = "after the as-of day"
    HARVESTED = "weather with a yield"


class SplitName(StrEnum):
    """What a region-season was used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    FORECAST = "forecast"


WEATHER, YIELDS = "weather", "yields"
