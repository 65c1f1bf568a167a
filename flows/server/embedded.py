"""Prefect's embedded server: a child process, started before Prefect is imported, gone when this ends.

Prefect would start it by itself, but late, and for that it would import its whole server into this process.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import http.client
import os
import re
import socket
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from data.errors import ServerError
from flows.server.process import Child
from flows.server.thin import thin

ADDRESS = "PREFECT_API_URL"
_STARTS_WITHIN_S = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"
_STOPS_WITHIN_S = 5.0
# Ends with this process, however that ends: the pipe at its input closes.
_SERVE = """
import gc, os, socket, sys, threading
gc.disable()  # what is imported stays: looking through it took a fifth of the start

def end_with_parent():
    while os.read(0, 1):
        pass
    os._exit(0)  # nobody waits for its good order any more, and who reads its output waits for its end

threading.Thread(target=end_with_parent, daemon=True).start()
import uvicorn
from prefect.server.api.server import create_app
app = create_app()
gc.freeze()
gc.enable()
server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", use_colors=False))
server.run([socket.socket(fileno=int(sys.argv[1]))])
sys.exit(0 if server.started else 3)
"""
# without the second the server would still load every collection, Dask's too: a tenth of its start
_NO_BLOCKS = {
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}
_SERVER = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


class Embedded:
    """The server that this process runs against, if nobody has named another."""

    def __init__(self) -> None:
        self.process: Child | None = None
        self.port = 0
        self._turn: contextlib.ExitStack = contextlib.ExitStack()

    def start(self) -> None:
        """Have it start in the background, unless it runs or another is named.

        From here on Prefect finds it in the environment.
        """
        if self.process is not None or named_elsewhere():
            return
        self._turn.enter_context(_first_start())
        thin(_home() / "prefect.db")
        # it listens from now on, so that nobody else takes the port
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
            # 0, 1 and 2, which are free where this process was started without, are the child's own
            passed = fcntl.fcntl(listening, fcntl.F_DUPFD_CLOEXEC, 3)
        try:
            self.process = Child(
                "Prefect's embedded server",
                [sys.executable, "-P", "-c", _SERVE, str(passed)],
                _NO_BLOCKS | os.environ | _SERVER,
                passed=(passed,),
            )
        finally:
            os.close(passed)
        os.environ[ADDRESS] = f"http://127.0.0.1:{self.port}/api"
        atexit.register(self.stop)

    def wait(self) -> None:
        """Return when it answers. Raises ServerError when it ends instead, or takes too long."""
        if self.process is None:
            return
        seconds = float(os.environ.get(_STARTS_WITHIN_S, "120"))
        hint = f"{_STARTS_WITHIN_S} gives it longer, {ADDRESS} names a server that runs already"
        try:
            self.process.wait_for(self._answers, seconds, 0.02, hint)
        except ServerError:
            self.stop()
            raise
        _database_mark().touch()
        self._turn.close()

    def has_ended(self) -> bool:
        """Whether the server that was started runs no more."""
        return self.process is not None and self.process.process.poll() is not None

    @contextlib.contextmanager
    def without_heartbeats(self) -> Iterator[None]:
        """No heartbeats while the block runs: none would miss them when this process and its server die.

        A run that sends them ends half a second later, for the thread that does so sleeps by seconds. The
        environment can't say that there are none.
        """
        if self.process is None:
            yield
            return
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield

    def stop(self) -> None:
        """End it, if it runs, and wait until it has."""
        if self.process is None:
            return
        self._turn.close()
        process, self.process = self.process, None
        os.environ.pop(ADDRESS, None)
        process.stop(_STOPS_WITHIN_S)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/api/health")
            return connection.getresponse().status == http.client.OK
        return False


EMBEDDED = Embedded()


@contextlib.contextmanager
def _first_start() -> Iterator[None]:
    """Held while the server starts where its data base isn't made yet: two that make it break each other."""
    mark = _database_mark()
    if mark.exists() and mark.with_name("prefect.db").exists():
        yield
        return
    mark.parent.mkdir(parents=True, exist_ok=True)
    # let go of by the system when this process ends, however that is
    with mark.with_name("cropyield-start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _database_mark() -> Path:
    """Is there once a server of this version has answered, its data base made."""
    return _home() / f"cropyield-{metadata.version('prefect')}"


def _home() -> Path:
    return Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()


def named_elsewhere() -> bool:
    """Whether Prefect has a server already: named in the environment or in a settings file, or started."""
    if ADDRESS in os.environ:
        return True
    if "prefect" in sys.modules:
        # it has read its settings, and starts its own server when it is first called
        return True
    if not any(_mentions_api(file) for file in _settings_files()):
        return False
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value())


def _settings_files() -> list[Path]:
    """The files from which Prefect takes settings besides the environment."""
    profiles = os.environ.get("PREFECT_PROFILES_PATH") or _home() / "profiles.toml"
    return [Path(".env"), Path("prefect.toml"), Path("pyproject.toml"), Path(profiles)]


def _mentions_api(file: Path) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return bool(re.search(r"prefect_api_url|\bapi\b", file.read_text(encoding="utf-8"), re.IGNORECASE))
    return False
