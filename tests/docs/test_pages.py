"""Every page of the site is followed from top to bottom, in a folder prepared as a reader's would be.

Commands are typed, Python and SQL blocks are run in one session, TOML blocks are read as settings.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.docs.commands import (
    ROOT,
    Block,
    blocks,
    command_lines,
    exempt,
    fill,
    import_or_skip,
    parse_as_settings,
    run_command,
    with_run,
)
from tests.object_storage import bucket, s3_server

__all__ = ["bucket", "s3_server"]

DOCS = ROOT / "docs"
PAGES = sorted(file for file in DOCS.rglob("*.md") if blocks(file.read_text(encoding="utf-8")))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(DOCS)) for page in PAGES])
def test_a_page_does_what_it_says(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, bucket: str
) -> None:
    text = page.read_text(encoding="utf-8").replace("s3://bucket/", f"s3://{bucket}/")
    monkeypatch.chdir(place)
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
        exec(compile(with_run(block.text, place), "a page", "exec"), session)
    elif block.language == "sql":
        duckdb = pytest.importorskip("duckdb")
        assert duckdb.sql(with_run(block.text, place).rstrip("; \n")).fetchall()
    elif block.language == "toml":
        parse_as_settings(block.text)


def test_no_page_has_a_block_that_nobody_runs() -> None:
    """A block is in a language that is run, or a drawing."""
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            known = block.language in ("sh", "python", "sql", "toml", "text", "")
            assert known, f"{page}: {block.language}"
            if block.language == "sh":
                typed = [line for line in block.text.replace("\\\n", " ").splitlines() if line.strip()]
                assert len(command_lines(block)) == len(typed), f"{page}: {block.text}"
                for line in command_lines(block):
                    assert shlex.split(line), line
