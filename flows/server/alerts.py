"""Automations of a Prefect server: alerts for failed runs, and an end for dead ones.

Four automations and a block on the server named by PREFECT_API_URL; they see this project's flows only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.settings import get_current_settings
from prefect.types import SecretDict
from pydantic import SecretStr

from data.errors import SettingsError
from data.locations.uris import redact_uri
from flows.server.environment import HEARTBEAT_S, HEARTBEAT_VARIABLE
from flows.server.reach import check_server, server_errors

FLOWS = ("train-yields", "forecast-yields", "backtest-yields")
SILENCE_S = 3 * HEARTBEAT_S
"""A run that has been silent for so long is dead: three missed beats."""
START_S = 150
"""A worker that took a run and has not started it within this time is dead."""
WAIT_S = 15 * 60
"""People are told of a run that no worker has taken for so long."""
ONCE_S = 10 * 60
"""A run that fails is told of once within this time, however often its end is reported."""
BLOCK = "cropyield-alerts"
FAILED, WAITING = "cropyield: tell of failed runs", "cropyield: tell of runs that no worker takes"
SILENT, UNSTARTED = "cropyield: bury silent runs", "cropyield: bury unstarted runs"

_ENDS = ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled")
# states in which nothing runs, and so nothing beats
_RESTS = ("Scheduled", "AwaitingRetry", "AwaitingConcurrencySlot", "Paused", "Suspended")
# "text" is what chat services show; the template escapes what it fills in
_PAYLOAD = """{
 "text": {{ (flow.name ~ (" of deployment " ~ deployment.name if deployment and deployment.name else "")
  ~ " " ~ flow_run.state.name ~ ": " ~ flow_run.name ~ ". " ~ MESSAGE ~ " " ~ LINK) | tojson }},
 "event": {{ event.id | string | tojson }},
 "flow": {{ flow.name | tojson }},
 "deployment": {{ (deployment.name or none) | tojson }},
 "flow_run": {{ flow_run.name | tojson }},
 "flow_run_id": {{ flow_run.id | string | tojson }},
 "state": {{ flow_run.state.name | tojson }},
 "message": {{ MESSAGE | tojson }},
 "at": {{ event.occurred.isoformat() | tojson }},
 "url": {{ LINK | tojson }}
}"""
_MESSAGE = (
    '((flow_run.state.message or "") | replace("Flow run encountered an exception: ", "") | truncate(2000))'
)


def install(
    webhook: str, silence_s: float = SILENCE_S, start_s: float = START_S, wait_s: float = WAIT_S
) -> dict[str, Any]:
    """Have failed, timed-out, crashed and waiting runs told to `webhook`, and dead ones marked as crashed.

    Done again, it replaces what it did before. `warnings` names deployments whose healthy runs might be
    taken for dead. The address may hold a token: it is kept in a block that shows it to nobody.
    Raises SettingsError for an address that is no http(s) URL, and where no server is named; ServerError
    where none answers.
    """
    _check_address(webhook)
    with _server() as client:
        block = Webhook(url=SecretStr(webhook), headers=SecretDict({"Content-Type": "application/json"}))
        # the library is typed for use within a loop as well
        block_id: Any = block.save(BLOCK, overwrite=True)
        tell = partial(CallWebhook, block_document_id=block_id)
        untaken = json.dumps(f"No worker has taken it for {wait_s / 60:.3g} minutes")
        silent = f"No sign of life for {silence_s:g} seconds: the run's process and its worker are gone"
        unstarted = f"Not started within {start_s:g} seconds: the worker that took the run is gone"
        absent = {
            WAITING: _absence("Late", ("Pending", "Running", *_ENDS, *_RESTS), wait_s),
            # a run that is being cancelled goes on beating, so that is no reason to stop listening
            SILENT: _absence("heartbeat", ("heartbeat", *_ENDS, *_RESTS), silence_s),
            UNSTARTED: _absence("Pending", ("Running", "Cancelling", *_ENDS, *_RESTS), start_s),
        }
        # a run may be said to have crashed by its worker and by itself: one failure is one alert
        failed = _trigger(
            expect=_events("Failed", "TimedOut", "Crashed"),
            for_each={"prefect.resource.id"},
            within=timedelta(seconds=ONCE_S),
        )
        _put(client, FAILED, failed, tell(payload=_payload()))
        _put(client, WAITING, absent[WAITING], tell(payload=_payload(untaken)))
        _put(client, SILENT, absent[SILENT], _crash(silent))
        _put(client, UNSTARTED, absent[UNSTARTED], _crash(unstarted))
        return {
            "server": _named(client),
            "automations": [FAILED, WAITING, SILENT, UNSTARTED],
            "silence_s": silence_s,
            "start_s": start_s,
            "wait_s": wait_s,
            "warnings": _unwatchable(client),
        }


def remove() -> dict[str, Any]:
    """Take back what `install` did; the names of what was there. Raises what `install` does."""
    with _server() as client:
        removed = []
        for name in (FAILED, WAITING, SILENT, UNSTARTED):
            for automation in client.read_automations_by_name(name):
                client.delete_automation(automation.id)
                removed.append(name)
        for block in client.read_block_documents_by_type("webhook", include_secrets=False):
            if block.name == BLOCK:
                client.delete_block_document(block.id)
                removed.append(BLOCK)
        return {"server": _named(client), "removed": removed}


def _check_address(webhook: str) -> None:
    """Raises SettingsError, which doesn't repeat the address."""
    try:
        parts = urlsplit(webhook)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or webhook != webhook.strip():
        raise SettingsError("--webhook: not an address of the form https://host/path (not repeated here)")


@contextmanager
def _server() -> Iterator[SyncPrefectClient]:
    """A client of the server that the environment names. Raises SettingsError for none, ServerError."""
    if not get_current_settings().api.url:
        raise SettingsError(
            "alerts need a Prefect server that goes on running, and PREFECT_API_URL names none; "
            "set it, for example to http://127.0.0.1:4200/api"
        )
    check_server()
    with server_errors(), get_client(sync_client=True) as client:
        yield client


def _named(client: SyncPrefectClient) -> str:
    return redact_uri(str(client.api_url)).rstrip("/")


def _put(client: SyncPrefectClient, name: str, trigger: EventTrigger, action: ActionTypes) -> None:
    """Create an automation, or replace the one of this name."""
    made = AutomationCore(
        name=name,
        description="Made by `cropyield alerts`, which also replaces and removes it.",
        trigger=trigger,
        actions=[action],
    )
    # the client sends what has been set; of the defaults the server needs some and refuses this one
    made = AutomationCore.model_validate(made.model_dump(exclude={"owner_resource"}))
    same = client.read_automations_by_name(name)
    if same:
        client.update_automation(same[0].id, made)
    else:
        client.create_automation(made)
    for double in same[1:]:
        client.delete_automation(double.id)


def _crash(message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message, force=False)


def _absence(after: str, expect: Iterable[str], within_s: float) -> EventTrigger:
    """Fires for a run when, after one event of it, no expected one follows in time."""
    return _trigger(
        after=_events(after),
        expect=_events(*expect),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        within=timedelta(seconds=within_s),
    )


def _trigger(**options: Any) -> EventTrigger:
    """On flow runs of this project's flows, whoever else uses the server."""
    return EventTrigger(
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={"prefect.resource.role": "flow", "prefect.resource.name": list(FLOWS)},
        **options,
    )


def _events(*states: str) -> set[str]:
    return {f"prefect.flow-run.{state}" for state in states}


def _payload(message: str = _MESSAGE) -> str:
    """What the webhook receives, with links to the server as people reach it; `message` is an expression."""
    link = f'("{get_current_settings().ui_url}/runs/flow-run/" ~ flow_run.id)'
    return _PAYLOAD.replace("MESSAGE", message).replace("LINK", link)


def _unwatchable(client: SyncPrefectClient) -> list[str]:
    """Deployments that don't themselves make their runs beat often enough, a sentence each."""
    known = {flow.id: flow.name for flow in client.read_flows(flow_filter=_ours())}
    return [
        f"deployment {known[deployment.flow_id]}/{deployment.name}: its job_variables.env sets no "
        f"{HEARTBEAT_VARIABLE}={HEARTBEAT_S}; unless its worker's environment does, healthy runs will be "
        f"taken for dead after {SILENCE_S} seconds"
        for deployment in _deployments(client)
        if deployment.work_pool_name and not _beats((deployment.job_variables or {}).get("env") or {})
    ]


def _ours() -> FlowFilter:
    return FlowFilter(name=FlowFilterName(any_=list(FLOWS)))


def _deployments(client: SyncPrefectClient) -> Sequence[Any]:
    return client.read_deployments(flow_filter=_ours())


def _beats(environment: dict[str, Any]) -> bool:
    value = str(environment.get(HEARTBEAT_VARIABLE, ""))
    return value.isdigit() and int(value) <= HEARTBEAT_S
