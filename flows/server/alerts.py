"""Automations of a Prefect server: alerts for failed runs and stale stores, and an end for dead runs.

They are made on the server that PREFECT_API_URL names, with a block for each address that is told, and see
this project's flows only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.settings import get_current_settings

from data.errors import SettingsError
from data.locations.uris import redact_uri
from flows.server.channels import Alert, Channel, channels_of, check_addresses, make_channels, remove_blocks
from flows.server.environment import HEARTBEAT_S, HEARTBEAT_VARIABLE
from flows.server.freshness import FORECASTING, HEEDED, STALE, stale_alert, stale_trigger, stores_of, watch
from flows.server.reach import check_server, server_errors

FLOWS = ("train-yields", FORECASTING, "backtest-yields", "score-forecasts")
SILENCE_S = 3 * HEARTBEAT_S
"""A run that has been silent for so long is dead: three missed beats."""
START_S = 150
"""A worker that took a run and has not started it within this time is dead."""
WAIT_S = 15 * 60
"""People are told of a run that no worker has taken for so long."""
ONCE_S = 10 * 60
"""A run that fails is told of once within this time, however often its end is reported."""
FAILED, WAITING = "cropyield: tell of failed runs", "cropyield: tell of runs that no worker takes"
SILENT, UNSTARTED = "cropyield: bury silent runs", "cropyield: bury unstarted runs"

_ENDS = ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled")
# states in which nothing runs, and so nothing beats
_RESTS = ("Scheduled", "AwaitingRetry", "AwaitingConcurrencySlot", "Paused", "Suspended")
_TEXT = (
    '(flow.name ~ (" of deployment " ~ deployment.name if deployment and deployment.name else "")'
    ' ~ " " ~ flow_run.state.name ~ ": " ~ flow_run.name ~ ". " ~ MESSAGE ~ " " ~ LINK)'
)
# "text" is what chat services show; the template escapes what it fills in
_PAYLOAD = """{
 "text": {{ TEXT | tojson }},
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


@dataclass(frozen=True)
class Waits:
    """Seconds of patience with a run that is silent, not started or not taken, and with a stale store."""

    silence_s: float = SILENCE_S
    start_s: float = START_S
    wait_s: float = WAIT_S
    stale_s: float | None = None


def install(webhook: str | None, notify: Sequence[str] = (), waits: Waits | None = None) -> dict[str, Any]:
    """Have failed, crashed and waiting runs told of, stale stores too, and dead runs marked as crashed.

    `webhook` gets JSON; each of `notify`, an address that apprise knows or TYPE/NAME of a block, gets words.
    Done again, it replaces what it did before; without any of them those who are told already are told of
    stale stores as well. `warnings` names deployments whose healthy runs might be taken for dead. Addresses
    may hold tokens: they are kept in blocks that show them to nobody.
    Raises SettingsError for what is no address, where nobody is told yet, and where no server is named;
    ServerError where none answers.
    """
    check_addresses(webhook, notify)
    waits, told_anew = waits or Waits(), webhook is not None or bool(notify)
    with _server() as client:
        done: dict[str, Any] = {"server": _named(client), "automations": []}
        if told_anew:
            channels = make_channels(client, webhook, notify)
            done |= _watch_runs(client, channels, waits)
            _tell_of_stale_stores_too(client, channels)
        else:
            channels = [
                each
                for known in client.read_automations_by_name(FAILED)
                for each in channels_of(known.actions)
            ]
            if not channels:
                raise SettingsError(
                    "--stale: nobody is told yet on this server; say --webhook or --notify, too"
                )
        if waits.stale_s is not None:
            _put(
                client,
                STALE,
                stale_trigger(waits.stale_s),
                [each.tell(stale_alert(waits.stale_s)) for each in channels],
            )
            stores = stores_of(_deployments(client, [FORECASTING]))
            watch(client, stores)
            done |= {"stale_s": waits.stale_s, "stores": stores}
            done["automations"].append(STALE)
        return done


def _watch_runs(client: SyncPrefectClient, channels: Sequence[Channel], waits: Waits) -> dict[str, Any]:
    """The four automations about runs; what they wait for, and what may be wrong with it."""
    untaken = json.dumps(f"No worker has taken it for {waits.wait_s / 60:.3g} minutes")
    silent = f"No sign of life for {waits.silence_s:g} seconds: the run's process and its worker are gone"
    unstarted = f"Not started within {waits.start_s:g} seconds: the worker that took the run is gone"
    absent = {
        WAITING: _absence("Late", ("Pending", "Running", *_ENDS, *_RESTS), waits.wait_s),
        # a run that is being cancelled goes on beating, so that is no reason to stop listening
        SILENT: _absence("heartbeat", ("heartbeat", *_ENDS, *_RESTS), waits.silence_s),
        UNSTARTED: _absence("Pending", ("Running", "Cancelling", *_ENDS, *_RESTS), waits.start_s),
    }
    # a run may be said to have crashed by its worker and by itself: one failure is one alert
    failed = _trigger(
        expect=_events("Failed", "TimedOut", "Crashed"),
        for_each={"prefect.resource.id"},
        within=timedelta(seconds=ONCE_S),
    )
    _put(client, FAILED, failed, [each.tell(_alert()) for each in channels])
    _put(client, WAITING, absent[WAITING], [each.tell(_alert(untaken)) for each in channels])
    _put(client, SILENT, absent[SILENT], [_crash(silent)])
    _put(client, UNSTARTED, absent[UNSTARTED], [_crash(unstarted)])
    return {
        "automations": [FAILED, WAITING, SILENT, UNSTARTED],
        "silence_s": waits.silence_s,
        "start_s": waits.start_s,
        "wait_s": waits.wait_s,
        "warnings": _unwatchable(client),
    }


def _tell_of_stale_stores_too(client: SyncPrefectClient, channels: Sequence[Channel]) -> None:
    """Where stale stores are told of already, tell these channels and nobody else."""
    for known in client.read_automations_by_name(STALE):
        if isinstance(known.trigger, EventTrigger):
            alert = stale_alert(known.trigger.within.total_seconds())
            _put(client, STALE, known.trigger, [each.tell(alert) for each in channels])


def remove() -> dict[str, Any]:
    """Take back what `install` did; the names of what was there. Raises what `install` does."""
    with _server() as client:
        removed = []
        for name in (FAILED, WAITING, SILENT, UNSTARTED, STALE, HEEDED):
            for automation in client.read_automations_by_name(name):
                client.delete_automation(automation.id)
                removed.append(name)
        return {"server": _named(client), "removed": [*removed, *remove_blocks(client)]}


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


def _put(client: SyncPrefectClient, name: str, trigger: EventTrigger, actions: Sequence[ActionTypes]) -> None:
    """Create an automation, or replace the one of this name."""
    made = AutomationCore(
        name=name,
        description="Made by `cropyield alerts`, which also replaces and removes it.",
        trigger=trigger,
        actions=[*actions],
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


def _alert(message: str = _MESSAGE) -> Alert:
    """What people are told of a run, with a link as they reach the server; `message` is an expression."""
    link = f'("{get_current_settings().ui_url}/runs/flow-run/" ~ flow_run.id)'
    subject = "cropyield: {{ flow.name }} {{ flow_run.state.name }}"
    filled = (each.replace("MESSAGE", message).replace("LINK", link) for each in (_TEXT, _PAYLOAD))
    return Alert.of(subject, *filled)


def _unwatchable(client: SyncPrefectClient) -> list[str]:
    """Deployments that don't themselves make their runs beat often enough, a sentence each."""
    known = {
        flow.id: flow.name
        for flow in client.read_flows(flow_filter=FlowFilter(name=FlowFilterName(any_=list(FLOWS))))
    }
    return [
        f"deployment {known[deployment.flow_id]}/{deployment.name}: its job_variables.env sets no "
        f"{HEARTBEAT_VARIABLE}={HEARTBEAT_S}; unless its worker's environment does, healthy runs will be "
        f"taken for dead after {SILENCE_S} seconds"
        for deployment in _deployments(client)
        if deployment.work_pool_name and not _beats((deployment.job_variables or {}).get("env") or {})
    ]


def _deployments(client: SyncPrefectClient, flows: Sequence[str] = FLOWS) -> Sequence[Any]:
    return client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=[*flows])))


def _beats(environment: dict[str, Any]) -> bool:
    value = str(environment.get(HEARTBEAT_VARIABLE, ""))
    return value.isdigit() and int(value) <= HEARTBEAT_S
