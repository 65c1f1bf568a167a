"""Seasons of the settings: names, crops, what each one sees, cut-offs."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from data.errors import SettingsError
from data.settings.calendar import cutoff_day
from data.settings.files import dump_settings, parse_settings
from data.settings.schema import Season, Settings
from data.settings.seasons import crops_of, named_crops, of_season, season_names, with_cutoffs

RABI = {"start": "11-01", "end": "04-30", "crops": ["wheat"]}


def settings(**changes: Any) -> Settings:
    features = [{"measure": "rain", "aggregate": "sum"}]
    raw = {"weather": "w", "yields": "y", "store": "s", "features": features}
    return parse_settings(raw | {"season": {"start": "06-01", "end": "10-31"}} | changes, "test")


@pytest.mark.parametrize(
    ("seasons", "said"),
    [
        ({"Rabi": RABI}, "can't be a season's name"),
        ({"main": RABI}, "can't be a season's name"),
        ({"x" * 33: RABI}, "can't be a season's name"),
        ({"rabi": {"start": "11-01", "end": "04-30"}}, "seasons.rabi.crops"),
        ({"rabi": RABI | {"crops": []}}, "seasons.rabi.crops"),
        ({"rabi": RABI, "late": RABI}, "names one twice: wheat, wheat"),
        ({"rabi": RABI | {"as_of": ["01-31", "01-31"]}}, "seasons.rabi.as_of names one twice"),
        ({"rabi": RABI | {"year_off": "start"}}, "did you mean 'year_of'"),
        ({"rabi": RABI | {"year_of": "middle"}}, "must be one of end, start"),
    ],
)
def test_mistakes_are_named(seasons: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(seasons=seasons)


def test_a_season_sees_its_own() -> None:
    own = [{"measure": "heat", "aggregate": "mean"}]
    both = settings(
        as_of=["08-31"], seasons={"rabi": RABI | {"as_of": ["01-31"], "features": own, "year_of": "start"}}
    )
    main, rabi = (of_season(both, name) for name in season_names(both))
    assert (main.season.start, main.as_of, [f.measure for f in main.features]) == (
        "06-01",
        ("08-31",),
        ["rain"],
    )
    assert (rabi.season.end, rabi.season.year_of, rabi.as_of) == ("04-30", "start", ("01-31",))
    assert (rabi.crops, [f.measure for f in rabi.features]) == (("wheat",), ["heat"])
    assert season_names(rabi) == season_names(main) == ("main",)
    plain = settings(seasons={"rabi": RABI})
    assert of_season(plain, "rabi").features == plain.features
    assert of_season(settings(), "main") == settings()


def test_crops_belong_to_one_season() -> None:
    both = settings(seasons={"rabi": RABI})
    assert crops_of(both, "main", ("corn", "rice", "wheat")) == ("corn", "rice")
    assert crops_of(both, "rabi", ("corn", "rice", "wheat")) == ("wheat",)
    assert crops_of(both, "main", ("wheat",)) == ()
    named = settings(crops=["rice", "wheat"], seasons={"rabi": RABI})
    assert crops_of(named, "main", ("corn", "rice", "wheat")) == ("rice",)
    assert named_crops(named) == ("rice", "wheat")
    assert season_names(settings(crops=["wheat"], seasons={"rabi": RABI})) == ("rabi",)


def test_further_cut_offs_go_to_the_seasons_that_contain_them() -> None:
    both = with_cutoffs(settings(seasons={"rabi": RABI}), ("08-31", "01-31"))
    assert both.as_of == ("08-31",)
    assert both.seasons["rabi"].as_of == ("01-31",)
    with pytest.raises(SettingsError, match="05-15 is outside the season 06-01 to 10-31, 11-01 to 04-30"):
        with_cutoffs(both, ("05-15",))


def test_a_file_written_from_settings_reads_the_same() -> None:
    import tomllib

    both = settings(seasons={"rabi": RABI | {"features": [{"measure": "heat", "aggregate": "mean"}]}})
    assert parse_settings(tomllib.loads(dump_settings(both)), "again") == both


@pytest.mark.parametrize(
    ("year_of", "start", "end"), [("end", "2004-11-30", "2005-01-31"), ("start", "2005-11-30", "2006-01-31")]
)
def test_the_day_of_a_cut_off_follows_the_year_s_name(year_of: Any, start: str, end: str) -> None:
    season = Season(start="11-01", end="04-30", year_of=year_of)
    assert cutoff_day(season, 2005, "11-30") == date.fromisoformat(start)
    assert cutoff_day(season, 2005, "01-31") == date.fromisoformat(end)
