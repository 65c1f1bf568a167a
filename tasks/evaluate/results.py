"""The evaluation step: metrics, scores, predictions and intervals of every cut-off, as files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data.contracts.parquet import write_table
from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import MAIN, SCHEMA_VERSION, SplitName, best_baseline
from data.contracts.wording import number, percent
from data.settings.schema import Settings
from data.settings.seasons import Cutoff
from tasks.evaluate.calibration import Calibration, calibrate, leads_to
from tasks.evaluate.hindcast import Hindcast, hindcast
from tasks.evaluate.metrics import Scored, evaluate
from tasks.evaluate.predictions import predictions_of
from tasks.evaluate.season_errors import SeasonErrorsByOrigin
from tasks.evaluate.stored_intervals import calibration_of, intervals
from tasks.model.fits import EVALUATED, PUBLISHED
from tasks.model.model import Model
from tasks.yields.level_break import FarYield, LevelBreak, find_far_yields, find_level_break


@dataclass(frozen=True)
class Result:
    """One cut-off: what was predicted of every season, and how that compares.

    `metrics` are its part of metrics.json, `scores` its rows of evaluation.parquet.
    """

    evaluated: Hindcast
    calibration: Calibration
    metrics: dict[str, Any]
    scores: pa.Table


def evaluate_cutoff(
    models: Mapping[str, Model],
    table: SeasonTable,
    settings: Settings,
    cutoff: Cutoff,
    errors: SeasonErrorsByOrigin | None = None,
) -> Result:
    """Score the evaluation fit on a run's table, with intervals calibrated on its training seasons.

    `errors` are those of its rolling origins where they are known already.
    """
    calibration = _calibrated(table, settings, errors)
    said = evaluate(models[EVALUATED], table, calibration, cutoff.as_of)
    scored = Scored(replace(said, season=cutoff.season))
    excess = {fit: model.record["excess"] for fit, model in models.items()}
    beside = {"intervals": intervals(calibration), "features": models[PUBLISHED].feature_notes()}
    return Result(scored.evaluated, calibration, scored.metrics(excess) | beside, scored.table())


def _calibrated(table: SeasonTable, settings: Settings, errors: SeasonErrorsByOrigin | None) -> Calibration:
    train = table.of_split(SplitName.TRAIN)
    return calibrate(train, settings, leads_to(train, table), errors)


def forecast(
    model: Model, ahead: SeasonTable, crops: tuple[str, ...] | None = None, season: str = MAIN
) -> Hindcast:
    """What a published model says of region-seasons to come, for each crop without a yield.

    `crops` are the ones to forecast, by default all of the model's. Raises SettingsError where the
    model was trained without intervals.
    """
    said = hindcast(model, ahead, calibration_of(model), model.as_of, split=SplitName.FORECAST)
    chosen_T = np.array([crops is None or crop in crops for crop in said.crops])
    return replace(said.take(np.isnan(said.actual_E) & chosen_T[said.crop_E]), season=season)


def level_breaks(table: SeasonTable) -> dict[str, LevelBreak | None]:
    """The break in the level of each crop's yields, over all seasons that have any; None: there is none."""
    return {crop: find_level_break(*known) for crop, known in _known_yields(table)}


def far_yields(table: SeasonTable, breaks: Mapping[str, LevelBreak | None]) -> dict[str, list[FarYield]]:
    """Regions whose yields are far from their own level, of each crop that has such and no break."""
    return {
        crop: far
        for crop, known in _known_yields(table)
        if breaks[crop] is None and (far := find_far_yields(*known, table.region_names))
    }


def _known_yields(table: SeasonTable) -> Iterator[tuple[str, tuple[Any, Any, Any]]]:
    """Each crop with the regions, years and values of its yields."""
    for at, crop in enumerate(table.crops):
        known_N = np.isfinite(table.y_NT[:, at])
        yield crop, (table.region_N[known_N], table.year_N[known_N], table.y_NT[known_N, at])


def save_results(
    results: Mapping[Cutoff, Result],
    breaks: Mapping[str, Mapping[str, LevelBreak | None]],
    far: Mapping[str, Mapping[str, Sequence[FarYield]]],
    ahead: Sequence[Hindcast],
    folder: Path,
    run_id: str,
) -> None:
    """Write metrics.json, evaluation.parquet and predictions.parquet, forecasts included, into a folder.

    `breaks` and `far` go from season to crop. Seasons and cut-offs are written in the order given.
    """
    seasons = {
        season: {
            "as_of": {of.as_of: result.metrics for of, result in results.items() if of.season == season},
            "breaks": {crop: found and asdict(found) for crop, found in of_crops.items()},
            "far_yields": {crop: list(map(asdict, found)) for crop, found in far[season].items()},
        }
        for season, of_crops in breaks.items()
    }
    content = {"schema": SCHEMA_VERSION, "run_id": run_id, "seasons": seasons}
    # keys keep their order, so that cut-offs follow the season's calendar
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "metrics.json").write_text(f"{text}\n", encoding="utf-8")
    scores = [result.scores for result in results.values()]
    write_table(pa.concat_tables(scores), folder / "evaluation.parquet")
    said = [*(result.evaluated for result in results.values()), *ahead]
    write_table(predictions_of(said, run_id), folder / "predictions.parquet")


def story(results: Mapping[Cutoff, Result]) -> list[str]:
    """A line for each cut-off and crop: its error and the best naive baseline's."""
    lines = []
    for of, result in results.items():
        splits = result.metrics["splits"]
        split = next(
            name for name in (SplitName.TEST, SplitName.VALIDATION, SplitName.TRAIN) if name in splits
        )
        for crop, scores in splits[split]["crops"].items():
            best, least = best_baseline(scores["baselines"])
            beside = f", {best} {number(least)}" if best else ""
            lines.append(
                f"{of} {split} {crop}: MSE {number(scores['mse'])}{beside}, skill {percent(scores['skill'])}"
            )
        lines += [*result.metrics["features"], *result.metrics["intervals"]["notes"]]
    return lines
