"""What holds for every flow: retries on storage only, the time-out, records of ends that no success was."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from prefect import flow, task, unmapped
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling, Crashed, Failed
from prefect.tasks import Task
from prefect.types._datetime import now

from data.errors import DamageError, InputError, NoBucketError, StorageError
from data.settings.files import load_settings
from data.store.backends.local import LocalStore
from data.store.failed_runs import newest_failed_runs, record_failed_run
from flows.backtesting import backtest_yields
from flows.cli.main import run
from flows.forecasting import forecast_yields
from flows.policy import FLOW_POLICY, describe_end, record_unsuccessful_end
from flows.training import train_yields
from flows.workers.open import open_workers
from flows.workers.pools import server_address
from tasks.steps import POLICY, only_storage

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def server() -> Iterator[None]:
    """The embedded one; named, so that other processes use it, too, and don't start one each."""
    with temporary_settings({PREFECT_API_URL: server_address()}):
        yield


def ended(folder: Path) -> list[dict[str, Any]]:
    return newest_failed_runs(LocalStore(folder), 100)


def flow_run(**parameters: Any) -> FlowRun:
    known = {"flow_id": uuid4(), "name": "apples 1990–2020", "start_time": now("UTC")}
    return FlowRun.model_validate(known | {"parameters": parameters})


def test_a_failed_run_is_recorded_and_listed(shipped: Path, tmp_path: Path, capsys: Capture) -> None:
    store = tmp_path / "store"
    command = ["train", str(shipped / "sample/settings.toml"), "--store", str(store)]
    assert run([*command, "--set", "first_season=2090", "--set", "last_season=2099"]) == 3
    (end,) = ended(store)
    assert (end["flow"], end["state"]) == ("train-yields", "Failed")
    assert end["message"].startswith("InputError: ")
    assert "first_season" in end["message"]
    assert end["started_at"] < end["ended_at"]
    capsys.readouterr()
    assert run(["runs", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ends"] == [end]
    assert run(["runs", str(store)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert end["message"] in told
    assert end["flow_run"] in told


@pytest.mark.usefixtures("server")
def test_the_time_out_ends_a_run_and_is_recorded(shipped: Path, tmp_path: Path) -> None:
    changes = {"store": str(tmp_path / "store"), "training.epochs": 10**8, "training.tolerance": 0}
    settings = load_settings(shipped / "sample/settings.toml", changes)
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="timed out"):
        train_yields.with_options(timeout_seconds=6)(settings)
    assert time.monotonic() - started < 60
    (end,) = ended(tmp_path / "store")
    assert (end["state"], end["message"]) == ("TimedOut", "Flow run exceeded timeout of 6.0 second(s)")
    assert not (tmp_path / "store/runs").exists()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("runner", ["threads", "processes"])
def test_storage_is_retried_with_growing_patience_and_a_broken_contract_never(
    shipped: Path, tmp_path: Path, runner: Literal["threads", "processes"]
) -> None:
    """The class of an error survives the way from the process in which a task fails."""

    @task(**POLICY)
    def fails(kind: str, folder: str) -> None:
        (Path(folder) / f"{kind} {time.time()}").touch()
        raise {"storage": StorageError, "input": InputError}[kind]("as always")

    @flow(name=f"fails in {runner}")
    def failing() -> list[Any]:
        with open_workers(settings) as workers:
            with workers.submitting():
                parameters = {"kind": list(expected), "folder": unmapped(str(tmp_path))}
                each: Task[..., Any] = fails
                futures = list(workers.runner.map(each, parameters))
            return [future.result(raise_on_failure=False) for future in futures]

    fails.retries = 2  # as often as it takes to see the delay grow
    expected = {"storage": (StorageError, (1, 2)), "input": (InputError, ())}
    settings = load_settings(shipped / "sample/settings.toml", {"runner": runner})
    failures = failing()
    for failure, (kind, (error, delays)) in zip(failures, expected.items(), strict=True):
        assert (type(failure), str(failure)) == (error, "as always")
        at = sorted(float(path.name.split()[1]) for path in tmp_path.glob(f"{kind} *"))
        waited = [later - earlier for earlier, later in pairwise(at)]
        assert len(waited) == len(delays)
        assert all(delay <= found < delay + 30 for delay, found in zip(delays, waited, strict=True))


@pytest.mark.parametrize(
    ("failure", "again"), [(StorageError, True), (NoBucketError, False), (DamageError, False)]
)
def test_a_bucket_that_is_not_there_is_asked_for_once(failure: type[StorageError], again: bool) -> None:
    nobody: Any = None
    assert only_storage(nobody, nobody, Failed(data=failure("gone"))) == again


def test_every_flow_keeps_the_policy() -> None:
    for found in (train_yields, backtest_yields, forecast_yields):
        assert found.timeout_seconds == FLOW_POLICY["timeout_seconds"]
        assert found.should_validate_parameters
        for hooks in (found.on_failure_hooks, found.on_crashed_hooks, found.on_cancellation_hooks):
            assert hooks == [record_unsuccessful_end]


def test_an_end_is_described_without_credentials() -> None:
    settings = {
        "store": "s3://KEYKEY:hidden-word@bucket/store",
        "weather": "s3://WKEY:other-word@w",
        "yields": "y",
    }
    message = (
        "Flow run encountered an exception: StorageError: KEYKEY hidden-word s3://WKEY:other-word@w refused"
    )
    end = describe_end(train_yields, flow_run(settings=settings), Failed(message=message))
    assert end["message"] == "StorageError: *** *** s3://w refused"
    assert describe_end(train_yields, flow_run(), Cancelling())["state"] == "Cancelled"
    assert describe_end(train_yields, flow_run(), Crashed(message=None))["message"] == ""


@pytest.mark.usefixtures("server")
def test_the_hook_bears_a_store_that_is_down_and_parameters_that_name_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    down = {"settings": {"store": str(tmp_path / "file/store")}}
    nowhere: list[dict[str, Any]] = [{"settings": {"store": 5}}, {"settings": None}, {}]
    for parameters in (down, *nowhere):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "prefect.flow_runs"):
            record_unsuccessful_end(train_yields, flow_run(**parameters), Crashed(message="killed"))
        assert "the end is not recorded" in caplog.text


def test_the_newest_ends_are_kept_and_the_same_end_is_one(tmp_path: Path, capsys: Capture) -> None:
    store = LocalStore(tmp_path)
    for day in (3, 1, 2, 2):
        ended_at = f"2026-01-0{day}T06:00:00+00:00"
        record_failed_run(store, {"flow_run_id": "a", "ended_at": ended_at, "state": "Failed"})
    assert [end["ended_at"][8:10] for end in newest_failed_runs(store, 2)] == ["02", "03"]
    assert run(["prune", str(tmp_path), "--keep", "1", "--json"]) == 0
    removed = json.loads(capsys.readouterr().out)["removed"]
    assert [name[:13] for name in removed] == ["ends/20260101", "ends/20260102"]
    assert [end["ended_at"][8:10] for end in newest_failed_runs(store, 2)] == ["03"]
