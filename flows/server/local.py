"""A Prefect server as a child process: a free port, a data base in a folder, gone with the block."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from data.errors import CropyieldError
from flows.server.environment import HEARTBEAT_S, HEARTBEAT_VARIABLE

STARTS_WITHIN_S = 180.0
STOPS_WITHIN_S = 30.0
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


class Child:
    """A process that this one starts and stops, its output in a log file.

    It has a session of its own, so that Ctrl-C on the terminal reaches only this process, which then
    stops its children in order.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def check(self) -> None:
        """Raise CropyieldError with the end of its log when it has ended by itself."""
        code = self.process.poll()
        if code is not None:
            said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
            raise CropyieldError(
                f"{self.name} ended with code {code}; {self.log} says\n  " + "\n  ".join(said)
            )

    def stop(self, within_s: float = STOPS_WITHIN_S) -> None:
        """Ask it to end, and make it end where it doesn't."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


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
        wait_for(lambda: _healthy(server), child, STARTS_WITHIN_S)
        cancel_runs(server, within_s=0)  # of a predecessor that was killed
        yield server
    finally:
        child.stop()


def wait_for(condition: Any, child: Child, within_s: float) -> Any:
    """Wait until `condition()` is true while `child` lives; what it came to. Raises CropyieldError."""
    end = time.monotonic() + within_s
    while not (found := condition()):
        child.check()
        if time.monotonic() > end:
            raise CropyieldError(f"{child.name} isn't ready after {within_s:.0f} s; look into {child.log}")
        time.sleep(0.25)
    return found


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


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _healthy(server: Server) -> bool:
    import httpx

    try:
        return server.get("health") is True
    except httpx.TransportError:
        return False


def _answer(url: str, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:
    import httpx

    end = time.monotonic() + _BUSY_WITHIN_S
    while True:
        response = httpx.request(method, f"{url}/api/{path}", json=content, timeout=60)
        # its data base is busy for a moment; Prefect's own clients ask again, too
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > end:
            break
        time.sleep(0.5)
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    if response.is_error:
        raise CropyieldError(f"Prefect's server answers {response.status_code}: {response.text[:500]}")
    return response.json()
