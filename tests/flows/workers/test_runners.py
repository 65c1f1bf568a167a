"""Processes and Dask as runners: the bytes that threads give, errors as they are, lost workers replaced."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import distributed
import numpy as np
import psutil
import pyarrow.fs as pafs
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort

import flows.workers.dask
from data.errors import SettingsError
from data.inputs.listing import open_input
from data.settings.files import dump_settings
from flows.backtesting import backtest_yields
from flows.cli.main import run
from tasks.job import machine
from tests.data import conftest as s3
from tests.flows.killing_proxy import KillingProxy
from tests.tasks.weather.weather_worlds import make_settings, monthly, write, yields_of

s3_server, bucket = s3.s3_server, s3.bucket  # fixtures
YEARS = range(2001, 2021)
SEASONS = 2


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Monthly weather in four files, yields, settings, and a backtest of them by threads."""
    folder = tmp_path_factory.mktemp("world")
    frame = monthly(8, YEARS).sample(frac=1, random_state=3).reset_index(drop=True)
    write(folder, "weather", *(frame.iloc[at] for at in np.array_split(np.arange(len(frame)), 4)))
    write(folder, "yields", yields_of(8, YEARS))
    settings = make_settings(folder, training={"epochs": 20}, as_of=["08-31"])
    (folder / "settings.toml").write_text(dump_settings(settings))
    backtest_yields(settings, seasons=SEASONS)
    return folder


@pytest.fixture(scope="module")
def spoilt(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weather with one file of which only the footer can be read."""
    folder = tmp_path_factory.mktemp("spoilt") / "weather"
    shutil.copytree(world / "weather", folder)
    path = folder / "part-3.parquet"
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = b"\xff" * (len(content) // 2 - 4)
    path.write_bytes(content)
    return folder


def published(store: Path) -> dict[str, bytes]:
    """The files of a store's only backtest, without those that tell the time."""
    (folder,) = (store / "backtests").iterdir()
    files = {file.relative_to(store).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in files.items() if file.name != "manifest.json"}


def children() -> set[int]:
    """Processes started from this one that run, but for the one that multiprocessing keeps for itself."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if not any("resource_tracker" in word for word in child.cmdline())}


def test_processes_give_the_bytes_that_threads_give(world: Path, tmp_path: Path) -> None:
    """However the flow is started: here it is called as a worker of a deployment calls it."""
    settings = make_settings(
        world, training={"epochs": 20}, as_of=["08-31"], runner="processes", store=str(tmp_path)
    )
    before = children()
    backtest_yields(settings, seasons=SEASONS)
    assert published(tmp_path) == published(world / "store")
    (work,) = (tmp_path / ".work").iterdir()
    groups = [step.name for step in work.iterdir() if step.name.startswith("weather ")]
    assert len(groups) == 1 + min(4, len(os.sched_getaffinity(0)))
    assert children() <= before


@pytest.mark.parametrize("runner", ["processes", "dask"])
def test_an_error_in_a_worker_is_what_it_is_and_leaves_no_process(
    world: Path, spoilt: Path, tmp_path: Path, runner: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run(["runs", str(tmp_path)])
    before = children()
    capfd.readouterr()
    command = ["train", str(world / "settings.toml"), "--weather", str(spoilt), "--store", str(tmp_path)]
    assert run([*command, "--set", f"runner={runner}"]) == 3
    # the yields are read side by side with the weather, and may be done before it fails or not
    progress = ("start Prefect", "ingest yields")
    said = [line for line in capfd.readouterr().err.splitlines() if line not in progress]
    assert len(said) == 1, said
    assert said[0].startswith(f"cropyield: {spoilt}: part-3.parquet can't be read as Parquet")
    assert children() <= before


def test_no_scheduler_at_the_address_is_a_setting_to_mend(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.workers.dask, "_CONNECT_TIMEOUT_S", 1)
    chosen = ["--set", "runner=dask", "--set", "runner_address=tcp://127.0.0.1:1"]
    assert run(["train", str(world / "settings.toml"), "--store", str(tmp_path), *chosen]) == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    """A client of a scheduler with one worker, both in this process."""
    with (
        distributed.LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


@pytest.mark.parametrize("what", ["source", "cpu", "versions"])
def test_workers_that_would_compute_other_bytes_are_refused(
    client: distributed.Client, world: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(world)
    flows.workers.dask.check_workers(client, settings)
    other = SimpleNamespace(identity=lambda device: machine.identity(device) | {what: "another"})
    monkeypatch.setattr(flows.workers.dask, "machine", other)
    with pytest.raises(
        SettingsError, match=f"other bytes than the run's id stands for: {what} is .* there, another"
    ):
        flows.workers.dask.check_workers(client, settings)


def test_workers_that_do_not_reach_the_server_are_refused(
    client: distributed.Client, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.workers.dask, "server_address", lambda: "http://127.0.0.1:1/api")
    with pytest.raises(SettingsError, match=r"can't reach Prefect's server at http://127.0.0.1:1/api"):
        flows.workers.dask.check_workers(client, make_settings(world))


_POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from flows.workers.pools import _end_with_parent
if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_end_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def test_worker_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(_POOL)
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "pool.py")], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    worker.wait(timeout=60)


class Cluster:
    """Two Dask workers that reach S3 through a proxy, and share nothing but that with this process."""

    def __init__(self, folder: Path, s3: str) -> None:
        self.proxy = KillingProxy(s3, self.workers)
        (folder / "tmp").mkdir()
        self.cluster = distributed.LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            local_directory=str(folder),
            memory_limit=0,
            env={"AWS_ENDPOINT_URL": self.proxy.endpoint, "TMPDIR": str(folder / "tmp")},
        )
        self.address: str = self.cluster.scheduler_address

    def workers(self) -> set[int]:
        """Processes of the workers."""
        return {nanny.pid for nanny in self.cluster.workers.values() if nanny.pid}

    def close(self) -> None:
        """End everything."""
        self.cluster.close()
        self.proxy.server.shutdown()
        self.proxy.server.server_close()


@pytest.fixture
def cluster(tmp_path: Path, s3_server: str, bucket: str) -> Iterator[Cluster]:  # noqa: ARG001
    made = Cluster(tmp_path, s3_server)
    yield made
    made.close()


def test_a_cluster_that_loses_workers_gives_the_bytes_that_threads_give(
    world: Path,
    tmp_path: Path,
    cluster: Cluster,
    bucket: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One dies reading its part of the weather, one saving a hindcast; inputs and store are on S3."""
    place = f"s3://{bucket}"
    for name in ("weather", "yields"):
        files, path = open_input(f"{place}/{name}")
        pafs.copy_files(str(world / name), path, destination_filesystem=files)
    cluster.proxy.wanted = [
        lambda method, path: method == "GET" and "/weather/part-" in path,
        lambda method, path: method == "PUT" and "hindcast.parquet" in path,
    ]
    changes = {"weather": f"{place}/weather", "yields": f"{place}/yields", "store": f"{place}/store"}
    located = [text for name, uri in changes.items() for text in (f"--{name}", uri)]
    chosen = ["--set", "runner=dask", "--set", f"runner_address={cluster.address}"]
    command = ["backtest", str(world / "settings.toml"), "--seasons", str(SEASONS), "--json"]
    capfd.readouterr()
    assert run([*command, *located, *chosen]) == 0
    output = capfd.readouterr()
    assert output.err == ""
    assert json.loads(output.out)["run_id"]
    assert len({pid for pid, _ in cluster.proxy.killed}) == 2, cluster.proxy.killed
    assert not cluster.proxy.wanted
    files, path = open_input(f"{place}/store/backtests")
    (tmp_path / "fetched").mkdir()
    pafs.copy_files(path, str(tmp_path / "fetched/backtests"), source_filesystem=files)
    assert published(tmp_path / "fetched") == published(world / "store")
    _until(lambda: _task_states() == {"COMPLETED"})


def _task_states() -> set[str]:
    """States of the tasks of the newest flow run, as Prefect's server heard of them."""
    with get_client(sync_client=True) as client:
        (flow_run,) = client.read_flow_runs(limit=1, sort=FlowRunSort.START_TIME_DESC)
        only = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
        return {
            str(run.state_type and run.state_type.value)
            for run in client.read_task_runs(flow_run_filter=only)
        }


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.5)
