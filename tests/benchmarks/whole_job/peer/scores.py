"""Naive forecasts and scores of the peer, in Polars and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tests.benchmarks.whole_job.peer.model import LEVELS, Array, Fit, Grid

NAIVE = ("training_mean", "region_mean", "last_five_seasons", "region_trend")
_LAST, _DRAWS = 5, 2000


def naive_predictions(grid: Grid, last: int, of: Fit) -> dict[str, Array]:
    """Forecasts without weather [T, R, Y] that learn from the seasons up to and with `last`."""
    T, R, Y = grid.y_TRY.shape
    train_TRY = grid.y_TRY[:, :, : last - grid.first + 1]
    known_TRY = np.isfinite(train_TRY)
    y_TRY = np.where(known_TRY, train_TRY, 0.0)
    mean_T = y_TRY.sum(axis=(1, 2)) / known_TRY.sum(axis=(1, 2))
    rows_TR = known_TRY.sum(axis=2)
    region_TR = np.where(rows_TR > 0, y_TRY.sum(axis=2) / np.maximum(rows_TR, 1), mean_T[:, None])
    recent_TRY = np.empty((T, R, Y))
    for at in range(Y):
        end = min(at, known_TRY.shape[2])
        count_TR = known_TRY[:, :, max(end - _LAST, 0) : end].sum(axis=2)
        total_TR = y_TRY[:, :, max(end - _LAST, 0) : end].sum(axis=2)
        recent_TRY[:, :, at] = np.where(count_TR > 0, total_TR / np.maximum(count_TR, 1), region_TR)
    years = np.arange(grid.first, grid.first + Y)
    return {
        "training_mean": np.broadcast_to(mean_T[:, None, None], (T, R, Y)),
        "region_mean": np.broadcast_to(region_TR[:, :, None], (T, R, Y)),
        "last_five_seasons": recent_TRY,
        "region_trend": np.stack([of.trend(at, np.arange(R)[:, None], years) for at in range(T)]),
    }


def evaluation(entries: pl.DataFrame) -> pl.DataFrame:
    """Scores by split of all rows, of each region and of each season: of each crop, and their mean."""
    off = pl.col("predicted") - pl.col("actual")
    columns = [(off**2).alias("mse"), off.abs().alias("mae"), off.alias("bias")]
    columns += [((pl.col(name) - pl.col("actual")) ** 2).alias(f"mse_{name}") for name in NAIVE]
    for prefix in ("", "trend_"):
        for level in LEVELS:
            lower, upper = pl.col(f"{prefix}lower_{level}"), pl.col(f"{prefix}upper_{level}")
            miss = (lower - pl.col("actual")).clip(0.0) + (pl.col("actual") - upper).clip(0.0)
            columns += [
                (miss == 0).cast(pl.Float64).alias(f"{prefix}coverage_{level}"),
                (upper - lower).alias(f"{prefix}width_{level}"),
                (upper - lower + miss * 2 / (1 - level / 100)).alias(f"{prefix}interval_score_{level}"),
            ]
    rows = entries.select("split", "crop", "region", "year", "actual", *columns)
    figures = [column.meta.output_name() for column in columns]
    return pl.concat(
        [_scores(rows, ["split", *by], figures) for by in ([], ["region"], ["year"])], how="diagonal"
    )


def _scores(rows: pl.DataFrame, by: list[str], figures: list[str]) -> pl.DataFrame:
    actual = pl.col("actual")
    crops = rows.group_by(*by, "crop").agg(
        pl.col(figures).mean(),
        rows=pl.len(),
        sse=pl.col("mse").sum(),
        sst=((actual - actual.mean()) ** 2).sum(),
    )
    pooled = crops.group_by(by).agg(pl.col(figures).mean(), pl.col("sse", "sst").sum())
    seasons = rows.unique([*by, *(key for key in ("region", "year") if key not in by)])
    pooled = pooled.join(seasons.group_by(by).agg(rows=pl.len()), on=by)
    best = pl.min_horizontal(f"mse_{name}" for name in NAIVE)
    return (
        pl.concat([crops, pooled], how="diagonal")
        .with_columns(
            rmse=pl.col("mse").sqrt(),
            r2=pl.when(pl.col("sst") > 0).then(1 - pl.col("sse") / pl.col("sst")),
            skill=pl.when(best > 0).then(1 - pl.col("mse") / best),
        )
        .drop("sse", "sst")
        .sort(*by, "crop", nulls_last=False)
    )


def metrics(entries: pl.DataFrame, scores: pl.DataFrame) -> dict[str, Any]:
    """The figures of each split and crop, with bootstrap intervals of skill and bias over whole seasons."""
    whole = scores.filter(pl.col("region").is_null(), pl.col("year").is_null(), pl.col("crop").is_not_null())
    told: dict[str, Any] = {}
    for figures in whole.drop("region", "year").iter_rows(named=True):
        rows = entries.filter(split=figures["split"], crop=figures["crop"])
        of_split = told.setdefault(figures["split"], {})
        of_split[figures["crop"]] = figures | _bootstrap(rows)
    return told


def _bootstrap(rows: pl.DataFrame) -> dict[str, list[float]]:
    off = [(pl.col(name) - pl.col("actual")) ** 2 for name in ("predicted", *NAIVE)]
    by_season = rows.group_by("year").agg(
        *(each.sum().alias(f"sse_{at}") for at, each in enumerate(off)),
        rows=pl.len(),
        bias=(pl.col("predicted") - pl.col("actual")).sum(),
    )
    sums = by_season.sort("year").drop("year").to_numpy()
    seasons = len(sums)
    draws = np.random.default_rng(0).multinomial(seasons, np.full(seasons, 1 / seasons), _DRAWS)
    drawn = draws @ sums
    mse = drawn[:, : len(off)] / drawn[:, len(off), None]
    skill = np.quantile(1 - mse[:, 0] / mse[:, 1:].min(axis=1), (0.025, 0.975))
    bias = np.quantile(drawn[:, -1] / drawn[:, len(off)], (0.025, 0.975))
    return {"skill_interval_95": skill.tolist(), "bias_interval_95": bias.tolist()}
