"""A Prefect server, workers and a receiver of alerts, all real, each ended by who started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx

from flows.server.process import free_port
from tests.flows.waiting import wait_for
from tests.prefect_home import fill

ROOT = Path(__file__).resolve().parents[2]
# one for all: to make one takes 15 to 30 ms. No connection is kept, which a server may close
_CLIENT = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass(frozen=True)
class Server:
    """A running server: how to reach it, and the environment of those who use it."""

    url: str
    environment: dict[str, str]
    folder: Path

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """What the API answers; asked again where its database is busy (503), as Prefect asks."""

        def answered() -> httpx.Response | None:
            found = _CLIENT.request(method, f"{self.url}/{path}", json=body or None)
            return None if found.status_code == 503 else found

        answer = wait_for(answered, 60, f"an answer to {method} {path}")
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """A process of this server's environment in a session of its own; its words go to a log."""
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command], cwd=self.folder, env=self.environment, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip


@contextmanager
def prefect_server(folder: Path, **options: str) -> Iterator[Server]:
    """A server with a database of its own, in which nothing has run yet."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = os.environ | {
        "PREFECT_HOME": str(fill(folder / "prefect")),
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_URL": url,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        **options,
    }
    server = Server(url, environment, folder)
    process = server.start("server", "prefect", "server", "start")
    try:
        wait_for(lambda: _healthy(url) or process.poll() is not None, 120, "the server answers")
        assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
        yield server
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """The address of a receiver of webhooks, and the list that it fills with what arrives."""
    arrived: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.append(json.loads(content) | {"path": self.path, "type": self.headers["Content-Type"]})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", arrived
        finally:
            http.shutdown()
            thread.join()


def processes_of(flow_run_id: str) -> list[int]:
    """The processes in which a worker runs a flow run: its supervisor, then the flow itself."""
    mark = f"PREFECT__FLOW_RUN_ID={flow_run_id}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
    return sorted(found)


def kill(process_id: int) -> None:
    """Kill -9; nothing happens when it is gone already."""
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)


def _healthy(url: str) -> bool:
    try:
        return _CLIENT.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
