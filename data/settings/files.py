"""Settings files: TOML to the settings object and back."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import (
    ValidationError,
)

from data.errors import SettingsError
from data.escapes import toml_key, toml_value
from data.locations.uris import LOCATIONS, locate
from data.settings.messages import explain
from data.settings.overrides import UNREAD, put, unread
from data.settings.schema import (
    Settings,
)


def load_settings(path: str | Path, changes: dict[str, Any] | None = None) -> Settings:
    """Read a settings file; relative locations in it become absolute, seen from its own folder.

    `changes` maps dotted keys ("training.epochs") to values that replace the file's; relative
    locations among them are seen from the current folder. Raises SettingsError.
    """
    file = Path(path)
    if "\0" in str(path):
        raise SettingsError(f"{str(path)!r}: a file's name can't hold the character NUL")
    if file.is_dir():
        inside = file / "settings.toml"
        hint = f"; name the file in it: {inside}" if inside.is_file() else ""
        raise SettingsError(f"{path}: is a folder, not a settings file{hint}")
    if file.exists() and not file.is_file():
        raise SettingsError(f"{path}: is no file (a pipe, a socket, a device?), so no settings file")
    try:
        # Windows writes a byte order mark
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SettingsError(
            f"{path}: no such settings file; `cropyield init WEATHER YIELDS` writes one for your data, and "
            "README.md shows the smallest"
        ) from error
    except UnicodeDecodeError as error:
        kind = "a Parquet file" if file.read_bytes()[:4] == b"PAR1" else "not text in UTF-8"
        raise SettingsError(f"{path}: can't be read as a settings file: it is {kind}") from error
    except OSError as error:
        raise SettingsError(f"{path}: can't be read as a settings file: {error.strerror or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path}: not valid TOML: {error}"
            + ("; write paths with / or in single quotes" if "\\" in str(error) else "; text needs quotes")
        ) from error
    except UNREAD as error:
        raise SettingsError(f"{path}: {unread(error)}") from error
    for key in LOCATIONS:
        if isinstance(raw.get(key), str):
            raw[key] = locate(raw[key], file.parent)
    for key, value in (changes or {}).items():
        put(raw, key, locate(value, Path()) if key in LOCATIONS and isinstance(value, str) else value)
    return parse_settings(raw, str(path))


def located(settings: Settings, folder: Path) -> Settings:
    """The same settings with absolute locations, relative ones seen from `folder`."""
    given = {key: getattr(settings, key) for key in LOCATIONS}
    return settings.model_copy(
        update={key: locate(location, folder) for key, location in given.items() if location is not None}
    )


def parse_settings(raw: dict[str, Any], source: str) -> Settings:
    """Validate a parsed settings file. Raises SettingsError naming `source`, the key and the remedy."""
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        faults = explain(error, Settings)
        # pydantic's own text would repeat what was found
        raise SettingsError("\n".join(f"{source}: {fault}" for fault in faults)) from None


def dump_settings(settings: Settings, without: dict[str, Any] | None = None) -> str:
    """The settings as TOML with every key, in the order of the class; readable by `load_settings`."""
    return "\n".join(_lines(settings.model_dump(exclude=without, exclude_none=True), "")) + "\n"


def _lines(table: dict[str, Any], name: str) -> Iterator[str]:
    """A table and those in it: values first, then sections, then lists of sections."""
    sections = {key: value for key, value in table.items() if isinstance(value, dict)}
    lists = {key: value for key, value in table.items() if _of_sections(value)}
    for key, value in table.items():
        if key not in sections and key not in lists:
            yield f"{toml_key(key)} = {toml_value(value)}"
    for key, section in sections.items():
        yield f"\n[{name}{toml_key(key)}]"
        yield from _lines(section, f"{name}{toml_key(key)}.")
    for key, entries in lists.items():
        for entry in entries:
            yield f"\n[[{name}{toml_key(key)}]]"
            yield from _lines(entry, f"{name}{toml_key(key)}.")


def _of_sections(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], dict)
