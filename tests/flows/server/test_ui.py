"""`make ui` as a user has it: a real server with its deployments, a worker, a browser; gone after Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from data.contracts.wording import as_text, number
from flows.server.local import Server
from flows.server.ui import TRAINING, ended, start
from tests.flows.waiting import wait_for
from tests.tasks.report.browsing import open_browser

ROOT = Path(__file__).resolve().parents[3]
FROM_THE_START = "apples, oranges, quinces 1994–2023"
PIPELINE = ("identify", "ingest weather", "ingest yields", "assemble", "normalise 09-30", "train 09-30",
            "evaluate", "report", "publish")  # fmt: skip


@dataclass(frozen=True)
class Started:
    """`python -m flows.server.ui`, in a copy of the project."""

    project: Path
    process: subprocess.Popen[str]
    server: Server
    run: str
    said: str

    def artifacts(self, run: str) -> dict[str, dict[str, Any]]:
        """What a flow run left to be seen, by key; a slow machine shows progress as well."""
        query = {"artifacts": {"flow_run_id": {"any_": [run]}, "type": {"any_": ["markdown"]}}}
        return {found["key"]: found for found in self.server.post("artifacts/filter", query)}

    def metrics(self) -> Any:
        """The scores of the one run in the store, on its test seasons."""
        (file,) = (self.project / "store/sample/runs").glob("*/metrics.json")
        return json.loads(file.read_bytes())["seasons"]["main"]["as_of"]["09-30"]["splits"]["test"]


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    project = tmp_path_factory.mktemp("ui") / "project"
    for part in ("flows", "tasks", "data"):
        shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", project)
    environment = os.environ | {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
    }
    command = [sys.executable, "-m", "flows.server.ui"]
    with subprocess.Popen(
        command, cwd=project, env=environment, text=True, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if found := re.search(r"training run +(http://[^/]+)/\S*/([0-9a-f-]{36})", line):
                    yield Started(project, process, Server(found[1], {}), found[2], said)
                    return
            pytest.fail(f"it didn't start: {said}")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


@pytest.fixture(scope="module")
def trained(ui: Started) -> Started:
    """The same, its first training run ended well."""
    state = wait_for(lambda: ended(ui.server, ui.run), 240)
    assert state["type"] == "COMPLETED", state
    return ui


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    for found in open_browser():
        found.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 1400, "height": 1000, "deviceScaleFactor": 1, "mobile": False},
        )
        yield found


def test_it_says_what_it_does_while_it_starts(ui: Started) -> None:
    server, deployed, *rest = ui.said.splitlines()
    assert "starting Prefect's server" in server
    assert ui.server.url in deployed
    assert "deployments" in deployed
    assert [line.split()[0] for line in rest] == ["UI", "training"]


def test_deployments_are_scheduled(ui: Started) -> None:
    deployments = {found["name"]: found for found in ui.server.post("deployments/filter")}
    crons = {name: found["schedules"][0]["schedule"] for name, found in deployments.items()}
    assert {name: cron["cron"] for name, cron in crons.items()} == {
        "train-weekly": "0 6 * * 1",
        "forecast-daily": "0 7 * * *",
        "backtest-yearly": "0 3 15 1 *",
        "score-yearly": "0 4 15 1 *",
    }
    assert {cron["timezone"] for cron in crons.values()} == {"UTC"}
    strategies = {
        name: found["concurrency_options"]["collision_strategy"] for name, found in deployments.items()
    }
    assert strategies["train-weekly"] == "CANCEL_NEW"
    assert strategies["forecast-daily"] == "ENQUEUE"
    for found in deployments.values():
        query = {
            "deployments": {"id": {"any_": [found["id"]]}},
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        }
        assert wait_for(partial(ui.server.post, "flow_runs/filter", query), 60)
        # nothing in them is of this machine but the folder that a worker goes to
        assert str(ui.project) not in json.dumps(found["parameters"])
        assert found["description"]
        assert "cropyield" in found["tags"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"weather": 5}, "is not of type 'string'"),
        ({"training": {"epochs": 0}}, "is less than the minimum of 1"),
        ({"trainng": {}}, "Additional properties are not allowed"),
    ],
)
def test_bad_settings_are_refused_when_a_run_is_created(
    settings: dict[str, Any], complaint: str, ui: Started
) -> None:
    deployment = ui.server.get("deployments/name/train-yields/train-weekly")
    given = deployment["parameters"]["settings"] | settings
    refused = httpx.post(
        f"{ui.server.url}/api/deployments/{deployment['id']}/create_flow_run",
        json={"parameters": {"settings": given}},
        timeout=60,
    )
    assert refused.status_code == 409, refused.text
    assert complaint in refused.text


def test_a_training_run_shows_what_it_decided(trained: Started) -> None:
    artifacts = trained.artifacts(trained.run)
    assert set(artifacts) == {"headline", "loss-curve", "predicted-actual", "ledger", "gate"}
    for crop, scores in trained.metrics()["crops"].items():
        (row,) = [line for line in artifacts["headline"]["data"].splitlines() if line.startswith(f"| {crop}")]
        for figure in (scores["mse"], *scores["baselines"].values()):
            assert number(figure) in row
        assert f"### {crop}" in artifacts["predicted-actual"]["data"]
    assert artifacts["predicted-actual"]["data"].count("](data:image/svg+xml;base64,") == 2
    assert artifacts["loss-curve"]["data"].count("](data:image/svg+xml;base64,") == 1
    assert max(len(found["data"]) for found in artifacts.values()) < 300_000
    gate = artifacts["gate"]["data"]
    assert "**Gate passed.**" in gate
    assert "there is no current model" in gate
    (report,) = (trained.project / "store/sample/runs").glob("*/report.html")
    assert f"| report | {as_text(str(report))} |" in gate


def test_its_log_tells_the_story_in_about_25_lines(trained: Started) -> None:
    query = {
        "logs": {"flow_run_id": {"any_": [trained.run]}, "level": {"ge_": 20}},
        "limit": 200,
        "sort": "TIMESTAMP_ASC",
    }

    def told() -> list[str] | None:
        """The lines of the tasks, once the last has arrived: logs are sent in batches."""
        lines = [log["message"] for log in trained.server.post("logs/filter", query) if log["task_run_id"]]
        story = [line for line in lines if not line.startswith("Finished in state")]
        return story if any("report.html" in line for line in story) else None

    story = wait_for(told, 60)
    assert 15 <= len(story) <= 28, "\n".join(story)
    for part in ("21,602 rows in", "too few rows for this crop 3", "epoch 1 of 300 at most",
                 "the exact optimum", "skill", "gate passed", "predictions.parquet"):  # fmt: skip
        assert any(part in line for line in story), part


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """The address at which a folder's files can be opened."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/"
        finally:
            http.shutdown()
            thread.join()


def test_of_two_overlapping_runs_the_second_is_cancelled_and_says_why(trained: Started) -> None:
    """The first, of a store that is served, repeats a finished run, and its links lead to pages that open."""
    server = trained.server
    with web_server(trained.project / "store/sample") as address:
        settings = server.get(f"deployments/name/{TRAINING}")["parameters"]["settings"]
        # where a store is served changes nothing of its runs
        first = start(server, TRAINING, settings=settings | {"public_url": address})
        # the second comes while the first holds the deployment's only place
        wait_for(lambda: server.get(f"flow_runs/{first}")["state"]["type"] in ("PENDING", "RUNNING"), 60)
        second = start(server, TRAINING)
        refused = wait_for(lambda: ended(server, second), 120)
        assert refused["type"] == "CANCELLED"
        assert "concurrency limit" in refused["message"].lower()
        state = wait_for(lambda: ended(server, first), 240)
        assert state["type"] == "COMPLETED", state
        artifacts = trained.artifacts(first)
        links = re.findall(r"\]\((http[^)]+)\)", artifacts["gate"]["data"])
        assert [link.rpartition("/")[2] for link in links] == ["report.html", "predictions.parquet"]
        pages = {link: httpx.get(link) for link in links}
        assert {page.status_code for page in pages.values()} == {200}
        assert "<html" in pages[links[0]].text
    # nothing had changed, and that too is to be seen
    assert set(artifacts) == {"gate", "earlier"}
    assert "nothing new" in artifacts["gate"]["data"]
    assert "this is the current model" in artifacts["gate"]["data"]
    assert server.get(f"flow_runs/{first}")["name"] == "apples, oranges 1994–2023"
    before = trained.artifacts(trained.run)
    for key, found in before.items():
        assert f"[{key}]({server.url}/artifacts/artifact/{found['id']})" in artifacts["earlier"]["data"]
    assert f"({server.url}/runs/flow-run/{trained.run})" in artifacts["earlier"]["data"]
    assert "data:image" not in artifacts["earlier"]["data"], "linked, not drawn again"


def test_forecast_and_backtest_run_as_deployed(trained: Started) -> None:
    server = trained.server
    deployed = {"forecast-yields/forecast-daily": {}, "backtest-yields/backtest-yearly": {"seasons": 2}}
    runs = {name: start(server, name, **parameters) for name, parameters in deployed.items()}
    for name, run in runs.items():
        state = wait_for(partial(ended, server, run), 240)
        assert state["type"] == "COMPLETED", (name, state)
    forecast, backtest = (trained.artifacts(run) for run in runs.values())
    assert set(forecast) == {"forecast", "bulletin"}
    assert "backtest" in backtest
    query = {"task_runs": {"flow_run_id": {"any_": [runs["backtest-yields/backtest-yearly"]]}}}
    names = {task["name"] for task in server.post("task_runs/filter", query)}
    assert {"hindcast 2022 as of 09-30", "hindcast 2023 as of 09-30"} <= names


def text_of(browser: Any, url: str, *parts: str) -> str:
    """The text of a page once all parts are in it."""
    browser.get(url)

    def shown() -> str | None:
        text = str(browser.execute_script("return document.body.innerText"))
        return text if all(part in text for part in parts) else None

    try:
        return str(wait_for(shown, 60))
    except AssertionError:
        page = browser.execute_script("return document.body.innerText")
        raise AssertionError(f"{url} doesn't show all of {parts}, but:\n{page}") from None


def test_the_run_page_shows_the_pipeline(browser: Any, trained: Started) -> None:
    page = f"{trained.server.url}/v2/runs/flow-run/{trained.run}"
    text_of(browser, f"{page}?tab=TaskRuns", "apples, oranges 1994–2023", "Completed", *PIPELINE)


def test_the_artifact_page_shows_the_headline(browser: Any, trained: Started) -> None:
    scores = trained.metrics()["crops"]
    figures = [number(scores[crop][key]) for crop in scores for key in ("mse",)]
    page = trained.artifacts(trained.run)["headline"]["id"]
    for ui in ("/v2", ""):
        text_of(browser, f"{trained.server.url}{ui}/artifacts/artifact/{page}", "last five seasons", *figures)
        assert browser.execute_script(
            "return [...document.querySelectorAll('table')]"
            ".every(table => table.parentElement.scrollWidth <= table.parentElement.clientWidth)"
        ), "the table is wider than its place"


def test_the_pictures_are_seen(browser: Any, trained: Started) -> None:
    artifacts = trained.artifacts(trained.run)
    for key, count in (("loss-curve", 1), ("predicted-actual", 2)):
        browser.get(f"{trained.server.url}/v2/artifacts/artifact/{artifacts[key]['id']}")
        large = "return [...document.images].filter(image => image.naturalWidth > 300).length"
        wait_for(partial(browser.execute_script, f"{large} === {count}"), 60)


def test_the_bulletin_is_seen(browser: Any, trained: Started) -> None:
    query = {"artifacts": {"key": {"any_": ["bulletin"]}}}
    (bulletin,) = trained.server.post("artifacts/filter", query)
    (page,) = (trained.project / "store/sample/bulletins").glob("*.html")
    assert as_text(str(page)) in bulletin["data"]
    for ui in ("/v2", ""):
        url = f"{trained.server.url}{ui}/artifacts/artifact/{bulletin['id']}"
        text_of(
            browser, url, "the bulletin", "Nothing is ahead to be forecast"
        )  # the sample has past gaps only
        assert browser.execute_script(
            "return [...document.querySelectorAll('table')]"
            ".every(table => table.parentElement.scrollWidth <= table.parentElement.clientWidth)"
        ), "the table is wider than its place"


def test_the_run_form_explains_the_settings(browser: Any, trained: Started) -> None:
    deployment = trained.server.get("deployments/name/train-yields/train-weekly")["id"]
    text_of(
        browser,
        f"{trained.server.url}/v2/deployments/deployment/{deployment}/run",
        "Passes over the training rows in each round, at most.",
        "Folder or file of weather Parquet",
        "Tolerated loss of test MSE against the best naive baseline, as a fraction, for each crop.",
        "Compute the run again even when it is finished.",
    )


def test_ctrl_c_leaves_no_process_behind(trained: Started) -> None:
    """With a run in progress, which ends as cancelled."""
    run = start(trained.server, TRAINING, force=True)
    wait_for(lambda: trained.server.get(f"flow_runs/{run}")["state"]["type"] == "RUNNING", 120)
    # which crops and seasons, before anything is read
    wait_for(lambda: trained.server.get(f"flow_runs/{run}")["name"] == FROM_THE_START, 60)
    children = psutil.Process(trained.process.pid).children(recursive=True)
    assert len(children) >= 3
    trained.process.send_signal(signal.SIGINT)
    assert trained.process.wait(120) == 0
    _, alive = psutil.wait_procs(children, 1)
    assert alive == []
    assert [process for process in psutil.process_iter() if _home(process) == trained.project / ".ui"] == []


def _home(process: psutil.Process) -> Path | None:
    try:
        found = process.environ().get("PREFECT_HOME")
    except psutil.Error:
        return None
    return Path(found) if found else None
