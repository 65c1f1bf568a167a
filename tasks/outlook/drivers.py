"""Drivers: each feature's part in a prediction, and the past seasons that were most like this one.

Shapes: N rows of a SeasonTable, F features, X columns (the features, then the squares of some), T crops,
C terms (the features, then the constant).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.columns import CONSTANT, DRIVER_COLUMNS, schema_of
from data.contracts.season_table import Floats, SeasonTable
from tasks.evaluate.hindcast import named
from tasks.model.model import Model
from tasks.normalise.normalise import feature_columns


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each feature adds to the baseline's yield, for each row and crop of a model.

    prediction = baseline + Σ `feature_NFT` + `constant_NT`, in the crops' units. `usual_NF` is what a
    feature departs from.
    """

    features: tuple[str, ...]
    value_NF: Floats
    usual_NF: Floats
    feature_NFT: Floats
    constant_NT: Floats


def contributions(model: Model, table: SeasonTable) -> Contributions:
    """The parts of a model's predictions for the rows of a table. A feature has its square in it.

    The constant is what remains, bias and centres, so that the parts add up in spite of rounding. What is
    usual is the region's climatology, or under the baseline `none`, whose line is flat, the training mean.
    """
    normaliser, scaling = model.normaliser, model.scaling
    F, squares = len(model.features), model.squares.of
    weight_XT = np.einsum("xp,tp->xt", scaling.matrix_FP, model.weight_TP) * scaling.y_scale_T
    value_NF = feature_columns(table, model.features)
    departure_NX = normaliser.departures(table)
    if model.baseline.kind == "none":
        usual_NF = np.tile(scaling.centre_F[:F], (len(table), 1))
        departure_NX = departure_NX - scaling.centre_F
    else:
        usual_NF = model.climatology.of(normaliser.codes(table))[:, :F]
    part_NXT = departure_NX[:, :, None] * weight_XT
    feature_NFT = part_NXT[:, :F].copy()
    for s, at in enumerate(squares):
        feature_NFT[:, at] += part_NXT[:, F + s]
    rest_NT = model.predict(table) - model.baseline_of(table) - feature_NFT.sum(axis=1)
    return Contributions(model.features, value_NF, usual_NF, feature_NFT, rest_NT)


def drivers_of(
    model: Model, table: SeasonTable, asked: pd.DataFrame | None = None, season: str = "main"
) -> pa.Table:
    """The parts of predictions laid out as `drivers.parquet`, sorted by region, year, crop and term.

    `asked` limits the rows to its (region, year, crop).
    """
    found = contributions(model, table)
    N, F, T = found.feature_NFT.shape
    C, terms = F + 1, (*found.features, CONSTANT)
    nothing_N1 = np.full((N, 1), np.nan)
    value_NC, usual_NC = (np.hstack((part, nothing_N1)) for part in (found.value_NF, found.usual_NF))
    part_NTC = np.concatenate((found.feature_NFT.transpose(0, 2, 1), found.constant_NT[:, :, None]), axis=2)
    row_E, crop_E = np.divmod(np.arange(N * T), T)
    if asked is not None:
        regions = pd.Index(table.region_names).get_indexer(pd.Index(asked["region"]))
        crops = pd.Index(model.crops).get_indexer(pd.Index(asked["crop"]))
        wanted = pd.MultiIndex.from_arrays((regions, asked["year"], crops))
        chosen_E = pd.MultiIndex.from_arrays((table.region_N[row_E], table.year_N[row_E], crop_E)).isin(
            wanted
        )
        row_E, crop_E = row_E[chosen_E], crop_E[chosen_E]
    order_E = np.lexsort((np.array(model.crops)[crop_E], table.year_N[row_E], table.region_N[row_E]))
    row_E, crop_E = row_E[order_E], crop_E[order_E]
    each_L = np.repeat(np.arange(len(row_E)), C)
    value_L, usual_L = value_NC[row_E].ravel(), usual_NC[row_E].ravel()
    columns = {
        "region": named(table.region_N[row_E][each_L], table.region_names),
        "year": pa.array(table.year_N[row_E][each_L], pa.int16()),
        "crop": named(crop_E[each_L], model.crops),
        "season": named(np.zeros(len(each_L), np.int64), (season,)),
        "as_of": named(np.zeros(len(each_L), np.int64), (model.as_of,)),
        "term": named(np.tile(np.arange(C), len(row_E)), terms),
        "value": pa.array(value_L, from_pandas=True),
        "usual": pa.array(usual_L, from_pandas=True),
        "departure": pa.array(value_L - usual_L, from_pandas=True),
        "contribution": pa.array(part_NTC[row_E, crop_E].ravel()),
    }
    return pa.table(columns, schema=schema_of(DRIVER_COLUMNS, _units(model, season)))


def joined_drivers(tables: list[pa.Table], described: Mapping[str, str]) -> pa.Table:
    """Drivers of several cut-offs as one table, sorted by region, year and crop, cut-offs as they come.

    `described` goes into the metadata: see `why.describe_terms`.
    """
    schema = schema_of(DRIVER_COLUMNS)
    metadata = {key: value for table in tables for key, value in (table.schema.metadata or {}).items()}
    joined = pa.concat_tables([schema.empty_table(), *(table.replace_schema_metadata() for table in tables)])
    if len(tables) > 1:
        at = pa.array(np.arange(len(joined)))
        order = [(name, "ascending") for name in ("region", "year", "crop", "at")]
        joined = joined.append_column("at", at).sort_by(order).drop_columns(["at"]).combine_chunks()
    return joined.replace_schema_metadata(
        dict(sorted({**schema.metadata, **metadata, **_as_bytes(described)}.items()))
    )


def most_similar(now: dict[str, float], past: pd.DataFrame, count: int = 3) -> pd.DataFrame:
    """The past seasons whose contributions are nearest to this one's, nearest first.

    `now` maps features to contributions; `past` has a row for each season and a column for each feature.
    Adds the column `distance`: the root of the sum of squared differences, in the crop's unit.
    """
    features = list(now)
    difference = past[features].to_numpy() - np.array([now[name] for name in features])
    distance = np.sqrt((difference**2).sum(axis=1))
    return (
        past.assign(distance=distance).sort_values(["distance", "year"], ascending=[True, False]).head(count)
    )


def past_seasons(model: Model, table: SeasonTable, region: str, crop: str, before: int) -> pd.DataFrame:
    """A region's harvested seasons before a year: contributions by feature, with year, actual, baseline."""
    code = table.region_names.index(region) if region in table.region_names else -1
    at, own = model.crops.index(crop), table.crops.index(crop)
    known_N = (table.region_N == code) & (table.year_N < before) & np.isfinite(table.y_NT[:, own])
    rows = table.take(known_N)
    found = contributions(model, rows)
    frame: dict[str, Any] = {name: found.feature_NFT[:, f, at] for f, name in enumerate(found.features)}
    facts = {"year": rows.year_N, "actual": rows.y_NT[:, own], "baseline": model.baseline_of(rows)[:, at]}
    return pd.DataFrame(frame | facts)


def _as_bytes(described: Mapping[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in described.items()}


def _units(model: Model, season: str) -> dict[str, str]:
    terms = {
        f"unit:{season}:{name}": unit for name, unit in zip(model.features, model.feature_units, strict=True)
    }
    crops = {f"unit:{name}": unit or "" for name, unit in zip(model.crops, model.crop_units, strict=True)}
    return {key: unit for key, unit in sorted((terms | crops).items()) if unit}
