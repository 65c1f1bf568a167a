"""`cropyield` with a clock in it: when imports, digests and the server were done, what each task took.

Takes the command line of `cropyield`; a last line of output holds [phase, seconds] in JSON.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

BEGIN = time.perf_counter()
Phase = tuple[str, float]


class Clock:
    """Phases as they end; some run beside others."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, each call of it a phase; calls of one name add up."""

        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                self.phases.append((name, time.perf_counter() - begin))

        return call


def main() -> None:
    """Run the command line."""
    from flows.cli.main import run
    from flows.server import embedded
    from tasks.job import job

    clock = Clock()
    job.open_job = clock.timed("digests", job.open_job)
    embedded.Embedded.wait = clock.timed("wait for the server", embedded.Embedded.wait)  # type: ignore[method-assign]
    begun = embedded.Embedded.start

    def begin(server: embedded.Embedded) -> None:
        begun(server)
        before = time.perf_counter()
        import flows.training
        import flows.workers.open

        clock.phases.append(("imports", time.perf_counter() - before))
        _watch(clock, flows.training)

    embedded.Embedded.start = begin  # type: ignore[method-assign, assignment]
    code = run(sys.argv[1:])
    clock.phases.append(("all but the end", time.perf_counter() - BEGIN))
    print("\n" + json.dumps(_told(clock.phases)))
    sys.exit(code)


def _watch(clock: Clock, training: Any) -> None:
    from prefect import Task

    from tasks import ingesting
    from tasks import training as tasks

    flow = training.train_yields
    type(flow).__call__ = clock.timed("flow", type(flow).__call__)
    for task in (*vars(ingesting).values(), *vars(tasks).values()):
        if isinstance(task, Task):
            task.fn = clock.timed(f"task {task.name}", task.fn)


def _told(phases: list[Phase]) -> list[Phase]:
    """One row for each name, with what the flow takes beyond its tasks in place of the flow itself."""
    sums: dict[str, float] = {}
    for name, wall in phases:
        sums[name] = sums.get(name, 0.0) + wall
    # the two inputs are read side by side: the longer of the two is waited for
    ingest = [sums[name] for name in ("task ingest weather", "task ingest yields") if name in sums]
    tasks = sum(wall for name, wall in sums.items() if name.startswith("task "))
    beyond = sums.pop("flow") - (tasks - sum(ingest) + max(ingest, default=0.0))
    whole = sums.pop("all but the end")
    return [*sums.items(), ("Prefect around the tasks", beyond), ("all but the end", whole)]


if __name__ == "__main__":
    main()
