"""The true `cropyield train`, a process with its embedded server, killed at random times."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.prefect_home import fill
from tests.torture.job import Reader, contents
from tests.torture.scenes import QUICK, ROOT, SAMPLE, Tally


def command(store: Path, home: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that its server can be ended with it."""
    environment = os.environ | {"PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("PREFECT_API_URL", None)
    words = [
        sys.executable,
        "-c",
        "from flows.cli.main import main; main()",
        "train",
        str(SAMPLE),
        "--store",
        str(store),
        *more,
    ]
    with Path(f"{store}.log").open("ab") as log:
        return subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)


def kill_command(root: Path, reader: Reader, tally: Tally, kills: int, seed: int) -> None:
    """Kill it at random times, so often; repeat it each time and compare with an undisturbed one."""
    moments = random.Random(seed)
    undisturbed, place = root / "command undisturbed", root / "command"
    home = fill(root / "prefect of the command")
    shutil.copytree(root / "old", undisturbed, symlinks=True)
    begin = time.monotonic()
    _finish(undisturbed, home)
    whole = time.monotonic() - begin
    wanted = contents(undisturbed)
    reader.predictions |= {wanted["predictions.parquet"]}
    done = 0
    while done < kills:
        shutil.copytree(root / "old", place, symlinks=True)
        # half of them late, when there is something to go wrong
        for attempt in range(3):
            until = time.monotonic() + whole * moments.choice((moments.random(), moments.uniform(0.6, 1)))
            process = command(place, home)
            try:
                status = reader.watch(process.pid, place, until)
            finally:
                end_session(process)
            assert status in (0, -signal.SIGKILL), Path(f"{place}.log").read_text(encoding="utf-8")
            if status == 0:
                break
            done += 1
            tally.kills += 1
            tally.resumed += attempt > 0
        reader.once(place)
        _finish(place, home)
        reader.once(place)
        assert contents(place) == wanted, f"{place}: other bytes"
        tally.identical += 1
        tally.readings = reader.readings
        shutil.rmtree(place)


def kill_once(root: Path, reader: Reader, tally: Tally, wanted: dict[str, str]) -> None:
    """Kill it once its models are trained; its repetition must end in what `wanted` says of the quick job."""
    place, home = root / "command once", root / "prefect of the command"
    changes = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
    shutil.copytree(root / "old", place, symlinks=True)
    known = set(place.glob(".work/*/evaluated"))
    process = command(place, home, *changes)
    try:
        status = reader.watch(
            process.pid, place, when=lambda: bool(set(place.glob(".work/*/evaluated")) - known)
        )
    finally:
        end_session(process)
    assert status == -signal.SIGKILL, Path(f"{place}.log").read_text(encoding="utf-8")
    tally.kills += 1
    reader.once(place)
    _finish(place, home, *changes)
    reader.once(place)
    assert contents(place) == wanted, f"{place}: other bytes"
    tally.identical += 1
    tally.readings = reader.readings


def _finish(place: Path, home: Path, *more: str) -> None:
    process = command(place, home, *more)
    try:
        status = process.wait(timeout=300)
    finally:
        end_session(process)
    assert status == 0, Path(f"{place}.log").read_text(encoding="utf-8")


def end_session(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a command and of its server."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.poll()
