"""Dates and years that can't be read as they stand: what order, what century the data tell.

Shapes: N sampled rows.
"""

from __future__ import annotations

import re

from data.inputs.fix_commands import rewrite
from data.survey.survey import Survey

_MOST = 200_000
_FIELDS = re.compile(r"\s*(\d{1,2})([/.\- ])(\d{1,2})\2(\d{4}|\d{2})(?!\d)(.*)")


def date_remedy(weather: Survey, name: str) -> str:
    """The end of a sentence, with the commands that make a column of dates (or of years) readable."""
    if guess := century_remedy(weather, name):
        return guess
    found = [str(value) for value in weather.names(name).dropna().iloc[:_MOST].unique()]
    parsed = [_FIELDS.fullmatch(text) for text in found]
    fields = [match for match in parsed if match]
    make = f"t['date'] = pd.to_datetime(t[{name!r}].astype(str), format='mixed')"
    if not fields or len(fields) < 0.8 * len(found):
        return f":\n{rewrite(weather.place, make)}"
    separator, year = fields[0][2], "%Y" if len(fields[0][4]) == 4 else "%y"
    more = any(match[5].strip() for match in fields)
    first, second = (max(int(match[at]) for match in fields) for at in (1, 3))

    def command(one: str, two: str) -> str:
        text = f"t[{name!r}].astype(str).str.strip()" + (".str.split().str[0]" if more else "")
        form = separator.join((one, two, year))
        return rewrite(weather.place, f"t['date'] = pd.to_datetime({text}, format={form!r})")

    day_first, month_first = command("%d", "%m"), command("%m", "%d")
    if first > 12 and second > 12:
        return (
            f": the first number reaches {first} and the second {second}, so that the day comes first in "
            "some rows and the month in others; tell them apart before you convert them"
        )
    if first > 12:
        return f" (the day comes first: the first number reaches {first}):\n{day_first}"
    if second > 12:
        return f" (the month comes first: the second number reaches {second}):\n{month_first}"
    return (
        ". No value tells whether the day or the month comes first (neither number exceeds 12). If the day:\n"
        f"{day_first}\nIf the month:\n{month_first}"
    )


def century_remedy(survey: Survey, name: str) -> str | None:
    """The end of a sentence for years of two digits; None where the column holds something else."""
    if survey.kinds[name] not in ("number", "text"):
        return None
    year_N = survey.integers(name)
    known_N = year_N[year_N == year_N]
    if not len(known_N) or len(known_N) < 0.8 * len(year_N) or not (known_N >= 0).all() or known_N.max() > 99:
        return None
    century = 1900 if known_N.max() > 50 else 2000
    make = f"t[{name!r}] = t[{name!r}].astype(int) + {century}"
    if known_N.min() < 30 and century == 1900:
        make = f"y = t[{name!r}].astype(int); t[{name!r}] = y + 1900 + 100 * (y < 50)"
    return (
        " (years of two digits: add the century; which one is a guess: check it, and treat the other input "
        f"alike):\n{rewrite(survey.place, make)}"
    )
