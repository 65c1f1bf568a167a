"""The local Dask cluster lets in nobody from another machine."""

from pathlib import Path

import psutil

from flows.workers.dask import Cluster
from tests.tasks.weather.weather_worlds import make_settings


def test_scheduler_and_workers_listen_on_loopback_only(tmp_path: Path) -> None:
    cluster = Cluster(make_settings(tmp_path, runner="dask"), 1)
    with cluster.runner:
        assert cluster.count() == 1
        here = psutil.Process()
        processes = [here, *here.children(recursive=True)]
        listening = [
            each.laddr.ip
            for process in processes
            for each in process.net_connections()
            if each.status == "LISTEN"
        ]
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}
