"""Prefect artifacts of a run: headline, curves, ledger and gate, as Markdown with pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from data.contracts.vocabulary import MAIN, NAIVE_BASELINES
from data.contracts.wording import ABSENT, as_text, markdown_table, number, percent
from tasks.job.links import Links
from tasks.ledger.account import ledger_table
from tasks.report import page, tables
from tasks.report.charts.chart import Chart, with_unit
from tasks.report.charts.picture import draw_svg
from tasks.report.tables import ReportData

EARLIER = "earlier"
MOST_PICTURES = 8
"""Of one kind in an artifact; the report shows them all."""


@dataclass(frozen=True)
class Artifact:
    """One page in the Prefect UI; `key` (lower case, digits, dashes) ties it to those of other runs."""

    key: str
    description: str
    markdown: str


def of_report(data: ReportData, pictures: bool = True) -> list[Artifact]:
    """What a finished report has to show; without pictures where nobody looks."""
    charts = page.artifact_charts(data) if pictures else {}
    curve = charts.pop(page.EXCESS, None)
    clouds = {crop: charts[name] for crop, name in page.clouds(data).items() if name in charts}
    split = f"{data.split} seasons {tables.seasons_of(data)}"
    found = [Artifact("headline", "Scores beside naive baselines", headline_markdown(data))]
    if curve:
        found.append(
            Artifact("loss-curve", "Excess over the exact optimum by epoch", pictures_markdown({"": curve}))
        )
    if clouds:
        found.append(
            Artifact("predicted-actual", f"Predicted against actual, {split}", pictures_markdown(clouds))
        )
    found.append(Artifact("ledger", "What became of every input row", ledger_markdown(data.ledger)))
    if data.season == MAIN:
        return found
    return [replace(each, key=f"{each.key}-{data.season.replace('_', '-')}") for each in found]


def of_gate(result: Mapping[str, Any], links: Links) -> Artifact:
    """What the gate decided and why, and where things lie; `result` is the summary of a run."""
    gate = result["gate"]
    checks = [
        (
            check["name"].replace("_", " "), as_text(check["crop"] or _all(check["season"])),
            check["outcome"], as_text(check["reason"]),
        )
        for check in gate["checks"]
    ]  # fmt: skip
    places = [(what, links.markdown(place)) for what, place in sorted(result["places"].items(), reverse=True)]
    parts = (
        f"**Gate {gate['outcome']}.** {as_text(result['message'])}\n",
        markdown_table(("check", "crop", "outcome", "why"), checks),
        markdown_table(("file", "where it lies"), places),
    )
    return Artifact("gate", f"Gate {gate['outcome']}; where the report lies", "\n".join(parts))


@dataclass(frozen=True)
class Earlier:
    """An artifact that an earlier flow run showed: what it is called and says, where both are seen."""

    key: str
    description: str
    address: str
    run_name: str
    run_address: str


def of_earlier(run_id: str, found: Sequence[Earlier]) -> Artifact:
    """Links to what the flow run that computed a run showed, for one that finds it finished."""
    rows = [
        (f"[{each.key}]({each.address})", as_text(each.description),
         f"[{as_text(each.run_name)}]({each.run_address})")
        for each in found
    ]  # fmt: skip
    table = markdown_table(("artifact", "what it shows", "flow run"), rows)
    return Artifact("earlier", "What the flow run that computed this showed", f"Run {run_id}:\n\n{table}")


def _all(season: str) -> str:
    return "all" if season == MAIN else f"all of {season}"


def headline_markdown(data: ReportData) -> str:
    """MSE and skill of each crop beside the naive baselines, as markdown."""
    # the old UI leaves a table some 580 pixels; what doesn't fit is in the report
    heads = ["crop", "rows", "MSE", "skill", *NAIVE_BASELINES.values()]
    rows = []
    for row in tables.cards(data):
        cells = [as_text(with_unit(row["crop"], row["unit"])), f"{row['rows']:,}"]
        cells += [number(row["mse"]), percent(row["skill"])]
        for name in NAIVE_BASELINES:
            value = number(row["baselines"].get(name))
            cells.append(f"**{value}**" if name == row["best"] else value)
        rows.append(cells)
    pooled = data.headline["pooled"]
    return markdown_table(heads, rows, heads[1:]) + (
        f"\nScored on {data.split} seasons {tables.seasons_of(data)}; mean over crops: "
        f"MSE {number(pooled.get('mse'))}, skill {percent(pooled.get('skill'))}. "
        "Baselines are MSE; the best is bold.\n"
    )


def ledger_markdown(ledger: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of every input row, as markdown."""
    rows = [
        (kind, what, *(ABSENT if count is None else f"{count:,}" for count in counts))
        for kind, what, counts in ledger_table({name: dict(entry) for name, entry in ledger.items()})
    ]
    return markdown_table(("", "reason", *ledger), rows, tuple(ledger))


def pictures_markdown(charts: Mapping[str, Chart]) -> str:
    """Charts as pictures under their titles; beyond a few the report has to do."""
    lines = []
    for title, chart in list(charts.items())[:MOST_PICTURES]:
        content = base64.b64encode(draw_svg(chart).encode()).decode()
        lines += [f"### {as_text(title)}", ""] if title else []
        lines += [f"![{as_text(title or chart.label)}](data:image/svg+xml;base64,{content})", ""]
    if len(charts) > MOST_PICTURES:
        lines.append(f"{len(charts) - MOST_PICTURES} more are in the report.")
    return "\n".join(lines)
