"""The freshness alert: a store to which no forecast has been published for too long is told of, once.

Prefect's open server has no service level agreements; a proactive trigger does the same. Each publication
of a store's forecast begins a new term, and so does the event that says it is watched from now on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.events import Event, Resource
from prefect.events.actions import PauseAutomation
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from data.contracts.wording import in_words
from data.errors import ServerError, SettingsError
from data.locations.uris import locate, redact_uri
from data.store.backends.open import open_store
from flows.policy import folder_of
from flows.server.channels import Alert
from tasks.events import FORECAST_PUBLISHED, WATCHED, store_resource

STALE = "cropyield: tell of stores without a new forecast"
FORECASTING = "forecast-yields"
HEEDED = "cropyield: are automations heeded?"
_HEEDS_WITHIN_S, _LOOK_S = 20.0, 0.2
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
# the last event is the store's latest publication, or that it is watched
_SINCE = '(event.occurred.strftime("%Y-%m-%d %H:%M") ~ " UTC")'
# A forecast that comes when the term has ended and Prefect hasn't looked yet is the event. Else the event is
# what the term began with, and so at least as old as the term is long.
_CAME_LATE = "((firing.triggered - event.occurred).total_seconds() < SECONDS)"
_SUBJECT = (
    'cropyield: {{ "a late forecast" if CAME_LATE else "no new forecast" }} '
    'in {{ event.resource["prefect.resource.name"] }}'
)
_TEXT = (
    'event.resource["prefect.resource.name"] ~ '
    '((": forecast " ~ event.payload.forecast ~ " came late: none had been published for WITHIN")'
    ' if CAME_LATE else (": no forecast published for WITHIN, since " ~ SINCE ~ '
    '((". The last one was " ~ event.payload.forecast) if event.payload.forecast else '
    '". It has been watched since then")))'
)
_PAYLOAD = """{
 "text": {{ TEXT | tojson }},
 "event": {{ event.id | string | tojson }},
 "state": "{{ "Late" if CAME_LATE else "Stale" }}",
 "store": {{ event.resource["prefect.resource.name"] | tojson }},
 "forecast": {{ (event.payload.forecast or none) | tojson }},
 "since": {{ event.occurred.isoformat() | tojson }},
 "within_s": SECONDS
}"""


def seconds_of(text: str) -> float:
    """How long a term is: a number and m, h, d or w. Raises SettingsError."""
    found = re.fullmatch(r"(\d{1,6})\s*([mhdw])", text.strip())
    if found is None or int(found[1]) == 0:
        raise SettingsError(f"--stale {text}: write a number and m, h, d or w, as 36h or 8d")
    return float(int(found[1]) * _UNITS[found[2]])


def stale_trigger(within_s: float) -> EventTrigger:
    """Fires for a store once, when its last publication is so long ago."""
    return EventTrigger(
        match={"prefect.resource.id": "cropyield.store.*"},
        after={FORECAST_PUBLISHED, WATCHED},
        expect={FORECAST_PUBLISHED},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        within=timedelta(seconds=within_s),
    )


def stale_alert(within_s: float) -> Alert:
    """What people are told of such a store."""
    known = {
        "CAME_LATE": _CAME_LATE,
        "WITHIN": in_words(within_s),
        "SINCE": _SINCE,
        "SECONDS": f"{within_s:g}",
    }
    subject, text, payload = (_filled(part, known) for part in (_SUBJECT, _TEXT, _PAYLOAD))
    return Alert.of(subject, text, payload)


def _filled(text: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(name, value)
    return text


def stores_of(deployments: Iterable[Any]) -> list[str]:
    """The stores that these deployments publish forecasts to, as their events name them."""
    found = []
    for deployment in deployments:
        settings = (deployment.parameters or {}).get("settings") or {}
        with suppress(Exception):  # parameters may be anything
            place = locate(settings["store"], folder_of(deployment.pull_steps) or Path())
            found.append(open_store(place).place(""))
    return list(dict.fromkeys(found))


def watch(client: SyncPrefectClient, stores: Iterable[str]) -> None:
    """Begin a term for each store from now on. Raises ServerError where the server heeds no automation."""
    events = [Event(event=WATCHED, resource=Resource(store_resource(store))) for store in stores]
    if events:
        _wait_until_heeded(client)
        _emit(client, events)


def _wait_until_heeded(client: SyncPrefectClient) -> None:
    """Return when the server heeds all automations that it has been given so far.

    It stores them at once, and takes notice of them a little later, in order: an event in between is lost
    (seen once in 16 times behind PostgreSQL). So one more automation is made, which pauses itself.
    """
    sign = f"cropyield.heeded.{uuid4()}"
    trigger = EventTrigger(expect={sign}, posture=Posture.Reactive, threshold=1, within=timedelta(0))
    made = AutomationCore(
        name=HEEDED, trigger=trigger, actions=[PauseAutomation(source="inferred", automation_id=None)]
    )
    probe = client.create_automation(
        AutomationCore.model_validate(made.model_dump(exclude={"owner_resource"}))
    )
    event = Event(event=sign, resource=Resource({"prefect.resource.id": f"prefect.automation.{probe}"}))
    end = monotonic() + _HEEDS_WITHIN_S
    try:
        while (seen := client.read_automation(probe)) is not None and seen.enabled:
            if monotonic() > end:
                raise ServerError(
                    f"{redact_uri(str(client.api_url))}: the server heeds no automation, so no alert would "
                    "come; do its services run (`prefect server services start`)?"
                )
            _emit(client, [event.model_copy(update={"id": uuid4()})])
            sleep(_LOOK_S)
    finally:
        client.delete_automation(probe)


def _emit(client: SyncPrefectClient, events: Sequence[Event]) -> None:
    client.request("POST", "/events", json=[event.model_dump(mode="json") for event in events])
