"""The embedded server: beside imports, out of this process, and gone with it however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.errors import ServerError
from flows.server import embedded

_TRAIN = """
import sys
from flows.cli.main import run
code = run(["train", sys.argv[1], "--store", sys.argv[2], "--json"])
from flows.server.embedded import EMBEDDED
print(code, EMBEDDED.port, "prefect.server.api.server" in sys.modules, file=sys.stderr)
"""
_WAIT_TO_BE_KILLED = """
import sys, time
from flows.server.environment import prepare_environment
from flows.server.embedded import EMBEDDED
prepare_environment(False)
EMBEDDED.start()
print(EMBEDDED.port, flush=True)
EMBEDDED.wait()
print("answers", flush=True)
time.sleep(600)
"""

_HEARTBEAT = """
from flows.cli.launch import beginning, served
from flows.server.environment import prepare_environment
prepare_environment(False)
with beginning(as_json=True), served(False):
    from prefect.settings import get_current_settings
    print(get_current_settings().flows.heartbeat_frequency)
"""


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    # the session's Prefect home has its data base already, which takes long to make
    return kept | {"PREFECT_HOME": os.environ["PREFECT_HOME"]}


def is_gone(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def test_a_run_leaves_no_server_and_holds_none_itself(
    environment: dict[str, str], shipped: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _TRAIN, str(shipped / "tutorial/settings.toml"), str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    code, port, imported = done.stderr.splitlines()[-1].split()
    assert (code, imported) == ("0", "False")
    assert json.loads(done.stdout)["message"].startswith("published")
    assert is_gone(int(port))


def test_the_server_ends_with_a_killed_process(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", _WAIT_TO_BE_KILLED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert parent.stdout.readline() == "answers\n"
        assert not is_gone(server)
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 60
    while not is_gone(server):
        assert time.monotonic() < end, "the server outlives its process"
        time.sleep(0.05)


def test_a_run_waits_for_no_heartbeat_of_its_own(environment: dict[str, str]) -> None:
    """Prefect's thread for them sleeps by seconds, and the run's end waits for it."""
    done = subprocess.run(
        [sys.executable, "-c", _HEARTBEAT], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "None\n"


def test_a_server_that_cannot_start_is_explained(environment: dict[str, str]) -> None:
    code = _WAIT_TO_BE_KILLED.replace("time.sleep(600)", "")
    broken = environment | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "nonsense://here"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=broken)
    assert done.returncode == 1
    assert f"{ServerError.__name__}: Prefect's embedded server ended with code" in done.stderr


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        (None, "", False),
        (".env", "PREFECT_API_URL=http://127.0.0.1:9/api\n", True),
        ("prefect.toml", '[api]\nurl = "http://127.0.0.1:9/api"\n', True),
        ("prefect.toml", "[logging]\nlevel = 'INFO'\n", False),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://127.0.0.1:9/api"\n', True),
        ("pyproject.toml", '[project]\ndescription = "an API of its own"\n', False),
    ],
)
def test_a_server_named_in_a_settings_file_is_used(
    file: str | None, text: str, named: bool, environment: dict[str, str], tmp_path: Path
) -> None:
    """Prefect's own reading of the file decides."""
    if file:
        (tmp_path / file).write_text(text)
    code = "from flows.server.embedded import named_elsewhere; print(named_elsewhere())"
    root = str(Path(embedded.__file__).parents[2])
    asked = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True,
        env=environment | {"PYTHONPATH": root},
    )  # fmt: skip
    assert asked.stdout.strip() == str(named)
