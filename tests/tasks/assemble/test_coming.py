"""Which season of a crop is to come: the newest, unless it has been harvested."""

from tasks.assemble.coming import coming_seasons


def test_the_newest_season_is_to_come_unless_a_later_one_or_most_of_it_is_harvested() -> None:
    forecast = {
        ("corn", 2024): 300,
        ("corn", 2019): 900,
        ("rye", 2020): 5,
        ("oats", 2023): 12,
        ("beet", 2023): 12,
    }
    harvested = {
        ("corn", 2023): 290,
        ("rye", 2023): 5,
        ("oats", 2023): 311,
        ("beet", 2023): 12,
        ("teff", 2024): 1,
    }
    assert coming_seasons(forecast, harvested) == {"corn": 2024, "beet": 2023}
    assert coming_seasons(forecast, {}) == {"corn": 2024, "rye": 2020, "oats": 2023, "beet": 2023}
    assert coming_seasons({}, harvested) == {}
