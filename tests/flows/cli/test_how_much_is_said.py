"""What a command says besides its result: bars, plain lines, -v, -q, and completion by the shell."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli.main import run
from tests.prefect_home import fill

Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-c", "from flows.cli.main import main; main()"]
WITHOUT_INPUT = ["sh", "-c", 'exec "$@" <&-', "sh"]  # as some daemons start what they start
ROOT = Path(__file__).resolve().parents[3]


def train_tutorial(shipped: Path, store: Path) -> list[str]:
    return ["train", str(shipped / "tutorial/settings.toml"), "--store", str(store)]


def test_quiet_says_nothing_but_errors(shipped: Path, tmp_path: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert run([*train_tutorial(shipped, tmp_path / "store"), "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "store/predictions.parquet").exists()
    assert run(["show", str(tmp_path / "store"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run(["show", str(tmp_path / "store"), "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["current"]
    assert run(["show", str(tmp_path / "elsewhere"), "-q"]) == 2
    assert "elsewhere" in capsys.readouterr().err


def test_verbose_says_what_each_step_found(shipped: Path, tmp_path: Path) -> None:
    command = [*COMMAND, *train_tutorial(shipped, tmp_path / "store"), "-v"]
    environment = os.environ | {"PREFECT_HOME": str(fill(tmp_path / "prefect"))}
    environment.pop("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert lines[0] == "start Prefect"
    assert any("published run" in line and "INFO" in line for line in lines), done.stderr
    assert "published run" in done.stdout
    for idle in ("View at", "Finished in state"):
        assert idle not in done.stderr


@pytest.fixture
def nobody() -> Iterator[int]:
    """The writing end of a pipe that nobody reads any more."""
    ours, theirs = os.pipe()
    os.close(ours)
    yield theirs
    os.close(theirs)


def test_a_reader_of_progress_who_leaves_costs_neither_publication_nor_exit_code(
    shipped: Path, tmp_path: Path, nobody: int
) -> None:
    """As in `cropyield train … <&- 2>&1 >/dev/null | head -1`."""
    command = [*WITHOUT_INPUT, *COMMAND, *train_tutorial(shipped, tmp_path / "store")]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL, stderr=nobody)
    assert done.returncode == 0
    assert (tmp_path / "store/predictions.parquet").exists()


def test_a_command_started_without_streams_does_its_work(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&-', "sh", *COMMAND]
    assert subprocess.run([*command, "--version"], cwd=ROOT, check=False).returncode == 0
    assert subprocess.run([*command, "show", str(tmp_path)], cwd=ROOT, check=False).returncode == 2


def test_a_bar_moves_from_the_start_and_a_reader_who_leaves_costs_nothing(
    shipped: Path, tmp_path: Path, nobody: int
) -> None:
    """`cropyield train … <&- | head -1` on a terminal: the start is drawn first, most of a short run."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    command = [*WITHOUT_INPUT, *COMMAND, *train_tutorial(shipped, tmp_path / "store")]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=nobody, stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        while True:
            try:
                more = os.read(ours, 1 << 16)
            except OSError:  # the other side is closed
                break
            if not more:
                break
            drawn += more
        assert process.wait() == 0
    os.close(ours)
    assert (tmp_path / "store/predictions.parquet").exists()
    start, ingest = drawn.index(b"start Prefect"), drawn.index(b"ingest weather")
    assert start < ingest
    assert drawn[:ingest].count(b"start Prefect") > 5  # drawn again and again, so that it moves


def test_completion_is_installed_and_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert run(["--install-completion", "--shell", "bash"]) == 0
    assert "Completion script installed" in capsys.readouterr().out
    (script,) = (tmp_path / ".local").rglob("cropyield")
    assert str(script) in (tmp_path / ".bashrc").read_text()

    def complete(*words: str) -> set[str]:
        line = (
            f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
            "named=($(complete -p cropyield)); "
            'for at in "${!named[@]}"; do [ "${named[at]}" = -F ] && "${named[at + 1]}"; done; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        asked = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        return set(asked.stdout.split())

    assert complete("cropyield", "tra") == {"train"}
    assert {"--seasons", "--as-of"} <= complete("cropyield", "backtest", "--")
