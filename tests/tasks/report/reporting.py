"""A run's data for the tests of the report, made by the real fit and evaluation on a small world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import MAIN, SplitName
from data.settings.files import parse_settings
from data.settings.schema import Settings
from data.settings.seasons import Cutoff
from tasks.evaluate.predictions import predictions_of
from tasks.evaluate.results import evaluate_cutoff
from tasks.model.fits import EVALUATED, PUBLISHED, fits_of
from tasks.report.tables import ReportData
from tasks.train.fit import fit_model

UNITS = {"temperature_mean": "°C", "rainfall_sum": "mm", "humidity_mean": "%"}
RUN_ID = "0123456789abcdef"


def settings_for(**changes: Any) -> Settings:
    raw: dict[str, Any] = {
        "weather": "w",
        "yields": "y",
        "store": "s",
        "season": {"start": "04-01", "end": "09-30"},
        "measures": {"temperature": {"unit": "°C"}, "rainfall": {"unit": "mm"}, "humidity": {"unit": "%"}},
        "features": [
            {"measure": "temperature", "aggregate": "mean"},
            {"measure": "rainfall", "aggregate": "sum"},
            {"measure": "humidity", "aggregate": "mean"},
        ],
    }
    return parse_settings(raw | changes, "test")


def world_table(
    names: Sequence[str], years: int = 30, crops: Sequence[str] = ("apples", "oranges"), test: int = 5
) -> SeasonTable:
    """Region-seasons of a small world with regional trends, shared weather and missing harvests."""
    rng = np.random.default_rng(7)
    R = len(names)
    region_N, year_N = np.repeat(np.arange(R), years), np.tile(np.arange(2024 - years, 2024), R)
    shared_Y3, own_N3 = rng.standard_normal((years, 3)), rng.standard_normal((R * years, 3))
    departure_N3 = 0.7 * np.tile(shared_Y3, (R, 1)) + 0.7 * own_N3
    x_NF = np.array([16.0, 420.0, 64.0]) + np.array([1.1, 90.0, 4.0]) * departure_N3
    weights = np.array([[-1.3, 0.018, 0.12], [0.9, 0.014, -0.15]])
    level_RT, trend_RT = rng.uniform(30, 50, (R, 2)), rng.uniform(0.1, 0.5, (R, 2))
    y_NT = (
        level_RT[region_N] + trend_RT[region_N] * (year_N - 2008)[:, None] + (x_NF - x_NF.mean(0)) @ weights.T
    )
    y_NT += 1.8 * rng.standard_normal(y_NT.shape)
    y_NT[rng.random(y_NT.shape) < 0.04] = np.nan
    split_N = np.where(year_N >= 2024 - test, str(SplitName.TEST), str(SplitName.TRAIN))
    repeated = np.resize(y_NT.T, (len(crops), len(y_NT))).T
    return SeasonTable(
        tuple(sorted(names)),
        region_N,
        year_N,
        split_N.astype(np.str_),
        tuple(UNITS),
        x_NF,
        tuple(crops),
        repeated,
    )


def report_data(
    table: SeasonTable, settings: Settings | None = None, as_of: Sequence[str] = ("09-30",), **changes: Any
) -> ReportData:
    """What a run of these region-seasons would report; earlier cut-offs know fewer features."""
    settings = settings or settings_for(as_of=list(as_of[:-1]))
    units = tuple("t/ha" for _ in table.crops)
    fits, results = {}, {}
    for at, day in enumerate(as_of):
        known = len(table.features) - (len(as_of) - 1 - at)
        part = SeasonTable(
            table.region_names, table.region_N, table.year_N, table.split_N,
            table.features[:known], table.x_NF[:, :known], table.crops, table.y_NT,
        )  # fmt: skip
        models = {
            name: fit_model(rows, settings, day, crop_units=units) for name, rows in fits_of(part).items()
        }
        fits[day], results[day] = models, evaluate_cutoff(models, part, settings, Cutoff(MAIN, day))
    full = fits[as_of[-1]][PUBLISHED]
    rows = {"train": int((table.split_N == "train").sum()), "test": int((table.split_N == "test").sum())}
    used = {split: 183 * count for split, count in rows.items() if count}
    given: dict[str, Any] = {
        "run_id": RUN_ID,
        "season": "main",
        "settings": settings,
        "metrics": {
            "as_of": {day: result.metrics for day, result in results.items()},
        },
        "predictions": predictions_of([result.evaluated for result in results.values()], RUN_ID),
        "evaluation": pa.concat_tables([result.scores for result in results.values()]),
        "losses": {day: models[EVALUATED].record["losses"] for day, models in fits.items()},
        "optimum": {day: models[EVALUATED].record["optimum"] for day, models in fits.items()},
        "coefficients": full.coefficients(),
        "ledger": {
            "weather": {
                "rows_in": sum(used.values()) + 41 + 182 * len(table),
                "used": used,
                "rejected": {"missing value": 30, "duplicate": 11},
                "out_of_scope": {"outside the season": 182 * len(table)},
            },
            "yields": {
                "rows_in": sum(rows.values()) + 3,
                "used": rows,
                "rejected": {"missing value": 3},
                "out_of_scope": {},
            },
        },
        "dataset": table,
        "crop_units": dict(zip(table.crops, units, strict=True)),
        "feature_units": {name: UNITS[name] for name in table.features},
        "inputs": [{"name": "weather/part-0000.parquet", "size": 123456, "sha256": "ab" * 32}],
        "versions": {"torch": "2.9", "numpy": "2.4"},
        "notes": [note for result in results.values() for note in result.metrics["intervals"]["notes"]],
    }  # fmt: skip
    return ReportData(**(given | changes))
