"""`python -m tests.benchmarks.budget`: CPU seconds of each phase beside those recorded, machine taken out.

Figures are ratios to a calibration loop that is timed in the same run. Options: --runs (the least of each
counts), --record (keep what is found as the record, record.json beside this file). Prints a table and what
grew by more than 15 % since the record.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.whole_job.cases import Case, small_cases

RECORD = Path(__file__).with_name("record.json")
GROWN = 1.15
_NOISE = 0.02  # of the calibration loop: less than that is not told from rounding of clocks
CALIBRATION, START, AROUND = "calibration", "imports and server", "Prefect around the tasks"
# case and phase to CPU seconds as a multiple of the calibration loop's
Budget = dict[str, dict[str, float]]


def main() -> None:
    """Measure, compare, print, and record if asked."""
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks.budget", description=__doc__)
    ask.add_argument("--runs", type=int, default=3)
    ask.add_argument("--record", action="store_true")
    given = ask.parse_args()
    recorded: Budget = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    found: Budget = {}
    seconds: Budget = {}
    with tempfile.TemporaryDirectory() as temporary:
        for case in small_cases(Path(temporary)):
            seconds[case.name] = cpu_seconds(case, Path(temporary), given.runs)
            loop = seconds[case.name][CALIBRATION]
            found[case.name] = {name: round(cpu / loop, 3) for name, cpu in seconds[case.name].items()}
    print("## Budget\n\n`python -m tests.benchmarks.budget`\n")
    print(
        f"CPU seconds of each phase, and as multiples of a calibration loop's in the same run; the least of "
        f"{given.runs} runs,\n{measure.about('torch', 'prefect')}.\n"
    )
    print(budget_table(seconds, found, recorded))
    grown = grown_phases(found, recorded)
    print(f"\nGrown by more than {GROWN - 1:.0%} since the record: {'; '.join(grown) or 'nothing'}.")
    if given.record:
        RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"recorded in {RECORD.name}", file=sys.stderr)


def cpu_seconds(case: Case, folder: Path, runs: int) -> dict[str, float]:
    """CPU seconds of each phase, of imports and server, and of what Prefect adds around the phases."""
    home = folder / "prefect"
    inside = [sys.executable, "-m", "tests.benchmarks.budget.inside", str(case.settings), str(runs)]
    start = [sys.executable, "-m", "tests.benchmarks.whole_job.start"]
    measure.cost(start, measure.environment(home))  # makes Prefect's data base
    found: dict[str, float] = json.loads(measure.cost(inside).output.splitlines()[-1])
    tasks = sum(found.values()) - found[CALIBRATION]
    begun, whole = [], []
    for at in range(runs):
        store = folder / f"{case.name}-{at}" / "store"
        code = "from flows.cli.main import main; main()"
        job = [sys.executable, "-c", code, "train", str(case.settings), "--store", str(store), "--json"]
        begun.append(measure.cost(start, measure.environment(home)).cpu_s)
        whole.append(measure.cost(job, measure.environment(home)).cpu_s)
    return found | {START: min(begun), AROUND: min(whole) - min(begun) - tasks, "whole": min(whole)}


def budget_table(seconds: Budget, found: Budget, recorded: Budget) -> str:
    """A row for each case and phase."""
    rows = []
    for case, phases in found.items():
        for name, ratio in phases.items():
            before = recorded.get(case, {}).get(name)
            known = before is not None and name != CALIBRATION
            change = f"{ratio / before - 1:+.0%}" if known and before else "–"
            rows.append([case, name, f"{seconds[case][name]:.3f}", f"{ratio:.3f}",
                         f"{before:.3f}" if known else "–", change])  # fmt: skip
    return measure.table(["inputs", "phase", "CPU s", "× calibration", "recorded", "change"], rows)


def grown_phases(found: Budget, recorded: Budget) -> list[str]:
    """A phrase for each phase that takes more than 15 % more than the record says."""
    return [
        f"{case} {name} {before:.3f} → {found[case][name]:.3f}"
        for case, phases in recorded.items()
        for name, before in phases.items()
        if name in found.get(case, {})
        and found[case][name] > before * GROWN
        and found[case][name] - before > _NOISE
    ]


if __name__ == "__main__":
    main()
