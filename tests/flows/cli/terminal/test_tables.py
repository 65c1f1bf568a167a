"""What people read on the terminal after a forecast."""

from typing import Any

import pytest

from flows.cli.terminal import tables


def season(crop: str, year: int, predicted: float, regions: int = 12) -> dict[str, Any]:
    interval = {"lower_80": predicted - 1000, "upper_80": predicted + 1000}
    about = {
        "season": "main",
        "year": year,
        "crop": crop,
        "as_of": "07-31",
        "unit": "hg/ha",
        "regions": regions,
    }
    return about | interval | {"unseen_regions": 0, "predicted": predicted, "baseline": predicted}


def test_the_coming_season_is_shown_and_gaps_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [season("maize", 1997, 30000.0, 3), season("maize", 2014, 40550.0), season("wheat", 2013, 27310.0)]
    result = {"message": "published forecast 12ab", "model_run_id": "cd", "as_of": None, "seasons": rows}
    tables.forecast(result | {"notes": [], "places": {}})
    said = capsys.readouterr().out
    assert "39,550 to 41,550" in said
    assert "27,310" in said
    assert "30,000" not in said
    assert "and 3 forecasts for gaps of past seasons, 1997" in said
