"""Starting a flow from the command line: Prefect's embedded server, its quiet, and the progress bar."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.errors import CropyieldError, SettingsError
from data.settings import Settings


def train(settings: Settings, force: bool, accept: str | None, as_json: bool, debug: bool) -> dict[str, Any]:
    """Run `train_yields` with the embedded server where no other is named; the flow's summary.

    A run that is finished and current is answered before Prefect or torch are imported.
    """
    from tasks.answer import unchanged
    from tasks.job import open_job

    server = embedded_server(debug)
    job = open_job(settings)
    if not force and accept is None and (known := unchanged(job)):
        return known
    with server(), progress_bar(not as_json):
        from flows.runners import task_runner
        from flows.training import train_yields

        flow = train_yields.with_options(task_runner=task_runner(settings))
        return flow(settings, force=force, accept=accept)


def backtest(
    settings: Settings, seasons: int, as_of: tuple[str, ...], leave_one_out: bool, as_json: bool, debug: bool
) -> dict[str, Any]:
    """Run `backtest_yields` with the embedded server where no other is named; the flow's summary.

    Raises SettingsError before anything is started when no season or a day outside the season is asked for.
    """
    from data.features import cutoffs

    if seasons < 1:
        raise SettingsError(f"--seasons {seasons}: at least one season must be predicted")
    cutoffs(settings.model_copy(update={"as_of": (*settings.as_of, *as_of)}))
    server = embedded_server(debug)
    with server(), progress_bar(not as_json):
        from flows.backtesting import backtest_yields
        from flows.runners import task_runner

        flow = backtest_yields.with_options(task_runner=task_runner(settings))
        return flow(settings, seasons=seasons, as_of=as_of, leave_one_out=leave_one_out)


def embedded_server(debug: bool) -> Callable[[], Any]:
    """Prepare Prefect's environment; the result opens the server, started beside the imports that follow."""
    prepare_environment(debug)

    @contextmanager
    def opened() -> Iterator[None]:
        if "PREFECT_API_URL" in os.environ:
            yield
            return
        failure: list[Exception] = []

        def start() -> None:
            try:
                from prefect.server.api.server import SubprocessASGIServer

                SubprocessASGIServer().start()
            except Exception as error:
                failure.append(error)

        starter = threading.Thread(target=start, name="embedded-server")
        starter.start()
        try:
            import flows.training  # noqa: F401  torch takes as long as the server does
        finally:
            starter.join()
        if failure:
            raise CropyieldError(f"Prefect's embedded server did not start: {failure[0]}") from failure[0]
        quiet(debug)
        yield

    return opened


def prepare_environment(debug: bool) -> None:
    """Settings that Prefect reads when it is first imported; what the user has set stays."""
    defaults = {
        "PREFECT_HOME": str(Path.cwd() / ".prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "DEBUG" if debug else "CRITICAL",
        "MPLCONFIGDIR": str(Path.cwd() / ".prefect" / "matplotlib"),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def quiet(debug: bool) -> None:
    """Keep what nobody asked for off the terminal."""
    if not debug:
        warnings.simplefilter("ignore")
        logging.getLogger("httpx").setLevel(logging.WARNING)


@contextmanager
def progress_bar(wanted: bool) -> Iterator[None]:
    """A bar on a terminal, plain lines elsewhere, both on standard error."""
    from tasks.progress import watched_by

    if not wanted:
        yield
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bars:
            known: dict[str, TaskID] = {}

            def draw(what: str, done: int, total: int) -> None:
                if what not in known:
                    known[what] = bars.add_task(what, total=total)
                bars.update(known[what], completed=done, total=total)

            with watched_by(draw):
                yield
    else:

        def say(what: str, done: int, total: int) -> None:
            if done == total:
                print(what, file=sys.stderr, flush=True)

        with watched_by(say):
            yield
