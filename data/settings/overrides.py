"""Overrides on the command line: `--set key=value`, read and put into the settings file's values."""

from __future__ import annotations

import tomllib
from typing import Any

from data.errors import SettingsError

# what tomllib raises besides its own error, for thousands of brackets or digits
UNREAD = (RecursionError, ValueError)


def unread(error: RecursionError | ValueError) -> str:
    """Why TOML that may be right in form is not read."""
    if isinstance(error, RecursionError):
        return "is nested too deep to be settings"
    return f"can't be read as TOML: {str(error).split(';')[0]}"


def parse_change(text: str) -> tuple[str, Any]:
    """`a.b=value` as key and value; the value is TOML, or a plain string where TOML can't read it."""
    key, equals, value = text.partition("=")
    key, value = key.strip().replace("[", ".").replace("]", ""), value.strip()
    if not equals or not key or not all(key.split(".")):
        raise SettingsError(f"--set {text}: write it as key=value, as in --set training.epochs=50")
    if not value:
        raise SettingsError(f"--set {text}: no value after the equals sign, as in --set training.epochs=50")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError as error:
        if value[0] in "[{\"'":  # meant as TOML: a plain string would only fail later and elsewhere
            raise SettingsError(
                f"--set {text}: can't be read as TOML ({error}); quote it for the shell, as in "
                f"""--set '{key}=["a", "b"]'"""
            ) from error
        return key, value
    except UNREAD as error:
        raise SettingsError(f"--set {key}: {unread(error)}") from error


def put(raw: dict[str, Any], dotted: str, value: Any) -> None:
    """Replace a value, sections being made where they are wanting. Raises SettingsError."""
    *sections, last = dotted.split(".")
    table: Any = raw
    for depth, section in enumerate(sections):
        name = ".".join(sections[: depth + 1])
        if isinstance(table, dict):
            if section == "features" and section not in table:
                raise SettingsError(f"--set {dotted}: the settings file has no [[features]] to change")
            table = table.setdefault(section, {})
        else:
            table = table[_index(table, section, dotted)]
        if not isinstance(table, (dict, list)):
            raise SettingsError(f"--set {dotted}: {name} is no section but the value {table!r}")
    if isinstance(table, list):
        table[_index(table, last, dotted)] = value
    else:
        table[last] = value


def _index(table: list[Any], text: str, dotted: str) -> int:
    if not text.isdigit() or int(text) >= len(table):
        measures = [str(entry.get("measure", "?")) for entry in table if isinstance(entry, dict)]
        listed = ", ".join(f"{at} ({measure})" for at, measure in enumerate(measures))
        raise SettingsError(
            f"--set {dotted}: {text!r} should be a position from 0 to {len(table) - 1}"
            + (f": {listed}" if listed else "")
        )
    return int(text)
