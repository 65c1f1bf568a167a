"""What people read on the terminal after commands of the server."""

import pytest

from flows.cli.terminal import tables


def test_the_term_of_a_freshness_alert_is_said_as_it_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables.alerts({"server": "http://host", "stale_s": 8 * 86400.0, "stores": ["store"]})
    assert "without a new forecast for 8 days," in capsys.readouterr().out


def test_a_warning_that_holds_for_several_cut_offs_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    note = "features left out, because they never change: rainfall_sum_12"
    early = {"features": [note], "excess": {}, "splits": {}}
    days = {"06-30": early, "07-31": early, "09-30": early | {"features": []}}
    tables.trained(
        {
            "message": "published", "units": {}, "left_out": [], "rejected": {}, "notes": [], "places": {},
            "gate": {"reason": "passed"}, "metrics": {"seasons": {"main": {"as_of": days}}},
        }
    )  # fmt: skip
    said = capsys.readouterr().out
    assert said.count(note) == 1
    assert f"warning: 06-30, 07-31: {note}" in said
