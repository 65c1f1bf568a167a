"""Generated dirt: every row ends where a plain reading of the contract, row by row, says."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from data.contracts.vocabulary import OutOfScope, Reason
from data.errors import InputError
from data.settings.schema import Settings
from tasks.assemble.join import Assembled, assemble
from tasks.ledger.account import check_ledger, ledger_table
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.tasks.weather.weather_worlds import make_settings, write

SEASON = [f"06-{day:02d}" for day in range(1, 7)]
YEARS = range(1999, 2006)  # 2000 to 2004 are in scope
Row = dict[str, Any]
Fates = dict[tuple[int, int], str]


def _number(value: Any, low: float, high: float) -> Reason | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return Reason.MISSING_VALUE
    try:
        number = float("no" if "_" in str(value) else value)
    except ValueError:
        return Reason.NOT_A_NUMBER
    if not math.isfinite(number):
        return Reason.NOT_A_NUMBER
    return None if low <= number <= high else Reason.OUT_OF_RANGE


def _first(*reasons: Reason | None) -> Reason | None:
    found = [reason for reason in reasons if reason]
    return min(found, key=list(Reason).index) if found else None


def _decide_copies(sound: dict[tuple[int, int], tuple[Any, Any]], fates: Fates) -> None:
    """Among rows (place -> key, value) of one key: exact copies and conflicts."""
    by_key: dict[Any, list[tuple[tuple[int, int], Any]]] = {}
    for place, (key, value) in sorted(sound.items()):
        by_key.setdefault(key, []).append((place, value))
    for claims in by_key.values():
        seen: list[Any] = []
        firsts = []
        for place, value in claims:
            if value in seen:
                fates[place] = Reason.DUPLICATE
            else:
                seen.append(value)
                firsts.append(place)
        if len(firsts) > 1:
            fates.update(dict.fromkeys(firsts, Reason.CONFLICT))


def expect(weather: list[list[Row]], yields: list[list[Row]]) -> tuple[Fates, Fates]:
    """Fate of every row by file and row; `used` rows by the word."""
    fates: Fates = {}
    sound = {}
    for place, row in _places(weather):
        date = row["date"]
        if date is not None and date[5:] not in SEASON:
            fates[place] = OutOfScope.OUTSIDE_SEASON
        elif date is not None and not 2000 <= int(date[:4]) <= 2004:
            fates[place] = OutOfScope.BEFORE_FIRST if int(date[:4]) < 2000 else OutOfScope.AFTER_LAST
        else:
            lost = date is None or not row["region"]
            fault = _first(
                Reason.MISSING_KEY if lost else None,
                _number(row["temperature"], -60, 60),
                _number(row["rainfall"], 0, 1e308),
            )
            if fault:
                fates[place] = fault
            else:
                value = float(row["temperature"]), float(row["rainfall"])
                sound[place] = (row["region"], date), value
    _decide_copies(sound, fates)
    cells: Counter[Any] = Counter()
    for place, ((region, date), _) in sound.items():
        cells[region, int(date[:4])] += place not in fates

    fates_y: Fates = {}
    sound_y = {}
    for place, row in _places(yields):
        year, crop = row["year"], row["crop"]
        if year is not None and not 2000 <= year <= 2004:
            fates_y[place] = OutOfScope.BEFORE_FIRST if year < 2000 else OutOfScope.AFTER_LAST
        elif crop and crop != "apples":
            fates_y[place] = OutOfScope.CROP_NOT_SELECTED
        else:
            lost = year is None or not crop or not row["region"]
            fault = _first(Reason.MISSING_KEY if lost else None, _number(row["yield"], 0, 1e308))
            if fault:
                fates_y[place] = fault
            else:
                sound_y[place] = (row["region"], year, crop), float(row["yield"])
    _decide_copies(sound_y, fates_y)
    low, grown = set(), set()
    for place, ((region, year, _), _) in sound_y.items():
        if place in fates_y:
            continue
        observed = cells[region, year]
        if observed and observed < 0.6 * len(SEASON):
            low.add((region, year))
        if observed < 0.6 * len(SEASON):
            fates_y[place] = OutOfScope.NO_WEATHER
        else:
            grown.add((region, year))
            fates_y[place] = "used"
    for place, ((region, date), _) in sound.items():
        if place not in fates:
            cell = region, int(date[:4])
            other = Reason.LOW_COVERAGE if cell in low else OutOfScope.NO_YIELD
            fates[place] = "used" if cell in grown else other
    return fates, fates_y


def _places(files: list[list[Row]]) -> Any:
    return (((f, r), row) for f, rows in enumerate(files) for r, row in enumerate(rows))


def compare(result: Assembled, name: str, fates: Fates) -> None:
    """Every rejected row is the expected one, every count is the expected one."""
    table = result.rejected.to_pylist()
    found = {(int(row["file"][5:-8]), row["row"]): row["reason"] for row in table if row["input"] == name}
    assert found == {place: str(fate) for place, fate in fates.items() if isinstance(fate, Reason)}
    entry = result.ledger[name]
    assert entry["rows_in"] == len(fates)
    counts = Counter(str(fate) for fate in fates.values())
    assert entry["rejected"] | entry["out_of_scope"] == {
        fate: n for fate, n in counts.items() if fate != "used"
    }
    assert sum(entry["used"].values()) == counts["used"]


def settings_for(folder: Path, **changes: Any) -> Settings:
    """A season of six days, five harvest years, any share of rejects."""
    return make_settings(
        folder,
        crops=["apples"],
        first_season=2000,
        last_season=2004,
        season={"start": SEASON[0], "end": SEASON[-1]},
        min_coverage=0.6,
        max_rejected=1.0,
        split={"by": "none"},
        **({"measures": {"temperature": {"range": [-60, 60]}, "rainfall": {"range": [0, 1e308]}}} | changes),
    )


def clean() -> tuple[list[Row], list[Row]]:
    """Weather of the season and a day before it, and yields of two crops."""
    weather = [
        {"region": region, "date": f"{year}-{day}", "temperature": 10.0 + at, "rainfall": 1.0 + at}
        for region in ("A", "B", "C")
        for year in YEARS
        for at, day in enumerate(["05-31", *SEASON])
    ]
    yields = [
        {"region": region, "year": year, "crop": crop, "yield": 3.5}
        for region in ("A", "B", "C", "nowhere")
        for year in YEARS
        for crop in ("apples", "medlars")
    ]
    return weather, yields


BAD_VALUES = [None, math.nan, math.inf, -math.inf, 9999.9, -99.9]
BAD_TEXTS = [None, "", "  ", "n/a", "nan", "inf", "1_0", "9999.9", "-1e999", " 12.5 "]
SPOIL = st.tuples(
    st.integers(0, 10**6),
    st.sampled_from(["value", "value", "region", "time", "copy", "conflict", "drop", "swap", "unknown"]),
    st.integers(0, 10**6),
)


def spoil(
    rows: list[Row], ops: list[tuple[int, str, int]], measures: list[str], time: str, bad: list[Any]
) -> None:
    """Apply dirt in place."""
    for at, kind, how in ops:
        if not rows:
            return
        row = rows[at % len(rows)]
        match kind:
            case "value":
                row[measures[how % len(measures)]] = bad[how // 7 % len(bad)]
            case "region":
                row["region"] = ["", None][how % 2]
            case "unknown":
                row["region"] = "Ω unknown"
            case "time":
                row[time] = None
            case "copy":
                rows.insert(how % (len(rows) + 1), dict(row))
            case "conflict":
                other = dict(row)
                other[measures[how % len(measures)]] = (
                    bad[0] if how % 5 == 0 else "7" if bad is BAD_TEXTS else 7.0
                )
                rows.insert(how % (len(rows) + 1), other)
            case "drop":
                del rows[at % len(rows) : at % len(rows) + how % 6]
            case "swap":
                other_at = how % len(rows)
                rows[at % len(rows)], rows[other_at] = rows[other_at], rows[at % len(rows)]


def cut(rows: list[Row], files: int) -> list[list[Row]]:
    """Rows spread over files, none of them empty."""
    size = -(-len(rows) // files)
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def tables(files: list[list[Row]], text: bool, columns: list[str], dates: bool) -> list[pa.Table]:
    """Files as Arrow tables: values as text or as numbers."""
    types: dict[str, pa.DataType] = {"region": pa.string(), "crop": pa.string(), "year": pa.int32()}
    found = []
    for rows in files:
        arrays = {}
        for name in columns:
            values = [row[name] for row in rows]
            if name == "date":
                arrays[name] = pa.array(values, pa.string())
                if dates:
                    arrays[name] = arrays[name].cast(pa.date32())
            elif name in types:
                arrays[name] = pa.array(values, types[name])
            else:
                texts = [None if value is None else str(value) for value in values]
                arrays[name] = pa.array(texts) if text else pa.array(values, pa.float64())
        found.append(pa.table(arrays))
    return found


@limits(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(SPOIL, max_size=40),
    st.lists(SPOIL, max_size=15),
    st.booleans(),
    st.booleans(),
    st.integers(1, 4),
)
def test_every_row_is_accounted_for(
    dirt: list[tuple[int, str, int]],
    dirt_y: list[tuple[int, str, int]],
    text: bool,
    dates: bool,
    files: int,
) -> None:
    weather, yields = clean()
    bad = BAD_TEXTS if text else BAD_VALUES
    spoil(weather, dirt, ["temperature", "rainfall"], "date", bad)
    spoil(yields, dirt_y, ["yield"], "year", bad)
    split, split_y = cut(weather, files), cut(yields, 2)
    expected, expected_y = expect(split, split_y)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        columns = ["region", "date", "temperature", "rainfall"]
        write(folder, "weather", *tables(split, text, columns, dates), row_group_size=50)
        write(folder, "yields", *tables(split_y, text, ["region", "year", "crop", "yield"], dates))
        settings = settings_for(folder)
        read = ingest_weather(settings)["main"], ingest_yields(settings)
        if sum(fate == "used" for fate in expected_y.values()) <= 3:
            with pytest.raises(InputError, match="nothing left to train on"):
                assemble(*read, settings)
            return
        result = assemble(*read, settings)
    compare(result, "weather", expected)
    compare(result, "yields", expected_y)
    check_ledger(result.ledger)
    *rows, (_, _, totals) = ledger_table(result.ledger)
    for at, total in enumerate(totals):
        assert total == sum(counts[at] or 0 for _, _, counts in rows)


def test_rejected_rows_show_what_was_found(tmp_path: Path) -> None:
    weather, yields = clean()
    weather[8]["rainfall"] = 9999.9
    weather[9]["temperature"] = math.inf
    weather[10]["region"] = ""
    yields[2]["yield"] = -1.0
    write(tmp_path, "weather", *tables([weather], False, list(weather[0]), True))
    write(tmp_path, "yields", *tables([yields], False, list(yields[0]), True))
    settings = settings_for(tmp_path, measures={"rainfall": {"range": [0, 500]}})
    result = assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings)
    wet, hot, nameless, negative = result.rejected.to_pylist()
    assert wet == {
        "input": "weather", "file": "part-0.parquet", "row": 8, "region": "A", "date": "2000-06-01",
        "crop": None, "column": "rainfall", "value": "9999.9",
        "values": '{"temperature": 11.0, "rainfall": 9999.9}', "reason": "outside the valid range",
        "season": None,
    }  # fmt: skip
    assert (hot["column"], hot["value"], hot["reason"]) == ("temperature", "inf", "not a number")
    assert (nameless["column"], nameless["value"], nameless["reason"]) == ("region", "", "missing key")
    assert negative | {"values": "", "file": ""} == {
        "input": "yields", "file": "", "row": 2, "region": "A", "date": "2000", "crop": "apples",
        "column": "yield", "value": "-1.0", "values": "", "reason": "outside the valid range",
        "season": None,
    }  # fmt: skip


def test_too_many_rejects_stop_the_run_with_reasons_counts_and_examples(tmp_path: Path) -> None:
    weather, yields = clean()
    for row in weather[::3]:
        row["rainfall"] = 9999.9
    weather[1]["region"] = None
    write(tmp_path, "weather", *tables([weather], False, list(weather[0]), True))
    write(tmp_path, "yields", *tables([yields], False, list(yields[0]), True))
    settings = settings_for(tmp_path, measures={"rainfall": {"range": [0, 500]}})
    settings = settings.model_copy(update={"max_rejected": 0.2})
    said = (
        r"(?s)outside the valid range: 30, for example part-0.parquet row \d+ "
        r"\(A, 2000-06-0\d: rainfall = 9999.9\).*max_rejected"
    )
    with pytest.raises(InputError, match=said):
        assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings)
