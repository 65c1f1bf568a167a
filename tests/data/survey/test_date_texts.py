"""Advice for dates as text: the order of day and month comes from the data, or both are offered."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from data.survey.date_texts import century_remedy, date_remedy
from data.survey.survey import survey


def advice(folder: Path, values: list[str] | list[int]) -> str:
    file = folder / "w.parquet"
    pd.DataFrame({"when": values}).to_parquet(file)
    return date_remedy(survey(str(file)), "when")


@pytest.mark.parametrize(
    ("values", "words", "never"),
    [
        (["01/02/2000", "13/02/2000"], ["the day comes first", "'%d/%m/%Y'"], "%m/%d"),
        (["01.02.2000", "31.12.2000"], ["'%d.%m.%Y'"], "%m.%d"),
        (["01/02/2000", "02/28/2000"], ["the month comes first", "'%m/%d/%Y'"], "%d/%m"),
        (["01-02-99", "12-02-00"], ["No value tells", "'%d-%m-%y'", "'%m-%d-%y'"], "mixed"),
        (["13/02/2000 00:00", "1/2/2000 00:00"], ["'%d/%m/%Y'", ".str.split().str[0]"], "%m/%d"),
        (["13/02/2000", "02/13/2000"], ["tell them apart"], "to_datetime"),
        (["2001 May 3", "week 5"], ["format='mixed'"], "%d"),
    ],
)
def test_day_or_month_first(values: list[str], words: list[str], never: str, tmp_path: Path) -> None:
    said = advice(tmp_path, values)
    for word in words:
        assert word in said
    assert never not in said


@pytest.mark.parametrize(
    ("years", "made"),
    [([70, 71, 98], [1970, 1971, 1998]), ([1, 15], [2001, 2015]), ([98, 99, 0, 1], [1998, 1999, 2000, 2001])],
)
def test_years_of_two_digits_get_a_century(years: list[int], made: list[int], tmp_path: Path) -> None:
    said = advice(tmp_path, years)
    assert "guess" in said
    statement = said.split("read_parquet(")[1].split("; ", 1)[1].rsplit("; t.to_parquet", 1)[0]
    scope = {"t": pd.DataFrame({"when": years})}
    exec(statement, scope)
    assert scope["t"]["when"].tolist() == made


def test_whole_years_and_text_are_no_years_of_two_digits(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1999, 2000], "b": ["x", "y"]}).to_parquet(tmp_path / "w.parquet")
    looked = survey(str(tmp_path / "w.parquet"))
    assert century_remedy(looked, "a") is None
    assert century_remedy(looked, "b") is None
