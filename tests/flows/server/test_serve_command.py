"""`cropyield serve`: one process, with a server of its own on PostgreSQL, trains and ends without a trace."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from flows.cli.main import run
from flows.server.local import Server
from flows.server.serve import Clock, prepare_log, tell
from flows.server.ui import ended, start
from tests.flows.postgres import missing, postgres
from tests.flows.waiting import wait_for

SERVE = (sys.executable, "-c", "from flows.cli.main import main; main()", "serve")


@dataclass(frozen=True)
class Served:
    """`cropyield serve` on the sample."""

    folder: Path
    process: subprocess.Popen[str]
    server: Server
    data_base: str | None


@pytest.fixture(scope="module")
def served(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With PostgreSQL as the server's data base where it is installed."""
    folder = tmp_path_factory.mktemp("serve")
    options = ("--store", str(folder / "store"), "--forecast-cron", "30 5 * * *", "--timezone", "Europe/Rome")
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_HOME"}
    environment |= {
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    with ExitStack() as stack:
        data_base = None
        if missing() is None:  # SQLite otherwise
            data_base = stack.enter_context(postgres())
            url = data_base.replace("postgresql://", "postgresql+asyncpg://")
            environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = url
        process = stack.enter_context(
            subprocess.Popen(
                [*SERVE, str(shipped / "sample/settings.toml"), *options],
                cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
            )
        )  # fmt: skip
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if found := re.search(r"UI +(http://\S+)", line):
                    yield Served(folder, process, Server(found[1], {}), data_base)
                    return
            pytest.fail(f"it didn't start: {said}")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def test_training_and_forecast_are_scheduled(served: Served) -> None:
    def scheduled() -> dict[str, int]:
        query = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        runs = served.server.post("flow_runs/filter", query)
        return {
            flow: sum(run["flow_id"] == flow for run in runs) for flow in {run["flow_id"] for run in runs}
        }

    wait_for(lambda: len(scheduled()) == 2, 60)
    crons = {
        flow: served.server.get(f"deployments/name/{flow}/served")["schedules"][0]["schedule"]
        for flow in ("train-yields", "forecast-yields")
    }
    assert {flow: (found["cron"], found["timezone"]) for flow, found in crons.items()} == {
        "train-yields": ("0 6 * * 1", "Europe/Rome"),
        "forecast-yields": ("30 5 * * *", "Europe/Rome"),
    }


def test_it_trains_and_ends_without_a_trace(served: Served) -> None:
    run_id = start(served.server, "train-yields/served")
    state = wait_for(lambda: ended(served.server, run_id), 240)
    assert state["type"] == "COMPLETED", state
    assert (served.folder / "store/current.json").is_file()
    children = psutil.Process(served.process.pid).children(recursive=True)
    assert children
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(120) == 0
    _, alive = psutil.wait_procs(children, 1)
    assert alive == []


def test_quiet_says_nothing_but_errors(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock("0 6 * * 1", "0 7 * * *", "UTC")
    tell("served", clock, as_json=False, quiet=True)
    assert capsys.readouterr().out == ""
    tell("served", clock, as_json=True, quiet=True)
    assert json.loads(capsys.readouterr().out)["name"] == "served"
    level = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
    monkeypatch.setenv(level, "what it was comes back afterwards")
    for quiet, said in ((True, "ERROR"), (False, "INFO")):
        monkeypatch.delenv(level)
        prepare_log(debug=False, quiet=quiet)
        assert os.environ[level] == said
    monkeypatch.setenv(level, "WARNING")
    prepare_log(debug=False, quiet=True)
    assert os.environ[level] == "WARNING"


def test_the_servers_data_base_is_postgresql(served: Served) -> None:
    if served.data_base is None:
        pytest.skip(str(missing()))

    async def rows(query: str) -> list[Any]:
        connection = await asyncpg.connect(served.data_base)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    runs = asyncio.run(rows("SELECT name, state_type::text FROM flow_run"))
    assert ("apples, oranges 1994–2023", "COMPLETED") in runs
    assert asyncio.run(rows("SELECT name, concurrency_limit FROM deployment")) == [("served", 1)] * 2
    assert not list((served.folder / ".prefect").rglob("*.db"))


@pytest.mark.parametrize(
    ("option", "value"), [("--train-cron", "every monday"), ("--timezone", "Europe/Atlantis")]
)
def test_a_schedule_that_cannot_be_read_is_refused_before_anything_starts(
    option: str, value: str, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert run(["serve", str(shipped / "sample/settings.toml"), option, value]) == 2
    assert value in capsys.readouterr().err
