"""The `cropyield` command: runs one command line, and leaves with the exit code of what happened."""

from __future__ import annotations

import sys
import traceback

from cyclopts import CycloptsError, MissingArgumentError, UnusedCliTokensError

from data.errors import CropyieldError, SettingsError, StorageError
from flows.cli import run_commands, store_commands
from flows.cli.app import app

__all__ = ["app", "main", "run", "run_commands", "store_commands"]


def main() -> None:
    """Run the command line and leave with the exit code of what happened."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    debug = "--debug" in arguments
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _complain(SettingsError(_usage(error)), debug)
    except CropyieldError as error:
        return _complain(error, debug)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last finished step", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except OSError as error:
        from data.locations.failures import remedy_of

        if remedy := remedy_of(error):
            where = f"{error.filename}: " if error.filename else ""
            return _complain(StorageError(f"{where}{remedy}"), debug)
        return _complain(error, debug)
    except Exception as error:
        return _complain(error, debug)
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
    if debug:
        traceback.print_exception(error)
    known = isinstance(error, CropyieldError)
    message = str(error) if known else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
    print(f"cropyield: {message}", file=sys.stderr)
    return error.exit_code if isinstance(error, CropyieldError) else 1
