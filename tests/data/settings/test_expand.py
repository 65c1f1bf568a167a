"""Feature names, units and windows, for the full season and for cut-offs."""

from typing import Any

import pytest

from data.errors import SettingsError
from data.settings.expand import cutoffs, expand_features, season_days
from data.settings.schema import Season, Settings


def settings(features: list[dict[str, Any]], **more: Any) -> Settings:
    return Settings.model_validate({"weather": "w", "yields": "y", "store": "s", "features": features} | more)


def test_names_are_formed_as_the_contract_says() -> None:
    made = settings(
        [
            {"measure": "rainfall", "aggregate": "sum", "every": "month"},
            {"measure": "temperature_max", "aggregate": "days_above", "threshold": 30},
            {"measure": "temperature", "aggregate": "degree_days", "base": 10, "cap": 30},
            {"measure": "year"},
            {"name": "heat", "measure": "t", "aggregate": "max", "window": ["07-01", "08-15"]},
        ],
        season={"start": "05-15", "end": "08-31"},
        measures={"rainfall": {"unit": "mm"}, "temperature": {"unit": "°C"}},
    )
    specs = expand_features(made)
    assert [spec.name for spec in specs] == [
        "rainfall_sum_05",
        "rainfall_sum_06",
        "rainfall_sum_07",
        "rainfall_sum_08",
        "temperature_max_days_above_30",
        "temperature_degree_days_10_30",
        "year",
        "heat",
    ]
    assert [len(spec.days) for spec in specs] == [17, 30, 31, 31, 109, 109, 0, 46]
    assert [spec.unit for spec in specs[3:7]] == ["mm", "days", "°C days", "year"]


def test_season_across_new_year_keeps_leap_day() -> None:
    days = season_days(Season(start="10-01", end="06-30"))
    assert days[0] == (10, 1)
    assert days[-1] == (6, 30)
    assert (2, 29) in days
    assert len(days) == 274


def test_cutoffs_follow_the_season_and_truncate() -> None:
    made = settings(
        [{"measure": "t", "aggregate": "mean", "every": "month"}, {"measure": "t", "aggregate": "max"}],
        season={"start": "10-01", "end": "06-30"},
        as_of=["03-31", "12-15"],
    )
    assert cutoffs(made) == ("12-15", "03-31", "06-30")
    names = [spec.name for spec in expand_features(made, "12-15")]
    assert names == ["t_mean_10", "t_mean_11", "t_mean_12", "t_max"]
    assert expand_features(made, "12-15")[2].days[-1] == (12, 15)
    with pytest.raises(SettingsError, match="07-15 is outside the season"):
        cutoffs(settings([{"measure": "t", "aggregate": "mean"}], season={"end": "06-30"}, as_of=["07-15"]))


def test_mistakes_are_explained() -> None:
    twice = [{"measure": "t", "aggregate": "mean"}] * 2
    with pytest.raises(SettingsError, match="more than one feature"):
        expand_features(settings(twice))
    late = [{"measure": "t", "aggregate": "mean", "window": ["07-01", "07-31"]}]
    with pytest.raises(SettingsError, match="no feature uses weather up to 05-31"):
        expand_features(settings(late), "05-31")
    with pytest.raises(SettingsError, match="outside the season"):
        expand_features(settings(late, season={"end": "06-30"}))


@pytest.mark.parametrize("name", ["region", "Split", "intercept", "year", "RAIN"])
def test_names_that_are_taken(name: str) -> None:
    rain = {"measure": "r", "aggregate": "sum", "name": "rain"}
    with pytest.raises(SettingsError, match="is taken by"):
        expand_features(settings([rain, {"measure": "t", "aggregate": "mean", "name": name}]))
