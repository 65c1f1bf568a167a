"""Tables on the terminal: short, aligned, in the data's units."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.contracts.vocabulary import MAIN, NAIVE_BASELINES, best_baseline
from data.contracts.wording import ABSENT, by_note, in_words, number, span

_ORDER = ("test", "validation", "train")


def trained(result: dict[str, Any]) -> None:
    """The end of `cropyield train`: scores beside the best naive baseline, the gate, where things lie."""
    console = _console()
    console.print(Text(result["message"]))
    if result["metrics"]:
        console.print(_scores(result["metrics"], result["units"], headline_only=True))
        _remarks(console, result)
        for made, found in _by_cutoff(result["metrics"]):
            told = ", ".join(f"{fit} fit {number(value)}" for fit, value in found["excess"].items())
            console.print(Text(f"{made}: training error above the exact optimum, as a fraction: {told}"))
    if result["rejected"]:
        from tasks.ledger.account import rejects_told

        for line in rejects_told(result["rejected"]):
            console.print(Text(f"{line}; see cropyield show"), soft_wrap=True)
    for note in result["notes"]:
        console.print(Text(f"warning: {note}"), soft_wrap=True)
    console.print(Text(f"gate {result['gate']['reason']}"), soft_wrap=True)
    if result["gate"].get("accepted"):
        console.print(Text(f"accepted: {result['gate']['accepted']}"), soft_wrap=True)
    _places(console, result)


def backtest(result: dict[str, Any]) -> None:
    """Skill by cut-off and crop, and where the rest lies."""
    console = _console()
    first, last = min(result["seasons"]), max(result["seasons"])
    console.print(Text(f"{result['made']}, seasons {first}–{last}"))
    table = _table("as of", "crop", "unit", "rows", "MSE", "best naive baseline", "its MSE", "skill", "95 %")
    units = result["units"]
    shared = next(iter(units.values())) if len(set(units.values())) == 1 else None
    crops_of = Counter(
        season for season, crop in {(row["season"], row["crop"]) for row in result["skill"]} if crop
    )
    for row in result["skill"]:
        # a mean over different units says nothing, one over one crop nothing new
        if row["crop"] is None and (len(set(units.values())) > 1 or crops_of[row["season"]] < 2):
            continue
        best = row["best_baseline"]
        table.add_row(
            cutoff(row), Text(row["crop"] or "pooled"), Text(units.get(row["crop"], shared) or ABSENT),
            f"{row['rows']:,}", number(row["mse"]),
            NAIVE_BASELINES.get(best or "", ABSENT), number(row.get(f"mse_{best}")), number(row["skill"]),
            span(row["skill_lower_95"], row["skill_upper_95"]),
        )  # fmt: skip
    console.print(table)
    _places(console, result)


def runs(result: dict[str, Any]) -> None:
    """A line a run; below them the newest that ended without success."""
    table = _table("run", "finished", "seasons", "crops", "gate", "")
    for run in result["runs"]:
        first, last = run["seasons"]
        table.add_row(
            run["run_id"], run["finished_at"][:16].replace("T", " "), f"{first}–{last}",
            Text(_few(run["crops"])), Text(run["gate"]),
            "current" if run["current"] else "withdrawn" if run["withdrawn"] else "",
        )  # fmt: skip
    console = _console()
    console.print(table)
    if result["ends"]:
        console.print(_ends(result["ends"]))
    for fault in result["faults"]:
        console.print(Text(fault))


def run(result: dict[str, Any]) -> None:
    """One run: scores, ledger, gate, inputs."""
    console, manifest = _console(), result["manifest"]
    current = ", the current one" if result["current"] else ""
    console.print(Text(f"run {manifest['run_id']}, finished {manifest['finished_at'][:19]}{current}"))
    console.print(_scores(result["metrics"], result["units"]))
    _remarks(console, result)
    console.print(_ledger(result["ledger"]))
    for check in manifest["gate"]["checks"]:
        of = f" of {check['crop']}" if check.get("crop") else ""
        line = f"{check['name']}{of}: {check['outcome']}, {check['reason']}"
        console.print(Text(line), soft_wrap=True)
    for name, given in manifest["inputs"].items():
        size = sum(file["size"] for file in given["files"])
        files = "1 file" if len(given["files"]) == 1 else f"{len(given['files'])} files"
        console.print(Text(f"{name}: {files}, {size:,} bytes, {given['location']}"), soft_wrap=True)
    if note := result["entry"].get("note"):
        console.print(Text(f"current since {result['entry']['at'][:16].replace('T', ' ')}: {note}"))
    console.print(Text(f"files: {result['place']}"))


def verified(result: dict[str, Any]) -> None:
    """Whether a run, forecast or backtest is as it was published."""
    faults = len(result["faults"])
    state = f"{faults} of {result['files']} files damaged" if faults else "as it was published"
    console = _console()
    console.print(Text(f"{result['what']}: {result['files']} files, {result['size']:,} bytes, {state}"))
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


def exported(result: dict[str, Any]) -> None:
    """Where the file lies and what it takes."""
    console = _console()
    model = f"the model of run {result['run_id']} for {cutoff(result)}"
    console.print(Text(f"{result['file']}: {model}, {result['size']:,} bytes"))
    console.print(Text(f"takes        region, year, {', '.join(result['features'])}"))
    console.print(
        Text(
            f"predicts     {', '.join(result['crops'])} in {result['regions']:,} known regions and any other"
        )
    )


def pruned(result: dict[str, Any]) -> None:
    """What went, what stayed."""
    console = _console()
    for name in result["removed"]:
        console.print(Text(f"removed {name}"))
    removed, kept = len(result["removed"]), len(result["kept"])
    console.print(Text(f"{removed or 'nothing'} removed, {kept} run{'s' * (kept != 1)} kept"))


def alerts(result: dict[str, Any]) -> None:
    """What the server does from now on."""
    console = _console()
    for name in result.get("removed", ()):
        console.print(Text(f"removed {name}"))
    if "removed" in result:
        console.print(Text(f"{len(result['removed'])} removed at {result['server']}"))
        return
    if "wait_s" in result:
        console.print(Text(f"{result['server']} tells of every run that fails, times out, crashes,"))
        console.print(Text(f"or that no worker takes within {result['wait_s'] / 60:.3g} minutes"))
        console.print(Text(f"a run is taken for dead when it is silent for {result['silence_s']:g} seconds"))
    if "stale_s" in result:
        term = in_words(result["stale_s"])
        console.print(Text(f"{result['server']} tells of a store without a new forecast for {term},"))
        console.print(Text(f"of {', '.join(result['stores']) or 'none yet'} counted from now, of any store"))
        console.print(Text("from its next forecast on"))
    for warning in result.get("warnings", ()):
        console.print(Text(f"warning: {warning}"))


def _places(console: Console, result: dict[str, Any]) -> None:
    for what, place in result["places"].items():
        console.print(Text(f"{what:<12} {place}"))


def _remarks(console: Console, result: dict[str, Any]) -> None:
    if result["left_out"]:
        names = ", ".join(result["left_out"])
        console.print(
            Text(f"not modelled: {names}: too few training rows for the features (see cropyield show)")
        )
    notes = by_note({made: of.get("features", ()) for made, of in _by_cutoff(result["metrics"])})
    for note, where in notes.items():
        console.print(Text(f"warning: {', '.join(where)}: {note}"), soft_wrap=True)
    if len(set(result["units"].values())) > 1:
        console.print(Text("the crops' units differ, so there is no pooled row; MSE is in the unit squared"))


def _scores(metrics: dict[str, Any], units: dict[str, str | None], headline_only: bool = False) -> Table:
    table = _table(
        "as of",
        "split",
        "crop",
        "unit",
        "rows",
        "MSE",
        "RMSE",
        "R²",
        "best naive baseline",
        "its MSE",
        "skill",
    )
    for made, found in _by_cutoff(metrics):
        splits = dict(sorted(found["splits"].items(), key=lambda item: _ORDER.index(item[0])))
        for split, scores in list(splits.items())[: 1 if headline_only else None]:
            # a mean over different units says nothing, one over one crop nothing new
            several = len(set(units.values())) == 1 < len(scores["crops"])
            pooled = [("pooled", scores["pooled"])] if several else []
            for crop, score in [*scores["crops"].items(), *pooled]:
                best, least = best_baseline(score["baselines"])
                table.add_row(
                    made, split, Text(crop),
                    Text(units.get(crop, next(iter(units.values()), None)) or ABSENT),
                    f"{score['rows']:,}", number(score["mse"]),
                    number(score["rmse"]), number(score["r2"]), NAIVE_BASELINES.get(best or "", ABSENT),
                    number(least), number(score["skill"]),
                )  # fmt: skip
    return table


def _by_cutoff(metrics: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each cut-off's part of metrics.json, under its season's name where that isn't the main one."""
    return [
        (cutoff({"season": season, "as_of": as_of}), found)
        for season, of in metrics["seasons"].items()
        for as_of, found in of["as_of"].items()
    ]


def cutoff(row: dict[str, Any]) -> str:
    """A cut-off day, under its season's name where that isn't the main one."""
    return str(row["as_of"]) if row["season"] == MAIN else f"{row['season']} {row['as_of']}"


def _ends(ends: list[dict[str, Any]]) -> Table:
    table = _table("without success", "flow", "flow run", "state")
    table.add_column("message", overflow="fold")
    for end in ends:
        table.add_row(
            end["ended_at"][:16].replace("T", " "), Text(end["flow"]), Text(end["flow_run"]),
            Text(end["state"]), Text(" ".join(end["message"].split())),
        )  # fmt: skip
    return table


def _ledger(ledger: dict[str, Any]) -> Table:
    from tasks.ledger.account import ledger_columns, ledger_table

    columns = ledger_columns(ledger)
    table = _table("ledger", "reason", *columns)
    for kind, what, counts in ledger_table(columns):
        table.add_row(kind, what, *(ABSENT if count is None else f"{count:,}" for count in counts))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = {"rows", "MSE", "RMSE", "R²", "its MSE", "skill"}
    numbers |= {"regions", "unseen", "predicted", "baseline"}
    for column in columns:
        right = column in numbers or column.partition(",")[0] in ("weather", "yields")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    return table


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 5 else ""
    return ", ".join(names[: 4 if more else None]) + more


def _console() -> Console:
    width = None if sys.stdout.isatty() else 160  # into a file nothing need be cut off
    return Console(highlight=False, width=width)
