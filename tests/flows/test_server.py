"""An actual Prefect server with the locked dependencies starts, takes a deployment and schedules its runs."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

_DEPLOY = """
import sys
from flows.training import train_yields
from data.settings import load_settings
settings = load_settings(sys.argv[1])
train_yields.to_deployment(
    "weekly", cron="0 6 * * 1", parameters={"settings": settings.model_dump(mode="json")}
).apply()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a client of a fresh server; the server ends with the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_API_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
    }
    command = [sys.executable, "-m", "prefect", "server", "start"]
    with (
        (tmp_path / "server.log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_for(lambda: _healthy(environment["PREFECT_API_URL"]), 120)
            yield environment
        finally:
            process.terminate()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _wait_for(condition: object, seconds: float) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.5)


def test_a_deployment_is_scheduled_and_bad_settings_are_refused(
    server: dict[str, str], shipped: Path
) -> None:
    root = Path(__file__).resolve().parents[2]
    settings = str(shipped / "sample/settings.toml")
    subprocess.run([sys.executable, "-c", _DEPLOY, settings], env=server, cwd=root, check=True, timeout=120)
    url = server["PREFECT_API_URL"]

    def scheduled() -> int:
        query = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        return len(httpx.post(f"{url}/flow_runs/filter", json=query, timeout=10).json())

    _wait_for(lambda: scheduled() >= 2, 60)
    (deployment,) = httpx.post(f"{url}/deployments/filter", json={}, timeout=10).json()
    schema = str(deployment["parameter_openapi_schema"])
    assert "Passes over the training rows." in schema
    refused = httpx.post(
        f"{url}/deployments/{deployment['id']}/create_flow_run",
        json={"parameters": {"settings": {"weather": 5}}, "enforce_parameter_schema": True},
        timeout=10,
    )
    assert refused.status_code == 409, refused.text
