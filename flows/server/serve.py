"""`cropyield serve`: training and forecasting on schedule in one process, without a work pool."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import SettingsError
from data.settings.schema import Settings
from flows.deploying import parameters
from flows.server.environment import prepare_environment
from flows.server.local import client_environment, interruptible, local_server
from flows.server.reach import check_server

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

FOLDER = Path(".prefect") / "serve"


@dataclass(frozen=True)
class Clock:
    """When to train and when to forecast, as crons in one time zone."""

    train: str
    forecast: str
    timezone: str

    def check(self) -> None:
        """Raise SettingsError for a cron or a time zone that can't be read."""
        from prefect.client.schemas.schedules import CronSchedule
        from pydantic import ValidationError

        for option, cron in (("--train-cron", self.train), ("--forecast-cron", self.forecast)):
            try:
                CronSchedule(cron=cron, timezone=self.timezone)
            except ValidationError as error:
                why = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise SettingsError(f'{option} "{cron}" in time zone {self.timezone}: {why}') from error


def serve(
    settings: Settings, name: str, clock: Clock, as_json: bool, debug: bool, quiet: bool = False
) -> None:
    """Deploy training and forecasting under `name`, and run what is due until Ctrl-C or SIGTERM.

    Where PREFECT_API_URL names no server, one is started for as long. Raises SettingsError for a cron or
    a time zone that can't be read, ServerError for a named server that doesn't answer, CropyieldError
    when an own one doesn't start.
    """
    prepare_environment(debug)
    own = None if os.environ.get("PREFECT_API_URL") else client_environment(FOLDER)
    os.environ.update(own or {})  # Prefect reads it when it is first imported
    clock.check()
    if own is None:
        check_server()
    with interruptible(), local_server(FOLDER, own) if own else nullcontext():
        deployments = _deployments(settings, name, clock)
        tell(name, clock, as_json, quiet)
        try:
            _run_what_is_due(deployments)
        finally:
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.SIG_IGN)
            _end_runs(name)


def prepare_log(debug: bool, quiet: bool) -> None:
    """Have what a run says in an operator's log; `quiet`: only what goes wrong. What is set stays."""
    level = "DEBUG" if debug else "ERROR" if quiet else "INFO"
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", level)


def _run_what_is_due(deployments: Sequence[RunnerDeployment]) -> None:
    """As `prefect.serve`, whose own answer to SIGTERM is a traceback and flow runs that go on."""
    from prefect.runner import Runner

    class Served(Runner):
        def handle_sigterm(self, *_args: Any, **_kwargs: Any) -> None:
            signal.raise_signal(signal.SIGINT)

    runner = Served(limit=2, pause_on_shutdown=True)
    for deployment in deployments:
        runner.add_deployment(deployment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio then ends its loop in good order
    with suppress(KeyboardInterrupt):
        asyncio.run(runner.start())


def _deployments(settings: Settings, name: str, clock: Clock) -> list[RunnerDeployment]:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron

    from flows.forecasting import forecast_yields
    from flows.training import train_yields

    given = {"settings": parameters(settings)}
    made: list[RunnerDeployment] = []
    for flow, cron, collision in (
        (train_yields, clock.train, ConcurrencyLimitStrategy.CANCEL_NEW),
        (forecast_yields, clock.forecast, ConcurrencyLimitStrategy.ENQUEUE),
    ):
        deployment = flow.to_deployment(
            name,
            schedule=Cron(cron, timezone=clock.timezone),
            parameters=given,
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=collision),
            tags=["cropyield"],
        )
        made.append(deployment)  # type: ignore[arg-type]  # a coroutine only where a loop runs
    return made


def _end_runs(name: str) -> None:
    """Cancel what was running: its processes are gone, and left as Running it would block the next."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
    from prefect.states import Cancelled

    active = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}})
    ours = DeploymentFilter.model_validate({"name": {"any_": [name]}, "tags": {"all_": ["cropyield"]}})
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=active, deployment_filter=ours):
            client.set_flow_run_state(run.id, Cancelled(message="cropyield serve was stopped"), force=True)


def tell(name: str, clock: Clock, as_json: bool, quiet: bool) -> None:
    """What is done when, and where it can be watched; one JSON object, lines for people, or nothing."""
    from prefect.settings import PREFECT_UI_URL

    ui = PREFECT_UI_URL.value()
    if as_json:
        print(json.dumps({"ui": ui, "name": name} | asdict(clock)), flush=True)
        return
    if quiet:
        return
    print(f"train     {clock.train}  ({clock.timezone}; minute, hour, day, month, weekday)")
    print(f"forecast  {clock.forecast}")
    print(f"UI        {ui}")
    print("Ctrl-C stops it", flush=True)
