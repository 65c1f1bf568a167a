"""The policy of every flow: time limit, and a record in the store of every run that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import get_client
from prefect.logging.loggers import flow_run_logger

from data.errors import CropyieldError
from data.locations.uris import LOCATIONS, locate, redacted
from data.store.backends.open import open_store
from data.store.failed_runs import record_failed_run
from data.store.manifests import now

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State


TIMEOUT_S = 6 * 3600
_WORKING_FOLDER = "prefect.deployments.steps.set_working_directory"
_PREFIX = "Flow run encountered an exception: "  # Prefect's, before the error's own words


def describe_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> dict[str, Any]:
    """How a run ended, for people and machines; without credentials that its locations carry."""
    message = (state.message or "").removeprefix(_PREFIX)
    for location in _locations(flow_run).values():
        message = redacted(message, location)
    return {
        "flow": flow.name,
        "flow_run": flow_run.name,
        "flow_run_id": str(flow_run.id),
        "deployment_id": str(flow_run.deployment_id) if flow_run.deployment_id else None,
        # the hook is called while the run is being cancelled, and that is how it will end
        "state": "Cancelled" if state.is_cancelling() else state.name,
        "message": message,
        "started_at": flow_run.start_time.isoformat() if flow_run.start_time else None,
        "ended_at": state.timestamp.isoformat() if state.timestamp else now(),
    }


def record_unsuccessful_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A state hook: write the end below `ends/` in the run's store.

    It never raises: a store that is down, or parameters that name none, are a warning in the run's log.
    It may be called in another process than the run's, whose end may have been kill -9.
    """
    log = flow_run_logger(flow_run, flow)
    try:
        store = _locations(flow_run).get("store")
        if store is None:
            log.warning("the end is not recorded: the run's parameters name no store")
        else:
            place = open_store(locate(store, _working_folder(flow_run)))
            record_failed_run(place, describe_end(flow, _as_it_became(flow_run), state))
    except Exception as error:
        # a StorageError has been cleaned of credentials, any other error's words may hold some
        log.warning(
            "the end is not recorded: %s",
            error if isinstance(error, CropyieldError) else type(error).__name__,
        )


FLOW_POLICY: dict[str, Any] = {
    "timeout_seconds": TIMEOUT_S,
    "validate_parameters": True,
    "on_failure": [record_unsuccessful_end],
    "on_crashed": [record_unsuccessful_end],
    "on_cancellation": [record_unsuccessful_end],
}
"""Options of every flow. Retries belong to its tasks (`tasks.steps.POLICY`), which repeat less."""


def _as_it_became(flow_run: FlowRun) -> FlowRun:
    """The run with its start and its last name; who calls the hook knows it as it was taken or begun."""
    with suppress(Exception), get_client(sync_client=True) as client:
        return client.read_flow_run(flow_run.id)
    return flow_run


def _working_folder(flow_run: FlowRun) -> Path:
    """The folder that a run's relative locations are seen from: its deployment's, else this process's.

    A worker that buries a killed run has not gone there itself.
    """
    if flow_run.deployment_id is not None:
        with suppress(Exception), get_client(sync_client=True) as client:
            return folder_of(client.read_deployment(flow_run.deployment_id).pull_steps) or Path()
    return Path()


def folder_of(pull_steps: Sequence[Mapping[str, Any]] | None) -> Path | None:
    """The folder that runs of a deployment with these steps go to, where they say one."""
    named = [step.get(_WORKING_FOLDER, {}).get("directory") for step in pull_steps or ()]
    return next((Path(folder) for folder in named if folder), None)


def _locations(flow_run: FlowRun) -> dict[str, str]:
    """Weather, yields and store as the run's parameters name them; they may be those of a refused run."""
    settings = (flow_run.parameters or {}).get("settings")
    given = settings if isinstance(settings, Mapping) else getattr(settings, "__dict__", {})
    return {key: given[key] for key in LOCATIONS if isinstance(given.get(key), str)}
