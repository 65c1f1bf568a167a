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

REJECTED = (
    Column("input", pa.string(), "weather or yields"),
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
