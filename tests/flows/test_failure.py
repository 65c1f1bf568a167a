"""Runs that fail, crash, or die together with their worker: the record, the alert, and the queue after it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import alerts
from flows.cli import run
from tests.flows.servers import ROOT, Server, kill, prefect_server, processes_of, receiver, wait_for

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are found by /proc"
)

TOKEN = "a-token-nobody-may-see"
DEPLOY = """
import sys
from data.settings import load_settings
from flows.training import train_yields
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.workers.process import ProcessWorker
settings = load_settings(sys.argv[1], {"store": sys.argv[2]}).model_dump(mode="json")
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
# prefect beats every 30 s at the most often; the product waits for three beats
SILENCE_S, START_S, WAIT_S = 36, 60, 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with deployments that admit one run at a time; only one of its pools has workers."""
    options = {
        "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    }
    with prefect_server(tmp_path_factory.mktemp("failure"), **options) as found:
        arguments = (str(ROOT / "data/sample/settings.toml"), str(found.folder / "store"), str(ROOT))
        subprocess.run(
            [sys.executable, "-c", DEPLOY, *arguments],
            env=found.environment,
            cwd=ROOT,
            check=True,
            timeout=120,
        )
        yield found


def deployment(server: Server, name: str) -> str:
    return str(server.ask("GET", f"deployments/name/train-yields/{name}")["id"])


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


def training(server: Server, flow_run: str) -> list[int]:
    """The run's processes as soon as its task `train` runs, nothing before."""
    tasks = server.ask("POST", "task_runs/filter", task_runs={"flow_run_id": {"any_": [flow_run]}})
    running = any(t["name"].startswith("train-") and t["state_type"] == "RUNNING" for t in tasks)
    return processes_of(flow_run) if running else []


def ends(server: Server) -> dict[str, Any]:
    found = [json.loads(path.read_text()) for path in (server.folder / "store/ends").glob("*.json")]
    return {end["flow_run_id"]: end for end in found}


def test_killed_runs_are_recorded_told_of_and_free_the_queue(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = server.start("worker", "prefect", "worker", "start", "--pool", "workers", "--type", "process")
    started = [worker]
    killed: list[int] = []
    try:
        with receiver() as (address, arrived), temporary_settings({PREFECT_API_URL: server.url}):
            webhook = f"{address}/{TOKEN}"
            # the command installs the product's own waits; for the test they are made shorter
            assert run(["alerts", "--webhook", webhook, "--json"]) == 0
            said = capsys.readouterr()
            assert TOKEN not in said.out + said.err
            made = json.loads(said.out)
            assert [made["silence_s"], made["start_s"], made["wait_s"]] == [90, 150, 900]
            (warning,) = made["warnings"]
            assert "train-yields/unattended" in warning
            assert alerts.install(webhook, SILENCE_S, START_S, WAIT_S)["automations"] == made["automations"]
            assert len(server.ask("POST", "automations/filter")) == 4
            late = trigger(server, "unattended")
            unstarted = trigger(server, "unattended")
            pending = {"type": "PENDING", "name": "Pending"}
            server.ask("POST", f"flow_runs/{unstarted}/set_state", state=pending)

            def told(flow_run: str) -> Any:
                return next((alert for alert in arrived if alert["flow_run_id"] == flow_run), None)

            # the flow's process alone: its worker sees it
            first = trigger(server, "weekly", epochs=10**7)
            killed += wait_for(lambda: training(server, first), 180, "the first run trains")
            kill(killed[-1])
            wait_for(lambda: state(server, first) == "Crashed", 60, "the worker marks the run as crashed")
            alert = wait_for(lambda: told(first), 60, "the alert arrives")
            assert (alert["flow"], alert["deployment"], alert["state"]) == (
                "train-yields",
                "weekly",
                "Crashed",
            )
            assert "status code: -9" in alert["message"]
            assert alert["url"].endswith(f"/runs/flow-run/{first}")
            assert (alert["path"], alert["type"]) == (f"/{TOKEN}", "application/json")
            end = wait_for(lambda: ends(server).get(first), 60, "the hook records the end")
            assert end["started_at"]
            assert end["flow_run"] == alert["flow_run"]
            assert (end["flow"], end["state"], end["message"]) == (
                "train-yields",
                "Crashed",
                alert["message"],
            )

            # flow and worker together, another run waiting for its turn
            second = trigger(server, "weekly", epochs=10**7)
            killed += wait_for(lambda: training(server, second), 180, "the second run trains")
            third = trigger(server, "weekly", epochs=1)
            wait_for(lambda: state(server, third) == "AwaitingConcurrencySlot", 60, "the third run queues")
            kill(worker.pid)
            for process_id in processes_of(second):
                kill(process_id)
            started.append(server.start("other-worker", "prefect", "worker", "start", "--pool", "workers"))

            # meanwhile: a run that somebody cancels, and those that no worker takes or starts
            cancelled = trigger(server, "spare", epochs=10**7)
            killed += wait_for(lambda: training(server, cancelled), 180, "the run to be cancelled trains")
            cancelling = {"type": "CANCELLING", "name": "Cancelling"}
            server.ask("POST", f"flow_runs/{cancelled}/set_state", state=cancelling)
            end = wait_for(lambda: ends(server).get(cancelled), 60, "the hook records the end")
            assert end["state"] == "Cancelled"
            wait_for(lambda: state(server, cancelled) == "Cancelled", 60, "the run is cancelled")
            assert told(cancelled) is None
            assert (
                "No worker has taken it"
                in wait_for(lambda: told(late), 120, "the late run's alert")["message"]
            )
            wait_for(
                lambda: state(server, unstarted) == "Crashed", START_S + 60, "the unstarted run is buried"
            )
            assert (
                "Not started" in wait_for(lambda: told(unstarted), 60, "the unstarted run's alert")["message"]
            )

            wait_for(lambda: state(server, second) == "Crashed", SILENCE_S + 60, "the silent run is buried")
            assert "No sign of life" in wait_for(lambda: told(second), 60, "the second alert")["message"]
            wait_for(lambda: state(server, third) == "Completed", 180, "the third run goes through")
            assert told(third) is None

            assert run(["alerts", "--remove", "--json"]) == 0
            assert len(json.loads(capsys.readouterr().out)["removed"]) == 5
            assert server.ask("POST", "automations/filter") == []
            assert run(["runs", str(server.folder / "store")]) == 0
            assert "status code: -9" in capsys.readouterr().out
    finally:
        for process in started:
            kill(process.pid)
            process.wait()
        for process_id in killed:
            kill(process_id)
