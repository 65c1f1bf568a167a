"""Mistakes as a newcomer makes them: each ends with its exit code and the words that lead to the fix.

All of them are found before a server is started, or in ingest, which is called here as a run calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError
from data.settings.files import load_settings
from flows.cli.main import run
from tasks.assemble.join import assemble
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.flows.cli.mistakes.faulty_files import (
    SETTINGS,
    coded,
    column_a_year,
    fahrenheit,
    kelvin,
    mixed_units,
    short_codes,
    shouting_regions,
    split_years,
    text_years,
    tidy,
    two_versions,
)
from tests.odd_files import Written

Capture = pytest.CaptureFixture[str]
TRAIN = ["train", "settings.toml"]


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
        (column_a_year, TRAIN, 3, ["yields.parquet", "one column a year ('1991' to '2020')", "t.melt(["]),
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
