"""The task of scoring: issued forecasts held against the yields known by now."""

from __future__ import annotations

from typing import Any

from prefect import task

from data.contracts.wording import SCORES_EXPLAINED, as_text, markdown_table, number, percent
from data.store.current import find_finished
from data.store.log import read_state
from tasks.assemble.regions import read_regions
from tasks.bulletins import mend_bulletins
from tasks.job.job import Job
from tasks.outlook.outlook import harvests_of
from tasks.publish.score import score
from tasks.report.artifacts import Artifact
from tasks.showing import show
from tasks.steps import POLICY, logger, step_folder
from tasks.yields.ingest import Yields


@task(name="score", task_run_name="score", **POLICY)
def score_record(job: Job, yields: str) -> dict[str, Any]:
    """Hold the record of forecasts against these yields, and publish the verification. Raises InputError."""
    known = Yields.load(step_folder(job, yields))
    harvests = harvests_of(known, known.table["crop"].unique().tolist())
    result = score(job.store, harvests, read_regions(job.settings), job.settings, has_learned(job))
    mend_bulletins(job.store)
    logger().info("%d forecasts issued, %d vintages of yields", result["issued"], result["vintages"])
    show(Artifact("verification", "Issued forecasts, verified", as_markdown(result)))
    return result


def has_learned(job: Job) -> bool:
    """Whether the current run has learned from these very yields, which its gate or somebody let pass."""
    current = read_state(job.store).current
    finished = find_finished(job.store, read_state(job.store), current.run_id) if current else None
    learned = finished.manifest["inputs"].get("yields", {}).get("files") if finished else None
    return bool(learned == job.inputs()["yields"])


def as_markdown(result: dict[str, Any]) -> str:
    """Errors by level, crop and days before the season's end, for Prefect's pages."""
    rows = [
        [
            as_text(level), as_text(crop), lead, f"{of['rows']:,}", number(of["rmse"]),
            number(of["mean_5"]["rmse"]), number(of["baseline"]["rmse"]), number(of["bias"]),
            percent(of["coverage_80"]), number(of["brier"]),
        ]
        for level, crops in result["scores"].items()
        for crop, scores in crops.items()
        for lead, of in scores["lead_days"].items()
    ]  # fmt: skip
    heads = ["level", "crop", "days before the end", "forecasts", "RMSE", "of mean_5", "of baseline", "bias",
             "in the 80 % interval", "Brier"]  # fmt: skip
    table = f"{markdown_table(heads, rows)}\n- {as_text(SCORES_EXPLAINED)}\n" if rows else ""
    return table + "".join(f"- {as_text(note)}\n" for note in result["notes"])
