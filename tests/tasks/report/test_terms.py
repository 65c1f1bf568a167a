"""Features are called as people call them."""

import pytest

from tasks.report.terms import term_titles
from tests.tasks.report.reporting import settings_for

TEMPERATURE = {"measure": "temperature"}
RAIN = {"measure": "rainfall", "aggregate": "sum"}
DEGREES = {"aggregate": "degree_days", "base": 10, "cap": 30}
HEAT = {"aggregate": "max", "name": "heat_wave", "window": ["07-01", "08-15"]}
HOT = {"aggregate": "days_above", "threshold": 30}
CASES = [
    (RAIN | {"every": "month"}, "rainfall_sum_06", "rainfall in June"),
    (RAIN | {"window": ["05-01", "06-30"]}, "rainfall_sum", "rainfall May to June"),
    (TEMPERATURE | {"aggregate": "mean"}, "temperature_mean", "mean temperature"),
    (TEMPERATURE | HOT, "temperature_days_above_30", "days with temperature above 30"),
    (TEMPERATURE | DEGREES, "temperature_degree_days_10_30", "degree days of temperature above 10 up to 30"),
    (TEMPERATURE | HEAT, "heat_wave", "heat wave 1 July to 15 August"),
]


def test_a_unit_in_the_name_of_a_measure_is_not_said_twice() -> None:
    feature = {"measure": "temperature_c", "aggregate": "mean"}
    settings = settings_for(features=[feature], measures={"temperature_c": {"unit": "°C"}})
    assert term_titles(settings)["temperature_c_mean"] == "mean temperature"


@pytest.mark.parametrize(("feature", "name", "title"), CASES)
def test_titles(feature: dict[str, object], name: str, title: str) -> None:
    titles = term_titles(settings_for(features=[feature]))
    assert titles[name] == title
