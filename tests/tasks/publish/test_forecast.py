"""What people are told of a forecast: crops that are missing with the reason, larger units in order."""

import pyarrow as pa

from data.contracts.columns import AGGREGATE_COLUMNS, FORECAST_COLUMNS, schema_of
from tasks.assemble.coming import coming_seasons
from tasks.publish.forecast import (
    as_markdown,
    by_season,
    coming_units,
    crops_left_out,
    notes_of,
    regions_by_season,
)
from tests.tasks.worlds import settings


def test_crops_without_a_model_come_with_the_reason() -> None:
    trained = {"crops": ["corn", "quinces"], "seasons": {"winter": {"crops": ["wheat"]}}}
    assert crops_left_out(["quinces", "wheat", "rice"], trained) == [
        "quinces (too few training rows for the features)",
        "wheat (too few training rows for the features)",
        "rice (trained without it)",
    ]


def test_what_every_cut_off_s_model_lacks_is_said_once() -> None:
    predictions = schema_of(FORECAST_COLUMNS).empty_table()
    absent = ["corn: no 95 % interval", "rye: no 95 % interval"]
    assert notes_of(predictions, 0, [*absent, *absent, absent[0]], []) == absent


def test_the_wholes_of_all_crops_come_before_their_parts() -> None:
    rows = [
        {"level": level, "name": name, "crop": crop, "year": year, "predicted": predicted}
        for level, name in (("state", "a"), ("state", None), ("all", "all"))
        for crop in ("corn", "rye")
        for year, predicted in ((2022, 1.0), (2023, None if (name, crop) == ("a", "rye") else 2.0))
    ]
    table = pa.Table.from_pylist(rows, schema_of(AGGREGATE_COLUMNS))
    found = coming_units(table, {"corn": 2023, "rye": 2023})
    assert {row["crop"] for row in coming_units(table, {"rye": 2023})} == {"rye"}
    assert [(row["level"], row["name"], row["crop"]) for row in found] == [
        ("all", "all", "corn"), ("all", "all", "rye"), ("state", "a", "corn"), ("state", None, "corn"),
        ("state", None, "rye"),
    ]  # fmt: skip
    assert {(row["year"], row["predicted"]) for row in found} == {(2023, 2.0)}


def test_the_season_to_come_alone_is_told_in_figures() -> None:
    rows = [
        {
            "region": region, "year": year, "crop": crop, "season": "main", "as_of": "12-31", "unit": "t/ha",
            "known_region": True, "predicted": 2.0,
        }
        for crop, year in (("corn", 2020), ("corn", 2024), ("rye", 2020))
        for region in ("a", "b")
    ]  # fmt: skip
    predictions = pa.Table.from_pylist(rows, schema_of(FORECAST_COLUMNS))
    forecast = regions_by_season(predictions, "region")
    assert forecast == {("corn", 2020): 2, ("corn", 2024): 2, ("rye", 2020): 2}
    coming = coming_seasons(forecast, {("corn", 2023): 5, ("rye", 2023): 5})
    found = by_season(predictions, settings(), coming)
    assert [(row["crop"], row["year"], row["ahead"]) for row in found] == [
        ("corn", 2020, False), ("rye", 2020, False), ("corn", 2024, True),
    ]  # fmt: skip
    said = {"message": "published", "model_run_id": "ab", "notes": []}
    text = as_markdown(said | {"seasons": found})
    assert "| 2024 | corn |" in text
    assert "| 2020 |" not in text
    assert "and 4 forecasts for gaps of past seasons, 2020" in text
    assert "Nothing is ahead to be forecast" in as_markdown(said | {"seasons": found[:2]})
