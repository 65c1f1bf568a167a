"""The digest of the source code: every file of every room counts."""

import shutil
from pathlib import Path

import pytest

from tasks.job import machine

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("data", "tasks", "flows")
ROOMS = sorted(
    {file.parent.relative_to(ROOT) for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.parquet", "__pycache__")
        )
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    return tmp_path


def test_a_changed_file_in_any_room_changes_the_digest(copy: Path) -> None:
    assert len(ROOMS) > 20
    seen = {machine.source_digest()}
    for room in ROOMS:
        with (copy / room / "__init__.py").open("a") as file:
            file.write("# changed\n")
        seen.add(machine.source_digest())
    for name in ("report.html", "page.js", "page.css"):
        with (copy / "tasks/report/templates" / name).open("a") as file:
            file.write(" ")
        seen.add(machine.source_digest())
    assert len(seen) == len(ROOMS) + 4


def test_a_file_that_moves_changes_the_digest(copy: Path) -> None:
    before = machine.source_digest()
    (copy / "data/errors.py").rename(copy / "data/store/errors.py")
    assert machine.source_digest() != before
