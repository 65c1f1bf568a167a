"""What a page of documentation tells its reader to type, and how a test types it.

Commands are the lines of fenced or indented blocks that begin with one of `PROGRAMS`. What runs for ever or
needs a service is exempt, with the reason and the test that runs it instead.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.settings.files import parse_settings
from flows.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("cropyield", "make", "prefect", "docker", "cp")

# a command's beginning, why it isn't run here, and where it is
EXEMPT = {
    "make run": "installs the project anew; .ci/run and the sample's own tests do it",
    "make test": "is what runs this test",
    "make docs": "is what tests/docs/test_site.py does",
    "cropyield serve": "runs for ever; tests/flows/server/test_serve_command.py starts and stops it",
    "cropyield alerts": "needs a server that goes on; tests/flows/server/test_events.py types it there",
    "prefect": "needs a server that goes on; tests/flows/server/test_ui.py starts one",
    "docker": "needs an engine, and the network to build an image",
}
_OTHERS = re.compile(r"tcp://scheduler")
"""What names a machine that readers have to fill in."""


@dataclass(frozen=True)
class Block:
    """A code block: its language (empty where none is named) and its lines."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    """Fenced and indented code blocks, in order."""
    found: list[Block] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if fence := re.match(r"^(\s*)(```+|~~~+)\s*(\w*)", line):
            end = next(n for n in range(at + 1, len(lines)) if lines[n].strip().startswith(fence[2]))
            inner = [each.removeprefix(fence[1]) for each in lines[at + 1 : end]]
            found.append(Block(fence[3].lower(), "\n".join(inner)))
            at = end + 1
        elif line.startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            inner = lines[at:end]
            depth = min(len(each) - len(each.lstrip()) for each in inner if each.strip())
            found.append(Block("", "\n".join(each[depth:] for each in inner).rstrip()))
            at = end
        else:
            at += 1
    return found


def commands(text: str) -> list[str]:
    """The command lines of all blocks, each once."""
    lines = [line for block in blocks(text) for line in command_lines(block)]
    return list(dict.fromkeys(lines))


def command_lines(block: Block) -> list[str]:
    """The command lines of a block, comments and prompts stripped, continuations joined."""
    if block.language in ("python", "sql", "toml", "json", "text"):
        return []
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        line = re.sub(r"^\$ ", "", line.strip())
        line = re.split(r"\s+#\s", line)[0].strip()
        if without_variables(line).partition(" ")[0] in PROGRAMS:
            found.append(line)
    return found


def exempt(command: str) -> str | None:
    """Why a command isn't run here."""
    for beginning, why in EXEMPT.items():
        if f"{without_variables(command)} ".startswith(f"{beginning} "):
            return why
    return "needs the reader's own cluster; test_runners.py starts one" if _OTHERS.search(command) else None


def without_variables(command: str) -> str:
    """A command without the variables that are set before it."""
    return re.sub(r"^([A-Z_]+=\S*\s+)+", "", command)


def fill(command: str, place: Path) -> list[str]:
    """The words of a command, RUN replaced by a run of the store in `place` that isn't the current one."""
    words = shlex.split(command)
    if "RUN" in words:
        current = json.loads((place / "store/current.json").read_text())["run_id"]
        earlier = next(folder.name for folder in (place / "store/runs").iterdir() if folder.name != current)
        words = [earlier if word == "RUN" else word for word in words]
    if words[:2] == ["cropyield", "init"] and "--settings" not in words:
        words += ["--settings", "found.toml"]  # there are settings already, which later commands need
    return words


def run_command(words: list[str], place: Path) -> None:
    """Run a command in `place`, the current folder; raises AssertionError where it fails."""
    if words[0] == "cropyield":
        assert run(words[1:]) == 0, words
        return
    made = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


def parse_as_settings(text: str) -> None:
    """Read a TOML block as settings, one without locations as a part of them. Raises SettingsError."""
    least = {"weather": "w", "yields": "y", "store": "s", "features": [{"measure": "x", "aggregate": "mean"}]}
    parse_settings(least | tomllib.loads(text), "a block of the documentation")


def import_or_skip(snippet: str) -> None:
    """Skip where a snippet needs a library that isn't installed."""
    for module in ("duckdb", "polars", "safetensors"):
        if re.search(rf"^\s*(import|from) {module}", snippet, re.MULTILINE):
            pytest.importorskip(module)
