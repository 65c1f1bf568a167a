"""`python -m tests.benchmarks.orchestration.inside`: one process that holds the server and runs everything.

Its last line of output is JSON: [seconds, CPU seconds] of each part, the least of some runs in turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.server.embedded import EMBEDDED
from flows.server.environment import prepare_environment, quiet
from tests.benchmarks.measure import ROOT

TASKS = 50


def main() -> None:
    """Start, measure, print."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--runs", type=int, default=3)
    runs = ask.parse_args().runs
    prepare_environment(debug=False)
    for _ in range(2):  # the first start makes the data base
        begin = time.perf_counter()
        EMBEDDED.start()
        EMBEDDED.wait()
        start = time.perf_counter() - begin
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        EMBEDDED.stop()
        end = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    server = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    EMBEDDED.start()
    EMBEDDED.wait()
    quiet(debug=False)

    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    from data.settings.files import load_settings
    from flows.training import train_yields
    from tests.benchmarks.orchestration import plain

    @task(cache_policy=NO_CACHE, persist_result=False)
    def nothing(at: int) -> int:
        return at

    @flow
    def of_tasks(count: int) -> None:
        for at in range(count):
            nothing(at)

    found: dict[str, Any] = {"start": (start, server), "end": (end, 0.0), "tasks": TASKS}
    with tempfile.TemporaryDirectory() as temporary:

        def sample() -> Any:
            store = Path(tempfile.mkdtemp(dir=temporary)) / "store"
            return load_settings(ROOT / "data/sample/settings.toml", {"store": str(store)})

        parts: dict[str, Callable[[], Any]] = {
            "plain": lambda: plain.train(sample()),
            "flow": lambda: train_yields(sample()),
            "flow of 0": lambda: of_tasks(0),
            "flow of tasks": lambda: of_tasks(TASKS),
        }
        for part in parts.values():
            part()  # what is imported and compiled at first use
        for _ in range(runs):
            for name, part in parts.items():
                found[name] = min(found.get(name, (float("inf"), 0.0)), _timed(part))
    found["task"] = [
        (a - b) / TASKS for a, b in zip(found.pop("flow of tasks"), found["flow of 0"], strict=True)
    ]
    print(json.dumps(found))


def _timed(part: Callable[[], Any]) -> tuple[float, float]:
    begin, busy = time.perf_counter(), time.process_time()
    part()
    return time.perf_counter() - begin, time.process_time() - busy


if __name__ == "__main__":
    main()
