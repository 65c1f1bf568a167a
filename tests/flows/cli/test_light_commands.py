"""Commands that need neither Prefect nor torch: what they import, and their CPU time beside bare Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.main import run

HEAVY = {
    "torch", "prefect", "pandas", "numpy", "pyarrow", "pydantic", "matplotlib", "jinja2", "safetensors",
    "dask", "sqlalchemy", "fastapi",
}  # fmt: skip
LIMIT_S = 0.5
COMMANDS = ("--help", "--version", "train --help", "runs", "show", "show --json")

ANSWER = """
import sys
from flows.cli.main import run
code = run(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def store(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("light") / "store"
    assert run(["train", str(shipped / "tutorial/settings.toml"), "--store", str(place), "--json"]) == 0
    return place


def words(command: str, store: Path) -> list[str]:
    first, *options = command.split()
    return [first, str(store), *options] if first in ("runs", "show") else command.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_heavy_is_imported(command: str, store: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, *words(command, store)], capture_output=True, text=True, check=True
    )
    imported = {name.partition(".")[0] for name in done.stderr.split()}
    assert done.stdout
    assert "flows" in imported
    assert not imported & HEAVY


def cpu_s(*arguments: str) -> float:
    """User and system seconds of a Python process, the least of three: other work can only add to it."""
    found = []
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        found.append(used.ru_utime + used.ru_stime)
    return min(found)


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="no way to ask for a child's CPU time here")
@pytest.mark.parametrize("command", COMMANDS)
def test_answers_within_half_a_second_of_cpu_beside_bare_python(command: str, store: Path) -> None:
    bare = cpu_s("-c", "pass")
    assert cpu_s("-c", ANSWER, *words(command, store)) - bare < LIMIT_S
