"""Cut-offs at a distance of some days, in daily, monthly and seasonal weather."""

from typing import Any

import pytest

from data.settings.expand import cutoffs
from data.settings.schema import Settings
from tasks.features.plan import make_plan, spread_cutoffs
from tests.tasks.worlds import settings


def spread(resolution: Any, every: int, start: str = "04-01", end: str = "06-30", **changes: Any) -> Settings:
    features = [{"measure": "rain", "aggregate": "sum", "every": "month"}]
    facts = {"season": {"start": start, "end": end}, "features": features, "as_of_every": every} | changes
    return spread_cutoffs(settings(**facts), resolution)


def test_daily_weather_knows_something_new_each_time() -> None:
    found = spread("daily", 10)
    assert found.as_of == ("04-10", "04-20", "04-30", "05-10", "05-20", "05-30", "06-09", "06-19", "06-29")
    assert found.as_of_every == 0
    assert tuple(make_plan(found, "daily").cutoffs) == cutoffs(found)


def test_monthly_weather_knows_something_new_when_a_month_is_over() -> None:
    found = spread("monthly", 10)
    assert found.as_of == ("04-30", "05-31")
    assert tuple(make_plan(found, "monthly").cutoffs) == ("04-30", "05-31", "06-30")


def test_seasonal_weather_is_known_at_the_end_only() -> None:
    features = [{"measure": "rain", "aggregate": "sum"}]
    assert spread("season", 10, features=features).as_of == ()


def test_nothing_is_trained_before_a_feature_begins() -> None:
    features = [{"measure": "rain", "aggregate": "sum", "window": ["05-15", "06-15"]}]
    assert spread("daily", 20, features=features).as_of == ("05-30", "06-19")


def test_a_season_across_new_year_and_cutoffs_that_are_named() -> None:
    found = spread("monthly", 28, "11-01", "02-28", as_of=("01-15",))
    assert found.as_of == ("01-15", "11-30", "12-31", "01-31")
    assert cutoffs(found) == ("11-30", "12-31", "01-15", "01-31", "02-28")


@pytest.mark.parametrize("resolution", ["daily", "monthly"])
def test_named_alike_they_are_the_same_run(resolution: Any) -> None:
    found = spread(resolution, 15)
    assert spread(resolution, 366).as_of == ()
    again = spread(resolution, 15, as_of=found.as_of)
    assert again == found
