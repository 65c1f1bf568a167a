"""`python -m tests.benchmarks.budget.inside SETTINGS RUNS`: CPU seconds of phases and the calibration loop.

Its last line of output is JSON. The least of some runs, the loop before each: what else the machine does can
only add. Phases are the bodies of the flow's tasks, with whatever threads they start; Prefect is measured
from outside.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from data.settings.files import load_settings
from tests.benchmarks.orchestration import plain

_WORDS, _NUMBERS = 200_000, 1_000_000


def calibration() -> None:
    """Work of fixed size like a run's own: Python objects, sorting, sums over arrays beyond the caches."""
    words = {f"{at * 7919 % _WORDS:06d}": at for at in range(_WORDS)}
    sum(words[name] for name in sorted(words))
    x = np.random.default_rng(0).normal(size=_NUMBERS)
    order = np.argsort(x)
    for _ in range(8):
        np.bincount(order % 1000, x * x - x[order])


def main(settings: str, runs: int) -> None:
    """Measure and print."""
    found: dict[str, float] = {}

    def timed(name: str, phase: Callable[[], Any]) -> Any:
        begin = time.process_time()
        made = phase()
        run[name] = run.get(name, 0.0) + time.process_time() - begin
        return made

    with tempfile.TemporaryDirectory() as folder:
        for at in range(runs + 1):
            run: dict[str, float] = {}
            timed("calibration", calibration)
            store = Path(folder) / str(at) / "store"
            plain.train(load_settings(settings, {"store": str(store)}), timed)
            if at:  # the first one imports and compiles
                found = {name: min(cpu, found.get(name, cpu)) for name, cpu in run.items()}
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
