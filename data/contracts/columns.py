"""Columns of every published table and input, each once: name, type, unit, meaning."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from data.contracts.vocabulary import LEVELS, SCHEMA_VERSION


@dataclass(frozen=True)
class Column:
    """One column of a published table."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False

    def field(self) -> pa.Field:
        """The Arrow field, with meaning and unit in its metadata."""
        described = {"meaning": self.meaning} | ({"unit": self.unit} if self.unit else {})
        return pa.field(self.name, self.type, self.nullable, described)


def schema_of(columns: tuple[Column, ...], metadata: dict[str, str] | None = None) -> pa.Schema:
    """The Arrow schema of a table, its version in the metadata."""
    return pa.schema(
        [column.field() for column in columns], {"schema": str(SCHEMA_VERSION)} | (metadata or {})
    )


REGION = Column("region", pa.string(), "identity of the region")
SEASON_YEAR = Column("year", pa.int16(), "harvest year: the calendar year the season ends in, or starts in")
CROP = Column("crop", pa.string(), "crop")
SPLIT = Column("split", pa.string(), "train, validation, test or forecast")
SEASON = Column("season", pa.string(), "growing season: main, or a name of the settings")
AS_OF = Column("as_of", pa.string(), "last day (MM-DD) whose weather the model uses")
UNIT = Column("unit", pa.string(), "unit of the yield", nullable=True)
_YIELD = "the crop's unit"

PREDICTION_COLUMNS = (
    REGION,
    SEASON_YEAR,
    CROP,
    SEASON,
    AS_OF,
    UNIT,
    Column("predicted", pa.float64(), "the model's prediction", _YIELD),
    *(
        Column(f"{end}_{level}", pa.float64(), f"{end} end of the {level} % interval", _YIELD, nullable=True)
        for level in LEVELS
        for end in ("lower", "upper")
    ),
    Column("baseline", pa.float64(), "what the model's own regional baseline alone says", _YIELD),
    Column("actual", pa.float64(), "observed yield; null when unknown", _YIELD, nullable=True),
    SPLIT,
    Column("known_region", pa.bool_(), "the model was trained on this region"),
    Column("run_id", pa.string(), "the run that trained the model"),
)

OUTLOOK_COLUMNS = (
    Column(
        "mean_5", pa.float64(),
        "mean of the known yields of the five calendar years before the season, or of the five that end with "
        "the crop's last known one where yields end earlier; null with fewer than three",
        _YIELD, nullable=True,
    ),
    Column("last", pa.float64(), "last known yield before the season", _YIELD, nullable=True),
    Column(
        "chance_below_mean_5", pa.float64(),
        "chance that the yield comes out below mean_5, from the errors that the intervals are calibrated on",
        "1", nullable=True,
    ),
    Column(
        "percentile", pa.float64(),
        "share of past seasons whose predicted departure from the baseline was smaller, ties half",
        "%", nullable=True,
    ),
)  # fmt: skip

FORECAST_COLUMNS = (
    *PREDICTION_COLUMNS,
    *OUTLOOK_COLUMNS,
    Column("weather_until", pa.date32(), "last day of weather that the season has in the region"),
    Column(
        "days_unused", pa.int16(), "days of weather after as_of, which no trained cut-off uses yet", "days"
    ),
    Column("lead_days", pa.int16(), "days from as_of to the end of the season", "days"),
)

DRIVER_COLUMNS = (
    REGION,
    SEASON_YEAR,
    CROP,
    SEASON,
    AS_OF,
    Column("term", pa.string(), "a feature, its square included, or constant: bias and centres"),
    Column("value", pa.float64(), "the feature's value; null for constant", "the feature's", nullable=True),
    Column(
        "usual", pa.float64(), "the region's climatology, under baseline none the training rows' mean",
        "the feature's", nullable=True,
    ),
    Column("departure", pa.float64(), "value - usual", "the feature's", nullable=True),
    Column("contribution", pa.float64(), "part of predicted; baseline and all of these add up to it", _YIELD),
)  # fmt: skip
CONSTANT = "constant"

AGGREGATE_COLUMNS = (
    Column("level", pa.string(), "a label column of regions, or all: all regions together"),
    Column("name", pa.string(), "the larger unit; null: regions without a label", nullable=True),
    SEASON_YEAR,
    CROP,
    SEASON,
    AS_OF,
    UNIT,
    SPLIT,
    Column("regions", pa.int32(), "regions that the figures are made of"),
    Column("area", pa.float64(), "area of the whole unit; null: equal weights", "the area's", nullable=True),
    Column("share", pa.float64(), "known share of the unit's weight; below min_share figures are null", "1"),
    Column("predicted", pa.float64(), "weighted mean of the regions' predictions", _YIELD, nullable=True),
    *(column for column in PREDICTION_COLUMNS if column.name.startswith(("lower_", "upper_"))),
    Column("actual", pa.float64(), "weighted mean of the same regions' yields", _YIELD, nullable=True),
    Column("baseline", pa.float64(), "weighted mean of the regions' baselines", _YIELD, nullable=True),
    Column(
        "production", pa.float64(), "predicted times area; null where weights are equal",
        "the crop's unit times the area's", nullable=True,
    ),
    Column("weights", pa.string(), "harvested: areas of yields; regions: areas of regions; equal"),
    *OUTLOOK_COLUMNS,
    Column("run_id", pa.string(), "the run that trained the model"),
)  # fmt: skip
ALL = "all"
# of rows that are about one region
OF_REGION = "region"

RECORD_COLUMNS = (
    Column("level", pa.string(), "region, a label column of regions, or all"),
    Column("name", pa.string(), "the region or larger unit; null: regions without a label", nullable=True),
    SEASON_YEAR,
    CROP,
    SEASON,
    AS_OF,
    UNIT,
    Column("lead_days", pa.int16(), "days from as_of to the end of the season", "days"),
    Column("predicted", pa.float64(), "the forecast as it was issued", _YIELD),
    *(column for column in PREDICTION_COLUMNS if column.name.startswith(("lower_", "upper_"))),
    Column("baseline", pa.float64(), "what the model's own regional baseline alone said", _YIELD),
    *(
        Column(column.name, column.type, column.meaning, column.unit, nullable=True)
        for column in OUTLOOK_COLUMNS
    ),
    Column("run_id", pa.string(), "the run that trained the model"),
)

VERIFICATION_COLUMNS = (
    Column("vintage", pa.string(), "SHA-256 of the yields that it is held against"),
    Column("number", pa.int32(), "the forecast's entry in the publication log"),
    Column("issued", pa.string(), "the day of that entry"),
    *(column for column in RECORD_COLUMNS if column.name not in ("unit", "run_id")),
    Column(
        "actual",
        pa.float64(),
        "yield as known by now; of larger units by the weights of the forecast's day",
        _YIELD,
    ),
    Column("error", pa.float64(), "predicted - actual", _YIELD),
    Column("error_mean_5", pa.float64(), "mean_5 - actual", _YIELD, nullable=True),
    Column("error_baseline", pa.float64(), "baseline - actual", _YIELD),
    Column("inside_80", pa.bool_(), "actual lies in the 80 % interval", nullable=True),
    Column("inside_95", pa.bool_(), "actual lies in the 95 % interval", nullable=True),
    Column("interval_score_80", pa.float64(), "Winkler score of the 80 % interval", _YIELD, nullable=True),
    Column("interval_score_95", pa.float64(), "Winkler score of the 95 % interval", _YIELD, nullable=True),
    Column("brier", pa.float64(), "squared error of chance_below_mean_5", "1", nullable=True),
    Column(
        "revision",
        pa.float64(),
        "predicted - that of the forecast before; null: first",
        _YIELD,
        nullable=True,
    ),
)

WEIGHT_COLUMNS = (
    Column("level", pa.string(), "a label column of regions, or all: all regions together"),
    Column("name", pa.string(), "the larger unit; null: regions without a label", nullable=True),
    REGION,
    SEASON_YEAR,
    CROP,
    Column("weight", pa.float64(), "what the region weighs in the unit: its area, or 1 where all are equal"),
)

HISTORY_COLUMNS = (
    Column("level", pa.string(), "region, a label column of regions, or all"),
    Column("name", pa.string(), "the region or larger unit; null: regions without a label", nullable=True),
    SEASON_YEAR,
    CROP,
    Column("yield", pa.float64(), "yield as known on that day; of larger units the weighted mean", _YIELD),
)

ERROR_COLUMNS = (
    REGION,
    SEASON_YEAR,
    CROP,
    Column("lead", pa.int8(), "years from the last season learned from to this one", "years"),
    Column("error", pa.float64(), "actual - predicted by a model of the seasons before the lead", _YIELD),
)

REJECTED = (
    Column("input", pa.string(), "weather, yields or regions"),
    Column("file", pa.string(), "source file, relative to the input"),
    Column("row", pa.int64(), "position in the source file, from 0"),
    Column("region", pa.string(), "region as found", nullable=True),
    Column("date", pa.string(), "date, year-month or year as found", nullable=True),
    Column("crop", pa.string(), "crop, for yields", nullable=True),
    Column("column", pa.string(), "the source's column that is at fault", nullable=True),
    Column("value", pa.string(), "the offending value as found", nullable=True),
    Column("values", pa.string(), "the row's used values as JSON"),
    Column("reason", pa.string(), "one of a closed list"),
    Column(
        "season", pa.string(), "season it was rejected for; null: the row itself is at fault", nullable=True
    ),
)

COEFFICIENTS = (
    Column("region", pa.string(), "region; null: a region the model has not seen", nullable=True),
    CROP,
    Column("term", pa.string(), "intercept, year, or a feature's name"),
    Column("power", pa.int8(), "of the term: 1, or 2 for a feature's square; 0 for the intercept"),
    Column(
        "coefficient",
        pa.float64(),
        "raw-unit coefficient of the term to its power",
        "the crop's unit per unit of the term to its power",
    ),
)
INTERCEPT = "intercept"

EVALUATION = (
    SEASON,
    AS_OF,
    SPLIT,
    Column("crop", pa.string(), "crop; null: pooled over crops", nullable=True),
    Column("region", pa.string(), "region; null: all regions", nullable=True),
    Column("year", pa.int16(), "season; null: all seasons", nullable=True),
    Column("rows", pa.int64(), "region-seasons with a yield"),
    Column("mse", pa.float64(), "mean squared error", "the crop's unit squared", nullable=True),
    Column("rmse", pa.float64(), "its root", _YIELD, nullable=True),
    Column("mae", pa.float64(), "mean absolute error", _YIELD, nullable=True),
    Column("bias", pa.float64(), "mean of predicted - actual", _YIELD, nullable=True),
    Column("r2", pa.float64(), "1 - SSE / SST", nullable=True),
    Column("skill", pa.float64(), "1 - MSE / MSE of the best naive baseline", nullable=True),
    *(
        Column(f"{name}_{level}", pa.float64(), f"{meaning} the {level} % interval", unit, nullable=True)
        for name, meaning, unit in (
            ("coverage", "share of rows inside", ""),
            ("width", "mean width of", _YIELD),
            ("interval_score", "Winkler score of", _YIELD),
        )
        for level in LEVELS
    ),
    Column("mse_training_mean", pa.float64(), "MSE of the crop's training mean", nullable=True),
    Column("mse_region_mean", pa.float64(), "MSE of the region's training mean", nullable=True),
    Column(
        "mse_last_five_seasons",
        pa.float64(),
        "MSE of the mean of the last five calendar years",
        nullable=True,
    ),
    Column("mse_region_trend", pa.float64(), "MSE of the plain regional trend", nullable=True),
)
