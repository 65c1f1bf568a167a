"""The environment that Prefect reads when it is imported, and its quiet on the terminal."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

from data.errors import ServerError

HEARTBEAT_S = 30
"""How often a run shows that it is alive; `cropyield alerts` takes three missed beats for death."""
HEARTBEAT_VARIABLE = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"


def prepare_environment(debug: bool, verbose: bool = False) -> None:
    """Settings that Prefect reads when it is first imported; what the user has set stays.

    Raises ServerError where PREFECT_HOME can't be a folder that Prefect writes to.
    """
    level = "DEBUG" if debug else "INFO" if verbose else "CRITICAL"
    defaults = {
        "PREFECT_HOME": str(Path.cwd() / ".prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": level,
        "PREFECT_LOGGING_INTERNAL_LEVEL": "DEBUG" if debug else "CRITICAL",
        HEARTBEAT_VARIABLE: str(HEARTBEAT_S),
        "MPLCONFIGDIR": str(Path.cwd() / ".prefect" / "matplotlib"),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    _check_home(os.environ["PREFECT_HOME"])


def _check_home(named: str) -> None:
    try:
        home = Path(named).expanduser().absolute()
        there = next(folder for folder in (home, *home.parents) if folder.exists())
    except (RuntimeError, OSError, ValueError) as error:
        raise ServerError(f"PREFECT_HOME={named}: {error}; name a folder") from error
    if not there.is_dir():
        raise ServerError(f"PREFECT_HOME={named}: {there} is no folder; name one, Prefect keeps files there")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ServerError(f"PREFECT_HOME={named}: no permission to write in {there}; name another folder")


def quiet(debug: bool) -> None:
    """Keep what nobody asked for off the terminal."""
    if not debug:
        warnings.simplefilter("ignore")
        logging.getLogger("httpx").setLevel(logging.WARNING)
        for handler in logging.getLogger().handlers:
            if type(handler).__module__.startswith("prefect."):  # the console's
                handler.addFilter(_says_something)


def _says_something(record: logging.LogRecord) -> bool:
    """No news that every run has, such as the address of a server that ends with the command."""
    return record.levelno > logging.INFO or record.module not in ("flow_engine", "task_engine")
