"""The settings of a run: every key with its type, bounds, default and meaning."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data.contracts.vocabulary import MAIN
from data.settings.features import Aggregate, check_parameters
from data.settings.types import ByKey, Location, MonthDay, Seasons, Shrinkage, WebAddress

YEAR = "year"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=True)


class Season(_Section):
    """The window of the calendar that a harvest year stands for."""

    start: MonthDay = "01-01"
    """First day, month-day. Later than the end: the season crosses New Year."""
    end: MonthDay = "12-31"
    """Last day, month-day."""
    year_of: Literal["end", "start"] = "end"
    """The calendar year that names a season which crosses New Year: the one it ends in or starts in."""


class Measure(_Section):
    """What is known of one weather measure."""

    unit: str | None = None
    """Unit, shown with every figure of this measure."""
    range: tuple[float, float] | None = None
    """Smallest and largest value that can be true; rows outside are rejected."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.range and not self.range[0] <= self.range[1]:
            raise ValueError(f"range {list(self.range)} ends before it starts")
        return self


class Feature(_Section):
    """One measure aggregated over the season, a window in it, or each of its months."""

    measure: str
    """A weather measure, or `year` for the harvest year itself."""
    aggregate: Aggregate | None = None
    """How the days of the window become one number; required but for `year`."""
    name: str | None = None
    """Instead of the name formed from measure, aggregate and its numbers."""
    every: Literal["season", "month"] = "season"
    """`month` makes one feature for each calendar month of the season."""
    window: tuple[MonthDay, MonthDay] | None = None
    """First and last day, instead of the whole season."""
    threshold: float | None = None
    """For days_above and days_below, in the measure's unit."""
    base: float | None = None
    """For degree_days: below this a day counts nothing."""
    cap: float | None = None
    """For degree_days: a day counts at most cap - base."""
    square: bool = False
    """Its square too, so that there can be too much of a good thing."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.measure == YEAR:
            given = self.model_dump(exclude={"measure", "name"}, exclude_defaults=True)
            if given:
                raise ValueError(f"the feature 'year' takes no {', '.join(given)}")
            return self
        if self.aggregate is None:
            raise ValueError(f"the feature of {self.measure!r} needs an aggregate, for example 'mean'")
        given = self.model_dump(include={"threshold", "base", "cap"}, exclude_none=True)
        check_parameters(self.aggregate, {*given})
        if self.base is not None and self.cap is not None and self.base >= self.cap:
            raise ValueError(f"degree_days needs base < cap, found {self.base} and {self.cap}")
        return self


class TrendLine(_Section):
    """One of the lines whose average is a region's trend."""

    half_life: Seasons = 10.0
    """Seasons after which one counts half; inf: all alike."""
    slope_half_life: Seasons | None = None
    """The same for the line's slope; left out: as `half_life`."""
    shrinkage: Shrinkage = 1.0
    """Pull of regional slopes to the pooled one, in units of the median region's information; 0: none, inf:
    the pooled slope everywhere."""


class FurtherSeason(Season):
    """A season beside the main one, with the crops that grow in it."""

    crops: Annotated[tuple[str, ...], Field(min_length=1)]
    """Crops of this season; all others belong to the main one."""
    as_of: tuple[MonthDay, ...] = ()
    """Cut-off days besides the full season: a model for each."""
    features: tuple[Feature, ...] = ()
    """What the model sees of the weather; empty: the main season's features."""


class Split(_Section):
    """Which seasons train, which test."""

    by: Literal["season", "none"] = "season"
    """`season`: the last seasons test. `none`: every row trains (the textbook case)."""
    test_seasons: int = Field(default=5, ge=0)
    """How many of the last seasons are kept for the test."""
    validation_seasons: int = Field(default=0, ge=0)
    """How many seasons before these are held out of training and scored."""
    calibration_seasons: int = Field(default=25, ge=0)
    """How many of the last training seasons are predicted from those before, for the intervals."""


class Training(_Section):
    """How stochastic gradient descent goes about it."""

    scaling: Literal["standard", "whiten"] = "whiten"
    """`standard`: z-scores. `whiten`: uncorrelated features, for few epochs whatever the collinearity."""
    epochs: int = Field(default=100, ge=1)
    """Passes over the training rows in each round, at most."""
    batch_size: int = Field(default=4096, ge=1)
    """Rows in a step."""
    learning_rate: Literal["auto"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "auto"
    """`auto` derives the largest safe step from the data."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Of optim.SGD."""
    nesterov: bool = False
    """Of optim.SGD; needs momentum."""
    ridge_seasons: float = Field(default=3.0, ge=0, allow_inf_nan=False)
    """Ridge on the weights of z-scores, never on biases, in seasons' worth of data; 0: none."""
    tolerance: float = Field(default=1e-8, ge=0, allow_inf_nan=False)
    """Training ends when a bound on its excess over the least possible objective is below; 0: never early."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Governs initial weights and the order of batches."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """auto, cpu, cuda, cuda:N or mps. `auto` takes CUDA, then MPS, then the CPU."""
    precision: Literal["float32", "float64"] = "float32"
    """Of the training arithmetic; sums and baselines are always float64."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Gate(_Section):
    """What a run must reach to become the current one."""

    against_baseline: float = Field(default=0.05, ge=0)
    """Tolerated loss of test MSE against the best naive baseline, as a fraction, for each crop."""
    against_current: float = Field(default=0.02, ge=0)
    """The same against the current model, on rows that neither trained on."""
    excess: float = Field(default=1e-3, ge=0)
    """Largest excess of the training objective over its exact optimum."""


class Aggregation(_Section):
    """Larger units that predictions are summed up to."""

    levels: tuple[str, ...] = ()
    """Label columns of the regions, smallest unit first."""
    min_share: float = Field(default=0.8, gt=0, le=1)
    """Share of a unit's weight that must be known for its figures."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        taken = [name for name in self.levels if name in ("all", "region", "area", "geometry")]
        if taken:
            raise ValueError(f"levels: {taken[0]!r} is no label column; give the column another name")
        if len(set(self.levels)) != len(self.levels):
            raise ValueError(f"levels names one twice: {', '.join(self.levels)}")
        return self


class Settings(_Section):
    """Everything a run depends on."""

    weather: Location
    """Folder or file of weather Parquet: a path, s3:// or gs://. A relative path is seen from the folder of
    the settings file, in the Prefect UI from the folder of the deployment."""
    yields: Location
    """Folder or file of yield Parquet: a path, s3:// or gs://; relative paths as for the weather."""
    store: Location
    """Folder that receives runs, models and predictions: a path, s3:// or gs://; relative paths as for the
    weather."""
    regions: Location | None = None
    """File of the regions' names, larger units, areas and boundaries: Parquet or GeoJSON; relative paths as
    for the weather."""
    crops: tuple[str, ...] = ()
    """Crops to model; empty: all found."""
    baseline: Literal["none", "mean", "trend"] = "trend"
    """What weather departs from: nothing, each region's mean, or each region's trend over the years."""
    rounds: int = Field(default=3, ge=1)
    """How often baseline and weather are fitted in turn."""
    min_trend_seasons: int = Field(default=10, ge=2)
    """Regions with fewer seasons take the pooled slope."""
    first_season: int | None = Field(default=None, ge=1, le=9999)
    """Earliest harvest year used."""
    last_season: int | None = Field(default=None, ge=1, le=9999)
    """Latest harvest year used."""
    as_of: tuple[MonthDay, ...] = ()
    """Cut-off days besides the full season: a model for each."""
    as_of_every: int = Field(default=0, ge=0, le=366)
    """Days between further cut-offs, in every season; 0: none. In monthly data the months' ends."""
    public_url: WebAddress = ""
    """Address at which a web server shows the store's files, for links to its pages; empty: none."""
    min_coverage: float = Field(default=0.9, gt=0, le=1)
    """Share of a feature's days that must be observed."""
    max_rejected: float = Field(default=0.2, ge=0, le=1)
    """Share of an input's in-scope rows that may be rejected before the run stops."""
    runner: Literal["threads", "processes", "dask"] = "threads"
    """What runs mapped tasks side by side."""
    runner_address: str | None = None
    """Address of an existing Dask scheduler; none: a local cluster."""
    season: Season = Season()
    """The growing season."""
    seasons: Annotated[dict[str, FurtherSeason], ByKey] = {}
    """Growing seasons of other crops, by name: a model for each, from one reading of the weather."""
    weather_columns: Annotated[dict[str, str], ByKey] = {}
    """ours = "theirs", for the weather files."""
    yield_columns: Annotated[dict[str, str], ByKey] = {}
    """ours = "theirs", for the yield files."""
    region_columns: Annotated[dict[str, str], ByKey] = {}
    """ours = "theirs", for the file of regions."""
    crop_units: Annotated[dict[str, str], ByKey] = {}
    """Unit of each crop where the yields carry no unit column."""
    measures: Annotated[dict[str, Measure], ByKey] = {}
    """Units and valid ranges of weather measures."""
    trend: Annotated[tuple[TrendLine, ...], Field(min_length=1)] = (
        TrendLine(),
        TrendLine(half_life=5.0),
        TrendLine(half_life=3.0, slope_half_life=20.0, shrinkage=math.inf),
    )
    """Lines over the years; a region's trend is their average."""
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    """What the model sees of the weather."""
    split: Split = Split()
    """Training and test seasons."""
    aggregate: Aggregation = Aggregation()
    """Larger units."""
    training: Training = Training()
    """Stochastic gradient descent."""
    gate: Gate = Gate()
    """Conditions of publication."""

    def yield_range(self, crop: str) -> tuple[float, float]:
        """Smallest and largest yield of a crop that can be true, in its unit: by default [0, ∞)."""
        for known in (self.measures.get(crop), self.measures.get("yield")):
            if known and known.range:
                return known.range
        return 0.0, math.inf

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (
            self.first_season is not None
            and self.last_season is not None
            and self.first_season > self.last_season
        ):
            raise ValueError(f"first_season {self.first_season} is after last_season {self.last_season}")
        if self.aggregate.levels and self.regions is None:
            raise ValueError(
                f"aggregate.levels names {', '.join(self.aggregate.levels)}, which are columns of a file of "
                'regions; name it with regions = "…"'
            )
        if self.runner_address and self.runner != "dask":
            raise ValueError('runner_address needs runner = "dask"')
        listed = {"crops": self.crops, "as_of": self.as_of}
        for name, season in self.seasons.items():
            if name == MAIN or not re.fullmatch(r"[a-z0-9_]{1,32}", name):
                raise ValueError(
                    f"seasons: {name!r} can't be a season's name: write 1 to 32 of a to z, 0 to 9 and _, "
                    f"not {MAIN!r}, which is [season]"
                )
            listed |= {f"seasons.{name}.as_of": season.as_of}
        listed["the crops of all [seasons]"] = tuple(c for s in self.seasons.values() for c in s.crops)
        for what, values in listed.items():
            if len(set(values)) != len(values):
                raise ValueError(f"{what} names one twice: {', '.join(values)}")
        return self
