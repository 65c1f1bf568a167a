"""`python -m tests.benchmarks.orchestration`: the training flow on the sample against plain functions.

Options: --runs (the fastest of each counts). Prints the finished section for tests/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import measure

PYTHON = sys.executable
INSIDE = "tests.benchmarks.orchestration.inside"
# what the bodies of the tasks need; prefect is what tasks/steps.py and flows/training.py add
ROOMS = ", ".join(
    (
        "data.contracts.columns",
        "data.settings.features",
        "data.store.manifests",
        "data.settings.schema",
        "tasks.assemble.join",
        "tasks.model.sql",
        "tasks.weather.ingest",
        "tasks.job.job",
        "tasks.model.model",
        "tasks.normalise.normalise",
        "tasks.publish.run",
        "tasks.report.page",
        "tasks.evaluate.results",
        "tasks.report.gather",
        "tasks.normalise.tensors",
        "tasks.train.sgd",
    )
)


def main() -> None:
    """Measure the parts apart and print the section."""
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks.orchestration", description=__doc__)
    ask.add_argument("--runs", type=int, default=3)
    runs = ask.parse_args().runs
    with tempfile.TemporaryDirectory() as temporary:
        ours = measure.environment(Path(temporary) / "prefect")
        away = ours | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}  # importing asks nobody
        inside = [PYTHON, "-m", INSIDE, "--runs", str(runs)]
        found = json.loads(measure.cost(inside, ours).output.splitlines()[-1])
        starts = measure.in_turns(
            runs,
            {
                "Python": lambda: measure.cost([PYTHON, "-c", "pass"]),
                "rooms": lambda: measure.cost([PYTHON, "-c", f"import {ROOMS}"], away),
                "all": lambda: measure.cost(
                    [PYTHON, "-c", f"import {ROOMS}, flows.workers.open, flows.training"], away
                ),
            },
        )
    rooms, everything = starts["rooms"] - starts["Python"], starts["all"] - starts["Python"]
    rows = [
        ["imports: torch, pyarrow, pandas, matplotlib and this project", rooms.wall_s, rooms.cpu_s],
        ["imports: Prefect besides", everything.wall_s - rooms.wall_s, everything.cpu_s - rooms.cpu_s],
        ["start of the embedded server (its data base is there)", *found["start"]],
        ["end of the embedded server", *found["end"]],
        ["the plain functions on the sample", *found["plain"]],
        ["the flow on the sample, running server", *found["flow"]],
        [
            "the flow beyond the plain functions",
            *(a - b for a, b in zip(found["flow"], found["plain"], strict=True)),
        ],
        ["a flow of no tasks", *found["flow of 0"]],
        [f"each of {found['tasks']} tasks that do nothing", *found["task"]],
    ]
    print("## Orchestration\n\n`python -m tests.benchmarks.orchestration`\n")
    print(
        "The training flow on the sample against the bodies of its tasks called one after the other: the "
        f"fastest of {runs}\nruns in turns, {measure.about('prefect', 'torch')}.\nCPU seconds are this "
        "project's process's; the server's for its start and end.\n"
    )
    print(
        measure.table(
            ["part", "s", "CPU s"], [[name, f"{wall:.3f}", f"{cpu:.3f}"] for name, wall, cpu in rows]
        )
    )


if __name__ == "__main__":
    main()
