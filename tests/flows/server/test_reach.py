"""Prefect's server where it can't be used: one sentence, exit code 5, within twenty seconds."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from data.errors import ServerError
from flows.cli.main import run
from flows.server.reach import check_server
from tests.flows.servers import ROOT, prefect_server

SAMPLE = str(ROOT / "data/sample/settings.toml")


@contextmanager
def answering(status: int, content: bytes) -> Iterator[str]:
    """The address of something that answers every request alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://user:password@127.0.0.1:{http.server_port}/api"
        finally:
            http.shutdown()
            thread.join()


def refusal(address: str) -> str:
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(ServerError) as refused:
        check_server()
    assert refused.value.exit_code == 5
    assert "password" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (200, b"<!DOCTYPE html><title>Sign in</title>", "no Prefect server"),
        (404, b"", "ends in /api"),
        (401, b"", "PREFECT_API_AUTH_STRING"),
        (500, b"", "answers 500"),
        (200, b'"0.1.0"', "version"),
    ],
)
def test_what_answers_in_its_place_is_told_apart(status: int, content: bytes, said: str) -> None:
    with answering(status, content) as address:
        assert said in refusal(address)


def test_nobody_there_and_no_address() -> None:
    assert "ConnectError" in refusal("http://127.0.0.1:9/api")
    assert "no address of a server" in refusal("nonsense")


def test_a_command_gives_a_silent_one_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        begin = time.monotonic()
        with temporary_settings({PREFECT_API_URL: address}):
            assert run(["train", SAMPLE, "--store", str(tmp_path / "store")]) == 5
    assert time.monotonic() - begin < 20
    assert "no Prefect server answers" in capsys.readouterr().err


def test_a_command_says_so_with_exit_code_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert run(["train", SAMPLE, "--store", str(tmp_path / "store")]) == 5
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("cropyield: PREFECT_API_URL=http://127.0.0.1:9/api: ")


def test_a_prefect_home_that_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").touch()
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    assert run(["train", SAMPLE, "--store", str(tmp_path / "store")]) == 5
    assert "is no folder" in capsys.readouterr().err


def test_settings_that_prefect_cannot_read_are_named(tmp_path: Path) -> None:
    """Prefect reads them when it is imported."""
    wrong = {"PREFECT_HOME": str(tmp_path), "PREFECT_LOGGING_LEVEL": "a-value-nobody-may-see"}
    command = [sys.executable, "-c", "from flows.cli.main import main; main()", "train", SAMPLE]
    done = subprocess.run(
        [*command, "--store", str(tmp_path / "store")], cwd=ROOT, env=os.environ | wrong,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 5
    last = done.stderr.splitlines()[-1]
    assert last.startswith("cropyield: Prefect can't read its settings (level: Input should be")
    assert "nobody" not in last


def test_a_server_that_dies_in_the_middle_ends_the_command(tmp_path: Path) -> None:
    with prefect_server(tmp_path) as server:
        command = [sys.executable, "-c", "from flows.cli.main import main; main()", "train", SAMPLE]
        command += ["--store", str(tmp_path / "store"), "--set", "training.epochs=10000000"]
        with subprocess.Popen(
            command, cwd=ROOT, env=server.environment, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:  # its progress, line by line
                if line.startswith("ingest"):
                    break
            for listening in _listening(int(server.url.rpartition(":")[2].partition("/")[0])):
                os.kill(listening, signal.SIGKILL)
            begin = time.monotonic()
            said = process.stderr.read()
            assert process.wait() == 5
    assert time.monotonic() - begin < 20 + 40, "on a busy machine; 12 to 14 s on a quiet one"
    assert "cropyield: Prefect: the server at" in said
    assert "ended while the flow ran" in said


def _listening(port: int) -> set[int]:
    import psutil

    found = [each for each in psutil.net_connections("tcp4") if each.status == "LISTEN" and each.pid]
    return {each.pid for each in found if each.laddr.port == port}
