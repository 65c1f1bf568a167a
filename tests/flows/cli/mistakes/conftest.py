"""A newcomer's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.server.embedded import EMBEDDED
from tests.flows.cli.mistakes.faulty_files import SETTINGS
from tests.odd_files import monthly, write, yields_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with weather, yields and settings that work; the current one."""
    weather = monthly()
    write(tmp_path, weather, yields_of(weather))
    (tmp_path / "settings.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)

    def started() -> None:
        raise AssertionError("a server was started")

    monkeypatch.setattr(EMBEDDED, "start", started)
    return tmp_path
