"""What people read on the terminal: short, aligned, in the data's units."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_NAIVE = {
    "training_mean": "training mean",
    "region_mean": "region mean",
    "last_five_seasons": "last five seasons",
    "region_trend": "region trend",
}


_ORDER = ("test", "validation", "train")


def trained(result: dict[str, Any]) -> None:
    """The end of `cropyield train`: scores beside the best naive baseline, the gate, where things lie."""
    console = _console()
    console.print(Text(result["message"]))
    if result["metrics"]:
        console.print(_scores(result["metrics"], headline_only=True))
        for day, found in result["metrics"]["as_of"].items():
            told = ", ".join(f"{fit} fit {_number(value)}" for fit, value in found["excess"].items())
            console.print(Text(f"{day}: training error above the exact optimum, as a fraction: {told}"))
    console.print(Text(f"gate {result['gate']['reason']}"))
    for what, place in result["places"].items():
        console.print(Text(f"{what:<12} {place}"))


def backtest(result: dict[str, Any]) -> None:
    """Skill by cut-off and crop, and where the rest lies."""
    console = _console()
    first, last = min(result["seasons"]), max(result["seasons"])
    console.print(Text(f"{result['made']}, seasons {first}–{last}"))
    table = _table("as of", "crop", "rows", "MSE", "best naive baseline", "its MSE", "skill", "95 %")
    for row in result["skill"]:
        best = row["best_baseline"]
        table.add_row(
            row["as_of"], Text(row["crop"] or "pooled"), f"{row['rows']:,}", _number(row["mse"]),
            _NAIVE.get(best or "", "–"), _number(row.get(f"mse_{best}")), _number(row["skill"]),
            f"{_number(row['skill_lower_95'])} to {_number(row['skill_upper_95'])}",
        )  # fmt: skip
    console.print(table)
    for what, place in result["places"].items():
        console.print(Text(f"{what:<12} {place}"))


def runs(result: dict[str, Any]) -> None:
    """A line a run."""
    table = _table("run", "finished", "seasons", "crops", "gate", "")
    for run in result["runs"]:
        first, last = run["seasons"]
        table.add_row(
            run["run_id"], run["finished_at"][:16].replace("T", " "), f"{first}–{last}",
            Text(", ".join(run["crops"])), run["gate"], "current" if run["current"] else "",
        )  # fmt: skip
    console = _console()
    console.print(table)
    for fault in result["faults"]:
        console.print(Text(fault))


def run(result: dict[str, Any]) -> None:
    """One run: scores, ledger, gate, inputs."""
    console, manifest = _console(), result["manifest"]
    current = ", the current one" if result["current"] else ""
    console.print(Text(f"run {manifest['run_id']}, finished {manifest['finished_at'][:19]}{current}"))
    console.print(_scores(result["metrics"]))
    console.print(_ledger(result["ledger"]))
    for check in manifest["gate"]["checks"]:
        console.print(Text(f"{check['name']}: {check['outcome']}, {check['reason']}"))
    for name, given in manifest["inputs"].items():
        size = sum(file["size"] for file in given["files"])
        console.print(Text(f"{name}: {len(given['files'])} files, {size:,} bytes, {given['location']}"))
    console.print(Text(f"files: {result['place']}"))


def verified(result: dict[str, Any]) -> None:
    """Whether a run is as it was published."""
    faults = len(result["faults"])
    state = f"{faults} of {result['files']} files damaged" if faults else "as it was published"
    console = _console()
    console.print(Text(f"run {result['run_id']}: {result['files']} files, {result['size']:,} bytes, {state}"))
    for fault in result["faults"]:
        console.print(Text(f"  {fault}"))
    for name in result["others"]:
        console.print(Text(f"  {name}: not in the manifest"))


def repeated(result: dict[str, Any]) -> None:
    """Whether a run came out the same when it was repeated, and what had changed since."""
    console, differing = _console(), result["differing"]
    state = f"{len(differing)} of {result['files']} files differ" if differing else "the same bytes"
    console.print(Text(f"run {result['run_id']}: repeated, {state}"))
    for name in differing:
        console.print(Text(f"  {name}"))
    for change in result["changed"]:
        console.print(Text(f"  changed since: {change}"))


def rolled_back(result: dict[str, Any]) -> None:
    """Which run is current now."""
    _console().print(
        Text(f"{result['message']}; {result['verified_files']} files verified, gate {result['gate']}")
    )


def pruned(result: dict[str, Any]) -> None:
    """What went, what stayed."""
    console = _console()
    for name in result["removed"]:
        console.print(Text(f"removed {name}"))
    console.print(Text(f"{len(result['removed'])} removed, {len(result['kept'])} runs kept"))


def _scores(metrics: dict[str, Any], headline_only: bool = False) -> Table:
    table = _table(
        "as of", "split", "crop", "rows", "MSE", "RMSE", "R²", "best naive baseline", "its MSE", "skill"
    )
    for as_of, found in metrics["as_of"].items():
        splits = dict(sorted(found["splits"].items(), key=lambda item: _ORDER.index(item[0])))
        for split, scores in list(splits.items())[: 1 if headline_only else None]:
            for crop, score in [*scores["crops"].items(), *([("pooled", scores["pooled"])])]:
                naive = {name: mse for name, mse in score["baselines"].items() if mse is not None}
                best = min(naive, key=lambda name: naive[name]) if naive else None
                table.add_row(
                    as_of, split, Text(crop), f"{score['rows']:,}", _number(score["mse"]),
                    _number(score["rmse"]), _number(score["r2"]), _NAIVE.get(best or "", "–"),
                    _number(naive.get(best or "")), _number(score["skill"]),
                )  # fmt: skip
    return table


def _ledger(ledger: dict[str, Any]) -> Table:
    from tasks.ledger import ledger_table

    table = _table("ledger", "reason", *ledger)
    for kind, what, *counts in ledger_table(ledger):
        table.add_row(kind, what, *("–" if count is None else f"{count:,}" for count in counts))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = {"rows", "MSE", "RMSE", "R²", "its MSE", "skill", "weather", "yields"}
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _console() -> Console:
    width = None if sys.stdout.isatty() else 160  # into a file nothing need be cut off
    return Console(highlight=False, width=width)
