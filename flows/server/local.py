"""A Prefect server as a child process: a free port, a data base in a folder, gone with the block."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from data.errors import CropyieldError
from flows.server.environment import HEARTBEAT_S, HEARTBEAT_VARIABLE
from flows.server.process import STOPS_WITHIN_S, Child, free_port

if TYPE_CHECKING:
    import httpx

STARTS_WITHIN_S = 180.0
_BUSY_WITHIN_S = 60.0


@dataclass(frozen=True)
class Server:
    """Where a server listens, and the environment that makes a process its client."""

    url: str
    environment: Mapping[str, str]

    def get(self, path: str) -> Any:
        """What the API says at a path; None where there is no such thing."""
        return _answer(self.url, "GET", path)

    def post(self, path: str, content: Mapping[str, Any] | None = None) -> Any:
        """What the API answers to a request with content."""
        return _answer(self.url, "POST", path, content or {})


def client_environment(folder: Path) -> dict[str, str]:
    """The environment of a server with all its files in `folder`, and of its clients; nothing is started.

    What the user's environment says of Prefect stays: PREFECT_SERVER_API_PORT instead of a free port,
    PREFECT_SERVER_DATABASE_CONNECTION_URL instead of SQLite.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    # the UI asks its server where the API is: a port given as an option would not get there
    port = os.environ.get("PREFECT_SERVER_API_PORT") or str(free_port())
    return {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
        # the default is inside the installed package, where servers replace each other's files
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        HEARTBEAT_VARIABLE: str(HEARTBEAT_S),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        **os.environ,
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_API_PORT": port,
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
    }


@contextmanager
def local_server(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server with its data base, its files and its log in `folder`; it ends with the block.

    `environment` is that of `client_environment`, where it was needed before. Raises CropyieldError
    when the server doesn't start.
    """
    environment = environment or client_environment(folder)
    command = [sys.executable, "-m", "prefect", "server", "start"]
    child = Child("Prefect's server", command, environment, folder / "server.log")
    try:
        server = Server(environment["PREFECT_API_URL"].removesuffix("/api"), environment)
        child.wait_for(lambda: _healthy(server), STARTS_WITHIN_S)
        cancel_runs(server, within_s=0)  # of a predecessor that was killed
        yield server
    finally:
        child.stop()


@contextmanager
def interruptible() -> Iterator[None]:
    """End the block quietly on Ctrl-C or SIGTERM; while it cleans up after itself both are ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def cancel_runs(server: Server, within_s: float = STOPS_WITHIN_S) -> None:
    """Cancel the runs in progress and wait until their worker has ended them; force those that stay.

    With no time to wait it is for runs that nobody executes any more, as those of a killed predecessor:
    left as Running they would keep the next ones from starting.
    """
    active = {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}}
    end = time.monotonic() + within_s
    asked: set[str] = set()
    while runs := {run["id"] for run in server.post("flow_runs/filter", active)}:
        late = time.monotonic() >= end
        state = {"type": "CANCELLED" if late else "CANCELLING", "message": "stopped together with its worker"}
        for run in runs if late else runs - asked:
            server.post(f"flow_runs/{run}/set_state", {"state": state, "force": late})
        asked |= runs
        time.sleep(0 if late else 0.25)


def _healthy(server: Server) -> bool:
    import httpx

    try:
        return server.get("health") is True
    except httpx.TransportError:
        return False


@functools.cache
def _client() -> httpx.Client:
    """One for all requests: to make one takes 15 to 30 ms, for it reads all certificates.

    No connection is kept: a server may close it just when the next request comes.
    """
    import httpx

    return httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


def _answer(url: str, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:
    import httpx

    end = time.monotonic() + _BUSY_WITHIN_S
    while True:
        response = _client().request(method, f"{url}/api/{path}", json=content)
        # its data base is busy for a moment; Prefect's own clients ask again, too
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > end:
            break
        time.sleep(0.5)
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    if response.is_error:
        raise CropyieldError(f"Prefect's server answers {response.status_code}: {response.text[:500]}")
    return response.json()
