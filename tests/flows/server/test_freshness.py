"""What the freshness alert says, filled in as Prefect's server does it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.server.utilities.user_templates import render_user_template

from flows.server.freshness import stale_alert

SINCE = datetime(2026, 7, 1, 6, tzinfo=UTC)
NONE = "s3://b/k: no forecast published for 20 seconds, since 2026-07-01 06:00 UTC. "


@pytest.mark.parametrize(
    ("after_s", "forecast", "state", "text"),
    [
        (20, None, "Stale", NONE + "It has been watched since then"),
        (23, "a1", "Stale", NONE + "The last one was a1"),
        (3, "a1", "Late", "s3://b/k: forecast a1 came late: none had been published for 20 seconds"),
    ],
)
def test_an_alert_says_what_there_is_none_of_or_what_came_late(
    after_s: float, forecast: str | None, state: str, text: str
) -> None:
    """`after_s`: how long behind its event, which began the term or came when it had ended."""
    alert = stale_alert(20)
    event = SimpleNamespace(
        id="e",
        event="cropyield.forecast.published" if forecast else "cropyield.forecast.watched",
        occurred=SINCE,
        resource={"prefect.resource.name": "s3://b/k"},
        payload={"forecast": forecast} if forecast else {},
    )
    context: dict[str, Any] = {
        "event": event,
        "firing": SimpleNamespace(triggered=SINCE + timedelta(seconds=after_s)),
    }
    said = json.loads(asyncio.run(render_user_template(alert.payload, context)))
    assert (said["text"], said["state"], said["forecast"]) == (text, state, forecast)
    assert asyncio.run(render_user_template(alert.text, context)) == text
    kind = {"Late": "a late forecast", "Stale": "no new forecast"}[state]
    subject = asyncio.run(render_user_template(alert.subject, context))
    assert subject == f"cropyield: {kind} in s3://b/k"
