"""What people read on the terminal after commands of the server."""

import pytest

from flows.cli.terminal import tables


def test_the_term_of_a_freshness_alert_is_said_as_it_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables.alerts({"server": "http://host", "stale_s": 8 * 86400.0, "stores": ["store"]})
    assert "without a new forecast for 8 days," in capsys.readouterr().out
