"""The trials of the scoreboard: real data, read by this project's own ingest, and the seasons predicted.

A fold is one model's training rows and the rows that it predicts; no predicted season is among its training
rows and, but for leave-one-out, no later one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import MAIN, SplitName
from data.settings.files import parse_settings
from data.settings.schema import Settings
from tasks.assemble.seasons import assemble_seasons, full_season
from tasks.evaluate.backtest import backtest_season
from tasks.evaluate.calibration import calibrate, leads_to, learnable, of_crops
from tasks.evaluate.hindcast import Hindcast
from tasks.evaluate.metrics import evaluate
from tasks.model.forecaster import Forecaster
from tasks.train.fit import fit_model
from tasks.weather.ingest import ingest_weather
from tasks.weather.parts import with_named_cutoffs
from tasks.yields.ingest import ingest_yields
from tests.benchmarks.measure import ROOT

DATA = Path(os.environ.get("CROPYIELD_SHARED", ROOT.parent / "shared" / "data"))
Protocol = Literal["rolling origin", "one holdout", "leave one season out"]


@dataclass(frozen=True, eq=False)
class Fold:
    """One model of this project, what it said, and the rows that peers get: the same ones.

    `history` are the training rows of seasons before those predicted.
    """

    train: SeasonTable
    history: SeasonTable
    rows: SeasonTable
    model: Forecaster
    said: Hindcast


@dataclass(frozen=True)
class Trial:
    """One set of data, one protocol."""

    name: str
    folder: str
    protocol: Protocol
    seasons: tuple[int, ...]
    raw: dict[str, Any] = field(hash=False)
    as_of: str = ""

    @property
    def is_there(self) -> bool:
        """Whether this machine has the data."""
        return (DATA / self.folder).is_dir()

    @cached_property
    def settings(self) -> Settings:
        """Settings as a file would have them: the defaults, features, and what is needed to read the data."""
        place = DATA / self.folder
        named = {"weather": f"{place}/weather.parquet", "yields": f"{place}/yields.parquet", "store": "-"}
        return with_named_cutoffs(parse_settings(named | self.raw, self.name))

    @cached_property
    def table(self) -> SeasonTable:
        """Region-seasons as a run would have them."""
        settings = self.settings
        found = assemble_seasons(ingest_weather(settings), ingest_yields(settings), settings).seasons[MAIN]
        return found.datasets[self.as_of] if self.as_of else full_season(found)

    def folds(self) -> Iterator[Fold]:
        """Every model of the trial."""
        if self.protocol == "one holdout":
            yield holdout(self.table, self.settings, self.seasons)
            return
        for season in self.seasons:
            yield held_out(self.table, self.settings, season, self.protocol == "leave one season out")


def held_out(table: SeasonTable, settings: Settings, season: int, others: bool = False) -> Fold:
    """One season predicted from those before it or, `others`, from all others."""
    made = backtest_season(table, settings, "", season, leave_one_out=others)
    crops = [table.crops.index(crop) for crop in made.train.crops]
    rows = of_crops(table.take(table.year_N == season), crops)
    history = made.train.take(made.train.year_N < season)
    return Fold(made.train, history, rows, made.model, made.hindcast)


def holdout(table: SeasonTable, settings: Settings, seasons: tuple[int, ...]) -> Fold:
    """Some last seasons predicted by one model of those before them, as the evaluation fit of a run does."""
    first = min(seasons)
    split_N = [str(SplitName.TRAIN if year < first else SplitName.TEST) for year in table.year_N.tolist()]
    table = replace(table, split_N=np.array(split_N)).take(table.year_N <= max(seasons))
    train = table.of_split(SplitName.TRAIN)
    crops = learnable(train, settings)
    table, train = of_crops(table, crops), of_crops(train, crops)
    model = fit_model(train, settings, "")
    said = evaluate(model, table, calibrate(train, settings, leads_to(train, table)), "")
    return Fold(train, train, table.of_split(SplitName.TEST), model, said.harvested(SplitName.TEST))


def _features(*measures: str, **more: Any) -> list[dict[str, Any]]:
    return [{"measure": name, "aggregate": "mean", "square": True} | more for name in measures]


_MONTHLY = _features("temperature_c", "rainfall_mm", every="month")
_US: dict[str, Any] = {"first_season": 1960, "features": _MONTHLY}
_SUMMER = _US | {"crops": ["corn", "soybeans"], "season": {"start": "04-01", "end": "09-30"}}
_MAIZE = (
    "sm_whc", "mean_tavgp0", "mean_cwbp0", "mean_precp0", "mean_tavgp1", "mean_precp1", "mean_tavgp2",
    "mean_cwbp2", "mean_tavgp3", "mean_precp3", "mean_cwbp4", "low_tavgp1", "low_tminp1", "low_precp1",
    "high_tavgp1", "high_tminp1", "high_precp1", "low_tavgp3", "low_cwbp3", "low_precp3", "low_tmaxp3",
    "high_tavgp3", "high_cwbp3", "high_precp3", "high_tmaxp3", "mean_faparp2",
)  # fmt: skip
_CYBENCH: dict[str, Any] = {"features": _features(*_MAIZE)}
_DECADE = tuple(range(2013, 2023))

TRIALS = (
    Trial("US, full season", "us_climdiv_medium", "rolling origin", _DECADE, _SUMMER),
    Trial(
        "US, 31 July", "us_climdiv_medium", "rolling origin", _DECADE, _SUMMER | {"as_of": ["07-31"]}, "07-31"
    ),
    Trial(
        "US wheat, March to August", "us_climdiv_medium", "rolling origin", tuple(range(1998, 2008)),
        _US | {"crops": ["wheat"], "season": {"start": "03-01", "end": "08-31"}},
    ),
    Trial("CY-Bench US maize, up to seven seasons ahead", "cybench_us_maize", "one holdout",
          tuple(range(2012, 2019)), _CYBENCH),
    Trial("CY-Bench US maize, leave one season out", "cybench_us_maize", "leave one season out",
          tuple(range(2000, 2019)), _CYBENCH),
    Trial(
        "Minnesota barley", "minnesota_barley", "rolling origin", tuple(range(1932, 1937)),
        {
            "first_season": 1927, "season": {"start": "04-01", "end": "07-31"},
            "features": _features("temperature_f", "rainfall_in", every="month"), "max_rejected": 0.9,
        },
    ),
    Trial(
        "FAO countries", "fao_country", "rolling origin", tuple(range(2004, 2014)),
        {"features": _features("temperature_c", "rainfall_mm", "pesticides_tonnes")},
    ),
)  # fmt: skip
"""Every trial, in the order of the table."""
