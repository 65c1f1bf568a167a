"""Starting a flow from the command line, its imports beside the server's start."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from datetime import date
from functools import partial
from importlib import import_module
from typing import Any

from data.errors import GateError, ServerError, SettingsError
from data.settings.schema import Settings
from flows.cli import ending
from flows.cli.terminal.progress import progress_bar
from flows.server.embedded import EMBEDDED
from flows.server.environment import prepare_environment, quiet
from flows.server.reach import check_server, server_errors, watched
from tasks.job.progress import report

_START = "start Prefect"
_AT_FIRST = (
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "fastapi.encoders",
    "anyio._backends._asyncio",
)
"""What Prefect imports when the first flow of a process begins."""


def _gone(said: str) -> None:
    ending.end_now(ServerError.exit_code, f"cropyield: {said}")


when_gone: ContextVar[Callable[[str], None]] = ContextVar("when_gone", default=_gone)
"""What happens when Prefect's server ends while a flow runs, given a sentence about it."""


def train(settings: Settings, force: bool, accept: str | None, as_json: bool, debug: bool) -> dict[str, Any]:
    """Run `train_yields` with the embedded server where no other is named; the flow's summary.

    Inputs that break their contract on the face of it are refused before anything is started. A run
    that is finished and current is answered before Prefect or torch are imported; where the current
    run can't be this one, inputs are digested while server and imports start.
    """
    from tasks.assemble.precheck import check_inputs
    from tasks.job.job import could_be_current, open_job
    from tasks.weather.parts import with_named_cutoffs

    prepare_environment(debug)
    settings = with_named_cutoffs(settings)
    if not force and accept is None and could_be_current(settings):
        from tasks.bulletins import mend_bulletins
        from tasks.publish.summary import unchanged

        job = open_job(settings)
        if known := unchanged(job):
            mend_bulletins(job.store)
            return known
    check_inputs(settings)
    with beginning(as_json), _beside(lambda: open_job(settings)) as digested:
        from flows.training import train_yields

        digested.result()  # the flow takes its digests over; what is wrong with the inputs comes up here
        with served(debug, "report.html"):
            try:
                return train_yields(settings, force=force, accept=accept)
            except GateError as error:
                from tasks.publish.run import refused

                error.result = refused(digested.result(), error)
                raise


def backtest(
    settings: Settings, seasons: int, as_of: tuple[str, ...], leave_one_out: bool, as_json: bool, debug: bool
) -> dict[str, Any]:
    """Run `backtest_yields` with the embedded server where no other is named; the flow's summary.

    Raises SettingsError before anything is started when no season or a day outside the season is asked for.
    """
    from data.settings.expand import cutoffs
    from data.settings.seasons import of_season, season_names, with_cutoffs

    if seasons < 1:
        raise SettingsError(f"--seasons {seasons}: at least one season must be predicted")
    asked = with_cutoffs(settings, as_of)
    for name in season_names(asked):
        cutoffs(of_season(asked, name))
    from tasks.assemble.precheck import check_inputs

    check_inputs(asked)
    prepare_environment(debug)
    with beginning(as_json):
        from flows.backtesting import backtest_yields

        with served(debug):
            return backtest_yields(settings, seasons=seasons, as_of=as_of, leave_one_out=leave_one_out)


def forecast(settings: Settings, as_of: date | None, as_json: bool, debug: bool) -> dict[str, Any]:
    """Run `forecast_yields` with the embedded server where no other is named; the flow's summary.

    What can't be forecast for want of a model, and a forecast that is the newest one already, are
    answered before Prefect or torch are imported.
    """
    from tasks.assemble.precheck import check_inputs
    from tasks.bulletins import complete_bulletins
    from tasks.job.forecast_job import open_forecast
    from tasks.publish.forecast import unchanged

    prepare_environment(debug)
    job = open_forecast(settings, as_of)
    if known := unchanged(job, partial(complete_bulletins, job.store)):
        return known
    check_inputs(settings)
    with beginning(as_json):
        from flows.forecasting import forecast_yields

        with served(debug, "bulletin.html"):
            return forecast_yields(settings, as_of=as_of)


def score(settings: Settings, as_json: bool, debug: bool) -> dict[str, Any]:
    """Run `score_forecasts` with the embedded server where no other is named; the flow's summary."""
    prepare_environment(debug)
    with beginning(as_json):
        from flows.scoring import score_forecasts

        with served(debug):
            return score_forecasts(settings)


@contextmanager
def beginning(as_json: bool) -> Iterator[None]:
    """A progress bar while the embedded server starts beside the block, or the named one is looked at.

    Raises ServerError.
    """
    with progress_bar(not as_json), _uncollected():
        report(_START, 0, 1)
        EMBEDDED.start()
        if EMBEDDED.process is None:
            check_server()
        yield


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage while modules are imported: they stay, and looking through them takes a fifth."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        (gc.enable if enabled else gc.disable)()  # `served` has enabled it


@contextmanager
def served(debug: bool, page: str | None = None) -> Iterator[None]:
    """Run the block when the server answers; this process ends when the server does.

    What the block will need is made ready meanwhile: imports, and the template of the page that it draws.
    """
    for name in _AT_FIRST:
        import_module(name)
    if page:
        from tasks.report.frame import template

        template(page)

    from tasks.showing import unseen

    with EMBEDDED.without_heartbeats():
        EMBEDDED.wait()
        if when_gone.get() is _gone:  # this process is the command's alone
            gc.freeze()
        gc.enable()
        report(_START, 1, 1)
        quiet(debug)
        ended, shown = (EMBEDDED.has_ended, unseen()) if EMBEDDED.process else (None, nullcontext())
        with shown, watched(_gone, ended), server_errors():
            yield


@contextmanager
def _beside(work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Do some work in a thread while the block runs."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)
