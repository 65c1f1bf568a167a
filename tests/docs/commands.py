"""What a page of documentation tells its reader to type, and how a test types it.

Commands are the lines of fenced or indented blocks that begin with one of `PROGRAMS`. What runs for ever or
needs a service is exempt, with the reason and the test that runs it instead.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.settings.files import parse_settings
from flows.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("cropyield", "make", "prefect", "python", "docker", "git", "pip", "duckdb", "cp")

# a command's beginning, why it isn't run here, and where it is
EXEMPT = {
    "make run": "installs the project anew; .ci/run and the sample's own tests do it",
    "make test": "is what runs this test",
    "make lint": "changes the working tree; make test checks the same rules",
    "make bench": "takes minutes; its modules are run by hand and recorded",
    "make clean": "removes the environment that runs this test",
    "make ui": "serves for ever",
    "make pictures": "serves for ever and drives a browser",
    "cropyield serve": "runs for ever; tests/flows starts and stops it",
    "cropyield alerts": "needs a server that goes on; tests/flows starts one",
    "prefect": "needs a server that goes on; tests/flows/server/test_ui.py starts one",
    "make docs": "is what tests/docs/test_site.py does",
    "make docs-serve": "serves for ever",
    "docker": "needs a service",
    "git clone": "needs the network",
    "pip install": "needs the network; tests/test_wheel.py installs a wheel without it",
}
NEEDS = re.compile(
    r"s3://bucket|gs://|postgresql|tcp://|runner ?= ?\"?dask|--webhook|PREFECT_API_URL|https?://"
)


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
        words = line.split()
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words and words[0] in PROGRAMS:
            found.append(line)
    return found


def exempt(command: str) -> str | None:
    """Why a command isn't run here."""
    bare = re.sub(r"^([A-Z_]+=\S*\s+)+", "", command)
    for beginning, why in EXEMPT.items():
        if f"{bare} ".startswith(f"{beginning} "):
            return why
    return "needs a service" if NEEDS.search(command) else None


def forms(command: str) -> list[str]:
    """A line of a synopsis as commands: alternatives apart, once with its optional parts and once without."""
    if "'" in command:  # brackets in quotes are the value's own
        return [command]
    parts = re.split(r"\s+\|\s+", command)
    whole = [part if part.startswith(PROGRAMS) else f"cropyield {part}" for part in parts]
    found: dict[str, None] = {}
    for part in whole:
        found[" ".join(re.sub(r"\[[^\]]*\]", "", part).split())] = None
        full = re.sub(r"(\w+(?:\|\w+)+)", lambda m: m[1].split("|")[0], part.replace("…", ""))
        found[" ".join(re.sub(r"[\[\]]", "", full).split())] = None
    return list(found)


def fill(command: str, place: Path) -> list[str]:
    """The words of a command, placeholders replaced by what lies in `place`."""
    current = json.loads((place / "store/current.json").read_text())["run_id"]
    runs = sorted(folder.name for folder in (place / "store/runs").iterdir())
    earlier = next((run for run in runs if run != current), current)
    values = {
        "SETTINGS.toml": "settings.toml", "SETTINGS": "settings.toml", "STORE": "store", "OUT": "out",
        "WEATHER": "weather", "YIELDS": "yields", "RUN": earlier, "RUN_ID": earlier, "REASON": "a drill",
        "N": "2", "MM-DD": "07-31", "YYYY-MM-DD": "2023-07-31", "key=value": "training.epochs=95",
        "CURRENT": current,
    }  # fmt: skip
    words = [values.get(word, word) for word in shlex.split(command)]
    # paths of inputs that a reader would have, by any name
    if words[:2] == ["cropyield", "init"] and "--settings" not in words:
        words += ["--settings", "found.toml"]
    return words


def run_command(words: list[str], place: Path) -> None:
    """Run a command in `place`, the current folder; raises AssertionError where it fails."""
    if words[0] == "cropyield":
        assert run(words[1:]) == 0, words
        return
    words = [sys.executable if words[0] == "python" else words[0], *words[1:]]
    made = subprocess.run(
        words, cwd=ROOT if words[0] == "make" else place, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr


def with_run(text: str, place: Path) -> str:
    """A snippet that names the current run."""
    current: str = json.loads((place / "store/current.json").read_text())["run_id"]
    return re.sub(r"\bRUN(_ID)?\b", current, text)


def parse_as_settings(text: str) -> None:
    """Read a TOML block as settings, one without locations as a part of them. Raises SettingsError."""
    least = {"weather": "w", "yields": "y", "store": "s", "features": [{"measure": "x", "aggregate": "mean"}]}
    parse_settings(least | tomllib.loads(text), "a block of the documentation")


def import_or_skip(snippet: str) -> None:
    """Skip where a snippet needs a library that isn't installed."""
    for module in ("duckdb", "polars", "safetensors"):
        if re.search(rf"^\s*(import|from) {module}", snippet, re.MULTILINE):
            pytest.importorskip(module)
