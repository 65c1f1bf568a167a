"""`cropyield init` short of the command: what is proposed for many layouts, and that ingest takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.settings.files import load_settings
from data.synthetic.write import write_world
from tasks.propose.proposal import Proposal, propose
from tasks.propose.settings_file import write_text
from tasks.propose.trial import Rehearsed, trial_run
from tests.odd_files import LAYOUTS, REGIONS, monthly, write, yields_of


def tried(folder: Path, weather: str, yields: str) -> Rehearsed:
    """Propose, rehearse, write and read again; what is read is what was tried."""
    file = folder / "settings.toml"
    found = trial_run(propose(weather, yields), file)
    file.write_text(write_text(found.proposal, file), encoding="utf-8")
    read = load_settings(file)
    assert [line.measure for line in found.proposal.features.live] == [f.measure for f in read.features]
    assert Path(read.weather) == Path(weather).resolve()
    return found


@pytest.mark.parametrize(
    ("layout", "crops", "rows", "features"),
    [
        ("german", {"wheat", "maize"}, 360, ["temperatur", "niederschlag", "luftfeuchtigkeit"]),
        ("spanish_wide", {"trigo", "maiz"}, 360, ["temperatura_media", "precipitacion", "humedad"]),
        ("integer_regions", {"wheat", "maize"}, 360, ["temp", "rain", "hum"]),
        ("text_everything", {"wheat", "maize"}, 360, ["temp", "rain", "hum"]),
        ("indexed_and_nullable", {"wheat", "maize"}, 353, ["temp", "rain", "hum"]),
        ("daily", {"wheat", "maize"}, 150, ["tmean", "prcp", "tmax"]),
        ("southern", {"wheat", "maize"}, 348, ["temp", "rain", "hum"]),
        ("single_crop", {"yield"}, 360, ["temp", "rain", "hum"]),
        ("two_units", {"wheat", "maize"}, 352, ["temp", "rain", "hum"]),
        ("one_table", {"wheat", "maize"}, 360, ["temp", "rain", "hum"]),
        ("month_dates", {"wheat", "maize"}, 360, ["temp", "rain", "hum"]),
        ("dates_beside_months", {"wheat", "maize"}, 360, ["temp", "rain", "hum"]),
        ("growing_months", {"wheat", "maize"}, 348, ["temp", "rain", "hum"]),
        ("few_seasons", {"wheat", "maize"}, 36, ["temp", "rain", "hum"]),
        ("gaps", {"wheat", "maize"}, 344, ["temp", "rain"]),
        ("almost_same_names", {"wheat", "maize"}, 270, ["temp", "rain", "hum"]),
    ],
)
def test_files_of_strangers(
    layout: str, crops: set[str], rows: int, features: list[str], tmp_path: Path
) -> None:
    found = tried(tmp_path, *LAYOUTS[layout](tmp_path / "theirs"))
    assert set(found.crops) == crops
    assert found.rows == rows
    assert [line.measure for line in found.proposal.features.live] == features


def proposal_for(layout: str, folder: Path) -> Proposal:
    return propose(*LAYOUTS[layout](folder / "theirs"))


def test_units_are_read_from_names_and_from_the_column(tmp_path: Path) -> None:
    german = proposal_for("german", tmp_path / "a")
    assert {p.name: p.unit for p in german.profiles} == {
        "temperatur": "°C", "niederschlag": "mm", "luftfeuchtigkeit": "%"
    }  # fmt: skip
    assert german.crop_units == {"wheat": "t/ha", "maize": "t/ha"}
    assert proposal_for("spanish_wide", tmp_path / "b").crop_units == {"trigo": "t/ha", "maiz": "t/ha"}
    both = proposal_for("two_units", tmp_path / "c")
    assert {crop.name: crop.units for crop in both.crops} == {"wheat": ("t/ha",), "maize": ("bu/acre",)}
    assert [crop.name for crop in both.other_crops] == ["barley"]
    assert any("barley in t/ha, kg/ha" in said for said in both.unresolved)


def test_what_stands_for_nothing_is_rejected_and_extremes_are_not(tmp_path: Path) -> None:
    (rain,) = [p for p in proposal_for("two_units", tmp_path).profiles if p.name == "rain"]
    assert rain.sentinel == -9999.0
    assert rain.low == 0.0
    assert rain.high > 711.0


def test_the_season_is_the_warm_half_or_the_months_that_are_there(tmp_path: Path) -> None:
    north, south = proposal_for("german", tmp_path / "a"), proposal_for("southern", tmp_path / "b")
    assert (north.season.start, north.season.end) == ("04-01", "09-30")
    assert (south.season.start, south.season.end) == ("10-01", "03-31")
    assert south.first_season == 1992  # the first whole season that crosses New Year
    months = proposal_for("growing_months", tmp_path / "c")
    assert (months.season.start, months.season.end) == ("10-01", "04-30")


def test_names_that_almost_agree_are_shown(tmp_path: Path) -> None:
    found = proposal_for("almost_same_names", tmp_path)
    assert any("'Area 0101' and 'AREA 0101'" in said for said in found.unresolved)


def test_few_seasons_keep_none_for_a_test(tmp_path: Path) -> None:
    found = proposal_for("few_seasons", tmp_path)
    assert (found.split.by, found.baseline) == ("none", "none")


def test_dates_in_the_future_are_remarked_upon(tmp_path: Path) -> None:
    weather = monthly()
    late = weather.tail(1).assign(year=2999)
    found = propose(*write(tmp_path, pd.concat([weather, late]), yields_of(weather)))
    assert any("2999" in said and "future" in said for said in found.unresolved)
    assert found.first_season is None


def test_exact_copies_of_weather_are_allowed_for(tmp_path: Path) -> None:
    """A long table of weather and yields has the weather once for each crop."""
    weather = monthly()
    seasons = weather.groupby(["region", "year"], as_index=False)[["temp", "rain"]].mean()
    table = seasons.merge(yields_of(weather), on=["region", "year"])
    table.to_parquet(tmp_path / "table.parquet")
    found = tried(tmp_path, str(tmp_path / "table.parquet"), str(tmp_path / "table.parquet"))
    assert found.rows == 360
    assert set(found.crops) == {"wheat", "maize"}
    assert found.proposal.max_rejected >= 0.5
    assert found.ledger["weather"]["rejected"] == {"duplicate": 360}


def test_the_shipped_inputs(shipped: Path, tmp_path: Path) -> None:
    sample = tried(tmp_path, str(shipped / "sample/weather"), str(shipped / "sample/yields"))
    assert {"apples", "oranges"} <= set(sample.crops)
    assert (sample.proposal.season.start, sample.proposal.season.end) == ("04-01", "09-30")
    tutorial = tried(tmp_path, *(str(shipped / f"tutorial/{n}.parquet") for n in ("weather", "yields")))
    assert tutorial.rows == 15
    assert [line.measure for line in tutorial.proposal.features.live] == [
        "temperature",
        "rainfall",
        "humidity",
    ]


@pytest.mark.parametrize("resolution", ["daily", "monthly", "season"])
def test_simulated_worlds(resolution: str, tmp_path: Path) -> None:
    write_world(tmp_path / "w", regions=20, years=25, resolution=resolution, seed=3)
    found = tried(tmp_path, str(tmp_path / "w/weather"), str(tmp_path / "w/yields"))
    assert found.proposal.resolution == resolution
    assert found.crops == ("apples", "oranges")
    assert found.ledger["weather"]["rejected"] == found.ledger["yields"]["rejected"] == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minnesota_barley", {"first_season": 1927, "features": ["temperature", "rainfall"]}),
        ("fao_country", {"first_season": None, "features": ["temperature", "pesticides"]}),
        ("us_climdiv_medium", {"first_season": 1909, "features": ["temperature", "rainfall", "pdsi"]}),
    ],
)
def test_real_data(name: str, expected: dict[str, Any], shared: Path, tmp_path: Path) -> None:
    found = tried(tmp_path, *(str(shared / name / f"{each}.parquet") for each in ("weather", "yields")))
    assert found.proposal.first_season == expected["first_season"]
    assert [line.measure for line in found.proposal.features.live] == expected["features"]
    assert found.proposal.max_rejected == 0.2


def test_constant_measures_are_left_out_under_a_baseline(shared: Path) -> None:
    found = propose(*(str(shared / "fao_country" / f"{each}.parquet") for each in ("weather", "yields")))
    assert dict(found.left_out)["rainfall"].startswith("it never changes within a region")


_NAMES = {
    "region": ["region", "Region", "COUNTY", "county_name", "FIPS", "geoid", "State", "district", "site",
               "Station", "land kreis", "departamento", "Área"],
    "year": ["year", "Year", "YR", "harvest_year", "HarvestYear", "crop year", "Jahr", "année", "ano"],
    "month": ["month", "Month", "MON", "mo", "Monat", "mois", "mes"],
    "crop": ["crop", "Crop", "ITEM", "Commodity", "crop_name", "cultivo", "variety"],
    "yield": ["yield", "Yield", "YIELD_T_HA", "yield (t/ha)", "Value", "rendement", "crop yield"],
    "temp": ["temperature_c", "Temp", "TAVG", "t2m", "tmean", "mean temperature", "avg_temp", "Température"],
    "rain": ["rainfall_mm", "PRCP", "precip", "Rain", "precipitation (mm)", "ppt", "pluie"],
    "hum": ["humidity", "RH", "rel_hum_pct", "Humidity (%)", "wind_speed", "ndvi", "X17"],
}  # fmt: skip


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    """How a stranger may keep the same world."""
    return {
        "weather": {
            name: draw(st.sampled_from(_NAMES[name]))
            for name in ("region", "year", "month", "temp", "rain", "hum")
        },
        "yields": {name: draw(st.sampled_from(_NAMES[name])) for name in ("region", "year", "crop", "yield")},
        "order": draw(st.integers(0, 1000)),
        "integers": draw(st.booleans()),
        "text_years": draw(st.booleans()),
        "categories": draw(st.booleans()),
        "wide": draw(st.booleans()),
        "files": draw(st.integers(1, 3)),
        "extras": draw(st.booleans()),
    }  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layout=layouts())
def test_any_layout_of_one_world_gives_the_same_rows(
    layout: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("layout")
    rng = np.random.default_rng(layout["order"])
    weather, yields = monthly(), yields_of(monthly())
    if layout["wide"]:
        yields = yields.pivot(index=["region", "year"], columns="crop", values="yield").reset_index()
    if layout["extras"]:
        weather = weather.assign(lat=47.1, station_id2="a", note="", id=range(len(weather)))
        yields = yields.assign(area_harvested=rng.integers(1, 9, len(yields)), flag="A")
    if layout["text_years"]:
        yields["year"] = yields["year"].astype(str)
    if layout["integers"]:
        weather["region"], yields["region"] = weather["region"].astype(int), yields["region"].astype(int)
    elif layout["categories"]:
        weather["region"], yields["region"] = (
            frame["region"].astype("category") for frame in (weather, yields)
        )
    weather = weather.rename(columns=layout["weather"])
    yields = yields.rename(columns=layout["yields"])
    weather, yields = (frame[rng.permutation(frame.columns)] for frame in (weather, yields))
    places = []
    for name, frame in (("weather", weather), ("yields", yields)):
        (folder / name).mkdir()
        for at, part in enumerate(np.array_split(np.arange(len(frame)), layout["files"])):
            table = pa.Table.from_pandas(frame.iloc[part], preserve_index=bool(layout["extras"]))
            pq.write_table(table, folder / name / f"{at}.parquet")
        places.append(str(folder / name))
    found = tried(folder, *places)
    assert found.rows == 360, layout
    assert len(found.crops) == 2
    assert len(found.proposal.features.live) == 3
    assert found.proposal.resolution == "monthly"


def test_a_sample_of_a_large_input_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows looked at: every region is known all the same, ranges hold what the footers tell."""
    from data.survey import survey

    weather = monthly()
    weather.loc[weather.index[3001], "rain"] = 1234.5
    folder = tmp_path / "w"
    write(folder, weather, yields_of(weather))
    pq.write_table(pa.Table.from_pandas(weather), folder / "weather.parquet", row_group_size=200)
    whole = propose(str(folder / "weather.parquet"), str(folder / "yields.parquet"))
    monkeypatch.setattr(survey, "_VALUES", 3000)
    monkeypatch.setattr(survey, "_BATCH_ROWS", 50)
    monkeypatch.setattr(survey, "_LEAST", 400)
    part = propose(str(folder / "weather.parquet"), str(folder / "yields.parquet"))
    assert any("of the rows were looked at" in line for line in part.seen)
    assert f"{len(REGIONS)} regions" in part.seen[0]
    assert part.season == whole.season
    assert part.features.live == whole.features.live
    (rain,) = [p for p in part.profiles if p.name == "rain"]
    assert rain.high > 1234.5
