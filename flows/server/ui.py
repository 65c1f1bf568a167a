"""`make ui`: a server with the deployments, a worker, and one training run to look at; Ctrl-C ends it all."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data.errors import CropyieldError
from flows.server.local import Server, cancel_runs, interruptible, local_server
from flows.server.process import Child

FOLDER = Path(".ui")
POOL = "cropyield"
TRAINING = "train-yields/train-weekly"
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def start(server: Server, deployment: str, **parameters: Any) -> str:
    """Have a deployment run now, named as flow/deployment; the flow run's id."""
    found = server.get(f"deployments/name/{deployment}")
    content = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    return str(server.post(f"deployments/{found['id']}/create_flow_run", content)["id"])


def ended(server: Server, run: str) -> dict[str, Any] | None:
    """The state (type, name, message) of a flow run that has ended, or None."""
    state: dict[str, Any] = server.get(f"flow_runs/{run}")["state"]
    return state if state["type"] in _ENDED else None


@dataclass(frozen=True)
class Ui:
    """A server that has this folder's deployments, and the worker that runs them."""

    server: Server
    worker: Child


@contextmanager
def running_ui(folder: Path, say: Callable[[str], None] = lambda _: None) -> Iterator[Ui]:
    """Server, deployments of ./prefect.yaml and worker, their files in `folder`, until the block ends.

    `say` is told what is being done. Raises CropyieldError when one of them doesn't start.
    """
    say(f"starting Prefect's server, whose files are in {folder} (half a minute, the first time)")
    with local_server(folder) as server:
        say(f"it answers at {server.url}; starting a worker and making the deployments of prefect.yaml")
        prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
        if server.get(f"work_pools/{POOL}") is None:
            server.post("work_pools/", {"name": POOL, "type": "process"})
        work = [*prefect, "worker", "start", "--type", "process", "--pool", POOL]
        worker = Child("the worker", work, server.environment, folder / "worker.log")
        try:
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
        with interruptible(), running_ui(FOLDER, partial(print, flush=True)) as ui:
            # anew, even where the run is finished: whoever looks wants to see the whole graph
            run = start(ui.server, TRAINING, force=True)
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
        if not told and (state := ended(ui.server, run)):
            told = True
            print(
                f"training run  {state['name']}" + (f": {state['message']}" if state["message"] else ""),
                flush=True,
            )
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
