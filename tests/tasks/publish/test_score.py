"""Larger units are verified by the weights that their forecasts were made with, whatever areas are today."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contracts.columns import RECORD_COLUMNS, schema_of
from data.errors import InputError
from data.settings.files import parse_settings
from data.store.backends.base import Store
from data.store.backends.local import LocalStore
from data.store.current import make_newest
from data.store.manifests import FORECASTS
from data.store.pruning import prune
from data.store.record import RECORD, WEIGHTS
from tasks.assemble.regions import Regions
from tasks.ledger import rejected
from tasks.outlook.aggregates import Ground, known_of_units, parts_of, weights_table
from tasks.outlook.record import Issue
from tasks.outlook.weights import weigh
from tasks.publish.manifest import parquet
from tasks.publish.score import as_issued, score, suspect_yields
from tests.stores import an_id, publish, write

YIELDS = {"a": 2.0, "b": 4.0, "c": 6.0}
SETTINGS = parse_settings(
    {
        "weather": "w", "yields": "y", "store": "s",
        "features": [{"measure": "rainfall", "aggregate": "sum"}],
    },
    "score",
)  # fmt: skip


def harvests(area: dict[str, float], last: int) -> pd.DataFrame:
    rows = [
        (region, year, "rye", YIELDS[region], area[region])
        for region in area
        for year in range(2010, last + 1)
    ]
    return pd.DataFrame(rows, columns=["region", "year", "crop", "yield", "area"])


def ground(area: dict[str, float], last: int, regions: Regions | None = None) -> Ground:
    known = harvests(area, last)
    weights = weigh(known, regions, 2021)
    parts = parts_of(["state"] if regions else [], regions, weights.regions)
    return Ground(parts, weights, known.drop(columns="area"), 0.8, {})


def forecast(store: Store, name: str, area: dict[str, float] | None) -> None:
    """A forecast of 2021, its record of the country, and the weights where it knew the areas."""
    said = {
        "level": "all", "name": "all", "year": 2021, "crop": "rye", "season": "main", "as_of": "07-31",
        "unit": "t/ha", "lead_days": 61, "predicted": 3.0, "baseline": 3.0, "mean_5": 3.0, "run_id": "m",
    }  # fmt: skip
    schema = schema_of(RECORD_COLUMNS)
    frame = pd.DataFrame([said]).reindex(columns=schema.names)
    loose = pa.schema([field.with_nullable(True) for field in schema])
    files = {RECORD: parquet(pa.Table.from_pandas(frame, loose, preserve_index=False))}
    if area is not None:
        files[WEIGHTS] = parquet(weights_table(ground(area, 2020), [2021]))
    make_newest(store, write(store, name, area=FORECASTS, files=files, model_run_id=an_id("aa")), {})


def verified(store: Store) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(store.get("verification.parquet") or b""))


def scored(store: Store) -> dict[str, Any]:
    """By the areas of today, which lie in c alone."""
    return score(store, harvests({"a": 1.0, "b": 1.0, "c": 98.0}, 2021), None, SETTINGS)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = LocalStore(tmp_path / "store")
    publish(store, "aa")
    return store


def test_each_forecast_is_weighed_as_on_its_day_and_a_prune_changes_nothing(store: Store) -> None:
    forecast(store, "b1", {"a": 3.0, "b": 1.0})
    forecast(store, "b2", {"a": 1.0, "b": 3.0})
    forecast(store, "b3", {"a": 1.0, "b": 3.0})
    result = scored(store)
    assert (result["issued"], result["notes"]) == (3, [])
    assert verified(store)["actual"].tolist() == pytest.approx([2.5, 3.5, 3.5])
    assert len(store.names("record/weights")) == 2
    before = store.get("verification.parquet")
    assert prune(store, 1, 0.0)
    scored(store)
    assert store.get("verification.parquet") == before


def test_a_forecast_that_kept_no_weights_is_weighed_by_the_yields_areas_and_counted(store: Store) -> None:
    forecast(store, "b1", None)
    forecast(store, "b2", {"a": 3.0, "b": 1.0})
    (name,) = store.names("record/weights")
    store.put(name, b"something else")
    (note,) = scored(store)["notes"]
    assert note.endswith("weighed by today's areas: 2")
    assert verified(store)["actual"].tolist() == pytest.approx([5.94, 5.94])


@pytest.mark.parametrize("regions", ["bc", "abcdef", "c"])
def test_yields_in_another_unit_are_not_scored_unless_somebody_vouches(store: Store, regions: str) -> None:
    """A file with the new season in kg/ha was scored, with errors in the thousands and exit code 0."""
    forecast(store, "b1", None)
    many = harvests({"a": 1.0, "b": 1.0, "c": 1.0}, 2021)
    twins = many.assign(region=many["region"].map(dict(zip("abc", "def", strict=True))))
    known = pd.concat([many, twins], ignore_index=True)
    new = (known["year"] == 2021) & known["region"].isin(list(regions))
    wrong = known.assign(**{"yield": known["yield"].where(~new, 1000 * known["yield"])})
    with pytest.raises(InputError, match=r"rye: .*1,000 times.*Nothing was scored") as refused:
        score(store, wrong, None, SETTINGS)
    assert ("from 2021 on" in str(refused.value)) == (len(regions) == 6)
    assert len(regions) == 6 or "c in 2021" in str(refused.value)
    assert store.get("verification.json") is None
    assert store.names("record/yields") == []
    assert score(store, wrong, None, SETTINGS, vouched=True)["issued"] == 1
    # what lies before the seasons that were forecast has been looked at, or is history
    early = known["yield"].where(known["year"] != 2013, 1000 * known["yield"])
    assert score(store, known.assign(**{"yield": early}), None, SETTINGS)["issued"] == 1


def test_a_score_before_any_harvest_says_what_it_waits_for(store: Store) -> None:
    known = harvests({"a": 1.0}, 2020)
    (note,) = score(store, known, None, SETTINGS)["notes"]
    assert "no forecast of a season to come has been issued yet" in note
    forecast(store, "b1", {"a": 3.0})
    result = score(store, known, None, SETTINGS)
    assert result["scores"] == {}
    assert "the yields know none of what was forecast (rye 2021)" in result["notes"][0]
    result = score(store, harvests({"a": 1.0}, 2021), None, SETTINGS)
    assert result["notes"] == []
    assert result["scores"]["all"]["rye"].keys() == {"all", "lead_days"}
    kept = json.loads(store.get("verification.json") or b"")["vintages"][result["vintage"]]
    assert kept["all"]["rye"]["names"].keys() == {"all"}


def test_weights_as_published_are_the_weights_again() -> None:
    labels = pd.DataFrame({"region": ["a", "b", "c"], "area": 1.0, "state": ["north", None, "north"]})
    made = ground({"a": 3.0, "b": 1.0, "c": 2.0}, 2020, Regions(labels, 3, rejected.NONE))
    again = as_issued(pq.read_table(io.BytesIO(parquet(weights_table(made, [2021])))).to_pandas(), made)
    np.testing.assert_array_equal(again.weights.weight_TYR[:, 0], made.weights.weight_TYR[:, -1])
    found = known_of_units(again.history.assign(year=2021), "yield", again).join(again.parts.units, on="unit")
    named = dict(zip(found["name"].fillna("none"), found["yield"], strict=True))
    north = (3 * 2.0 + 2 * 6.0) / 5
    assert named == pytest.approx({"all": (5 * north + 4.0) / 6, "north": north, "none": 4.0})


def test_the_first_season_that_was_forecast_counts_whatever_was_forecast_since() -> None:
    years, regions = range(2010, 2024), [f"r{at}" for at in range(6)]
    rows = [(region, year, "rye", 4.0 if year < 2022 else 4000.0) for region in regions for year in years]
    harvested = pd.DataFrame(rows, columns=["region", "year", "crop", "yield"])
    issues = [
        Issue(number, f"{year}-08-01", pd.DataFrame({"crop": ["rye"], "year": [year]}))
        for number, year in ((1, 2022), (2, 2023))
    ]
    assert "from 2022 on" in suspect_yields(harvested, issues)[0]
    assert suspect_yields(harvested[harvested["year"] < 2022], issues) == []
