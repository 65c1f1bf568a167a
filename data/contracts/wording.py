"""How figures, names and tables are written for people. It needs no Arrow."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.escapes import one_line

ABSENT = "–"
MEANS_OF_REGIONS = (
    "plain means over the regions, whatever their areas, their ranges too; all of them together have a "
    "narrower range of their own, in aggregates.parquet"
)
"""What stands below a forecast's table, whose range is no country's."""
COMPARED_MEANS = (
    "plain means over the regions that both forecast, whatever their areas; larger units are weighed"
)
"""What stands below the first table of a comparison."""
NOTHING_AHEAD = "Nothing is ahead to be forecast"
SCORES_EXPLAINED = (
    "RMSE and bias: of predicted minus harvested, in the yields' unit; of mean_5, of baseline: the RMSE of "
    "the mean of the five years before, and of what would be said without weather, as known on the same day; "
    "Brier: mean squared error of the chance of a yield below mean_5, 0 is the best and 0.25 what tossing a "
    "coin gets; in 80 %: how often the harvest lay in the 80 % interval"
)
"""What stands below the scores of issued forecasts."""


def number(value: Any, digits: int = 4) -> str:
    """A number for people: significant digits, thousands apart, a dash for what can't be had."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value == 0:
        return "0"
    whole = abs(value) >= 10 ** (digits - 1)
    text = f"{value:,.0f}" if whole else f"{value:#.{digits}g}".rstrip(".")
    return text.replace("-", "−", 1) if value < 0 else text


def percent(value: Any) -> str:
    """A share as per cent with one decimal."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{100 * value:z.1f}\N{NO-BREAK SPACE}%".replace("-", "−")


def signed_percent(value: Any) -> str:
    """A change as per cent with its sign."""
    shown = percent(value)
    return f"+{shown}" if shown != ABSENT and value > 0 and not shown.startswith("0.0") else shown


def difference(value: Any, reference: Any) -> str:
    """A change against a reference with its sign, to as many decimals as the reference is shown with."""
    if value is None or not math.isfinite(value):
        return ABSENT
    beside = number(reference)
    plain = reference and "e" not in beside and beside != ABSENT
    decimals = len(beside.partition(".")[2])
    shown = f"{value:z,.{decimals}f}".replace("-", "−") if plain else number(value, 3)
    return f"+{shown}" if value > 0 and any(digit in shown for digit in "123456789") else shown


def gaps_told(seasons: Iterable[Mapping[str, Any]]) -> list[str]:
    """How many forecasts are for gaps of past seasons, as a sentence; none where there are none.

    Each of `seasons` says its year, how many regions, and whether it is ahead.
    """
    past = [row for row in seasons if not row["ahead"]]
    if not past:
        return []
    first, last = min(row["year"] for row in past), max(row["year"] for row in past)
    gaps = sum(row["regions"] for row in past)
    years = f"{first}" if first == last else f"{first}–{last}"
    return [f"and {gaps:,} forecast{'s' * (gaps != 1)} for gaps of past seasons, {years}"]


def whole_percent(value: Any) -> str:
    """A chance as whole per cent, never told as certain."""
    if value is None or not math.isfinite(value):
        return ABSENT
    shown = "<1" if value < 0.005 else ">99" if value > 0.995 else f"{100 * value:.0f}"
    return f"{shown}\N{NO-BREAK SPACE}%"


def span(lower: Any, upper: Any, write: Any = number) -> str:
    """Both ends of an interval, a dash where there is none."""
    return ABSENT if lower is None or not math.isfinite(lower) else f"{write(lower)} to {write(upper)}"


def in_words(seconds: float) -> str:
    """A term as people say it: 8 days."""
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= unit and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds:g} seconds"


def in_short(names: Iterable[str], most: int = 4) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")


def by_note(notes: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Each sentence once, with all that it was said of; `notes` are the sentences of each."""
    found: dict[str, list[str]] = {}
    for of, said in notes.items():
        for note in said:
            found.setdefault(note, []).append(of)
    return found


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[str] = ()) -> str:
    """A table as markdown, the columns of `numbers` (heads) to the right."""
    rule = ["---:" if head in numbers else "---" for head in heads]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, rule, *rows))


def as_text(text: str) -> str:
    """Text that markdown shows as it is, inside a table."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", one_line(" ".join(text.split())))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
