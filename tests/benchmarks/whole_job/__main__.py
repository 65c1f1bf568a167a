"""`python -m tests.benchmarks.whole_job`: files in, predictions out, as a process, against a bare script.

Options: --quick (a small world in place of 44 million rows), --runs (the fastest of each counts), --largest
(instead of all that 438 million rows, once on threads and once on Dask; their files take 2.1 GB). Prints the
finished section for tests/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.measure import Cost
from tests.benchmarks.whole_job import largest
from tests.benchmarks.whole_job.cases import Case, daily_case, small_cases

PYTHON = sys.executable
SCRIPT = str(Path(__file__).with_name("script.py"))
SCRIPT_IMPORTS = "import json, sys, time, polars; from sklearn import linear_model, metrics"
PEER = "tests.benchmarks.whole_job.peer"
PEER_IMPORTS = "import json, sys, time, numpy, polars; from sklearn.linear_model import Ridge"
JOBS = ("script", "same work", "cropyield")
START = "tests.benchmarks.whole_job.start"
OBSERVED = "tests.benchmarks.whole_job.observed"
PACKAGES = ("torch", "prefect", "pyarrow", "polars", "scikit-learn")


def main() -> None:
    """Run all on every set of inputs and print the section."""
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks.whole_job", description=__doc__)
    ask.add_argument("--quick", action="store_true")
    ask.add_argument("--runs", type=int, default=3)
    ask.add_argument("--largest", action="store_true")
    given = ask.parse_args()
    if given.largest:
        _largest()
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        home = folder / "prefect"
        whole: list[list[str]] = []
        phases: dict[str, list[tuple[str, float]]] = {}
        measure.cost([PYTHON, "-m", START], measure.environment(home))  # makes Prefect's data base
        for case in [*small_cases(folder), daily_case(60 if given.quick else 3000)]:
            found = measure.in_turns(given.runs, _contenders(case, folder, home))
            whole += _rows(case, found)
            observed = measure.cost(_train(OBSERVED, case, _fresh(folder)), measure.environment(home))
            phases[case.name] = json.loads(observed.output.splitlines()[-1])
    print("## Whole job\n\n`python -m tests.benchmarks.whole_job`\n")
    print(
        f"Files in, predictions out, as a process: the fastest of {given.runs} runs in turns,\n"
        f"{measure.about(*PACKAGES)}.\nThe script (`tests/benchmarks/whole_job/script.py`) validates nothing "
        "and has no ledger, intervals, report or manifest.\n`same work` "
        "(`tests/benchmarks/whole_job/peer`, Polars, NumPy and scikit-learn) computes and writes "
        "what\ncropyield does, without validation, ledger, resume or store, drivers and larger units;\n"
        "it predicts the same but for what training leaves (test_peer.py).\n"
        "`start` is a process that only imports and, for cropyield, starts and ends the embedded server; "
        "`rest` is what the whole\ntakes beyond that.\n"
    )
    headings = (
        "inputs", "job", "whole s", "start s", "rest s", "× script's rest", "× same work's", "CPU s",
        "CPU rest s", "× script's", "× same work's", "peak MB", "test MSE",
    )  # fmt: skip
    print(measure.table(headings, whole))
    print(
        "\nWhere cropyield's time goes, one run with a clock in it, seconds. Digests, imports and the "
        "server's start run side by\nside, and so do both ingests.\n"
    )
    print(_phases(phases))


def _largest() -> None:
    case = daily_case(largest.REGIONS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        home = folder / "prefect"
        measure.cost([PYTHON, "-m", START], measure.environment(home))  # makes Prefect's data base
        found = largest.largest_table(case, partial(_train, "flows.cli.main"), folder, home)
    print("### The largest size\n\n`python -m tests.benchmarks.whole_job --largest`\n")
    print(f"One run each, {measure.about(*PACKAGES)}.\nBoth made the same files, byte for byte.\n\n{found}")


def _contenders(case: Case, folder: Path, home: Path) -> dict[str, Callable[[], Cost]]:
    asked = [case.kind, str(case.weather), str(case.yields), str(folder / "out")]
    ours = measure.environment(home)
    return {
        "script": lambda: measure.cost([PYTHON, SCRIPT, *asked]),
        "start of script": lambda: measure.cost([PYTHON, "-c", SCRIPT_IMPORTS]),
        "same work": lambda: measure.cost([PYTHON, "-m", PEER, *asked]),
        "start of same work": lambda: measure.cost([PYTHON, "-c", PEER_IMPORTS]),
        "cropyield": lambda: measure.cost(_train("flows.cli.main", case, _fresh(folder)), ours),
        "start of cropyield": lambda: measure.cost([PYTHON, "-m", START], ours),
    }


def _train(module: str, case: Case, store: Path) -> list[str]:
    code = f"from {module} import main; main()"
    return [PYTHON, "-c", code, "train", str(case.settings), "--store", str(store), "--json"]


def _fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder)) / "store"


def _rows(case: Case, found: dict[str, Cost]) -> list[list[str]]:
    start = {job: found[f"start of {job}"] for job in JOBS}
    rest = {job: found[job] - start[job] for job in start}
    errors = {job: json.loads(found[job].output)["mse"] for job in JOBS[:2]}
    errors["cropyield"] = _errors(found["cropyield"])
    return [
        [
            case.name, job, f"{found[job].wall_s:.2f}", f"{start[job].wall_s:.2f}",
            f"{rest[job].wall_s:.2f}", f"{rest[job].wall_s / rest['script'].wall_s:.2f}",
            f"{rest[job].wall_s / rest['same work'].wall_s:.2f}", f"{found[job].cpu_s:.2f}",
            f"{rest[job].cpu_s:.2f}", f"{rest[job].cpu_s / rest['script'].cpu_s:.2f}",
            f"{rest[job].cpu_s / rest['same work'].cpu_s:.2f}", f"{found[job].peak_mb:.0f}",
            ", ".join(f"{crop} {error:.4g}" for crop, error in sorted(errors[job].items())),
        ]
        for job in JOBS
    ]  # fmt: skip


def _errors(found: Cost) -> dict[str, float]:
    (full,) = json.loads(found.output)["metrics"]["seasons"]["main"]["as_of"].values()
    return {crop: scores["mse"] for crop, scores in full["splits"]["test"]["crops"].items()}


def _phases(phases: dict[str, list[tuple[str, float]]]) -> str:
    names = list(dict.fromkeys(name for found in phases.values() for name, _ in found))
    by_case = [dict(found) for found in phases.values()]
    rows = [[name, *(f"{at[name]:.2f}" if name in at else "–" for at in by_case)] for name in names]
    return measure.table(["phase", *phases], rows)


if __name__ == "__main__":
    main()
