"""What a publication sets off on a real server: its event, a chained deployment, an alert when it is late."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pandas as pd
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.main import run
from flows.server import alerts
from flows.server.freshness import STALE
from tasks.events import FORECAST_PUBLISHED, WATCHED
from tests.docs.commands import blocks, commands
from tests.flows.mailbox import mailbox, text_of
from tests.flows.servers import ROOT, Server, kill, prefect_server, receiver
from tests.flows.waiting import wait_for

STALE_S, LATE_S, LONGEST_S = 20, 60, 240
MAIN = "import sys; from flows.cli.main import main; sys.exit(main())"
TOKEN = "a-token-nobody-may-see"
DEPLOY = """
import sys
from data.settings.files import load_settings
from flows.forecasting import forecast_yields
settings = load_settings(sys.argv[1]).model_dump(mode="json") | {"store": sys.argv[2]}
forecast_yields.to_deployment("daily", parameters={"settings": settings}).apply()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as it is shipped, the sample as of August 2023, and a deployment of its forecast."""
    with prefect_server(tmp_path_factory.mktemp("events")) as found:
        sample = found.folder / "sample"
        shutil.copytree(ROOT / "data/sample", sample)
        for file in (sample / "yields").iterdir():
            rows = pd.read_parquet(file)
            rows[rows["year"] != 2023].to_parquet(file)
        given = (str(sample / "settings.toml"), str(found.folder / "store"))
        subprocess.run(
            [sys.executable, "-c", DEPLOY, *given], env=found.environment, cwd=ROOT, check=True, timeout=120
        )
        yield found


@pytest.fixture(scope="module")
def chained(server: Server) -> Iterator[str]:
    """The script of the how-to, waiting for this server's forecasts; the name of its deployment."""
    page = (ROOT / "docs/how-to/alerts.md").read_text(encoding="utf-8")
    (script,) = (block.text for block in blocks(page) if block.language == "python")
    assert "/data/store" in script
    (server.folder / "chained.py").write_text(script.replace("/data/store", str(server.folder / "store")))
    process = server.start("chained", "chained")
    name = "load-into-warehouse/after-forecast"
    try:
        wait_for(lambda: _known(server, name), LONGEST_S, "the script has made its deployment")
        yield name
    finally:
        process.terminate()
        process.wait(60)


def _known(server: Server, name: str) -> bool:
    return httpx.get(f"{server.url}/deployments/name/{name}", timeout=60).status_code == 200


def cropyield(server: Server, command: str, *more: str) -> Any:
    """What a command says as JSON, run in a process of its own against the server."""
    given = [str(server.folder / "sample/settings.toml"), "--store", str(server.folder / "store"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", MAIN, command, *given, *more],
        env=server.environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def events(server: Server, name: str) -> list[Any]:
    """The events of this name that the server keeps of the store, oldest first."""
    resource = f"cropyield.store.{server.folder / 'store'}"
    wanted = {"event": {"name": [name]}, "resource": {"id": [resource]}, "order": "ASC"}
    found: list[Any] = server.ask("POST", "events/filter", filter=wanted)["events"]
    return found


def unreached(server: Server) -> list[Any]:
    """What the server says of webhooks that it could not call; it doesn't try again."""
    wanted = {"event": {"name": ["prefect.automation.action.failed"]}}
    found = server.ask("POST", "events/filter", filter=wanted)["events"]
    return [each for each in found if "ConnectTimeout" in each["payload"]["reason"]]


@pytest.fixture(scope="module")
def told(server: Server) -> Iterator[tuple[list[Any], list[Any], list[EmailMessage], Any]]:
    """What webhook, apprise and mailbox have received, and what `install` said."""
    with receiver() as (hook, posted), receiver() as (chat, said), mailbox() as (port, mails):
        words = [f"{chat.replace('http', 'json')}/{TOKEN}"]
        words.append(f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure")
        with temporary_settings({PREFECT_API_URL: server.url}):
            installed = alerts.install(f"{hook}/{TOKEN}", words, alerts.Waits(stale_s=STALE_S))
        yield posted, said, mails, installed


@pytest.fixture(scope="module")
def published(server: Server, chained: str, told: Any) -> tuple[Any, Any]:
    """What the training and the forecast printed.

    The forecast comes after the alert that there is none, so that its term doesn't touch the one before.
    """
    assert chained
    posted, said, store = told[0], told[1], str(server.folder / "store")
    trained = cropyield(server, "train")
    wait_for(
        lambda: [*(each for each in posted if each.get("store") == store), *said],
        LONGEST_S,
        "the first alert",
    )
    return trained, cropyield(server, "forecast")


def test_each_publication_emits_its_event(server: Server, published: tuple[Any, Any]) -> None:
    trained, forecast = published
    store = str(server.folder / "store")
    (of_run,) = wait_for(lambda: events(server, "cropyield.run.published"), LONGEST_S)
    (of_forecast,) = wait_for(lambda: events(server, "cropyield.forecast.published"), LONGEST_S)
    for event in (of_run, of_forecast):
        assert event["resource"]["prefect.resource.id"] == f"cropyield.store.{store}"
        roles = {related["prefect.resource.role"] for related in event["related"]}
        assert {"flow-run", "flow"} <= roles
    assert of_run["payload"]["run"] == trained["run_id"]
    assert of_run["payload"]["gate"] == "passed"
    watched = wait_for(lambda: events(server, "cropyield.forecast.watched")[1:], LONGEST_S, "a term begun")
    payload = of_forecast["payload"]
    assert [each["payload"]["forecast"] for each in watched] == [payload["forecast"]]
    assert (payload["forecast"], payload["store"]) == (forecast["run_id"], store)
    whole = pd.read_parquet(f"{store}/aggregates.parquet")
    for crop in payload["crops"]:
        row = whole[(whole["level"] == "all") & (whole["crop"] == crop["crop"]) & (whole["year"] == 2023)]
        assert crop["predicted"] == row["predicted"].iloc[-1]
    assert re.match(r"apples 2023: [\d.,]+ t/ha \([+−][\d.]+ % against the five-year mean\); oranges 2023",
                    payload["headline"].replace("\N{NO-BREAK SPACE}", " "))  # fmt: skip
    entry = json.loads(next(Path(store, "log").glob(f"{payload['entry']:08d}.json")).read_text())
    assert (entry["action"], entry["run_id"]) == ("forecast", forecast["run_id"])


def test_a_published_forecast_starts_a_chained_deployment(
    server: Server, chained: str, published: tuple[Any, Any]
) -> None:
    deployment = server.ask("GET", f"deployments/name/{chained}")["id"]
    wanted = {"deployments": {"id": {"any_": [deployment]}}}

    def completed() -> list[Any]:
        runs = server.ask("POST", "flow_runs/filter", **wanted)
        return [run for run in runs if run["state"]["type"] == "COMPLETED"]

    (run,) = wait_for(completed, LONGEST_S, "the chained flow ran")
    (event,) = events(server, "cropyield.forecast.published")
    assert run["parameters"] == {
        "forecast": published[1]["run_id"],
        "store": str(server.folder / "store"),
        "headline": event["payload"]["headline"],
    }


def test_a_late_forecast_is_told_of_once_within_a_minute(
    server: Server, told: tuple[list[Any], list[Any], list[EmailMessage], Any], published: tuple[Any, Any]
) -> None:
    posted, said, mails, installed = told
    store = str(server.folder / "store")
    assert installed["stores"] == [store], "the deployment's store is watched before it publishes anything"

    def late() -> list[Any]:
        """By webhook, or in words where Prefect's server was too busy to reach its own machine within 5 s."""
        posts = [alert for alert in posted if alert.get("forecast") == published[1]["run_id"]]
        return posts or (unreached(server) and [each for each in said if published[1]["run_id"] in str(each)])

    (alert,) = wait_for(late, LONGEST_S, "the alert of a late forecast")
    came = datetime.now(UTC)
    (event,) = events(server, "cropyield.forecast.published")
    deadline = datetime.fromisoformat(event["occurred"]) + timedelta(seconds=STALE_S)
    assert deadline <= came <= deadline + timedelta(seconds=LATE_S), (deadline, came)
    if "text" in alert:
        assert (alert["store"], alert["state"], alert["within_s"]) == (store, "Stale", STALE_S)
    text = alert.get("text") or alert["message"]
    assert f"{store}: no forecast published for 20 seconds" in text
    words = wait_for(lambda: [each for each in said if published[1]["run_id"] in each["message"]], LONGEST_S)
    assert words[-1]["message"] == text
    assert words[-1]["path"] == f"/{TOKEN}"
    wanted = published[1]["run_id"]
    mail = wait_for(lambda: [each for each in mails if wanted in text_of(each)], LONGEST_S, "the mail")[-1]
    assert f"no new forecast in {store}" in mail["subject"]
    assert mail["to"] == "b@example.org"


def test_a_forecast_that_comes_just_behind_the_deadline_begins_a_term(
    server: Server, told: tuple[list[Any], list[Any], list[EmailMessage], Any]
) -> None:
    """Prefect looks every few seconds whether a term has ended; here a forecast comes before it does."""
    store, now = "s3://elsewhere/store", datetime.now(UTC)
    resource = {"prefect.resource.id": f"cropyield.store.{store}", "prefect.resource.name": store}
    sent: list[dict[str, Any]] = []
    for event, at, payload in (
        (WATCHED, now - timedelta(seconds=STALE_S + 1), {}),
        (FORECAST_PUBLISHED, now, {"forecast": "late"}),
        (WATCHED, now + timedelta(milliseconds=1), {"forecast": "late"}),
    ):
        before = {"follows": sent[-1]["id"]} if sent else {}
        about = {"id": str(uuid4()), "event": event, "occurred": at.isoformat(), "payload": payload}
        sent.append(about | {"resource": resource} | before)
    httpx.post(f"{server.url}/events", json=sent, timeout=60).raise_for_status()
    wait_for(
        lambda: [each for each in told[0] if each.get("store") == store and _ended(each, "late")],
        LONGEST_S, "the alert of its own term",
    )  # fmt: skip


def _ended(alert: dict[str, Any], forecast: str) -> bool:
    """Whether an alert says that a term has ended that this forecast began."""
    return "no forecast published for" in alert["text"] and alert["forecast"] == forecast


@pytest.mark.usefixtures("published")
def test_nothing_new_is_no_publication(server: Server) -> None:
    assert cropyield(server, "forecast")["message"].startswith("nothing new")
    assert len(events(server, "cropyield.forecast.published")) == 1


def test_a_long_task_shows_its_progress(server: Server) -> None:
    settings = str(server.folder / "sample/settings.toml")
    endless = ["--set", "training.epochs=10000000", "--set", "training.tolerance=0", "--store"]
    words = ["train", settings, *endless, str(server.folder / "other")]
    with (server.folder / "long.log").open("wb") as log:
        training = subprocess.Popen(
            [sys.executable, "-c", MAIN, *words], env=server.environment, cwd=ROOT, stdout=log, stderr=log
        )

    def shown() -> Any:
        wanted = {"type": {"any_": ["progress"]}}
        found = [
            each
            for each in server.ask("POST", "artifacts/filter", artifacts=wanted)
            if each["key"].startswith("progress-train-")
        ]
        return found[0] if found and found[0]["data"] > 0 else None

    try:
        progress = wait_for(shown, LONGEST_S, "a progress artifact that moves")
    finally:
        kill(training.pid)
        training.wait()
    assert progress["description"].startswith("Progress: train 09-30 ")
    assert progress["flow_run_id"]
    assert progress["task_run_id"]


@pytest.mark.usefixtures("told")
def test_the_commands_of_the_how_to_do_what_it_says(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every `cropyield alerts` of the documentation, in order, on the server."""
    pages = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
    lines = [line for page in pages for line in commands(page.read_text(encoding="utf-8"))]
    typed = [line for line in lines if line.startswith("cropyield alerts")]
    assert any("--stale" in line for line in typed)
    assert any("--notify" in line for line in typed)
    with temporary_settings({PREFECT_API_URL: server.url}):
        for line in typed:
            assert run([*shlex.split(line)[1:], "--json"]) == 0, line
            said = json.loads(capsys.readouterr().out)
            assert said["server"] == server.url
        assert run(["alerts", "--webhook", f"https://host/{TOKEN}", "--stale", "8d", "--json"]) == 0
        said = capsys.readouterr()
        assert TOKEN not in said.out + said.err
        assert json.loads(said.out)["stale_s"] == 8 * 86400
        # those who are told of stale stores are those who are told of runs, whoever that was before
        slack = "https://hooks.slack.com/services/T0TOKEN/B0TOKEN/C0TOKEN"
        teams = (
            "https://prod-1.westus.logic.azure.com:443/workflows/643e69f83c8944438d68119179a10a64/triggers/"
            "manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=TOKEN"
        )
        assert run(["alerts", "--notify", slack, "--notify", teams]) == 0
        said = capsys.readouterr()
        assert "TOKEN" not in said.out + said.err
        automations = {each["name"]: each for each in server.ask("POST", "automations/filter")}
        blocks = {each["id"]: each for each in server.ask("POST", "block_documents/filter")}
        told = [blocks[action["block_document_id"]] for action in automations[STALE]["actions"]]
        assert [each["block_type"]["slug"] for each in told] == ["slack-webhook", "ms-teams-webhook"]
        assert len([each for each in blocks.values() if each["name"].startswith("cropyield-")]) == 2
        # a block that somebody else made
        assert run(["alerts", "--notify", f"slack-webhook/{told[0]['name']}"]) == 0
        assert run(["alerts", "--notify", "slack-webhook/nobodys"]) == 2
        assert "no such block" in capsys.readouterr().err
        assert run(["alerts", "--remove"]) == 0
        assert run(["alerts", "--stale", "8d"]) == 2
        assert "nobody is told yet" in capsys.readouterr().err
    left = [each["name"] for each in server.ask("POST", "automations/filter")]
    assert [name for name in left if name.startswith("cropyield:")] == []
