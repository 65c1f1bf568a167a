"""`make ui`: a server with the deployments, a worker, and one training run to look at; Ctrl-C ends it all."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import CropyieldError
from flows.server import Child, Server, cancel_runs, interruptible, local_server, wait_for

FOLDER = Path(".ui")
POOL = "cropyield"
TRAINING = "train-yields/train-weekly"
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_WORKER_STARTS_WITHIN_S = 120.0


@dataclass(frozen=True)
class Ui:
    """A server that has this folder's deployments, and the worker that runs them."""

    server: Server
    worker: Child

    def train(self, **parameters: Any) -> str:
        """Have the training deployment run now; the flow run's id."""
        deployment = self.server.get(f"deployments/name/{TRAINING}")
        path = f"deployments/{deployment['id']}/create_flow_run"
        return str(self.server.post(path, {"parameters": parameters, "state": {"type": "SCHEDULED"}})["id"])

    def state(self, run: str) -> dict[str, Any]:
        """The state of a flow run: type, name, message."""
        state: dict[str, Any] = self.server.get(f"flow_runs/{run}")["state"]
        return state

    def ended(self, run: str) -> dict[str, Any] | None:
        """The state of a flow run that has ended, or None."""
        state = self.state(run)
        return state if state["type"] in _ENDED else None


@contextmanager
def running_ui(folder: Path) -> Iterator[Ui]:
    """Server, deployments of ./prefect.yaml and worker, their files in `folder`, until the block ends.

    Raises CropyieldError when one of them doesn't start.
    """
    with local_server(folder) as server:
        prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
        start = [*prefect, "worker", "start", "--type", "process", "--pool", POOL]
        worker = Child("the worker", start, server.environment, folder / "worker.log")
        try:
            # the worker makes the pool that the deployments name
            wait_for(lambda: server.get(f"work_pools/{POOL}"), worker, _WORKER_STARTS_WITHIN_S)
            deploy = subprocess.run(
                [*prefect, "deploy", "--all"], env=server.environment, capture_output=True, text=True,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            if deploy.returncode:
                raise CropyieldError(f"prefect deploy --all failed:\n{deploy.stdout}{deploy.stderr}")
            try:
                yield Ui(server, worker)
            finally:
                cancel_runs(server)
        finally:
            worker.stop()


def main() -> int:
    """Start it, say where it is, and wait for Ctrl-C; the exit code."""
    try:
        with interruptible():
            print("starting Prefect's server, its worker and the deployments", flush=True)
            with running_ui(FOLDER) as ui:
                run = ui.train()
                print(f"UI            {ui.server.url}/v2", flush=True)
                print(f"training run  {ui.server.url}/v2/runs/flow-run/{run}", flush=True)
                print("Ctrl-C stops it all", flush=True)
                _watch(ui, run)
    except CropyieldError as error:
        print(f"cropyield: {error}", file=sys.stderr)
        return error.exit_code
    print("stopped")
    return 0


def _watch(ui: Ui, run: str) -> None:
    told = False
    while True:
        ui.worker.check()
        if not told and (state := ui.ended(run)):
            told = True
            print(
                f"training run  {state['name']}" + (f": {state['message']}" if state["message"] else ""),
                flush=True,
            )
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
