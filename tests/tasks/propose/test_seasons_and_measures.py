"""What `cropyield init` knows of crops' calendars, of measures that repeat one another or can't be true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.settings.files import load_settings
from tasks.propose.crop_calendar import further_season, grows_in_winter, remarks
from tasks.propose.proposal import propose
from tasks.propose.season import season_of
from tasks.propose.settings_file import write_text
from tasks.propose.trial import trial_run
from tests.odd_files import monthly, write, yields_of

YEAR = frozenset(range(1, 13))


@pytest.mark.parametrize(
    ("crop", "winter"),
    [
        ("wheat", True), ("Winter Wheat", True), ("spring wheat", False), ("barley", False),
        ("winter barley", True), ("maize", False), ("Canola", True), ("wheat_rabi", True),
    ],
)  # fmt: skip
def test_which_crops_grow_in_winter(crop: str, winter: bool) -> None:
    assert grows_in_winter(crop) == winter


def test_a_further_season_where_crops_differ_and_the_hemisphere_is_known() -> None:
    north = season_of((4, 5, 6, 7, 8, 9), "", (), "north")
    found = further_season(["maize", "wheat"], north, YEAR)
    assert found is not None
    assert (found.crops, found.window.start, found.window.end) == (("wheat",), "10-01", "07-31")
    south = further_season(["maize", "wheat"], season_of((10, 11, 12, 1, 2, 3), "", (), "south"), YEAR)
    assert south is not None
    assert (south.window.start, south.window.end) == ("05-01", "12-31")
    for crops, season, months in (
        (["maize", "rice"], north, YEAR),
        (["wheat"], north, YEAR),
        (["maize", "wheat"], season_of((4, 5, 6), "", ()), YEAR),
        (["maize", "wheat"], north, frozenset(range(3, 11))),
    ):
        assert further_season(crops, season, months) is None
    assert "back before sowing" in remarks(["maize", "wheat"], north, YEAR)[0]
    assert "wheat mostly grow from 10-01 to 07-31" in remarks(["wheat"], north, YEAR)[0]
    assert remarks(["maize"], north, YEAR) == []


def test_the_file_has_the_season_and_trains(tmp_path: Path) -> None:
    proposal = propose(*write(tmp_path, monthly(), yields_of(monthly())))
    file = tmp_path / "settings.toml"
    tried = trial_run(proposal, file)
    file.write_text(write_text(tried.proposal, file), encoding="utf-8")
    settings = load_settings(file)
    assert settings.seasons["winter"].crops == ("wheat",)
    assert set(tried.crops) == {"maize", "wheat"}
    assert "weather, winter" in tried.ledger
    assert any("is a guess from the names (Sacks" in said for said in proposal.unresolved)


def weather_with(**columns: Any) -> pd.DataFrame:
    frame = monthly()
    return frame.assign(**{name: make(frame) for name, make in columns.items()})


def test_of_measures_that_determine_one_another_the_fewest_stay(tmp_path: Path) -> None:
    frame = monthly()
    measure = "temp"
    gap = np.random.default_rng(0).gamma(4.0, 4.0, len(frame))
    frame["temperature_max"] = frame[measure] + gap
    frame["temperature_min"] = frame[measure] - gap
    found = propose(*write(tmp_path, frame, yields_of(monthly())))
    live = {line.measure for line in found.features.live} | {line.measure for line in found.features.asleep}
    assert len(live & {"temp", "temperature_max", "temperature_min"}) == 2
    assert any("all but determine it" in why for _, why in found.left_out)


def test_what_no_place_has_seen_is_remarked_upon(tmp_path: Path) -> None:
    frame = monthly()
    frame["radiation_w_m2"] = np.random.default_rng(0).uniform(9_000, 17_000, len(frame))
    said = [said for said in propose(*write(tmp_path, frame, yields_of(monthly()))).unresolved
            if "can't be true" in said]  # fmt: skip
    assert len(said) == 1
    assert said[0].startswith("radiation: values such as 1")
    assert "W/m²" in said[0]


def test_relative_humidity_ends_at_100_and_an_index_has_no_unit(tmp_path: Path) -> None:
    frame, random = monthly(), np.random.default_rng(0)
    frame["humidity"] = random.uniform(40, 95, len(frame))
    frame["specific_humidity"] = random.uniform(2, 20, len(frame))
    frame["pdsi"] = random.uniform(-6, 6, len(frame))
    found = propose(*write(tmp_path, frame, yields_of(monthly())))
    of = {profile.name: (profile.unit, profile.low, profile.high) for profile in found.profiles}
    assert of["humidity"] == ("%", 0.0, 100.0)
    assert of["specific_humidity"][0] is None
    assert any("% for humidity" in said for said in found.unresolved)
    (units,) = [said for said in found.unresolved if said.startswith("The units of")]
    assert "specific_humidity" in units
    assert "pdsi" not in units


def test_squares_are_proposed_where_rows_are_many(tmp_path: Path) -> None:
    yields = yields_of(monthly())
    many = propose(*write(tmp_path / "many", monthly(), yields))
    assert all(line.square for line in many.features.live)
    few = propose(*write(tmp_path / "few", monthly(), yields[yields["year"] >= yields["year"].max() - 8]))
    assert not any(line.square for line in few.features.live)
    assert "square = true" in write_text(many, tmp_path / "settings.toml")
