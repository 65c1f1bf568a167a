"""A Dask cluster as workers: an existing one, or one of processes on this machine while the flow runs."""

from __future__ import annotations

import logging
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client
from distributed.scheduler import KilledWorker
from prefect.settings import get_current_settings
from prefect_dask.task_runners import DaskTaskRunner

from data.errors import SettingsError
from data.settings.schema import Settings
from flows.workers.pools import Processes, server_address
from tasks.job import machine

_CONNECT_TIMEOUT_S = 20


class Cluster(Processes):
    """Workers of a Dask scheduler, which gives the tasks of a lost worker to another one."""

    losses = (KilledWorker, CancelledError)

    def __init__(self, settings: Settings, cores: int) -> None:
        self._settings = settings
        self._client: Client | None = None
        address = settings.runner_address
        here = {
            "n_workers": cores,
            "threads_per_worker": 1,
            "memory_limit": 0,  # none: as with threads, the machine's own is the limit
            # nobody else's machine is to be let in
            "host": "127.0.0.1",
            "dashboard_address": "127.0.0.1:0",
            "worker_dashboard_address": "127.0.0.1:0",
            "local_directory": str(get_current_settings().home / "dask"),
            "silence_logs": logging.CRITICAL,
        }
        self._dask = DaskTaskRunner(
            address=address,
            cluster_class=None if address else "distributed.LocalCluster",
            cluster_kwargs=None if address else here,
            client_kwargs={"timeout": _CONNECT_TIMEOUT_S},
        )
        super().__init__(self._dask, cores)

    def count(self) -> int:
        """Threads of all workers; connects, which `map` relies on.

        Raises SettingsError when no scheduler answers and when workers can't give the same bytes.
        """
        if self._client is None:
            try:
                client: Client = self._dask.client
            except OSError as error:
                raise SettingsError(
                    f"runner_address: no Dask scheduler answers at {self._settings.runner_address}: {error}"
                ) from error
            check_workers(client, self._settings)
            self._client = client
        threads: dict[str, int] = self._client.nthreads()  # type: ignore[no-untyped-call]
        return max(1, sum(threads.values()))

    def map(self, *arguments: Any, **parameters: Any) -> list[Any]:
        """As everywhere, on workers that were looked at."""
        self.count()
        return super().map(*arguments, **parameters)


def check_workers(client: Client, settings: Settings) -> None:
    """Whether the workers that are there now can give the bytes that the run's id stands for.

    Raises SettingsError where code, versions or CPU differ, and where Prefect's server can't be reached.
    """
    server, device = server_address(), settings.training.device

    def look() -> dict[str, Any]:
        # travels by value: a worker without this project should be able to say so
        import httpx

        from tasks.job import machine

        found = machine.identity(device)
        try:
            httpx.get(f"{server}/health", timeout=60, verify=False)
        except httpx.TransportError as error:
            found["server"] = f"{type(error).__name__}"
        return found

    here = machine.identity(device)
    for worker, there in client.run(look, on_error="return").items():
        who = f"Dask worker {worker}"
        if isinstance(there, Exception):
            raise SettingsError(f"{who} can't run cropyield: {there}; install the same version there")
        if "server" in there:
            raise SettingsError(
                f"{who} can't reach Prefect's server at {server} ({there['server']}); set PREFECT_API_URL to "
                "one that all workers reach (prefect server start --host 0.0.0.0)"
            )
        differing = [
            f"{what} is {there[what]} there, {value} here"
            for what, value in here.items()
            if there[what] != value
        ]
        if differing:
            raise SettingsError(
                f"{who} would compute other bytes than the run's id stands for: {'; '.join(differing)}"
            )
