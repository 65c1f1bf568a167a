"""How a command ends: by itself, and on Ctrl-C at any moment within two seconds, with 130 and a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.cli import ending
from tests.flows.servers import ROOT
from tests.prefect_home import fill

SAMPLE = str(ROOT / "data/sample/settings.toml")
# what a library that doesn't listen to signals, or swallows them, does to a command
STUBBORN = """
import sys, time
from flows.cli import ending, main
def stubborn(arguments, debug):
    print("begun", file=sys.stderr, flush=True)
    while True:
        try:
            {act}
        except KeyboardInterrupt:
            {then}
main._run = stubborn
main.main()
"""
# what a program takes on this machine, now, that ends a second after Ctrl-C
TWIN = """
import os, signal, threading, time
signal.signal(signal.SIGINT, lambda *_: threading.Timer(1, os._exit, (0,)).start())
print("begun", flush=True)
while True:
    time.sleep(60)
"""
SLACK_S = 4.0  # on a busy machine; on a quiet one nothing outlives it


def stopped(process: subprocess.Popen[str]) -> tuple[int, float, list[str]]:
    """Exit code, by how many seconds it outlived its twin after Ctrl-C, and words."""
    with subprocess.Popen([sys.executable, "-c", TWIN], stdout=subprocess.PIPE, text=True) as twin:
        assert twin.stdout is not None
        assert twin.stdout.readline() == "begun\n"
        for each in (process, twin):
            each.send_signal(signal.SIGINT)
        twin.wait(60)
        begin = time.monotonic()
        process.wait(60)
        longer = time.monotonic() - begin
    assert process.stderr is not None
    return process.returncode, longer, process.stderr.read().strip().splitlines()


@pytest.mark.parametrize(
    ("act", "then"),
    [
        ("time.sleep(60)", "raise"),
        ("time.sleep(60)", "pass"),
        ("time.sleep(60)", "raise ValueError('serialization failed')"),
        ("__import__('threading').Thread(target=time.sleep, args=(60,)).start(); time.sleep(60)", "raise"),
        (
            "__import__('hashlib').pbkdf2_hmac('sha256', b'', b'', 10**9)",
            "pass",
        ),  # in C, without the interpreter
    ],
)
def test_nothing_keeps_a_command_alive(act: str, then: str) -> None:
    program = STUBBORN.format(act=act, then=then)
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().strip() == "begun"
        code, longer, words = stopped(process)
    assert (code, words) == (130, [ending.WORDS])
    assert longer < SLACK_S


@pytest.mark.parametrize("after", ["", "ingest weather"])
def test_a_training_is_stopped_and_goes_on(tmp_path: Path, after: str) -> None:
    """During imports, and in the middle of a flow."""
    home = {"PREFECT_HOME": str(fill(tmp_path / "prefect"))}
    command = [
        sys.executable,
        "-c",
        "print(file=__import__('sys').stderr); from flows.cli.main import main; main()",
    ]
    command += ["train", SAMPLE, "--store", str(tmp_path / "store")]
    slow = ["--set", "training.epochs=10000000"]
    with subprocess.Popen(
        command + slow,
        cwd=ROOT,
        env=os.environ | home,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(after):
                break
        if not after:
            time.sleep(1)  # python itself has started, and imports what the command needs
        code, longer, words = stopped(process)
    assert (code, words[-1]) == (130, ending.WORDS)
    assert longer < SLACK_S


ENDED = """
import atexit, sys
from flows.cli import main
class Kept:
    def __del__(self):
        print("torn down", file=sys.__stderr__, flush=True)
def ends(arguments, debug):
    global kept
    kept = Kept()
    atexit.register(print, "put in order")
    print("done")
    {end}
main._run = ends
main.main()
"""


@pytest.mark.parametrize(
    ("end", "code"), [("return 0", 0), ("return 3", 3), ("raise ValueError('not ours')", 1)]
)
def test_a_command_ends_before_its_interpreter_is_torn_down(end: str, code: int) -> None:
    """Threads of libraries may abort a process in its tear-down; what is registered for its end runs."""
    command = [sys.executable, "-c", ENDED.format(end=end)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout == "done\nput in order\n"
    assert "torn down" not in done.stderr
    assert ("not ours" in done.stderr) == (code == 1)
