"""Every command in README.md is run as it stands there, in a folder prepared as a reader's would be.

Python and SQL blocks are run too, TOML blocks are read as settings.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.docs.commands import (
    ROOT,
    blocks,
    commands,
    exempt,
    fill,
    forms,
    import_or_skip,
    parse_as_settings,
    run_command,
    with_run,
)

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = list(dict.fromkeys(form for line in commands(README) for form in forms(line)))
RUN = [command for command in COMMANDS if not exempt(command)]


def snippets(language: str) -> list[str]:
    """Python blocks (also unmarked ones that are Python), or SQL blocks."""
    found = []
    for block in blocks(README):
        unmarked = block.language == "" and not commands(f"```\n{block.text}\n```")
        if language == "python" and (
            block.language == "python" or (unmarked and block.text.startswith(("import ", "from ")))
        ):
            found.append(block.text)
        if language == "sql" and (
            block.language == "sql" or (unmarked and block.text.upper().startswith(("SELECT ", "WITH ")))
        ):
            found.append(block.text)
    return found


@pytest.mark.parametrize("command", RUN)
def test_a_command_of_the_readme_runs(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    run_command(fill(command, place), place)


@pytest.mark.parametrize("snippet", snippets("python"))
def test_a_python_snippet_of_the_readme_runs(
    snippet: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_or_skip(snippet)
    monkeypatch.chdir(place)
    exec(compile(with_run(snippet, place), "README.md", "exec"), {})


@pytest.mark.parametrize("query", snippets("sql"))
def test_a_query_of_the_readme_runs(query: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(place)
    assert duckdb.sql(with_run(query, place).rstrip("; \n")).fetchall()


def test_settings_in_the_readme_are_settings() -> None:
    found = [
        block.text for block in blocks(README)
        if block.language == "toml" or (block.language == "" and re.match(r'^(\[|weather ?=)', block.text))
    ]  # fmt: skip
    assert found, "README shows no settings"
    for text in found:
        parse_as_settings(text)


def test_every_command_is_run_or_exempt_for_a_reason_and_none_is_unknown() -> None:
    assert RUN, "README has no command"
    for command in COMMANDS:
        words = shlex.split(re.sub(r"^([A-Z_]+=\S*\s+)+", "", command))
        if words[0] == "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert words[1].partition("=")[0] in targets, command


def test_commands_are_found_in_either_kind_of_block() -> None:
    text = (
        "Run\n\n    cropyield train a.toml   # comment\n\nor\n\n```sh\n$ make run\nX=1 cropyield show store "
        "\\\n  abc\n```\n\n```python\ncropyield = 1\n```\n"
    )
    assert commands(text) == ["cropyield train a.toml", "make run", "X=1 cropyield show store    abc"]
    assert forms("cropyield synth OUT [--regions N] [--resolution daily|monthly]") == [
        "cropyield synth OUT", "cropyield synth OUT --regions N --resolution daily"
    ]  # fmt: skip
