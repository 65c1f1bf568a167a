"""`cropyield` with a clock in it: when imports, digests and the server were done, what each task took.

Takes the command line of `cropyield`; a last line of output holds [phase, seconds, CPU seconds], in JSON.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

BEGIN = time.perf_counter()
Phase = tuple[str, float, float]


class Clock:
    """Phases as they end; what runs in threads beside others counts its own thread's CPU time."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, each call of it a phase; calls of one name add up."""

        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            alone = threading.current_thread() is threading.main_thread()
            clock = time.process_time if alone else time.thread_time
            begin, busy = time.perf_counter(), clock()
            try:
                return function(*given, **named)
            finally:
                self.phases.append((name, time.perf_counter() - begin, clock() - busy))

        return call


def main() -> None:
    """Run the command line."""
    from flows import embedded
    from flows.cli import run
    from tasks import job

    clock = Clock()
    job.open_job = clock.timed("digests", job.open_job)
    embedded.Embedded.wait = clock.timed("wait for the server", embedded.Embedded.wait)  # type: ignore[method-assign]
    begun = embedded.Embedded.start

    def begin(server: embedded.Embedded) -> None:
        begun(server)
        before, busy = time.perf_counter(), time.process_time()
        import torch._dynamo  # noqa: F401

        import flows.runners
        import flows.training

        clock.phases.append(("imports", time.perf_counter() - before, time.process_time() - busy))
        _watch(clock, flows.training)

    embedded.Embedded.start = begin  # type: ignore[method-assign, assignment]
    code = run(sys.argv[1:])
    before = time.perf_counter()
    embedded.EMBEDDED.stop()
    clock.phases.append(("end of the server", time.perf_counter() - before, 0.0))
    clock.phases.append(("all", time.perf_counter() - BEGIN, time.process_time()))
    print("\n" + json.dumps(_told(clock.phases)))
    sys.exit(code)


def _watch(clock: Clock, training: Any) -> None:
    from prefect import Task

    from tasks import steps

    flow = training.train_yields
    type(flow).__call__ = clock.timed("flow", type(flow).__call__)
    for task in vars(steps).values():
        if isinstance(task, Task):
            task.fn = clock.timed(f"task {task.name}", task.fn)


def _told(phases: list[Phase]) -> list[Phase]:
    """One row for each name, with what the flow takes beyond its tasks in place of the flow itself."""
    sums: dict[str, tuple[float, float]] = {}
    for name, wall, cpu in phases:
        before = sums.get(name, (0.0, 0.0))
        sums[name] = (before[0] + wall, before[1] + cpu)
    # ingest of yields runs beside that of weather, in threads: the longer of the two is waited for
    waited = [name for name in sums if name.startswith("task ") and name != "task ingest yields"]
    flow, cpu = sums.pop("flow"), sum(sums[name][1] for name in sums if name.startswith("task "))
    beyond = (flow[0] - sum(sums[name][0] for name in waited), flow[1] - cpu)
    order = [name for name in sums if name not in ("end of the server", "all")]
    told = [(name, *sums[name]) for name in order]
    told.append(("Prefect around the tasks", *beyond))
    return [*told, *((name, *sums[name]) for name in ("end of the server", "all"))]


if __name__ == "__main__":
    main()
