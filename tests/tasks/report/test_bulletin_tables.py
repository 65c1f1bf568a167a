"""A bulletin's value is picked from published tables as they are."""

import json

import pandas as pd

from tasks.report.bulletin import render_bulletin
from tasks.report.bulletin_tables import Issue, gather_bulletin
from tests.tasks.report.bulletins import YEAR, made_up_bulletin, squares
from tests.tasks.report.reporting import settings_for

NAMES = ["a", "b", "c", "d"]
ISSUE = Issue(42, "2026-08-01T06:00:00+00:00", "fedcba9876543210", "0123456789abcdef", {"outcome": "passed"})


def tables() -> dict[str, pd.DataFrame]:
    made = made_up_bulletin(NAMES, crops=("corn",))
    aggregates = made.aggregates.assign(as_of="07-31", split="forecast", actual=None)
    return {"predictions": made.forecasts, "drivers": made.drivers, "aggregates": aggregates}


def regions() -> pd.DataFrame:
    shapes = squares(NAMES[:3])
    return pd.DataFrame(
        {
            "region": NAMES,
            "name": ["Alpha", "Beta", "Gamma", None],
            "state": ["one", "one", "two", None],
            "geometry": [json.dumps(shapes[name]) if name in shapes else None for name in NAMES],
        }
    )


def test_a_bulletin_is_gathered_and_drawn() -> None:
    given = tables()
    whole = given["aggregates"][given["aggregates"]["level"] == "all"]
    before = given["aggregates"].assign(predicted=given["aggregates"]["predicted"] - 0.5)
    past = whole.assign(year=YEAR - 2, split="test", actual=7.0)
    others = [past.assign(as_of="06-30"), past.assign(split="forecast"), past.assign(level="state"), past]
    data = gather_bulletin(
        ISSUE, settings_for(), given, made_up_bulletin(NAMES, crops=("corn",)).yields, regions(),
        pd.concat(others), [("2026-07-01T06:00:00+00:00", before)], ["one thing"],
    )  # fmt: skip
    assert (data.number, data.issued_on) == (42, "2026-08-01")
    assert data.issued["day"].tolist() == ["2026-07-01", "2026-08-01"]
    assert data.record[["year", "actual", "kind"]].to_numpy().tolist() == [[YEAR - 2, 7.0, "hindcast"]]
    assert set(data.geometries) == {"a", "b", "c"}
    assert data.regions["group"].fillna("nowhere").tolist() == ["one", "one", "two", "nowhere"]
    text = render_bulletin(data)
    assert "Alpha" in text
    assert "1 regions have no boundary: d" in text
    assert "one thing" in text
    assert "+0.500" in text


def test_without_regions_and_past_there_are_tiles() -> None:
    data = gather_bulletin(
        ISSUE, settings_for(), tables(), made_up_bulletin(NAMES, crops=("corn",)).yields, None
    )
    assert not data.geometries
    assert not len(data.record)
    assert len(data.issued) == 1
    assert render_bulletin(data)
