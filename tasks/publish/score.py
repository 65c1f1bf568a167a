"""Scoring: the record held against each vintage of yields, published as verification.parquet and .json."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.contracts.columns import OF_REGION, VERIFICATION_COLUMNS, schema_of
from data.contracts.vocabulary import SCHEMA_VERSION
from data.contracts.wording import in_short
from data.errors import InputError
from data.locations.uris import redact_uri
from data.settings.schema import Settings
from data.store.backends.base import Store
from data.store.manifests import digest, to_json
from data.store.record import VINTAGES, lost_record, read_record, read_weights
from tasks.assemble.regions import Regions
from tasks.ledger import rejected
from tasks.outlook.aggregates import Ground, Parts, parts_of
from tasks.outlook.record import Issue, summarise_verification, verify_record
from tasks.outlook.weights import Weights, weigh
from tasks.publish.manifest import parquet
from tasks.yields.level_break import (
    BEFORE,
    describe_far_yields,
    describe_level_break,
    find_far_yields,
    find_level_break,
)

VERIFICATION, SUMMARY = "verification.parquet", "verification.json"
_LABEL, _ASKED = "label:", b"aggregate"
_AREA = "region_area"


def score(
    store: Store,
    harvests: pd.DataFrame,
    regions: Regions | None,
    settings: Settings,
    vouched: bool = False,
) -> dict[str, Any]:
    """Keep these yields as a vintage and hold the record against every vintage; what people are told.

    `harvests`: region, year, crop, yield, area; `vouched`: a model that learned from them was published.
    What is written is a function of the record alone, vintages and the weights of each forecast included.
    Raises InputError, and writes nothing, where the yields of what was forecast seem to be in another unit
    than those before, and nobody has vouched for them.
    """
    issues = [
        Issue(each.number, each.at[:10], pq.read_table(io.BytesIO(each.content)).to_pandas(), each.weights)
        for each in read_record(store)
    ]
    if not vouched and (suspect := suspect_yields(harvests, issues)):
        raise InputError(
            f"{redact_uri(settings.yields)}: {'; '.join(suspect)}. Nothing was scored: convert these rows; "
            "if they are right, publish a model that has learned from them first (`cropyield train`)"
        )
    content = parquet(vintage_table(harvests, regions, settings))
    vintage = digest(content)
    store.create(f"{VINTAGES}/{vintage}.parquet", content)
    weights = {
        name: pq.read_table(io.BytesIO(found)).to_pandas()
        for name in {each.weights for each in issues}
        if (found := read_weights(store, name)) is not None
    }
    tables, summaries = [schema_of(VERIFICATION_COLUMNS).empty_table()], {}
    for name in store.names(VINTAGES):
        of = name.rpartition("/")[2].removesuffix(".parquet")
        ground = ground_of_vintage(pq.read_table(io.BytesIO(store.get(name) or b"")))
        issued_on = {key: as_issued(table, ground) for key, table in weights.items()}
        verified = verify_record(issues, ground, of, issued_on)
        tables.append(verified)
        summaries[of] = summarise_verification(verified)
    files = {
        VERIFICATION: parquet(pa.concat_tables(tables)),
        SUMMARY: to_json({"schema": SCHEMA_VERSION, "issued": len(issues), "vintages": summaries}),
    }
    for name, made in files.items():
        if store.get(name) != made:
            store.put(name, made)
    return {
        "issued": len(issues),
        "vintage": vintage,
        "vintages": len(summaries),
        "scores": _without_names(summaries[vintage]),
        "notes": [
            *_lost(lost_record(store, {each.number for each in issues})),
            *([] if summaries[vintage] else [_nothing_known(issues)]),
            *_notes(sum(_has_units(each) and each.weights not in weights for each in issues)),
        ],
        "places": {
            name.partition(".")[0] + " " + name.partition(".")[2]: store.place(name) for name in files
        },
    }


def suspect_yields(harvests: pd.DataFrame, issues: Sequence[Issue]) -> list[str]:
    """A sentence for each crop whose yields, once they are those of forecast seasons, change their level."""
    forecast: dict[str, int] = {}
    for issue in issues:
        for crop, year in issue.record.groupby("crop")["year"].min().items():
            forecast[str(crop)] = min(int(year), forecast.get(str(crop), int(year)))
    said = []
    for crop, first in forecast.items():
        rows = harvests[(harvests["crop"] == crop) & (harvests["year"] >= first - BEFORE)]
        codes, names = pd.factorize(rows["region"])
        known = codes.astype(np.int64), rows["year"].to_numpy(np.int64), rows["yield"].to_numpy(np.float64)
        broken = find_level_break(*known)
        if broken is not None and broken.year >= first:
            said.append(f"{crop}: {describe_level_break(**asdict(broken))}")
        elif far := [each for each in find_far_yields(*known, list(names)) if each.year >= first]:
            said.append(f"{crop}: {describe_far_yields(far)}")
    return said


def vintage_table(harvests: pd.DataFrame, regions: Regions | None, settings: Settings) -> pa.Table:
    """Yields as known now, with all that larger units are made of: the regions' areas and labels."""
    levels = settings.aggregate.levels
    frame = harvests[["region", "year", "crop", "yield", "area"]].astype({"region": object, "crop": object})
    if regions is None:
        frame = frame.assign(**{_AREA: float("nan")})
    else:
        beside = regions.table[["region", "area", *levels]].rename(
            columns={"area": _AREA} | {level: f"{_LABEL}{level}" for level in levels}
        )
        frame = frame.merge(beside, on="region", how="left")
    frame = frame.sort_values(["region", "year", "crop"], ignore_index=True)
    texts = ["region", "crop", *(f"{_LABEL}{level}" for level in levels)]
    schema = pa.schema([(name, _type(name, texts)) for name in frame.columns])
    table = pa.Table.from_pandas(frame, schema, preserve_index=False)
    return table.replace_schema_metadata({_ASKED: json.dumps(settings.aggregate.model_dump())})


def ground_of_vintage(table: pa.Table) -> Ground:
    """What larger units stand on, from a vintage."""
    asked = json.loads(table.schema.metadata[_ASKED])
    frame, levels = table.to_pandas(), list(asked["levels"])
    labels = {f"{_LABEL}{level}": level for level in levels}
    listed = (
        frame[["region", _AREA, *labels]].drop_duplicates("region").rename(columns=labels | {_AREA: "area"})
    )
    regions = Regions(listed.reset_index(drop=True), len(listed), rejected.NONE)
    weights = weigh(frame, regions, int(frame["year"].max()))
    parts = parts_of(levels, regions, weights.regions)
    return Ground(parts, weights, frame[["region", "year", "crop", "yield"]], asked["min_share"], {})


def as_issued(weights: pd.DataFrame, ground: Ground) -> Ground:
    """The ground of a vintage's yields with the larger units and weights that a forecast was made with.

    `weights` is laid out as contracts.WEIGHT_COLUMNS.
    """
    crops, regions = (pd.Index(sorted(weights[name].unique())) for name in ("crop", "region"))
    years = range(int(weights["year"].min()), int(weights["year"].max()) + 1)
    units = weights[["level", "name"]].drop_duplicates(ignore_index=True)
    levels = list(pd.unique(units["level"]))
    unit_N = pd.merge(weights, units.reset_index(names="unit"), on=["level", "name"], how="left")["unit"]
    region_N = regions.get_indexer(pd.Index(weights["region"]))
    unit_LR = np.zeros((len(levels), len(regions)), np.int64)
    unit_LR[pd.Index(levels).get_indexer(pd.Index(weights["level"])), region_N] = unit_N
    weight_TYR = np.full((len(crops), len(years), len(regions)), np.nan)
    crop_N = crops.get_indexer(pd.Index(weights["crop"]))
    weight_TYR[crop_N, weights["year"] - years.start, region_N] = weights["weight"]
    found = Weights(crops, years, regions, weight_TYR, {})
    return replace(ground, parts=Parts(units.rename_axis("unit"), unit_LR), weights=found)


def _without_names(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores by crop and lead; those of each region are thousands, and stand in verification.json."""
    return {
        level: {
            crop: {key: found for key, found in of.items() if key != "names"} for crop, of in crops.items()
        }
        for level, crops in scores.items()
    }


def _nothing_known(issues: Sequence[Issue]) -> str:
    """Why there is nothing to score, and what it takes."""
    said = sorted(
        {pair for each in issues for pair in zip(each.record["crop"], each.record["year"], strict=True)}
    )
    if not said:
        return (
            "nothing to score: no forecast of a season to come has been issued yet; see `cropyield forecast`"
        )
    seasons = in_short([f"{crop} {year}" for crop, year in said])
    return f"nothing to score yet: the yields know none of what was forecast ({seasons}); score again then"


def _lost(files: Sequence[str]) -> list[str]:
    if not files:
        return []
    return [
        f"issued forecasts that aren't scored, because their record or their entry of the log is gone or was "
        f"changed: {in_short(files)}; restore them from a copy (`cropyield verify` lists all) and score again"
    ]


def _notes(unweighed: int) -> list[str]:
    note = "forecasts whose weights weren't kept; their larger units are weighed by today's areas"
    return [f"{note}: {unweighed:,}"] if unweighed else []


def _has_units(issue: Issue) -> bool:
    return bool((issue.record["level"] != OF_REGION).any())


def _type(name: str, texts: list[str]) -> pa.DataType:
    return pa.string() if name in texts else pa.int64() if name == "year" else pa.float64()
