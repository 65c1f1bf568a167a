"""What the Prefect UI shows of a run: figures as they are, names that do no harm, places to look at."""

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.contracts.wording import as_text, number
from tasks.job.links import Links
from tasks.report.artifacts import (
    MOST_PICTURES,
    Earlier,
    headline_markdown,
    of_earlier,
    of_gate,
    of_report,
    pictures_markdown,
)
from tasks.report.page import artifact_charts
from tasks.report.tables import ReportData
from tests.tasks.report.reporting import report_data, world_table

SCRIPT, FORMULA = "<script>alert(1)</script>", "$\\alpha_{|"


@pytest.fixture(scope="module")
def data() -> ReportData:
    return report_data(world_table([f"R{at:02d}" for at in range(9)], 25))


def columns(markdown: str) -> set[int]:
    """The numbers of cells that the rows of a table have."""
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    return {len(re.findall(r"(?<!\\)\|", row)) for row in rows}


def test_a_report_has_its_pages(data: ReportData) -> None:
    pages = {page.key: page.markdown for page in of_report(data)}
    assert list(pages) == ["headline", "loss-curve", "predicted-actual", "ledger"]
    for key, count in (("loss-curve", 1), ("predicted-actual", 2)):
        pictures = re.findall(r"\]\(data:image/svg\+xml;base64,([^)]+)\)", pages[key])
        assert len(pictures) == count
        assert all(b"<svg" in base64.b64decode(picture) for picture in pictures)
    for name, entry in data.ledger.items():
        assert f"{entry['rows_in']:,}" in pages["ledger"], name


def test_the_headline_shows_each_crop_beside_its_baselines(data: ReportData) -> None:
    text = headline_markdown(data)
    crops = data.metrics["as_of"]["09-30"]["splits"]["test"]["crops"]
    for crop, figures in crops.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {crop} "))
        assert f" {number(figures['mse'])} " in row
        best = min(figures["baselines"].values())
        assert f" **{number(best)}** " in row


def test_names_are_text_whatever_they_are() -> None:
    hostile = headline_markdown(report_data(world_table(["a", "b", "c"], crops=(SCRIPT, FORMULA))))
    assert "<script>" not in hostile
    assert len(columns(hostile)) == 1


def test_a_run_in_which_nothing_was_scored_has_a_headline(data: ReportData) -> None:
    unscored = {"as_of": {"09-30": {"excess": {"evaluation": None, "published": None}, "splits": {}}}}
    bare = replace(data, metrics=unscored, losses={})
    assert [page.key for page in of_report(bare)] == ["headline", "ledger"]


def test_where_nobody_looks_no_picture_is_drawn(data: ReportData) -> None:
    assert [page.key for page in of_report(data, pictures=False)] == ["headline", "ledger"]


def test_what_an_earlier_run_showed_is_linked() -> None:
    found = Earlier(
        "gate", "Gate passed", "http://ui/artifacts/1", f"{FORMULA} 1990–2023", "http://ui/runs/2"
    )
    page = of_earlier("12ab", [found])
    assert "| [gate](http://ui/artifacts/1) | Gate passed |" in page.markdown
    assert "(http://ui/runs/2)" in page.markdown
    assert columns(page.markdown) == {4}


def test_pictures_beyond_a_few_are_left_to_the_report(data: ReportData) -> None:
    chart = artifact_charts(data)["excess"]
    text = pictures_markdown({f"crop {at}": chart for at in range(MOST_PICTURES + 3)})
    assert text.count("![") == MOST_PICTURES
    assert "3 more are in the report" in text


def test_the_gate_says_why_and_where(tmp_path: Path) -> None:
    checks = [
        {
            "name": "against_baseline",
            "crop": FORMULA,
            "season": "main",
            "outcome": "failed",
            "reason": "MSE 9, region_mean 4",
        },
        {"name": "excess", "crop": None, "season": "main", "outcome": "passed", "reason": "2e-9"},
    ]
    result: dict[str, Any] = {
        "message": "run 12ab is kept but not published",
        "gate": {"outcome": "failed", "checks": checks},
        "places": {"model": "s3://bucket/runs/12ab/model", "report": str(tmp_path / "a report.html")},
    }
    page = of_gate(result, Links(str(tmp_path)))
    assert page.key == "gate"
    assert "**Gate failed.** run 12ab is kept" in page.markdown
    assert "| failed | MSE 9, region" in page.markdown
    assert "| excess | all | passed |" in page.markdown
    assert "| model | s3://bucket/runs/12ab/model |" in page.markdown
    assert f"| report | {as_text(str(tmp_path / 'a report.html'))} |" in page.markdown
    served = of_gate(result, Links(str(tmp_path), "https://yields.example"))
    assert "](https://yields.example/a%20report.html) |" in served.markdown
    assert columns(page.markdown) == {5, 3}
