"""Files that `cropyield init` can make nothing of: it says why, what to do, and writes nothing."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from flows.cli.main import run
from tests.flows.cli.mistakes.faulty_files import (
    buddhist_years,
    column_a_year,
    column_a_year_and_flag,
    decimal_commas,
    many_stations,
    mixed_units,
    no_region,
    no_time,
    normals,
    only_text,
    other_years,
    short_codes,
    shouting_regions,
    split_years,
    three_columns,
    tidy,
    two_versions,
    unit_of_late,
    us_dates,
    years_in_kg,
)
from tests.odd_files import LAYOUTS, Written

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_region, ["no column names the region", "t['region'] = 'here'"]),
        (no_time, ["no column tells when", "such as 'week 0', 'week 1', 'week 2', 'week 3', which"]),
        (us_dates, ["01/01/1991", "pd.to_datetime"]),
        (three_columns, ["'day'", "pd.to_datetime(dict("]),
        (split_years, ["'year'", "1990/91", "add 1"]),
        (
            buddhist_years,
            ["'year' should hold the harvest year, 1500 to 2200", "'2534'", "another calendar?"],
        ),
        (shouting_regions, ["no region is in both", "str.lower()"]),
        (short_codes, ["no region is in both", "str.zfill(4)"]),
        (
            mixed_units,
            [
                "every crop has more than one unit",
                "maize in t/ha, kg/ha",
                "yields with weather, of 2000 to 2020:\n",
                "t = t[t['unit'] == 'kg/ha']",
            ],
        ),
        (
            unit_of_late,
            ["of 1991 to 2014, and so none of the newest, up to 2020:\n", "t = t[t['unit'] == 't/ha']"],
        ),
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
        (column_a_year, ["one column a year ('1991' to '2020')", "t.melt(['region', 'crop'], var_name"]),
        (
            years_in_kg,
            ["one column a year ('year 1991' to 'year 2020')", "t.melt(['region', 'crop'], var_name"],
        ),
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
    ("make", "command"),
    [
        (short_codes, "zfill"),
        (decimal_commas, "replace"),
        (column_a_year, "melt"),
        (column_a_year_and_flag, "melt"),
        (years_in_kg, "melt"),
    ],
)
def test_the_commands_that_messages_print_work(
    make: Callable[[Path], Written], command: str, here: Path, capsys: Capture
) -> None:
    """A one-liner is run as it is printed; then init has no more to say against it."""
    weather, yields = make(here / "odd")
    assert run(["init", weather, yields, "--settings", "new.toml"]) == 3
    line = next(line for line in capsys.readouterr().err.splitlines() if "python -c" in line)
    assert command in line
    made = subprocess.run(line.strip().replace("python", sys.executable, 1), shell=True, check=False)
    assert made.returncode == 0
    assert run(["init", weather, "yields-converted.parquet", "--settings", "new.toml"]) == 0


def test_the_command_for_a_folder_keeps_the_columns_of_all_files(here: Path, capsys: Capture) -> None:
    weather, file = column_a_year(here / "odd")
    table = pd.read_parquet(file)
    folder = here / "many"
    folder.mkdir()
    table.iloc[:3].drop(columns="2020").to_parquet(folder / "a.parquet")
    table.iloc[3:].to_parquet(folder / "b.parquet")
    assert run(["init", weather, str(folder), "--settings", "new.toml"]) == 3
    line = next(line for line in capsys.readouterr().err.splitlines() if "python -c" in line)
    made = subprocess.run(line.strip().replace("python", sys.executable, 1), shell=True, check=False)
    assert made.returncode == 0
    found = pd.read_parquet("many-converted.parquet")
    assert (found["year"] == 2020).sum() == len(table) - 3
    assert run(["init", weather, "many-converted.parquet", "--settings", "new.toml"]) == 0


@pytest.mark.parametrize("name", ["weather", "yields"])
def test_files_of_the_same_bytes_are_named_and_not_allowed_for(
    name: str, here: Path, capsys: Capture
) -> None:
    """A small file twice is told; where it is much of the rows, init stops rather than to raise the limit."""
    table = pd.read_parquet(here / f"{name}.parquet")
    (here / name).mkdir()
    for file, rows in (("a", table.iloc[:40]), ("b", table.iloc[40:]), ("copy of a", table.iloc[:40])):
        rows.to_parquet(here / name / f"{file}.parquet")
    given = {"weather": "weather.parquet", "yields": "yields.parquet"} | {name: name}
    command = ["init", given["weather"], given["yields"], "--settings", "new.toml", "--force"]
    said = f"{name}: files a.parquet and copy of a.parquet have the same bytes; remove one"
    assert run(command) == 0
    assert said in capsys.readouterr().out.replace(str(here) + "/", "")
    assert "max_rejected" not in (here / "new.toml").read_text()
    (here / "new.toml").unlink()
    (here / name / "copy of b.parquet").write_bytes((here / name / "b.parquet").read_bytes())
    assert run(command) == 3
    assert said in capsys.readouterr().err.replace(str(here) + "/", "")
    assert not (here / "new.toml").exists()


def test_every_layout_has_a_story() -> None:
    assert all(layout.__doc__ for layout in LAYOUTS.values())


def test_csv_files_become_two_parquet_files_by_the_printed_commands(here: Path, capsys: Capture) -> None:
    """One after the other, as somebody does who knows of Parquet by now; neither command undoes the other."""
    for name in ("weather", "yields"):
        pd.read_parquet(here / f"{name}.parquet").to_csv(here / f"{name}.csv", index=False)
        (here / f"{name}.parquet").unlink()
    given = ["weather.csv", "yields.csv"]
    for at, name in enumerate(("weather", "yields")):
        assert run(["init", *given, "--settings", "new.toml"]) == 3
        said = capsys.readouterr().err
        assert f"name {name}.parquet in its place" in said
        line = next(line for line in said.splitlines() if "python -c" in line)
        subprocess.run(line.strip().replace("python", sys.executable, 1), shell=True, check=True)
        given[at] = f"{name}.parquet"
    assert run(["init", *given, "--settings", "new.toml"]) == 0


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_european_spreadsheets_csv_becomes_parquet_by_the_printed_command(
    encoding: str, here: Path, capsys: Capture
) -> None:
    """Semicolons, decimal commas, letters beyond ASCII in whatever encoding the spreadsheet took."""
    yields = _letters_before_codes(here / "yields.parquet").assign(note="Äcker")
    _letters_before_codes(here / "weather.parquet")
    yields.to_csv("yields.csv", sep=";", decimal=",", index=False, encoding=encoding)
    (here / "yields.parquet").unlink()
    assert run(["init", "weather.parquet", "yields.csv", "--settings", "new.toml"]) == 3
    _run_printed_command(capsys.readouterr().err)
    pd.testing.assert_frame_equal(pd.read_parquet("yields.parquet"), yields, check_dtype=False)
    assert run(["init", "weather.parquet", "yields.parquet", "--settings", "new.toml"]) == 0


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("yields.csv", {}),
        ("yields.csv", {"sep": ";", "decimal": ",", "encoding": "cp1252"}),
        ("yields.csv.gz", {"quoting": csv.QUOTE_ALL, "encoding": "utf-8-sig"}),
        ("yields.csv", {"sep": "\t"}),
        ("yields.tsv", {"sep": "\t"}),
    ],
)
def test_codes_keep_their_leading_zeros_by_the_printed_command(
    name: str, layout: dict[str, Any], here: Path, capsys: Capture
) -> None:
    """Also where the column's name means something to a shell; other columns stay numbers."""
    odd = "région $HOME's `code`"
    yields = pd.read_parquet(here / "yields.parquet").rename(columns={"region": odd})
    yields.to_csv(name, index=False, **layout)
    (here / "yields.parquet").unlink()
    assert run(["init", "weather.parquet", name, "--settings", "new.toml"]) == 3
    _run_printed_command(capsys.readouterr().err)
    (made,) = here.glob("yields*.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(made), yields, check_dtype=False)


def test_melted_and_filtered_tables_have_no_column_of_row_numbers(here: Path, capsys: Capture) -> None:
    weather, file = column_a_year(here / "odd")
    table = pd.read_parquet(file)
    table.loc[0, "1991"] = None
    table.to_parquet(file)
    assert run(["init", weather, file, "--settings", "new.toml"]) == 3
    _run_printed_command(capsys.readouterr().err)
    assert pq.read_schema("yields-converted.parquet").names == ["region", "crop", "year", "yield"]


@pytest.mark.parametrize("command", [["init", "weather.parquet", "yields.parquet", "--force"], ["train"]])
def test_parquet_whose_columns_were_never_split_is_made_anew_by_the_printed_command(
    command: list[str], here: Path, capsys: Capture
) -> None:
    """What pandas makes of semicolons when nobody tells it of them."""
    kept = _letters_before_codes(here / "yields.parquet")
    kept.to_csv("yields.csv", sep=";", index=False)
    pd.read_csv("yields.csv").to_parquet("yields.parquet")
    assert run([*command, *([] if "init" in command else ["settings.toml"])]) == 3
    said = capsys.readouterr().err
    assert "semicolons" in said
    kept.to_csv("yields.csv", sep=";", decimal=",", index=False)
    _run_printed_command(said)
    pd.testing.assert_frame_equal(pd.read_parquet("yields.parquet"), kept, check_dtype=False)


def _letters_before_codes(file: Path) -> pd.DataFrame:
    """A table whose regions aren't numbers, which CSV would cut at the front."""
    table = pd.read_parquet(file)
    table = table.assign(region="R" + table["region"])
    table.to_parquet(file)
    return table


def _run_printed_command(said: str) -> None:
    line = next(line for line in said.splitlines() if "python -c" in line)
    subprocess.run(line.strip().replace("python", sys.executable, 1), shell=True, check=True)
