"""A bulletin's value is picked from published tables as they are."""

import json
from typing import Any

import pandas as pd

from tasks.report.bulletin import render_bulletin
from tasks.report.bulletin_tables import Issue, gather_bulletin
from tasks.report.geojson import forecast_geojson
from tests.tasks.report.bulletins import YEAR, made_up_bulletin, squares
from tests.tasks.report.reporting import settings_for

NAMES = ["a", "b", "c", "d"]
ISSUE = Issue(42, "2026-08-01T06:00:00+00:00", "fedcba9876543210", "0123456789abcdef", {"outcome": "passed"})


def tables() -> dict[str, pd.DataFrame]:
    made = made_up_bulletin(NAMES, crops=("corn",))
    regional = made.yields.assign(level="region").rename(columns={"region": "name"})
    weights = pd.DataFrame({"region": NAMES, "level": "state", "name": ["one", "one", "two", None]})
    return {
        "predictions": made.forecasts,
        "drivers": made.drivers,
        "aggregates": made.aggregates.assign(as_of="07-31", split="forecast", actual=None),
        "weights": pd.concat([weights, weights.assign(level="all", name="all")], ignore_index=True),
        "history": pd.concat([regional, made.units], ignore_index=True),
        "rejected": pd.DataFrame({"input": [], "region": []}),
    }


def geojson() -> bytes:
    names = {"a": "Alpha", "b": "Beta", "c": "Gamma"}
    return forecast_geojson(tables()["predictions"], squares(NAMES[:3]), names)


def whole(given: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return given["aggregates"][given["aggregates"]["level"] == "all"]


def test_a_bulletin_is_gathered_and_drawn() -> None:
    given = tables()
    before = given["aggregates"].assign(predicted=given["aggregates"]["predicted"] - 0.5)
    past = whole(given).assign(year=YEAR - 2, split="test", actual=7.0)
    others = [past.assign(as_of="06-30"), past.assign(split="forecast"), past.assign(level="state"), past]
    data = gather_bulletin(
        ISSUE, settings_for(), given, geojson(), pd.concat(others),
        [("2026-07-01T06:00:00+00:00", before)], None, ["one thing"],
    )  # fmt: skip
    assert (data.number, data.issued_on) == (42, "2026-08-01")
    assert data.issued["day"].tolist() == ["2026-07-01", "2026-08-01"]
    assert data.record[["year", "actual", "kind"]].to_numpy().tolist() == [[YEAR - 2, 7.0, "hindcast"]]
    assert set(data.geometries) == {"a", "b", "c"}
    assert data.regions["group"].fillna("nowhere").tolist() == ["one", "one", "two", "nowhere"]
    text = render_bulletin(data)
    assert "Alpha" in text
    assert "1 region has no boundary: d" in text
    assert "one thing" in text
    assert "+0.500" in text


def test_without_regions_and_past_there_are_tiles() -> None:
    given = tables()
    given["weights"] = given["weights"][given["weights"]["level"] == "all"]
    data = gather_bulletin(ISSUE, settings_for(), given)
    assert not data.geometries
    assert not len(data.record)
    assert len(data.issued) == 1
    assert render_bulletin(data)


def test_of_one_day_the_last_forecast_counts_and_of_each_unit_the_one_before() -> None:
    given = tables()
    said = [given["aggregates"].assign(predicted=value) for value in (1.0, 2.0, 3.0)]
    said[2] = said[2][said[2]["level"] == "all"]
    days = ("2026-07-01T06:00:00+00:00", "2026-07-01T18:00:00+00:00", "2026-07-02T06:00:00+00:00")
    data = gather_bulletin(ISSUE, settings_for(), given, earlier=list(zip(days, said, strict=True)))
    assert data.issued["day"].tolist() == ["2026-07-01", "2026-07-02", "2026-08-01"]
    assert data.issued["predicted"].tolist()[:2] == [2.0, 3.0]
    previous = data.previous.set_index("name")["predicted"]
    assert previous["all"] == 3.0
    assert set(previous.drop("all")) == {2.0}


def test_issued_forecasts_stand_in_the_track_record_against_what_is_known_now() -> None:
    given = tables()
    row: dict[str, Any] = {"level": "all", "crop": "corn", "year": YEAR - 1, "as_of": "07-31", "actual": 0.0}
    interval = {"lower_80": 1.0, "upper_80": 9.0}
    verified = pd.DataFrame(
        [
            row | interval | {"number": 3, "predicted": 5.0},
            row | interval | {"number": 7, "predicted": 6.0},
            row | interval | {"number": 9, "predicted": 8.0, "as_of": "06-30"},
            row | interval | {"number": 7, "predicted": 6.0, "level": "state"},
        ]
    )
    past = [whole(given).assign(year=YEAR - ago, split="test", actual=7.0) for ago in (1, 2)]
    data = gather_bulletin(ISSUE, settings_for(), given, hindcasts=pd.concat(past), verified=verified)
    known = given["history"].query(f"level == 'all' and year == {YEAR - 1}")["yield"].iloc[0]
    hindcast, found = data.record.to_dict("records")
    assert (hindcast["year"], hindcast["kind"]) == (YEAR - 2, "hindcast")
    assert (found["predicted"], found["actual"], found["kind"]) == (6.0, known, "issued")


def test_regions_that_have_no_forecast_are_named_with_the_reason() -> None:
    given = tables()
    given["predictions"] = given["predictions"].query("region in ('c', 'd')")
    given["rejected"] = pd.DataFrame({"input": ["weather", "yields"], "region": ["b", "a"]})
    data = gather_bulletin(ISSUE, settings_for(), given)
    assert data.missing == (
        f"corn {YEAR}: 1 region without weather: a",
        f"corn {YEAR}: 1 region with too little usable weather: b",
    )
    # a region whose yields ended long ago grows the crop no more
    ended = (given["history"]["name"] == "a") & (given["history"]["year"] > YEAR - 10)
    given["history"] = given["history"][~ended]
    assert len(gather_bulletin(ISSUE, settings_for(), given).missing) == 1


def test_names_come_from_the_geojson_as_they_are() -> None:
    content = json.loads(geojson())
    content["features"][0]["properties"]["name"] = "</script>"
    data = gather_bulletin(ISSUE, settings_for(), tables(), json.dumps(content).encode())
    assert data.regions["name"].iloc[0] == "</script>"
