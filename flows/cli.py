"""The `cropyield` command: words, options, exit codes; each command imports what it needs itself."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from data.errors import CropyieldError, SettingsError, StorageError

app = App(
    name="cropyield",
    help="Learn crop yields from regional weather and publish forecasts.",
    version=lambda: metadata.version("cropyield"),
    help_epilogue="Exit codes: 0 done, 1 unexpected, 2 bad settings, 3 bad input, 4 gate refused, 5 storage.",
)


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How results are shown."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON object on standard output and nothing else there."""
    debug: Annotated[bool, Parameter(negative="")] = False
    """Show tracebacks, and Prefect's own log."""


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """What replaces values of the settings file."""

    store: str | None = None
    """Store, instead of the settings file's."""
    weather: str | None = None
    """Weather, instead of the settings file's."""
    yields: str | None = None
    """Yields, instead of the settings file's."""
    set: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """A setting as key=value, for example training.epochs=50; repeatable."""

    def as_dict(self) -> dict[str, Any]:
        """Dotted keys and values."""
        from data.settings import LOCATIONS, parse_change

        named = {key: getattr(self, key) for key in LOCATIONS if getattr(self, key) is not None}
        return dict(parse_change(text) for text in self.set) | named


_PLAIN = Output()
_UNCHANGED = Changes()


@app.command
def train(
    settings: str,
    *,
    force: Annotated[bool, Parameter(negative="")] = False,
    accept: str | None = None,
    changes: Changes = _UNCHANGED,
    output: Output = _PLAIN,
) -> None:
    """Train, evaluate and publish.

    Parameters
    ----------
    settings
        Settings file (TOML).
    force
        Compute the run again even when it is finished, and publish it even when it was rolled back from.
    accept
        Publish in spite of a failed gate or an earlier rollback, for this reason.
    """
    from data.settings import load_settings
    from flows import show, start

    chosen = load_settings(settings, changes.as_dict())
    result = start.train(chosen, force, accept, output.json, output.debug)
    _print(output, result, lambda: show.trained(result))


@app.command
def backtest(
    settings: str,
    *,
    seasons: int = 10,
    as_of: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    leave_one_out: Annotated[bool, Parameter(negative="")] = False,
    changes: Changes = _UNCHANGED,
    output: Output = _PLAIN,
) -> None:
    """Predict each of the last seasons without it: skill by cut-off day, under backtests/ in the store.

    Parameters
    ----------
    settings
        Settings file (TOML).
    seasons
        How many of the last seasons to predict.
    as_of
        A cut-off day (MM-DD) besides the full season; repeatable.
    leave_one_out
        Train on all other seasons, which peeks at later years.
    """
    from data.settings import load_settings
    from flows import show, start

    chosen = load_settings(settings, changes.as_dict())
    result = start.backtest(chosen, seasons, as_of, leave_one_out, output.json, output.debug)
    _print(output, result, lambda: show.backtest(result))


@app.command
def runs(store: str, *, output: Output = _PLAIN) -> None:
    """List the finished runs of a store, oldest first.

    Parameters
    ----------
    store
        Folder or URI of the store.
    """
    from flows import history, show

    result = history.runs(store)
    _print(output, result, lambda: show.runs(result))


@app.command(name="show")
def show_run(store: str, run: str = "current", *, output: Output = _PLAIN) -> None:
    """Show what a run used, found and published.

    Parameters
    ----------
    store
        Folder or URI of the store.
    run
        Run id, or the beginning of one; `current` for the published run.
    """
    from flows import history, show

    result = history.show(store, run)
    _print(output, result, lambda: show.run(result))


@app.command
def verify(
    store: str,
    run: str = "current",
    *,
    rerun: Annotated[bool, Parameter(negative="")] = False,
    weather: str | None = None,
    yields: str | None = None,
    output: Output = _PLAIN,
) -> None:
    """Read every file of a run again and compare its digest with the manifest's; exit code 5 on damage.

    Parameters
    ----------
    store
        Folder or URI of the store.
    run
        Run id, or the beginning of one; `current` for the published run.
    rerun
        Then repeat the run from its recorded inputs and settings, in a temporary folder, and compare
        every file; exit code 3 when the inputs have changed, 5 when bytes differ.
    weather
        Where the recorded weather lies now, for --rerun.
    yields
        Where the recorded yields lie now, for --rerun.
    """
    from flows import history, show

    if not rerun and (weather or yields):
        raise SettingsError("--weather and --yields go with --rerun")
    result = history.verify(store, run)
    if not rerun or result["faults"]:
        _print(output, result, lambda: show.verified(result))
        history.raise_if_damaged(result)
        return
    from flows import rerun as repetition

    if not output.json:
        show.verified(result)
    repeated = repetition.rerun(store, result["run_id"], weather, yields, output.json, output.debug)
    _print(output, result | {"rerun": repeated}, lambda: show.repeated(repeated))
    repetition.raise_if_different(repeated)


@app.command
def rollback(store: str, run: str, *, output: Output = _PLAIN) -> None:
    """Make an earlier run current again, after verifying all its files.

    The run it takes the place of is withdrawn: `cropyield train` with unchanged inputs, settings and
    code leaves it so and says "nothing new", until --accept or --force publishes it again.

    Parameters
    ----------
    store
        Folder or URI of the store.
    run
        Run id, or the beginning of one.
    """
    from flows import history, show

    result = history.rollback(store, run)
    _print(output, result, lambda: show.rolled_back(result))


@app.command
def prune(store: str, *, keep: int, output: Output = _PLAIN) -> None:
    """Remove old runs, and what killed runs left behind; the current run stays whatever its age.

    Parameters
    ----------
    store
        Folder or URI of the store.
    keep
        How many of the newest runs stay, the current one among them.
    """
    from flows import history, show

    result = history.prune(store, keep)
    _print(output, result, lambda: show.pruned(result))


@app.command
def synth(
    out: str,
    *,
    regions: int = 60,
    years: int = 30,
    resolution: Literal["daily", "monthly", "season"] = "monthly",
    seed: int = 0,
    output: Output = _PLAIN,
) -> None:
    """Write a simulated world: weather, yields, the settings to train on them, and the truth behind them.

    Parameters
    ----------
    out
        Folder to write; it must be new or empty.
    regions
        Number of regions.
    years
        Number of harvest years.
    resolution
        Of the weather.
    seed
        The same seed gives the same bytes.
    """
    from data.synthetic import synth as write

    result = write(out, regions=regions, years=years, resolution=resolution, seed=seed)
    _print(output, result, lambda: print(f"Train on it with\n  cropyield train {result['settings']}"))


def _print(output: Output, result: dict[str, Any], for_people: Callable[[], None]) -> None:
    if output.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        for_people()


def main() -> None:
    """Run the command line and leave with the exit code of what happened."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    debug = "--debug" in arguments
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _complain(SettingsError(f"{error}; see cropyield --help"), debug)
    except CropyieldError as error:
        return _complain(error, debug)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last finished step", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except OSError as error:
        from data.storage import remedy_of

        if remedy := remedy_of(error):
            where = f"{error.filename}: " if error.filename else ""
            return _complain(StorageError(f"{where}{remedy}"), debug)
        return _complain(error, debug)
    except Exception as error:
        return _complain(error, debug)
    return 0


def _complain(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    known = isinstance(error, CropyieldError)
    message = str(error) if known else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
    print(f"cropyield: {message}", file=sys.stderr)
    return error.exit_code if isinstance(error, CropyieldError) else 1
