"""Events of publications, which Prefect's server offers to automations: alerts, chained deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event

from tasks.showing import is_seen
from tasks.steps import logger

FORECAST_PUBLISHED, RUN_PUBLISHED = "cropyield.forecast.published", "cropyield.run.published"
"""Emitted after each entry of the log that makes a forecast the newest, or a run current."""
WATCHED = "cropyield.forecast.watched"
"""A store's forecasts are watched from now on; behind each forecast's publication, too."""


def store_resource(place: str) -> dict[str, str]:
    """The store as the resource of an event; `place` is where it lies, without credentials."""
    return {"prefect.resource.id": f"cropyield.store.{place}", "prefect.resource.name": place}


def tell_published(event: str, place: str, payload: Mapping[str, Any]) -> None:
    """Emit the event of a publication, if anybody can listen; the run goes on whatever comes of it.

    The flow run, its flow and deployment are added by Prefect as related resources.
    """
    if not is_seen():
        return
    resource = store_resource(place)
    try:
        published = emit_event(event, resource=resource, payload={"store": place, **payload})
        if event == FORECAST_PUBLISHED:
            # Where the term before has just ended and Prefect hasn't looked yet, it takes this forecast for
            # the alert's occasion and begins no new term. Then the next event does; else it changes nothing.
            named = {"store": place, "forecast": payload["forecast"]}
            emit_event(WATCHED, resource=resource, payload=named, follows=published)
    except Exception as error:
        logger().warning("the event %s was not sent: %s", event, type(error).__name__)
