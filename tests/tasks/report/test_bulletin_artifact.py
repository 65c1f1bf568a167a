"""The bulletin in short: figures as in the tables, maps as pictures, names that do no harm."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

from PIL import Image

from data.contracts.wording import number
from tasks.report.bulletin import Bulletin
from tasks.report.bulletin_artifact import headline, headline_text, of_bulletin
from tests.tasks.report.bulletins import YEAR, made_up_bulletin, squares

NAMES = [f"R{at:02d}" for at in range(12)]
SCRIPT = "<script>alert(1)</script>|`"


def bulletin(*given: Any, **more: Any) -> Bulletin:
    """A made-up one, its aggregates with all that the published ones have."""
    data = made_up_bulletin(*given, **more)
    return replace(data, aggregates=data.aggregates.assign(season="main", as_of="09-30"))


def test_the_headline_is_the_newest_season_of_all_regions() -> None:
    data = bulletin(NAMES)
    rows = headline(data.aggregates)
    assert [row["crop"] for row in rows] == ["corn", "soybeans"]
    of = data.aggregates
    for row in rows:
        whole = of[(of["level"] == "all") & (of["crop"] == row["crop"]) & (of["year"] == YEAR)].iloc[-1]
        assert (row["predicted"], row["mean_5"], row["year"]) == (whole["predicted"], whole["mean_5"], YEAR)
    assert f"corn {YEAR}: {number(rows[0]['predicted'])} " in headline_text(rows)
    unknown = data.aggregates.assign(predicted=float("nan"))
    assert headline(unknown)[0]["predicted"] is None
    assert headline_text(headline(unknown)) == ""
    assert headline(of.iloc[:0]) == []


def test_the_artifact_has_a_map_for_each_crop_and_the_table_of_larger_units() -> None:
    for geometries in (squares(NAMES), {}):
        data = bulletin(NAMES, geometries)
        page = of_bulletin(data, "[the bulletin](https://h/bulletin.html)").markdown
        pictures = [part.partition(")")[0] for part in page.split("](data:image/png;base64,")[1:]]
        assert len(pictures) == 2
        for picture in pictures:
            shown = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
            assert shown.width > 300
            colours = shown.getcolors(1 << 20)
            assert colours is not None
            assert len(colours) > 20, "nothing is drawn"
        units = data.aggregates[(data.aggregates["year"] == YEAR)]
        rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
        assert len(rows) == len(units)
        assert rows[0].startswith(f"| all | corn {YEAR} | ")
        assert "[the bulletin](https://h/bulletin.html)" in page
        assert len(page) < 1_000_000


def test_hostile_names_are_text() -> None:
    data = bulletin(NAMES, squares(NAMES), [SCRIPT] * 12, crops=(SCRIPT,))
    page = of_bulletin(data, "page")
    assert "<script" not in page.markdown
    rows = [line for line in page.markdown.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {7}


def test_gaps_of_the_past_have_maps_and_no_table() -> None:
    data = bulletin(NAMES)
    page = of_bulletin(replace(data, aggregates=data.aggregates.iloc[:0]), "the bulletin").markdown
    assert page.startswith("the bulletin")
    assert page.count("](data:image/png;base64,") == 2
    assert "| " not in page
