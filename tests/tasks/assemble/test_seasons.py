"""Several seasons from one reading: each as a run of its own would have it, and one account of all rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.inputs import parquet
from data.settings.schema import Settings
from tasks.assemble.seasons import AssembledSeasons, assemble_seasons, assembled_cutoffs
from tasks.ledger.account import check_ledger, ledger_columns
from tasks.weather import rows
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.tasks.weather.weather_worlds import daily, make_settings, monthly, write, yields_of

YEARS = range(2001, 2011)
RABI: dict[str, Any] = {"start": "11-01", "end": "04-30", "crops": ["oranges"], "as_of": ["01-31", "12-31"]}
KHARIF = {"start": "06-01", "end": "10-31"}


def run(settings: Settings) -> AssembledSeasons:
    """Both inputs, joined for every season."""
    return assemble_seasons(ingest_weather(settings), ingest_yields(settings), settings)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Monthly weather with faults: one inside either season, one outside both, a repeat, a missing month."""
    frame = monthly(4, range(2000, 2012))
    at = frame.set_index(["region", "year", "month"]).index
    frame.loc[at.isin([("R00", 2004, 7), ("R01", 2005, 12), ("R02", 2006, 5)]), "rainfall"] = np.nan
    frame = frame[~at.isin([("R03", 2007, 8)])]
    write(tmp_path, "weather", frame, frame[(frame["year"] == 2003) & (frame["month"] == 2)][:1])
    write(tmp_path, "yields", yields_of(4, YEARS))
    return tmp_path


def test_each_season_is_what_a_run_of_its_own_has(world: Path) -> None:
    both = run(make_settings(world, season=KHARIF, seasons={"rabi": RABI}))
    assert list(both.seasons) == ["main", "rabi"]
    alone = {
        "main": run(make_settings(world, season=KHARIF, crops=["apples"])),
        "rabi": run(
            make_settings(
                world, crops=["oranges"], season={"start": "11-01", "end": "04-30"}, as_of=RABI["as_of"]
            )
        ),
    }
    for name, of in both.seasons.items():
        (single,) = alone[name].seasons.values()
        assert of.crops == single.crops
        assert list(of.datasets) == list(single.datasets)
        for day, table in of.datasets.items():
            assert table.to_arrow().equals(single.datasets[day].to_arrow())
            assert of.forecast_rows[day].to_arrow().equals(single.forecast_rows[day].to_arrow())
        assert of.ledger == single.ledger
    assert list(both.seasons["rabi"].datasets) == ["12-31", "01-31", "04-30"]  # as the season goes


def test_every_season_accounts_for_all_rows_and_a_row_at_fault_is_listed_once(world: Path) -> None:
    both = run(make_settings(world, season=KHARIF, seasons={"rabi": RABI}))
    columns = ledger_columns(both.ledger)
    assert list(columns) == ["weather, main", "weather, rabi", "yields, main", "yields, rabi"]
    check_ledger(columns)
    rows_in = {len(pd.read_parquet(world / "weather")), len(pd.read_parquet(world / "yields"))}
    assert {entry["rows_in"] for entry in columns.values()} == rows_in
    out_of_scope = {"crop not selected": 40, "yield without weather": 1}
    assert columns["yields, rabi"]["out_of_scope"] == out_of_scope
    rejects = both.rejected.to_pandas()
    assert not rejects.duplicated(["input", "file", "row", "season"]).any()
    own = rejects[rejects["season"].isna()]
    assert sorted(own["reason"]) == ["duplicate", "missing value", "missing value"]  # May is in no season
    low = rejects[rejects["season"].notna()]
    assert set(low["reason"]) == {"too little of the season covered"}
    assert set(low["season"]) == {"main", "rabi"}
    in_scope = {name: of.rejected["season"].null_count for name, of in both.seasons.items()}
    assert in_scope == {"main": 1, "rabi": 2}


def test_the_weather_is_read_once_for_all(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = parquet.read_batches

    def counted(uri: str, name: str, *given: Any) -> Any:
        read.append(name)
        return plain(uri, name, *given)

    monkeypatch.setattr(rows, "read_batches", counted)
    ingest_weather(make_settings(world, season=KHARIF, crops=["apples"]))
    once = len(read)
    ingest_weather(make_settings(world, season=KHARIF, seasons={"late": {**KHARIF, "crops": ["oranges"]}}))
    assert once == len(read) - once == 2


@pytest.mark.parametrize("resolution", ["daily", "monthly"])
def test_a_season_may_be_named_after_the_year_it_starts_in(tmp_path: Path, resolution: str) -> None:
    frame = (daily if resolution == "daily" else monthly)(2, range(2000, 2012))
    write(tmp_path, "weather", frame)
    write(tmp_path, "yields", yields_of(2, YEARS))
    window = {"start": "11-01", "end": "04-30"}
    ends = run(make_settings(tmp_path, season=window)).seasons["main"].datasets["04-30"]
    starts = run(make_settings(tmp_path, season=window | {"year_of": "start"}))
    table = starts.seasons["main"].datasets["04-30"]
    assert table.year_N.tolist() == ends.year_N.tolist()
    later = {(r, y): x.tolist() for r, y, x in zip(ends.region_N, ends.year_N - 1, ends.x_NF, strict=True)}
    same = [
        (later[key], x.tolist())
        for *key_, x in zip(table.region_N, table.year_N, table.x_NF, strict=True)
        if (key := tuple(key_)) in later
    ]
    assert len(same) == 18
    for expected, found in same:
        assert found == pytest.approx(expected)


def test_the_main_season_may_have_no_crops(world: Path) -> None:
    seasons = {"rabi": RABI, "other": {**KHARIF, "crops": ["apples"]}}
    found = run(make_settings(world, seasons=seasons))
    assert list(found.seasons) == ["other", "rabi"]  # a table's order doesn't matter
    assert list(ingest_weather(make_settings(world, crops=["oranges"], seasons={"rabi": RABI}))) == ["rabi"]


def test_features_may_be_a_season_s_own(world: Path, tmp_path: Path) -> None:
    own = [{"measure": "rainfall", "aggregate": "max"}]
    settings = make_settings(world, season=KHARIF, seasons={"rabi": RABI | {"features": own}})
    found = run(settings)
    assert found.seasons["main"].datasets["10-31"].features == ("temperature_mean", "rainfall_sum")
    assert found.seasons["rabi"].datasets["04-30"].features == ("rainfall_max",)
    found.save(tmp_path / "saved")
    again = AssembledSeasons.load(tmp_path / "saved")
    assert again.ledger == found.ledger
    assert again.rejected.equals(found.rejected)
    cutoffs = [str(cutoff) for cutoff in assembled_cutoffs(tmp_path / "saved", settings)]
    assert cutoffs == ["10-31", "rabi 12-31", "rabi 01-31", "rabi 04-30"]


def test_a_season_s_fault_says_which(world: Path) -> None:
    with pytest.raises(InputError, match=r"season main: .*max_rejected"):
        run(make_settings(world, season=KHARIF, seasons={"rabi": RABI}, max_rejected=0.02))
