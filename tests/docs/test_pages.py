"""README and every page of the site are followed from top to bottom, in a folder as a reader's would be.

Commands are typed, Python and SQL blocks are run in one session, TOML blocks are read as settings.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import run
from tests.docs.commands import (
    EXEMPT,
    ROOT,
    Block,
    blocks,
    command_lines,
    commands,
    exempt,
    fill,
    import_or_skip,
    parse_as_settings,
    run_command,
    without_variables,
)
from tests.object_storage import bucket, s3_server
from tests.stores import as_first_layout

__all__ = ["bucket", "s3_server"]

README = ROOT / "README.md"
Capture = pytest.CaptureFixture[str]
PAGES = [
    README,
    *sorted(file for file in (ROOT / "docs").rglob("*.md") if blocks(file.read_text(encoding="utf-8"))),
]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_a_page_does_what_it_says(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, bucket: str
) -> None:
    text = page.read_text(encoding="utf-8").replace("s3://bucket/", f"s3://{bucket}/")
    monkeypatch.chdir(place)
    if page.name == "upgrade.md":
        as_first_layout(place / "store")
    session: dict[str, Any] = {}
    for block in blocks(text):
        follow(block, place, session)


def follow(block: Block, place: Path, session: dict[str, Any]) -> None:
    """Do what one block says."""
    for line in command_lines(block):
        if not exempt(line):
            run_command(fill(line, place), place)
    if block.language == "python":
        import_or_skip(block.text)
        exec(compile(block.text, "a page", "exec"), session)
    elif block.language == "sql":
        duckdb = pytest.importorskip("duckdb")
        assert duckdb.sql(block.text.rstrip("; \n")).fetchall()
    elif block.language == "toml":
        parse_as_settings(block.text)


def test_no_page_has_a_block_that_nobody_runs() -> None:
    """A block is in a language that is run, or a drawing; every line of a shell block is a known command."""
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            assert block.language in ("sh", "python", "sql", "toml", ""), f"{page}: {block.language}"
            if block.language == "sh":
                typed = [line for line in block.text.replace("\\\n", " ").splitlines() if line.strip()]
                assert len(command_lines(block)) == len(typed), f"{page}: {block.text}"


def test_targets_of_make_are_known() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for page in PAGES:
        for command in commands(page.read_text(encoding="utf-8")):
            if command.startswith("make "):
                assert command.split()[1] in targets, f"{page}: {command}"


def test_every_exemption_is_needed() -> None:
    typed = [line for page in PAGES for line in commands(page.read_text(encoding="utf-8"))]
    for beginning in EXEMPT:
        assert any(without_variables(line).startswith(beginning) for line in typed), beginning


def test_the_readme_shows_what_training_on_the_sample_prints(tmp_path: Path, capsys: Capture) -> None:
    """Scores to the digit; ids, places and how far SGD stopped from the optimum differ between machines."""
    assert run(["train", str(ROOT / "data/sample/settings.toml"), "--store", str(tmp_path / "store")]) == 0
    printed = capsys.readouterr().out
    (shown,) = (
        block.text for block in blocks(README.read_text(encoding="utf-8")) if "published run" in block.text
    )
    assert _without_what_differs(shown) == _without_what_differs(printed)


def _without_what_differs(text: str) -> list[list[str]]:
    text = re.sub(r"\b[0-9a-f]{16}\b", "…", text)
    text = re.sub(r"\d\.\d+e-\d+", "…", text)
    text = re.sub(r"\S+/(predictions\.parquet|runs/)", r"…/\1", text)
    return [line.split() for line in text.splitlines() if line.strip()]


def test_links_of_the_readme_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_dashboards_can_be_set_up_before_the_first_forecast(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(place)
    (block,) = (
        block
        for block in blocks((ROOT / "docs/how-to/read-results.md").read_text(encoding="utf-8"))
        if "dashboards.duckdb" in block.text
    )
    follow(block, place, {})
    assert "rows" in capsys.readouterr().out
    assert run(["export", "store", "--csv", "forecasts", "forecasts.csv"]) == 2
    assert "no forecast has been published here yet" in capsys.readouterr().err


def test_verify_counts_what_the_page_on_audits_says(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """All files of the run's folder but the manifest."""
    monkeypatch.chdir(place)
    current = json.loads(Path("store/current.json").read_text())["run_id"]
    files = [file for file in (place / "store/runs" / current).rglob("*") if file.is_file()]
    assert run(["verify", "store"]) == 0
    assert f"run {current}: {len(files) - 1} files" in capsys.readouterr().out


def test_commands_are_found_in_either_kind_of_block() -> None:
    text = (
        "Run\n\n    cropyield train a.toml   # comment\n\nor\n\n```sh\n$ make run\nX=1 cropyield show store "
        "\\\n  abc\n```\n\n```python\ncropyield = 1\n```\n"
    )
    assert commands(text) == ["cropyield train a.toml", "make run", "X=1 cropyield show store    abc"]


def test_the_page_of_the_store_knows_every_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Placeholders stand for a name, and what ends in a slash for all that is below."""
    monkeypatch.chdir(place)
    run_command(["cropyield", "forecast", "settings.toml", "--as-of", "2023-07-31"], place)
    run_command(["cropyield", "backtest", "settings.toml", "--seasons", "1"], place)
    page = (ROOT / "docs/reference/store.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    patterns = [re.sub(r"\b(RUN_)?ID\b", "[^/]+", re.escape(path)) for path in listed]
    known = re.compile("|".join(f"{each}.+" if each.endswith("/") else f"{each}$" for each in patterns))
    files = [
        file.relative_to(place / "store").as_posix()
        for file in (place / "store").rglob("*")
        if file.is_file()
    ]
    assert [file for file in files if not known.match(file)] == []
