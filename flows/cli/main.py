"""The `cropyield` command: runs one command line, and leaves with the exit code of what happened."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from flows.cli import ending

if TYPE_CHECKING:
    from cyclopts import CycloptsError


def main() -> None:
    """Run the command line and leave with the exit code of what happened."""
    ending.open_streams()
    ending.skip_teardown()
    ending.listen()
    sys.exit(ending.with_code(run(sys.argv[1:])))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    try:
        code = _run(arguments, "--debug" in arguments)
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt) and not ending.interrupted():
            raise
        return ending.stopped()
    return ending.stopped() if ending.interrupted() else code


def _run(arguments: list[str], debug: bool) -> int:
    # imports are the first things that Ctrl-C can meet
    from cyclopts import CycloptsError

    from data.errors import CropyieldError, SettingsError, StorageError
    from flows.cli import run_commands as run_commands
    from flows.cli import server_commands as server_commands
    from flows.cli import store_commands as store_commands
    from flows.cli.app import app

    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _complain(SettingsError(_usage(error)), debug)
    except CropyieldError as error:
        return _complain(error, debug)
    except (BrokenPipeError, SystemExit):  # rich makes an exit of a closed pipe
        return 0
    except OSError as error:
        from data.locations.failures import remedy_of

        if remedy := remedy_of(error):
            where = f"{error.filename}: " if error.filename else ""
            return _complain(StorageError(f"{where}{remedy}"), debug)
        return _complain(error, debug)
    except Exception as error:
        return _complain(_of_prefects_settings(error) or error, debug)
    return 0


_MEANING = {
    "SETTINGS": "the settings file; `cropyield init WEATHER YIELDS` writes one",
    "STORE": "the folder or URI that the settings call store",
    "RUN": "a run's id, or its beginning; `cropyield runs STORE` lists them",
    "WEATHER": "folder or file of weather Parquet",
    "YIELDS": "folder or file of yield Parquet, after the weather",
}


def _usage(error: CycloptsError) -> str:
    """What is wrong with a command line, and where its words are explained."""
    from cyclopts import MissingArgumentError, UnusedCliTokensError

    command = " ".join(["cropyield", *(error.command_chain or ())])
    said = str(error).split(" Available commands:")[0].rstrip(".")
    if isinstance(error, MissingArgumentError) and error.argument:
        name = error.argument.names[0]
        said = f"{name} needs a value"
        if error.argument.index is not None:
            name = name.lstrip("-").upper()
            said = f"{name} is missing" + (f" ({_MEANING[name]})" if name in _MEANING else "")
    elif isinstance(error, UnusedCliTokensError):
        said = f"too many arguments: {' '.join(error.unused_tokens or ())}"
    return f"{said}; see {command} --help"


def _complain(error: Exception, debug: bool) -> int:
    if ending.interrupted():  # whatever it says, that is why
        return ending.stopped()
    from data.errors import CropyieldError
    from data.escapes import visible

    if debug:
        traceback.print_exception(error)
    known = isinstance(error, CropyieldError)
    message = str(error) if known else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
    with suppress(BrokenPipeError):
        print(f"cropyield: {visible(message)}", file=sys.stderr)
    return error.exit_code if isinstance(error, CropyieldError) else 1


def _of_prefects_settings(error: Exception) -> Exception | None:
    """What Prefect says of its settings, which come from the environment and files, as an error of ours."""
    from pydantic import ValidationError

    from data.errors import ServerError

    if not isinstance(error, ValidationError) or not error.title.endswith("Settings"):
        return None
    # without the values, which may be secrets
    faults = [": ".join((*map(str, each["loc"]), each["msg"])) for each in error.errors()]
    return ServerError(
        f"Prefect can't read its settings ({'; '.join(faults)}); see the environment's variables PREFECT_…"
    )
