"""What `cropyield init` remarks upon in yields that it takes, and why it leaves crops out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError
from data.settings.files import load_settings
from tasks.assemble.join import assemble
from tasks.propose.proposal import Proposal, propose
from tasks.propose.settings_file import write_text
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.odd_files import monthly, write, yields_of


def proposed(folder: Path, yields: pd.DataFrame, weather: pd.DataFrame | None = None) -> Proposal:
    return propose(*write(folder, monthly() if weather is None else weather, yields))


def test_yields_far_off_are_remarked_upon_and_the_range_rejects_them(tmp_path: Path) -> None:
    yields = yields_of(monthly())
    yields.loc[yields.index[yields["crop"] == "maize"][3], "yield"] = 1e12
    found = proposed(tmp_path, yields)
    (said,) = [said for said in found.unresolved if "times the median" in said]
    assert said.startswith("maize: 1 of 360 yields")
    assert "up to 1e+12" in said
    file = tmp_path / "settings.toml"
    section, value = said.split("under ")[1].split(": range")
    file.write_text(write_text(found, file) + f"\n{section}\nrange{value}\n", encoding="utf-8")
    read = load_settings(file)
    rejected = ingest_yields(read).rejected.to_pylist()
    assert [row["value"] for row in rejected] == ["1000000000000.0"]
    assemble(ingest_weather(read)["main"], ingest_yields(read), read)


def test_sound_yields_get_no_remark(tmp_path: Path) -> None:
    said = " ".join(proposed(tmp_path, yields_of(monthly())).unresolved)
    assert "median" not in said
    assert "several ways" not in said


def test_names_that_differ_in_blanks_or_case(tmp_path: Path) -> None:
    yields = yields_of(monthly())
    yields.loc[::3, "crop"] = yields["crop"].str.title()
    yields.loc[::4, "region"] += " "
    crops, regions = (
        said for said in proposed(tmp_path, yields).unresolved if "written in several ways" in said
    )
    assert "'Wheat', 'wheat'" in crops
    assert "t['crop'].str.split().str.join(' ').str.lower()" in crops
    assert "'0101', '0101 '" in regions
    assert ".lower()" not in regions


def test_the_reason_why_a_crop_is_left_out(tmp_path: Path) -> None:
    yields = yields_of(monthly())
    early = yields[(yields["crop"] == "wheat") & (yields["year"] < 2008)].assign(crop="oats")
    rare = yields[yields["year"] > 2018].assign(crop="rye").head(3)
    both = yields[yields["crop"] == "wheat"].assign(crop="barley", unit="t/ha")
    both.loc[::2, "unit"] = "kg/ha"
    nowhere = yields.head(30).assign(crop="figs", year=1950)
    found = proposed(tmp_path, pd.concat([yields, early, rare, both, nowhere], ignore_index=True))
    why = {crop.name: crop.why for crop in found.other_crops}
    assert why["oats"] == "its yields with weather end in 2007, before the test seasons (2016 on)"
    assert why["rye"].startswith("0 yields to train on")
    assert why["barley"] == "in several units: kg/ha, t/ha"
    assert why["figs"] == "no yield meets weather"
    text = write_text(found, tmp_path / "settings.toml")
    assert f'"oats": 204 yields with weather, 17 seasons; {why["oats"]}' in text


def test_one_season_can_test_nothing(tmp_path: Path) -> None:
    weather = monthly().query("year == 2000")
    found = proposed(tmp_path, yields_of(weather), weather)
    assert any("with 1 season in both inputs none is left to test on" in said for said in found.unresolved)


def test_a_measure_without_values_is_named(tmp_path: Path) -> None:
    weather = monthly().assign(hum=float("nan"))
    found = proposed(tmp_path, yields_of(weather), weather)
    assert ("hum", "it holds no values") in found.left_out
    assert "Measures without any value: hum." in found.unresolved


def test_a_break_in_the_level_is_remarked_upon(tmp_path: Path) -> None:
    yields = yields_of(monthly())
    late = yields["year"] >= 2010
    yields.loc[late & (yields["crop"] == "maize"), "yield"] *= 15.93
    said = [said for said in proposed(tmp_path, yields).unresolved if "another unit" in said]
    assert len(said) == 1
    assert said[0].startswith("maize: from 2010 on yields are 1")


def test_yields_of_a_finer_region_are_refused_with_what_to_do(tmp_path: Path) -> None:
    yields = yields_of(monthly()).rename(columns={"region": "zone"})
    parts = [yields.assign(municipality=yields["zone"] + f"-{at}") for at in range(3)]
    parts[1]["yield"] *= 1.1
    parts[2]["yield"] *= 1.2
    with pytest.raises(
        InputError, match=r"of 'municipality', which divides the regions of 'zone'"
    ) as refused:
        proposed(tmp_path, pd.concat(parts))
    assert "t.groupby(['zone', 'year', 'crop'" in str(refused.value)


def test_weather_without_yields_is_counted(tmp_path: Path) -> None:
    yields = yields_of(monthly())
    some = sorted(yields["region"].unique())[2:]
    said = proposed(tmp_path, yields[yields["region"].isin(some)]).unresolved
    assert any("2 of 12 regions of the weather have no yields" in each for each in said)
