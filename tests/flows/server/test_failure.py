"""Runs that fail, crash, or die together with their worker: the record, the alert, and the queue after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.main import run
from flows.server import alerts
from tests.flows.servers import ROOT, Server, kill, prefect_server, processes_of, receiver
from tests.flows.waiting import wait_for

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are found by /proc"
)

TOKEN = "a-token-nobody-may-see"
DEPLOY = """
import sys
from data.settings.files import load_settings
from flows.training import train_yields
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.workers.process import ProcessWorker
settings = load_settings(sys.argv[1]).model_dump(mode="json") | {"store": sys.argv[2]}
template = ProcessWorker.get_default_base_job_template()
for pool in ("workers", "nobody"):
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process", base_job_template=template))
for name, pool in (("weekly", "workers"), ("spare", "workers"), ("unattended", "nobody")):
    train_yields.from_source(sys.argv[3], "flows/training.py:train_yields").deploy(
        name, work_pool_name=pool, parameters={"settings": settings}, build=False, push=False,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy="ENQUEUE"),
        job_variables={"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}} if pool == "workers" else None,
        print_next_steps=False,
    )
"""
WAIT_S = 10  # less than the product's quarter of an hour; its other waits are needed on a busy machine
LONGEST_S = 280  # of one wait


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with deployments that admit one run at a time; only one of its pools has workers."""
    options = {
        "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    }
    with prefect_server(tmp_path_factory.mktemp("failure"), **options) as found:
        # seen from the deployment's folder, where neither server nor workers are
        store = os.path.relpath(found.folder / "store", ROOT)
        arguments = (str(ROOT / "data/sample/settings.toml"), store, str(ROOT))
        subprocess.run(
            [sys.executable, "-c", DEPLOY, *arguments],
            env=found.environment,
            cwd=ROOT,
            check=True,
            timeout=120,
        )
        yield found


@pytest.fixture(scope="module")
def alerted(server: Server) -> Iterator[list[Any]]:
    """What the webhook has received."""
    with receiver() as (address, arrived), temporary_settings({PREFECT_API_URL: server.url}):
        alerts.install(f"{address}/{TOKEN}", waits=alerts.Waits(wait_s=WAIT_S))
        yield arrived


@pytest.fixture(scope="module")
def worker(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    with started_worker(server) as found:
        yield found


@contextmanager
def started_worker(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    process = server.start("worker", "prefect", "worker", "start", "--pool", "workers", "--type", "process")
    try:
        yield process
    finally:
        kill(process.pid)
        process.wait()


def trigger(server: Server, name: str, **training: Any) -> str:
    """A run of the deployment; its id."""
    found = server.ask("GET", f"deployments/name/train-yields/{name}")
    settings = found["parameters"]["settings"]
    settings |= {"training": settings["training"] | training}
    made = server.ask(
        "POST", f"deployments/{found['id']}/create_flow_run", parameters={"settings": settings, "force": True}
    )
    return str(made["id"])


def state(server: Server, flow_run: str) -> str:
    return str(server.ask("GET", f"flow_runs/{flow_run}")["state"]["name"])


def propose(server: Server, flow_run: str, name: str) -> str:
    """What the server makes of a state that somebody proposes."""
    wanted = {"type": name.upper(), "name": name}
    return str(server.ask("POST", f"flow_runs/{flow_run}/set_state", state=wanted)["status"])


@contextmanager
def long_training(server: Server, name: str) -> Iterator[tuple[str, list[int]]]:
    """A run whose task `train` runs, and its processes; all that are left of it are killed, hooks, too."""

    def processes() -> list[int]:
        tasks = server.ask("POST", "task_runs/filter", task_runs={"flow_run_id": {"any_": [flow_run]}})
        training = any(t["name"].startswith("train ") and t["state_type"] == "RUNNING" for t in tasks)
        return processes_of(flow_run) if training else []

    flow_run = trigger(server, name, epochs=10**7, tolerance=0)
    try:
        yield flow_run, wait_for(processes, LONGEST_S, f"{name} trains")
    finally:
        for process in processes_of(flow_run):
            kill(process)


def becomes(server: Server, flow_run: str, name: str) -> None:
    wait_for(lambda: state(server, flow_run) == name, LONGEST_S, f"the run becomes {name}")


def alert_of(alerted: list[Any], flow_run: str, said: str) -> Any:
    """The alert with such a message that arrives about a run; on a busy machine it may also be late."""

    def found() -> Any:
        mine = [alert for alert in alerted if alert["flow_run_id"] == flow_run]
        return next((alert for alert in mine if said in alert["message"]), None)

    return wait_for(found, LONGEST_S, f"an alert about the run that says {said!r}")


def end_of(server: Server, flow_run: str) -> Any:
    """The record that the run's hook writes into the store."""

    def found() -> Any:
        paths = (server.folder / "store/ends").glob(f"*{flow_run}.json")
        return next((json.loads(path.read_text()) for path in paths), None)

    return wait_for(found, LONGEST_S, "a record of the end")


@pytest.fixture(scope="module")
def abandoned(server: Server, alerted: list[Any]) -> tuple[str, str]:
    """A run that no worker takes, and one that a worker took and never started; early, for they take time."""
    assert alerted == []
    untaken, unstarted = trigger(server, "unattended"), trigger(server, "unattended")
    assert propose(server, unstarted, "Pending") == "ACCEPT"
    return untaken, unstarted


@pytest.mark.usefixtures("worker", "abandoned")
def test_a_killed_flow_is_crashed_recorded_and_told(
    server: Server, alerted: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with long_training(server, "weekly") as (flow_run, processes):
        kill(processes[-1])
        becomes(server, flow_run, "Crashed")
        alert, end = alert_of(alerted, flow_run, "status code: -9"), end_of(server, flow_run)
    assert [alert[key] for key in ("flow", "deployment", "state")] == ["train-yields", "weekly", "Crashed"]
    assert alert["message"] in alert["text"]
    assert alert["text"].startswith("train-yields of deployment weekly Crashed")
    crashed = {"type": "CRASHED", "name": "Crashed", "message": "status code: -9, said again"}
    server.ask("POST", f"flow_runs/{flow_run}/set_state", state=crashed, force=True)
    assert alert["url"].endswith(f"/runs/flow-run/{flow_run}")
    assert (alert["path"], alert["type"]) == (f"/{TOKEN}", "application/json")
    assert [end[key] for key in ("flow", "flow_run", "state", "message")] == [
        alert[key] for key in ("flow", "flow_run", "state", "message")
    ]
    assert end["started_at"] < end["ended_at"]
    assert run(["runs", str(server.folder / "store")]) == 0
    assert "status code: -9" in capsys.readouterr().out


@pytest.fixture(scope="module")
def silent(server: Server, worker: subprocess.Popen[bytes]) -> tuple[str, str]:
    """A run that was killed with its worker, and the one that waits for its place."""
    with long_training(server, "weekly") as (killed, processes):
        queued = trigger(server, "weekly", epochs=1)
        becomes(server, queued, "AwaitingConcurrencySlot")
        kill(worker.pid)
        for process in processes:
            kill(process)
    return killed, queued


@pytest.fixture(scope="module")
def another_worker(server: Server, silent: tuple[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    assert silent
    with started_worker(server) as found:
        yield found


@pytest.fixture(scope="module")
def cancelled(server: Server, another_worker: subprocess.Popen[bytes]) -> str:
    """A run of the new worker that somebody cancels while the silent one is listened for."""
    assert another_worker.poll() is None
    with long_training(server, "spare") as (stopped, _):
        propose(server, stopped, "Cancelling")
        becomes(server, stopped, "Cancelled")
    return stopped


def test_a_run_that_is_cancelled_is_recorded(server: Server, cancelled: str) -> None:
    assert end_of(server, cancelled)["state"] == "Cancelled"


def test_a_flow_killed_with_its_worker_is_buried_and_the_next_goes_through(
    server: Server, alerted: list[Any], silent: tuple[str, str], cancelled: str
) -> None:
    killed, queued = silent
    becomes(server, killed, "Crashed")
    alert_of(alerted, killed, "No sign of life")
    becomes(server, queued, "Completed")
    failed = [alert for alert in alerted if "No worker has taken it" not in alert["message"]]
    runs = [alert["flow_run_id"] for alert in failed]
    assert set(runs).isdisjoint({queued, cancelled})
    assert len(runs) == len(set(runs)), "one failure is one alert"
    assert len({alert["event"] for alert in alerted}) == len(alerted)


def test_people_are_told_of_runs_that_no_worker_takes_or_starts(
    server: Server, alerted: list[Any], abandoned: tuple[str, str]
) -> None:
    untaken, unstarted = abandoned
    alert_of(alerted, untaken, "No worker has taken it")
    becomes(server, unstarted, "Crashed")
    alert_of(alerted, unstarted, "Not started")
    assert propose(server, untaken, "Pending") == "ACCEPT", "the unstarted run still holds its place"


def test_the_command_replaces_and_removes_what_it_made(
    server: Server, alerted: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["alerts", "--webhook", f"https://host/{TOKEN}", "--json"]) == 0
    said = capsys.readouterr()
    assert TOKEN not in said.out + said.err
    made = json.loads(said.out)
    assert [made["silence_s"], made["start_s"], made["wait_s"]] == [90, 150, 900]
    (warning,) = made["warnings"]
    assert "train-yields/unattended" in warning
    names = [automation["name"] for automation in server.ask("POST", "automations/filter")]
    assert sorted(names) == sorted(made["automations"])
    assert run(["alerts", "--remove", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["removed"]) == len(names) + 1
    assert server.ask("POST", "automations/filter") == []
    assert alerted, "the automations that are replaced have done their work"
