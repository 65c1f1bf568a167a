"""Published tables and closed lists, from the contract: each column's name, type, unit and meaning."""

from __future__ import annotations

from enum import StrEnum

from data.contracts import columns, vocabulary
from data.contracts.columns import Column
from docs.generator.markdown import code, one_line, table

OTHER_NAMES = {
    "PREDICTION_COLUMNS": "predictions.parquet",
    "FORECAST_COLUMNS": "forecasts.parquet, predictions.parquet of a forecast",
    "OUTLOOK_COLUMNS": "Columns that forecasts and aggregates share",
    **{
        f"{name.upper()}_COLUMNS": f"{file}.parquet"
        for name, file in (
            ("driver", "drivers"),
            ("aggregate", "aggregates"),
            ("record", "record"),
            ("verification", "verification"),
            ("weight", "weights"),
            ("history", "history"),
            ("error", "errors"),
        )
    },
}
"""Tables whose files aren't named as the contract names their columns."""


def published_tables() -> str:
    """A table of columns for each published table, in the contract's order."""
    return "\n\n".join(
        f"## {OTHER_NAMES.get(name, f'{name.lower()}.parquet')}\n\n{_columns(value)}"
        for name, value in vars(columns).items()
        if isinstance(value, tuple) and value and all(isinstance(each, Column) for each in value)
    )


def _columns(listed: tuple[Column, ...]) -> str:
    return table(
        ("column", "meaning", "type"), ((code(each.name), each.meaning, _type(each)) for each in listed)
    )


def _type(column: Column) -> str:
    return "<br>".join(
        filter(None, (str(column.type), column.unit, "may be null" if column.nullable else ""))
    )


def closed_lists() -> str:
    """The words that columns and ledgers may hold."""
    lists = [
        each for each in vars(vocabulary).values() if isinstance(each, type) and issubclass(each, StrEnum)
    ]
    return "\n\n".join(
        f"### {one_line(each.__doc__ or '')}\n\n" + "\n".join(f"- `{word.value}`" for word in each)
        for each in lists
        if each is not StrEnum
    )
