"""What people read on the terminal after a forecast."""

from typing import Any

import pytest

from flows.cli.terminal import outlook


def season(crop: str, year: int, predicted: float, regions: int = 12, ahead: bool = True) -> dict[str, Any]:
    interval = {"lower_80": predicted - 1000, "upper_80": predicted + 1000}
    about = {
        "season": "main",
        "year": year,
        "crop": crop,
        "as_of": "07-31",
        "unit": "hg/ha",
        "regions": regions,
        "ahead": ahead,
    }
    return about | interval | {"unseen_regions": 0, "predicted": predicted, "baseline": predicted}


def test_the_coming_season_is_shown_and_gaps_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    gap = season("maize", 1997, 30000.0, 3, ahead=False)
    rows = [gap, season("maize", 2014, 40550.0), season("wheat", 2013, 27310.0)]
    result = {"message": "published forecast 12ab", "model_run_id": "cd", "as_of": None, "seasons": rows}
    outlook.forecast(result | {"notes": [], "places": {}, "aggregates": []})
    said = capsys.readouterr().out
    assert "39,550 to 41,550" in said
    assert "27,310" in said
    assert "30,000" not in said
    assert "and 3 forecasts for gaps of past seasons, 1997" in said


def test_a_score_of_nothing_has_no_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    result = {"issued": 3, "vintages": 1, "scores": {}, "notes": ["nothing to score yet"], "places": {}}
    outlook.scored(result)
    assert capsys.readouterr().out.splitlines()[1:] == ["nothing to score yet"]


def test_where_gaps_are_all_there_is_nothing_is_ahead(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [season("maize", 1997, 30000.0, 1, ahead=False)]
    result = {"message": "published forecast 12ab", "model_run_id": "cd", "as_of": None, "seasons": rows}
    outlook.forecast(result | {"notes": [], "places": {}, "aggregates": []})
    said = capsys.readouterr().out
    assert "Nothing is ahead to be forecast" in said
    assert "and 1 forecast for gaps of past seasons, 1997" in said
    assert "30,000" not in said


def test_larger_units_stand_above_means_over_regions(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [season("maize", 2014, 40550.0)]
    figures = {"predicted": 41234.0, "mean_5": 40000.0, "chance_below_mean_5": 0.002, "production": None}
    aggregates = [
        season("maize", 2014, 41234.0) | figures | {"level": level, "name": name}
        for level, name in (("all", "all"), ("state", None), ("state", "Alder"))
    ]
    result = {"message": "published forecast 12ab", "model_run_id": "cd", "as_of": None, "seasons": rows}
    outlook.forecast(result | {"notes": [], "places": {}, "aggregates": aggregates})
    said = capsys.readouterr().out
    shown = [said.index(text) for text in ("all regions", "no state known", "Alder", "40,550")]
    assert shown == sorted(shown)
    assert "41,234" in said
    assert "+3.1\N{NO-BREAK SPACE}%" in said
    assert "<1\N{NO-BREAK SPACE}%" in said
