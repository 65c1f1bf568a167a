"""Mistakes as a newcomer makes them: each ends with its exit code and the words that lead to the fix.

All of them are found before a server is started, or in ingest, which is called here as a run calls it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.settings.files import load_settings
from flows.cli.main import run
from flows.server.embedded import EMBEDDED
from tasks.assemble.join import assemble
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.odd_files import LAYOUTS, Written, monthly, write, yields_of

Capture = pytest.CaptureFixture[str]
TRAIN = ["train", "settings.toml"]
SETTINGS = """\
weather = "weather.parquet"
yields = "yields.parquet"
store = "store"

[measures.temp]
unit = "°C"
range = [-60, 60]

[[features]]
measure = "temp"
aggregate = "mean"

[split]
test_seasons = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with weather, yields and settings that work; the current one."""
    weather = monthly()
    write(tmp_path, weather, yields_of(weather))
    (tmp_path / "settings.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)

    def started() -> None:
        raise AssertionError("a server was started")

    monkeypatch.setattr(EMBEDDED, "start", started)
    return tmp_path


def edit(old: str, new: str) -> Callable[[Path], None]:
    def change(here: Path) -> None:
        assert old in SETTINGS
        (here / "settings.toml").write_text(SETTINGS.replace(old, new, 1))

    return change


def empty_folder(here: Path) -> None:
    (here / "weather.parquet").unlink()
    (here / "weather.parquet").mkdir()


def csv_in_folder(here: Path) -> None:
    empty_folder(here)
    (here / "weather.parquet" / "all years.csv").write_text("region,year\n")


def csv_instead(here: Path) -> None:
    (here / "w.csv").write_text("region,year\n")
    edit("weather.parquet", "w.csv")(here)


def folder_instead(here: Path) -> None:
    (here / "settings.toml").unlink()
    (here / "settings.toml").mkdir()


def parquet_instead(here: Path) -> None:
    (here / "settings.toml").write_bytes((here / "weather.parquet").read_bytes())


def store_in_a_file(here: Path) -> None:
    (here / "store").write_text("")


def wide_yields(here: Path) -> None:
    frame = pd.read_parquet(here / "yields.parquet")
    wide = frame.pivot(index=["region", "year"], columns="crop", values="yield").reset_index()
    wide.to_parquet(here / "yields.parquet")


def nothing(_here: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("mistake", "arguments", "code", "words"),
    [
        (nothing, ["train"], 2, ["SETTINGS is missing", "cropyield init", "cropyield train --help"]),
        (nothing, ["trian", "settings.toml"], 2, ['Did you mean "train"?', "cropyield --help"]),
        (nothing, [*TRAIN, "--stor", "x"], 2, ["--stor", "--store"]),
        (nothing, ["train", "a", "b"], 2, ["too many arguments: b"]),
        (nothing, ["show"], 2, ["STORE is missing"]),
        (nothing, ["prune", "store"], 2, ["--keep needs a value"]),
        (nothing, ["synth", "w", "--regions", "many"], 2, ["--regions", "many"]),
        (nothing, ["train", "setings.toml"], 2, ["no such settings file", "cropyield init"]),
        (folder_instead, TRAIN, 2, ["is a folder"]),
        (nothing, ["train", "."], 2, ["is a folder", "settings.toml"]),
        (parquet_instead, TRAIN, 2, ["a Parquet file"]),
        (edit("weather =", "wether ="), TRAIN, 2,
         ["unknown key 'wether'", "'weather'", "'weather' is missing"]),
        (edit("unit =", "units ="), TRAIN, 2, ["measures.temp.units", "'unit'"]),
        (edit('"mean"', '"average"'), TRAIN, 2,
         ["features.0.aggregate", "must be one of mean, sum"]),
        (edit('"mean"', '"summ"'), TRAIN, 2, ["did you mean 'sum'?"]),
        (edit("[-60, 60]", "60"), TRAIN, 2, ["measures.temp.range", "a list in brackets"]),
        (edit("[-60, 60]", "[0]"), TRAIN, 2, ["measures.temp.range", "2 or more values"]),
        (edit("[split]\ntest_seasons = 3", 'split = "season"'), TRAIN, 2, ["unknown key"]),
        (edit('"store"', "store"), TRAIN, 2, ["not valid TOML", "line 3", "quotes"]),
        (edit('"weather.parquet"', '"C:\\data\\w"'), TRAIN, 2, ["single quotes"]),
        (nothing, [*TRAIN, "--set", "split"], 2, ["key=value"]),
        (nothing, [*TRAIN, "--set", "split="], 2, ["no value"]),
        (nothing, [*TRAIN, "--set", "split=5"], 2, ["split", "[split]", "test_seasons"]),
        (nothing, [*TRAIN, "--set", "crops=wheat"], 2, ["crops", 'as in ["a", "b"]']),
        (nothing, [*TRAIN, "--set", "crops=[wheat]"], 2, ["quote it for the shell"]),
        (nothing, [*TRAIN, "--set", "training.epochs=many"], 2,
         ["training.epochs", "whole number"]),
        (nothing, [*TRAIN, "--set", "features.3.measure=x"], 2, ["0 (temp)"]),
        (nothing, [*TRAIN, "--set", "season.start=13-01"], 2, ["'13-01'", "month-day"]),
        (empty_folder, TRAIN, 3, ["no .parquet file", "empty"]),
        (csv_in_folder, TRAIN, 3, ["all years.csv", "read_csv", "to_parquet"]),
        (csv_instead, TRAIN, 3, ["w.csv", "is no Parquet file", "read_csv"]),
        (edit('measure = "temp"', 'measure = "tmp"'), TRAIN, 3,
         ["weather.parquet", "'tmp' is missing", "Did you mean 'temp'?", "[weather_columns]"]),
        (wide_yields, TRAIN, 3, ["yields.parquet", 'crops = ["maize", "wheat"]']),
        (store_in_a_file, TRAIN, 5, ["store", "is a file"]),
        (store_in_a_file, ["backtest", "settings.toml"], 5, ["store", "is a file"]),
        (edit('aggregate = "mean"', 'aggregate = "days_above"\nthreshold = 30'), TRAIN, 2,
         ["days_above", "monthly"]),
        (nothing, ["init", "weather.parquet"], 2, ["YIELDS is missing"]),
        (nothing, ["init", "weather.parquet", "yields.parquet"], 2, ["is there already", "--force"]),
        (nothing, ["init", "yields.parquet", "weather.parquet", "--settings", "s.toml"], 3,
         ["the weather comes first"]),
        (nothing, ["init", "nowhere", "yields.parquet", "--settings", "s.toml"], 3,
         ["no such file or folder"]),
        (nothing, ["init", "weather", "yields", "--settings", "s.toml"], 3,
         ["no such file or folder; there is", "weather.parquet: name it in full"]),
        (nothing, ["backtest", "settings.toml", "--as-of", "2022-07-31"], 2, ["written MM-DD: 07-31"]),
        (nothing, ["backtest", "settings.toml", "--as-of", "July"], 2, ["July", "as MM-DD, as in 12-31"]),
        (nothing, [*TRAIN, "--set", "nonsense=1"], 2,
         ["unknown key 'nonsense'; the keys and sections are weather, yields"]),
        (nothing, [*TRAIN, "--set", "weather_columns.temp=Temp_C"], 3, ["Did you mean 'temp'?"]),
        (nothing, [*TRAIN, "--set", "weather_columns.temp=qqq", "--set", "features.0.measure=hot"], 3,
         ["'hot' is missing", '[weather_columns] hot = "its name"']),
    ],
)  # fmt: skip
def test_a_mistake_leads_to_its_fix(
    mistake: Callable[[Path], None], arguments: list[str], code: int, words: list[str], here: Path,
    capsys: Capture,
) -> None:  # fmt: skip
    mistake(here)
    assert run(arguments) == code
    said = capsys.readouterr().err
    for word in words:
        assert word in said, said
    assert "Traceback" not in said
    assert "Input should be" not in said
    assert said.startswith("cropyield: ")


def test_windows_line_ends_and_byte_order_mark_are_no_mistake(here: Path) -> None:
    file = here / "settings.toml"
    plain = load_settings(file)
    file.write_bytes(b"\xef\xbb\xbf" + SETTINGS.replace("\n", "\r\n").encode())
    assert load_settings(file) == plain


def fahrenheit(folder: Path) -> Written:
    weather = monthly()
    weather["temp"] = (weather["temp"] * 1.8 + 32 + 35).round(1)  # a hot place
    return write(folder, weather, yields_of(weather))


def kelvin(folder: Path) -> Written:
    weather = monthly()
    weather["temp"] += 273.15
    return write(folder, weather, yields_of(weather))


def coded(folder: Path) -> Written:
    weather = monthly()
    weather.loc[weather.index % 3 == 0, "temp"] = -9999.0
    return write(folder, weather, yields_of(weather))


def split_years(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    yields["year"] = [f"{year - 1}/{year % 100:02d}" for year in yields["year"]]
    return write(folder, weather, yields)


def text_years(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    return write(folder, weather, yields.assign(year=yields["year"].astype(str)))


def shouting_regions(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    weather["region"], yields["region"] = "area " + weather["region"], "AREA " + yields["region"]
    return write(folder, weather, yields)


def short_codes(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    return write(folder, weather, yields.assign(region=yields["region"].astype(int)))


def mixed_units(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    yields["unit"] = np.where(yields["year"] < 2000, "t/ha", "kg/ha")
    return write(folder, weather, yields)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (fahrenheit, ["[measures.temp] range = [-60, 60]", "°F", "median"]),
        (kelvin, ["look like K"]),
        (coded, ["-9999", "stand for a missing value"]),
        (split_years, ["'1990/91'", "whole numbers"]),
        (shouting_regions, ["agree to the letter", "'area 0101' and 'AREA 0101'"]),
        (short_codes, ["agree to the letter", "'0101' and '101'"]),
        (mixed_units, ["more than one unit", "'t/ha'", "'kg/ha'", "yields.parquet row"]),
    ],
)
def test_data_that_breaks_the_settings_is_explained(
    make: Callable[[Path], Written], words: list[str], here: Path
) -> None:
    make(here)
    settings = load_settings(here / "settings.toml")
    with pytest.raises(Exception, match="parquet") as caught:
        assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings)
    assert getattr(caught.value, "exit_code", None) == 3
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_years_as_text_are_read(here: Path) -> None:
    text_years(here)
    settings = load_settings(here / "settings.toml")
    assert (
        len(assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings).datasets["12-31"])
        == 360
    )


def no_region(folder: Path) -> Written:
    weather = monthly()
    return write(folder, weather.drop(columns="region"), yields_of(weather))


def no_time(folder: Path) -> Written:
    weather = monthly()
    stamp = [f"week {n}" for n in range(len(weather))]
    return write(folder, weather.drop(columns=["year", "month"]).assign(period=stamp), yields_of(weather))


def us_dates(folder: Path) -> Written:
    weather = monthly()
    date = [f"{month:02d}/01/{year}" for year, month in zip(weather["year"], weather["month"], strict=True)]
    return write(folder, weather.drop(columns=["year", "month"]).assign(date=date), yields_of(weather))


def three_columns(folder: Path) -> Written:
    dates = pd.DataFrame({"d": pd.date_range("2000-01-01", "2001-12-31")})
    weather = pd.DataFrame({"region": "0101", "year": dates["d"].dt.year, "month": dates["d"].dt.month,
                            "day": dates["d"].dt.day, "temp": 1.0})  # fmt: skip
    return write(folder, weather, yields_of(monthly()))


def normals(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    weather["temp"] = weather["region"].astype(float)
    return write(folder, weather[["region", "year", "month", "temp"]], yields)


def other_years(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    return write(folder, weather, yields.assign(year=yields["year"] - 100))


def many_stations(folder: Path) -> Written:
    weather = monthly()
    stations = [weather.assign(gauge=f"g{n}", temp=weather["temp"] + n) for n in range(4)]
    return write(folder, pd.concat(stations, ignore_index=True), yields_of(weather))


def tidy(folder: Path) -> Written:
    weather = monthly()[["region", "year", "month", "temp", "rain"]]
    long = weather.melt(["region", "year", "month"], var_name="variable", value_name="value")
    units = long["variable"].map({"temp": "°C", "rain": "mm"})
    return write(folder, long.assign(unit=units)[["unit", *long]], yields_of(monthly()))


def two_versions(folder: Path) -> Written:
    weather = monthly()
    both = pd.concat([weather, weather.assign(temp=weather["temp"] + 1)], ignore_index=True)
    return write(folder, both, yields_of(weather))


def only_text(folder: Path) -> Written:
    weather = monthly()
    return write(folder, weather, yields_of(weather).assign(**{"yield": "good"}))


def decimal_commas(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    commas = yields["yield"].map(lambda value: f"{value:.2f}".replace(".", ","))
    return write(folder, weather, yields.assign(**{"yield": commas}))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_region, ["no column names the region", "t['region'] = 'here'"]),
        (no_time, ["no column tells when", "'week 0'"]),
        (us_dates, ["01/01/1991", "pd.to_datetime"]),
        (three_columns, ["'day'", "pd.to_datetime(dict("]),
        (split_years, ["'year'", "1990/91", "add 1"]),
        (shouting_regions, ["no region is in both", "str.lower()"]),
        (short_codes, ["no region is in both", "str.zfill(4)"]),
        (mixed_units, ["every crop has more than one unit", "maize in t/ha, kg/ha"]),
        (normals, ["no measure changes from season to season"]),
        (other_years, ["no yield meets weather", "1991 to 2020", "1891 to 1920"]),
        (many_stations, ["repeat the 'region'", "groupby(['region', 'year', 'month'])"]),
        (
            tidy,
            [
                "one row per variable (column 'variable': 'temp', 'rain'",
                "t.pivot_table(index=['region', 'year'",
            ],
        ),
        (two_versions, ["every row in scope repeats the region and time of another row with other values"]),
        (only_text, ["yields.parquet", "'yield' is named like a yield", "no numbers, such as 'good'"]),
        (decimal_commas, ["such as '", ".str.replace(',', '.').astype(float)"]),
    ],
)
def test_init_says_why_files_are_hopeless_and_writes_nothing(
    make: Callable[[Path], Written], words: list[str], here: Path, capsys: Capture
) -> None:
    weather, yields = make(here / "odd")
    assert run(["init", weather, yields, "--settings", "new.toml"]) == 3
    said = capsys.readouterr().err
    for word in words:
        assert word in said, said
    assert not (here / "new.toml").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            tidy,
            [
                "every row in scope repeats",
                "with other values",
                "There is one row per variable",
                "t.pivot_table(",
            ],
        ),
        (two_versions, ["every row in scope repeats", "with other values", "two versions of the data"]),
    ],
)
@pytest.mark.parametrize("lenient", ["", "max_rejected = 1.0\n"])
def test_weather_without_a_sound_row_is_explained_to_training(
    make: Callable[[Path], Written], words: list[str], lenient: str, here: Path
) -> None:
    make(here)
    columns = '[weather_columns]\ntemp = "value"\n' if make is tidy else ""
    (here / "settings.toml").write_text(lenient + SETTINGS.replace("range = [-60, 60]", "") + columns)
    settings = load_settings("settings.toml")
    with pytest.raises(InputError) as caught:
        assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings)
    for word in words:
        assert word in str(caught.value), caught.value


@pytest.mark.parametrize(("make", "command"), [(short_codes, "zfill"), (decimal_commas, "replace")])
def test_the_commands_that_messages_print_work(
    make: Callable[[Path], Written], command: str, here: Path, capsys: Capture
) -> None:
    """A one-liner is run as it is printed; then init has no more to say against it."""
    import subprocess

    weather, yields = make(here / "odd")
    assert run(["init", weather, yields, "--settings", "new.toml"]) == 3
    line = next(line for line in capsys.readouterr().err.splitlines() if "python -c" in line)
    assert command in line
    made = subprocess.run(line.strip().replace("python", sys.executable, 1), shell=True, check=False)
    assert made.returncode == 0
    assert run(["init", weather, "converted.parquet", "--settings", "new.toml"]) == 0


def test_every_layout_has_a_story() -> None:
    assert all(layout.__doc__ for layout in LAYOUTS.values())
