"""The fourth size: 438 million daily rows, on threads and on Dask workers of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tests.benchmarks import measure
from tests.benchmarks.measure import Cost
from tests.benchmarks.whole_job.cases import Case

REGIONS = 30_000
_EVERY_S = 0.5
RUNNERS = ("threads", "dask")


def largest_table(case: Case, train: Callable[[Case, Path], Sequence[str]], folder: Path, home: Path) -> str:
    """Time and memory of one run with each runner, as a table; Dask has a worker for each core.

    Raises SystemExit where the runs' files differ.
    """
    rows, made = [], {}
    for runner in RUNNERS:
        store = folder / runner
        with TreePeak() as peak:
            command = [*train(case, store), "--set", f"runner={runner}"]
            found: Cost = measure.cost(command, measure.environment(home))
        (manifest,) = (store / "runs").glob("*/manifest.json")
        made[runner] = json.loads(manifest.read_bytes())["files"]
        if made[runner] != made[RUNNERS[0]]:
            raise SystemExit(f"runner {runner} made other files than {RUNNERS[0]}")
        sizes = (f"{found.peak_mb / 1000:.2f}", f"{peak.bytes / 1e9:.2f}")
        rows.append([case.name, runner, f"{found.wall_s:.1f}", f"{found.cpu_s:.1f}", *sizes])
    headings = ("inputs", "runner", "whole s", "CPU s", "largest process, peak GB", "all processes, peak GB")
    return measure.table(headings, rows)


class TreePeak:
    """The most memory that the processes started meanwhile held together, looked at twice a second.

    Pages that processes share count once, where the system tells (Linux), else in each.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._before = {child.pid for child in psutil.Process().children(recursive=True)}
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, name="tree-peak")

    def __enter__(self) -> TreePeak:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def _look(self) -> None:
        here = psutil.Process()
        over = False
        while not over:
            over = self._done.wait(_EVERY_S)
            started = [each for each in here.children(recursive=True) if each.pid not in self._before]
            self.bytes = max(self.bytes, sum(map(_held, started)))


def _held(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except psutil.Error:  # it ended between being listed and being looked at
        return 0
    return int(getattr(found, "pss", found.rss))
