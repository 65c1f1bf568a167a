"""Columns of text that ought to hold numbers: decimal commas and the rest, with the way out.

Shapes: N sampled rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from data.inputs.fix_commands import rewrite
from data.survey.survey import Survey

_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")
_GROUPED = re.compile(r"\s*[-+]?\d{1,3}(\.\d{3})+(,\d+)?\s*")  # 1.234,5
_MOST = 10_000


def has_decimal_commas(survey: Survey, name: str) -> bool:
    """Most values of a column of text are numbers with a decimal comma, such as '6,12'."""
    if survey.kinds[name] != "text":
        return False
    found = _examples(survey, name)
    return bool(found) and sum(_decimal(text) for text in found) > 0.8 * len(found) and any(
        "," in text for text in found
    )  # fmt: skip


def not_numbers(survey: Survey, names: Sequence[str]) -> str:
    """The end of a sentence on columns of text: what they hold and, for decimal commas, the command."""
    name = names[0]
    found = _examples(survey, name)
    shown = ", ".join(map(repr, list(dict.fromkeys(found))[:3]))
    if not has_decimal_commas(survey, name):
        return f"is text whose values are no numbers, such as {shown}; convert it, or rename the right column"
    dots = ".str.replace('.', '')" if any(_GROUPED.fullmatch(text) for text in found) else ""
    make = "; ".join(
        f"t[{each!r}] = t[{each!r}]{dots}.str.replace(',', '.').astype(float)"
        for each in names
        if has_decimal_commas(survey, each)
    )
    return f"is text with decimal commas, such as {shown}; convert it:\n{rewrite(survey.place, make)}"


def _examples(survey: Survey, name: str) -> list[str]:
    return [str(value) for value in survey.names(name).dropna().iloc[:_MOST].unique()]


def _decimal(text: str) -> bool:
    return bool(_COMMA.fullmatch(text) or _GROUPED.fullmatch(text) or re.fullmatch(r"\s*[-+]?\d+\s*", text))
