"""An outlook on the terminal: why a forecast is what it is, and where an exported table lies."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.contracts.columns import ALL
from data.contracts.wording import (
    COMPARED_MEANS,
    MEANS_OF_REGIONS,
    NOTHING_AHEAD,
    SCORES_EXPLAINED,
    gaps_told,
    in_short,
    number,
    percent,
    signed_percent,
    span,
    whole_percent,
)
from flows.cli.terminal.tables import cutoff

_MOST_ROWS = 20  # of a forecast; its files have them all


def forecast(result: dict[str, Any]) -> None:
    """The end of `cropyield forecast`: the coming season, larger units first; past gaps are counted."""
    console = _console()
    as_of = f", as of {result['as_of']}" if result["as_of"] else ""
    console.print(Text(f"{result['message']}, by the model of run {result['model_run_id']}{as_of}"))
    rows = [row for row in result["seasons"] if row["ahead"]]
    if aggregates := result["aggregates"]:
        console.print(_units(aggregates[:_MOST_ROWS]))
        if len(aggregates) > _MOST_ROWS:
            console.print(Text(f"{len(aggregates) - _MOST_ROWS:,} more are in aggregates.parquet"))
    if rows:
        console.print(_means(rows[:_MOST_ROWS]))
        console.print(Text(MEANS_OF_REGIONS), soft_wrap=True)
        if len(rows) > _MOST_ROWS:
            console.print(Text(f"{len(rows) - _MOST_ROWS} more crops and cut-offs are in the file"))
    elif result["seasons"]:
        console.print(Text(NOTHING_AHEAD))
    for note in (*gaps_told(result["seasons"]), *result["notes"]):
        console.print(Text(note))
    for what, place in result["places"].items():
        console.print(Text(f"{what:<12} {place}"))


def _units(aggregates: list[dict[str, Any]]) -> Table:
    """Larger units beside their five-year means."""
    table = _table(
        ("season", "left"), ("crop", "left"), ("of", "left"), ("as of", "left"),
        *_numbers("forecast"), ("80 %", "left"), *_numbers("5-year mean", "against it", "chance below it"),
        ("unit", "left"),
    )  # fmt: skip
    for row in aggregates:
        name = "all regions" if row["level"] == ALL else row["name"] or f"no {row['level']} known"
        mean = row["mean_5"]
        table.add_row(
            str(row["year"]), Text(row["crop"]), Text(name), cutoff(row), number(row["predicted"]),
            span(row["lower_80"], row["upper_80"]), number(mean),
            signed_percent(row["predicted"] / mean - 1 if mean else None),
            whole_percent(row["chance_below_mean_5"]), Text(row["unit"] or ""),
        )  # fmt: skip
    return table


def _means(rows: list[dict[str, Any]]) -> Table:
    table = _table(
        ("season", "left"), ("crop", "left"), ("as of", "left"), *_numbers("regions", "unseen", "predicted"),
        ("a region's 80 %", "left"), *_numbers("baseline"), ("unit", "left"),
    )  # fmt: skip
    for row in rows:
        table.add_row(
            str(row["year"]), Text(row["crop"]), cutoff(row), f"{row['regions']:,}",
            f"{row['unseen_regions']:,}", number(row["predicted"]), span(row["lower_80"], row["upper_80"]),
            number(row["baseline"]), Text(row["unit"] or ""),
        )  # fmt: skip
    return table


def why(result: dict[str, Any]) -> None:
    """For each crop the sentence, what each feature adds, and the past seasons most like this one."""
    console = _console()
    for found in result["why"]:
        unit = found["unit"] or ""
        console.print(Text(found["sentence"]), soft_wrap=True)
        columns = [("term", "left"), ("in words", "left"), *_numbers("value", "usual"), ("unit", "left")]
        drivers = _table(*columns, *_numbers(f"adds {unit}"))
        drivers.add_row("baseline", Text(found["baseline_of"]), "", "", "", number(found["baseline"]))
        for term in found["terms"]:
            drivers.add_row(
                Text(term["title"]), Text(term["words"]), number(term["value"]), number(term["usual"]),
                Text(term["unit"]), number(term["contribution"]),
            )  # fmt: skip
        drivers.add_row("forecast", "all of these together", "", "", "", number(found["predicted"]))
        console.print(drivers)
        if found["similar"]:
            console.print(Text(f"seasons most like it up to {found['as_of']}, by what each feature added"))
            seasons = _table(("season", "left"), *_numbers(f"harvested {unit}", "from baseline", "distance"))
            for season in found["similar"]:
                away = season["actual"] - season["baseline"]
                figures = (season["actual"], away, season["distance"])
                seasons.add_row(str(season["year"]), *map(number, figures))
            console.print(seasons)


def compared(result: dict[str, Any]) -> None:
    """Means over regions, then the larger units: before, after, and what the difference came of."""
    console = _console()
    console.print(Text(f"from {result['before']} to {result['after']}"))
    figures = ("before", "after", "difference", "from_weather", "from_model", "from_yields")
    titles = _numbers("before", "after", "difference", "new weather", "new model", "revised yields")
    means = _table(("season", "left"), ("crop", "left"), *_numbers("regions"), *titles)
    for row in result["totals"]:
        shown = (number(row[name]) for name in figures)
        means.add_row(str(row["year"]), Text(row["crop"]), f"{row['regions']:,}", *shown)
    console.print(means)
    console.print(Text(COMPARED_MEANS))
    units = _table(("level", "left"), ("name", "left"), ("season", "left"), ("crop", "left"), *titles)
    for row in result["aggregates"]:
        shown = (number(row[name]) for name in figures)
        units.add_row(
            Text(row["level"]), Text(row["name"] or "–"), str(row["year"]), Text(row["crop"]), *shown
        )
    console.print(units)
    if gaps := result["gaps"]:
        console.print(Text(f"not compared: {gaps:,} forecast{'s' * (gaps > 1)} for gaps of past seasons"))
    if alone := result["alone"]:
        console.print(Text(f"in the later one only: {in_short(alone)}"))


def scored(result: dict[str, Any]) -> None:
    """Errors of issued forecasts by level, crop and lead, beside those of mean_5 and baseline."""
    console = _console()
    console.print(Text(f"{result['issued']:,} forecasts issued; vintages of yields: {result['vintages']}"))
    table = _table(
        ("level", "left"), ("crop", "left"),
        *_numbers("days before the end", "forecasts", "RMSE", "of mean_5", "of baseline", "bias", "Brier"),
        *_numbers("in 80 %"),
    )  # fmt: skip
    for level, crops in result["scores"].items():
        for crop, scores in crops.items():
            for lead, of in scores["lead_days"].items():
                errors = (of["rmse"], of["mean_5"]["rmse"], of["baseline"]["rmse"], of["bias"], of["brier"])
                figures = (*map(number, errors), percent(of["coverage_80"]))
                table.add_row(Text(level), Text(crop), lead, f"{of['rows']:,}", *figures)
    if result["scores"]:
        console.print(table)
    for note in (*([SCORES_EXPLAINED] if result["scores"] else []), *result["notes"]):
        console.print(Text(note), soft_wrap=True)
    for what, place in result["places"].items():
        console.print(Text(f"{what:<22} {place}"))


def exported(result: dict[str, Any]) -> None:
    """Where the file lies and how long it is."""
    size = f"{result['rows']:,} rows, {result['size']:,} bytes"
    _console().print(Text(f"{result['file']}: {result['table']} of {result['run_id']}, {size}"))


def _numbers(*names: str) -> list[tuple[str, str]]:
    return [(name.strip(), "right") for name in names]


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, side in columns:
        table.add_column(Text(name), justify="right" if side == "right" else "left", no_wrap=True)
    return table


def _console() -> Console:
    width = None if sys.stdout.isatty() else 160  # into a file nothing need be cut off
    return Console(highlight=False, width=width)
