"""`cropyield init`: two commands from two inputs to a report; what it writes, says, and leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from data.settings.files import load_settings
from flows.cli.main import run
from tasks.assemble.regions import read_regions
from tasks.evaluate.conformal import seasons_needed
from tasks.propose.scope import choose_split
from tests.odd_files import german, spanish_wide, two_units

Capture = pytest.CaptureFixture[str]


def test_two_commands_from_two_files_to_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    weather, yields = two_units(tmp_path / "theirs")
    monkeypatch.chdir(tmp_path)
    assert run(["init", weather, yields]) == 0
    said = capsys.readouterr().out
    for words in (
        "12 regions",
        "crops: maize, wheat",
        "What could not be told",
        "cropyield train settings.toml",
    ):
        assert words in said
    assert run(["train", "settings.toml"]) == 0
    said = capsys.readouterr().out
    assert "bu/acre" in said
    assert "t/ha" in said
    assert "pooled row" in said  # the units differ, and why there is none is said
    assert "report" in said
    predictions = pd.read_parquet("store/predictions.parquet")
    assert set(predictions["unit"]) == {"bu/acre", "t/ha"}
    (report,) = Path("store/runs").glob("*/report.html")
    assert report.stat().st_size > 10_000


def test_locations_are_written_as_seen_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    german(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    assert (
        run(["init", "in/weather.parquet", "in", "--settings", "deep/s.toml"]) == 3
    )  # weather and yields mixed
    assert run(["init", "in/weather.parquet", "in/yields.parquet", "--settings", "deep/s.toml"]) == 0
    text = (tmp_path / "deep/s.toml").read_text(encoding="utf-8")
    assert 'weather = "../in/weather.parquet"' in text
    assert load_settings("deep/s.toml").yields == str(tmp_path / "in/yields.parquet")


def test_regions_are_named_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    weather, yields = german(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(["init", weather, yields]) == 0
    assert "# regions = " in Path("settings.toml").read_text(encoding="utf-8")
    assert load_settings("settings.toml").regions is None
    pd.DataFrame({"region": ["0101"], "state": ["west"], "area": [2.0]}).to_parquet("map.parquet")
    assert run(["init", weather, yields, "--regions", "map.parquet", "--force"]) == 0
    assert load_settings("settings.toml").regions == str(tmp_path / "map.parquet")
    capsys.readouterr()
    assert run(["init", weather, yields, "--regions", "gone.parquet", "--settings", "other.toml"]) == 3
    assert "gone.parquet" in capsys.readouterr().err
    assert not Path("other.toml").exists()


def test_columns_of_regions_are_written_where_they_go_by_other_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weather, yields = german(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = sorted(pd.read_parquet(weather)["Landkreis"].unique())
    units = pd.DataFrame({"LANDKREIS": names, "Name": [f"Kreis {name}" for name in names], "Area": 1.0})
    units["region"] = ["west"] * 4 + ["east"] * (len(names) - 4)  # no larger unit can be called so
    units.to_parquet("map.parquet")
    assert run(["init", weather, yields, "--regions", "map.parquet"]) == 0
    found = load_settings("settings.toml")
    assert found.region_columns == {"region": "LANDKREIS", "name": "Name", "area": "Area"}
    assert not found.aggregate.levels
    regions = read_regions(found)
    assert regions is not None
    assert regions.table["region"].tolist() == names


@pytest.mark.parametrize("kind", ["parquet", "geojson"])
def test_regions_none_of_which_has_data_are_told_and_train_refuses_them(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The printed command mends Parquet; a few regions without data stop nothing."""
    weather, yields = german(tmp_path)
    monkeypatch.chdir(tmp_path)
    codes = [int(name) for name in sorted(pd.read_parquet(weather)["Landkreis"].unique())]
    pd.DataFrame({"code": [*codes, 9999]}).to_parquet("map.parquet")
    features = [{"type": "Feature", "properties": {"code": code}, "geometry": None} for code in codes]
    Path("map.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert run(["init", weather, yields, "--regions", f"map.{kind}"]) == 0
    said = capsys.readouterr().out
    assert "`train` will refuse the regions." in said
    assert "'0101' and '101'" in said
    assert run(["train", "settings.toml"]) == 3
    said = capsys.readouterr().err
    assert "is in weather or yields, whose regions are '0101'" in said
    assert ("str.zfill(4)" in said) == (kind == "parquet")
    if kind == "geojson":
        return
    line = next(line for line in said.splitlines() if "python -c" in line)
    subprocess.run(line.strip().replace("python", sys.executable, 1), shell=True, check=True)
    assert run(["init", weather, yields, "--force", "--regions", "map-converted.parquet"]) == 0
    assert "refuse" not in capsys.readouterr().out
    assert run(["train", "settings.toml"]) == 0


def test_larger_units_are_set_where_the_regions_file_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A column that names each region, is the same for all, isn't text, or cuts across another is no unit."""
    weather, yields = german(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = sorted(pd.read_parquet(weather)["Landkreis"].unique())
    plain = pd.DataFrame(
        {
            "region": names,
            "capital": names,
            "country": "here",
            "elevation": [100.0, 200.0] * (len(names) // 2),
        }
    )
    units = plain.assign(
        Bundesland=["west"] * 4 + ["east"] * (len(names) - 4),
        district=[f"district {at // 2}" for at in range(len(names))],
        soil=["sand", "clay"] * (len(names) // 2),
    )
    asked = ["init", weather, yields, "--force", "--regions"]
    plain.to_parquet("plain.parquet")
    assert run([*asked, "plain.parquet"]) == 0
    text = Path("settings.toml").read_text(encoding="utf-8")
    assert "no text column of `regions` groups them" in text
    assert "levels =" not in text
    units.to_parquet("units.parquet")
    features = [
        {"type": "Feature", "properties": row, "geometry": None} for row in units.to_dict(orient="records")
    ]
    Path("units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    for file in ("units.parquet", "units.geojson"):
        assert run([*asked, file]) == 0
        assert "larger units: district, Bundesland (label columns" in capsys.readouterr().out
        assert load_settings("settings.toml").aggregate.levels == ("district", "Bundesland")
    assert run(["train", "settings.toml"]) == 0
    found = pd.read_parquet("store/aggregates.parquet")
    assert {*found["level"]} == {"district", "Bundesland", "all"}


def test_cut_offs_are_set_where_the_file_has_a_line_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    weather, yields = german(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(["init", weather, yields]) == 0
    text = Path("settings.toml").read_text(encoding="utf-8")
    Path("settings.toml").write_text(text.replace("# as_of =", "as_of ="), encoding="utf-8")
    assert load_settings("settings.toml").as_of == ("07-31",)
    Path("settings.toml").write_text(text + 'as_of = ["07-31"]\n', encoding="utf-8")
    capsys.readouterr()
    assert run(["train", "settings.toml"]) == 2
    said = capsys.readouterr().err
    assert "as_of is a key of the whole file" in said
    assert "move it above the first [section]" in said


@pytest.mark.parametrize(("seasons", "calibration"), [(24, 9), (25, 19), (45, 25)])
def test_as_many_seasons_calibrate_as_intervals_need_and_the_history_has(
    seasons: int, calibration: int
) -> None:
    """Of 25 seasons 5 test, and each of the other 20 but the first can be predicted from those before it."""
    split, _ = choose_split(seasons)
    assert split.calibration_seasons == calibration
    assert seasons_needed(95) == 19


def test_an_existing_file_stays_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    weather, yields = german(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("settings.toml").write_text("mine")
    assert run(["init", weather, yields]) == 2
    assert Path("settings.toml").read_text() == "mine"
    assert run(["init", weather, yields, "--force"]) == 0
    first = Path("settings.toml").read_bytes()
    assert run(["init", weather, yields, "--settings", "settings.toml", "--force"]) == 0
    assert Path("settings.toml").read_bytes() == first
    capsys.readouterr()


def test_json_says_what_was_found(tmp_path: Path, capsys: Capture) -> None:
    weather, yields = spanish_wide(tmp_path)
    assert run(["init", weather, yields, "--settings", str(tmp_path / "s.toml"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["settings"] == str(tmp_path / "s.toml")
    assert found["resolution"] == "monthly"
    assert found["crops"] == ["maiz", "trigo"]
    assert found["columns"]["weather"]["precipitacion"] == "precipitación_mm"
    assert found["tried"]["region_seasons"] == 360
    assert found["unresolved"]


@pytest.mark.parametrize(
    "command", ["init", "train", "backtest", "runs", "show", "verify", "rollback", "prune", "export", "synth"]
)
def test_help_explains_every_option_and_the_exit_codes(command: str, capsys: Capture) -> None:
    assert run([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert f"Usage: cropyield {command}" in said
    assert "Exit codes: 0 done" in said
    assert "[ARGS" not in said  # says nothing of what may follow
    assert "[default: False]" not in said
    assert "()" not in said
    options = [line for line in said.splitlines() if line.startswith("│") and " --" in line]
    assert all(len(line.strip("│ *").split("  ")) > 1 for line in options), said
