"""Every command in README.md is run as it stands there, in a folder prepared as a reader's would be.

Commands are the lines of fenced or indented blocks that begin with `cropyield`, `make`, `prefect`, `python`
or `docker`; Python and SQL blocks are run too. What runs for ever or needs a service is exempt, with the
reason and the test that runs it instead.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = ("cropyield", "make", "prefect", "python", "docker", "git", "pip", "duckdb")

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
    "docker": "needs a service",
    "git clone": "needs the network",
    "pip install": "needs the network; tests/test_wheel.py installs a wheel without it",
}
NEEDS = re.compile(r"s3://|gs://|postgresql|tcp://|runner ?= ?\"?dask|--webhook|PREFECT_API_URL|https?://")


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
    """The command lines of all blocks, comments and prompts stripped, continuations joined."""
    found: dict[str, None] = {}
    for block in blocks(text):
        if block.language in ("python", "sql", "toml", "json"):
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            line = re.sub(r"^\$ ", "", line.strip())
            line = re.split(r"\s+#\s", line)[0].strip()
            words = line.split()
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if words and words[0] in PROGRAMS:
                found[line] = None
    return list(found)


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


COMMANDS = list(dict.fromkeys(form for line in commands(README) for form in forms(line)))
RUN = [command for command in COMMANDS if not exempt(command)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a reader's data under the names that README uses, trained once, with two runs."""
    from data.synthetic.write import write_world

    folder = tmp_path_factory.mktemp("reader")
    write_world(folder, regions=12, years=20, resolution="monthly", seed=1)
    for name in ("weather", "yields"):  # the other way in which people keep them
        pq.write_table(pq.read_table(folder / name), folder / f"{name}.parquet")
    settings = str(folder / "settings.toml")
    cutoffs = ["--set", 'as_of=["07-31"]']
    assert run(["train", settings, *cutoffs, "--json"]) == 0
    assert run(["train", settings, *cutoffs, "--set", "training.epochs=90", "--json"]) == 0
    shutil.copytree(ROOT / "data", folder / "data")
    return folder


@pytest.fixture
def place(reader: Path, tmp_path: Path) -> Path:
    """A copy for one command."""
    shutil.copytree(reader, tmp_path / "here")
    return tmp_path / "here"


def fill(command: str, place: Path) -> list[str]:
    """The words of a command, placeholders replaced by what lies in `place`."""
    current = json.loads((place / "store/current.json").read_text())["run_id"]
    runs = sorted(folder.name for folder in (place / "store/runs").iterdir())
    earlier = next(run for run in runs if run != current)
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


def with_run(text: str, place: Path) -> str:
    """A snippet that names the current run."""
    current: str = json.loads((place / "store/current.json").read_text())["run_id"]
    return re.sub(r"\bRUN(_ID)?\b", current, text)


@pytest.mark.parametrize("command", RUN)
def test_a_command_of_the_readme_runs(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    words = fill(command, place)
    if words[0] == "cropyield":
        assert run(words[1:]) == 0, capsys.readouterr().err
    elif words[0] == "make":
        made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    else:
        words = [sys.executable if words[0] == "python" else words[0], *words[1:]]
        made = subprocess.run(
            words, cwd=place, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("snippet", snippets("python"))
def test_a_python_snippet_of_the_readme_runs(
    snippet: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("duckdb", "polars", "safetensors"):
        if re.search(rf"^\s*(import|from) {module}", snippet, re.MULTILINE):
            pytest.importorskip(module)
    monkeypatch.chdir(place)
    exec(compile(with_run(snippet, place), "README.md", "exec"), {})


@pytest.mark.parametrize("query", snippets("sql"))
def test_a_query_of_the_readme_runs(query: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(place)
    assert duckdb.sql(with_run(query, place).rstrip("; \n")).fetchall()


def test_settings_in_the_readme_are_settings() -> None:
    """TOML blocks are read as settings, those without locations as parts of them."""
    import tomllib

    from data.settings.files import parse_settings

    least = {"weather": "w", "yields": "y", "store": "s", "features": [{"measure": "x", "aggregate": "mean"}]}
    found = [
        block.text for block in blocks(README)
        if block.language == "toml" or (block.language == "" and re.match(r'^(\[|weather ?=)', block.text))
    ]  # fmt: skip
    assert found, "README shows no settings"
    for text in found:
        parse_settings(least | tomllib.loads(text), "README.md")


def test_every_command_is_run_or_exempt_for_a_reason_and_none_is_unknown() -> None:
    assert RUN, "README has no command"
    for command in COMMANDS:
        words = shlex.split(re.sub(r"^([A-Z_]+=\S*\s+)+", "", command))
        if words[0] == "make":
            targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
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
