"""The `cropyield` command: words, options, exit codes; each command imports what it needs itself."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from importlib import metadata
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter, UnusedCliTokensError

from data.errors import CropyieldError, SettingsError, StorageError

app = App(
    name="cropyield",
    help="""Learn crop yields from regional weather and publish forecasts.

Begin with your own two Parquet inputs: `cropyield init WEATHER YIELDS` writes settings.toml, and
`cropyield train settings.toml` does the rest. `cropyield COMMAND --help` tells more.""",
    version=lambda: metadata.version("cropyield"),
    help_epilogue="Exit codes: 0 done, or nothing new to do; 1 unexpected; 2 bad settings or usage; 3 an "
    "input is missing or breaks its contract; 4 the gate refused the run; 5 storage failed.",
)


_Flag = Annotated[bool, Parameter(negative="", show_default=False)]
_Many = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How results are shown."""

    json: _Flag = False
    """Print one JSON object on standard output and nothing else there."""
    debug: _Flag = False
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
    set: _Many = ()
    """A setting as key=value, for example training.epochs=50 or 'crops=["corn"]'; repeatable."""

    def as_dict(self) -> dict[str, Any]:
        """Dotted keys and values."""
        from data.settings import LOCATIONS, parse_change

        named = {key: getattr(self, key) for key in LOCATIONS if getattr(self, key) is not None}
        return dict(parse_change(text) for text in self.set) | named


_PLAIN = Output()
_UNCHANGED = Changes()


@app.command(sort_key=20)
def train(
    settings: str,
    *,
    force: _Flag = False,
    accept: str | None = None,
    changes: Changes = _UNCHANGED,
    output: Output = _PLAIN,
) -> None:
    """Train, evaluate and publish.

    A run that is finished already is found and not computed again; one that was stopped half way goes on
    from its last finished step. A run whose gate fails is kept, but doesn't become the current one.

    Examples:

    - `cropyield train settings.toml`
    - `cropyield train settings.toml --set split.test_seasons=3 --store trial`
    - `cropyield train settings.toml --store s3://bucket/barley --json`

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


@app.command(sort_key=25)
def forecast(
    settings: str,
    *,
    as_of: str | None = None,
    changes: Changes = _UNCHANGED,
    output: Output = _PLAIN,
) -> None:
    """Forecast what has no yield yet with the current model: forecasts.parquet in the store.

    Parameters
    ----------
    settings
        Settings file (TOML); its features must be those of the current model.
    as_of
        Only weather up to this day (YYYY-MM-DD) counts; by default all there is.
    """
    from data.settings import load_settings
    from flows import show, start

    day = _day(as_of)
    chosen = load_settings(settings, changes.as_dict())
    result = start.forecast(chosen, day, output.json, output.debug)
    _print(output, result, lambda: show.forecast(result))


@app.command(sort_key=30)
def backtest(
    settings: str,
    *,
    seasons: int = 10,
    as_of: _Many = (),
    leave_one_out: _Flag = False,
    changes: Changes = _UNCHANGED,
    output: Output = _PLAIN,
) -> None:
    """Predict each of the last seasons without it: skill by cut-off day, under backtests/ in the store.

    Example:

    - `cropyield backtest settings.toml --seasons 10 --as-of 07-31`

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


@app.command(sort_key=35)
def serve(
    settings: str,
    *,
    train_cron: str = "0 6 * * 1",
    forecast_cron: str = "0 7 * * *",
    timezone: str = "UTC",
    name: str = "served",
    changes: Changes = _UNCHANGED,
    output: Output = _PLAIN,
) -> None:
    """Train weekly and forecast daily on this machine, until Ctrl-C.

    Parameters
    ----------
    settings
        Settings file (TOML).
    train_cron
        When to train: minute, hour, day, month, weekday.
    forecast_cron
        When to forecast.
    timezone
        Of both, for example Europe/Rome.
    name
        Of both deployments; tells several settings files on one server apart.
    """
    from data.settings import load_settings
    from flows import serving

    chosen = load_settings(settings, changes.as_dict())
    clock = serving.Clock(train_cron, forecast_cron, timezone)
    serving.serve(chosen, name, clock, output.json, output.debug)


@app.command(sort_key=40)
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


@app.command(name="show", sort_key=50)
def show_run(store: str, run: str = "current", *, output: Output = _PLAIN) -> None:
    """Show what a run used, found and published: scores, ledger of all rows, gate, inputs.

    Examples:

    - `cropyield show store`
    - `cropyield show store 3f2a`

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


@app.command(sort_key=60)
def verify(
    store: str,
    run: str = "current",
    *,
    rerun: _Flag = False,
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


@app.command(sort_key=70)
def rollback(store: str, run: str, *, output: Output = _PLAIN) -> None:
    """Make an earlier run current again, after verifying all its files.

    The run it takes the place of is withdrawn: `cropyield train` with unchanged inputs, settings and
    code leaves it so and says "nothing new", until --accept or --force publishes it again.

    Example:

    - `cropyield rollback store 3f2a` (`cropyield runs store` lists them)

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


@app.command(sort_key=80)
def prune(store: str, *, keep: int, output: Output = _PLAIN) -> None:
    """Remove old runs, and what killed runs left behind; the current run stays whatever its age.

    Example:

    - `cropyield prune store --keep 10`

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


@app.command(sort_key=85)
def export(
    store: str, run: str = "current", *, onnx: str, as_of: str | None = None, output: Output = _PLAIN
) -> None:
    """Write a published model as an ONNX file, which takes raw features by name (needs the extra `onnx`).

    Parameters
    ----------
    store
        Folder or URI of the store.
    run
        Run id, or the beginning of one; `current` for the published run.
    onnx
        File to write.
    as_of
        Cut-off (MM-DD) of the model; by default the full season.
    """
    from flows import history, show

    result = history.export(store, run, onnx, as_of)
    _print(output, result, lambda: show.exported(result))


@app.command(sort_key=87)
def alerts(
    *,
    webhook: Annotated[str | None, Parameter(env_var="CROPYIELD_WEBHOOK", show_env_var=True)] = None,
    remove: _Flag = False,
    output: Output = _PLAIN,
) -> None:
    """Have the Prefect server at PREFECT_API_URL tell of runs that go wrong, and mark dead ones as crashed.

    Parameters
    ----------
    webhook
        Address that receives a JSON object for every run that fails, times out, crashes or is not taken.
    remove
        Take the alerts back.
    """
    from flows import show, start

    if webhook is None and not remove:
        raise SettingsError("alerts: say --webhook URL, or --remove")
    start.prepare_environment(output.debug)
    from flows import alerts as automations

    result = automations.remove() if remove or webhook is None else automations.install(webhook)
    _print(output, result, lambda: show.alerts(result))


@app.command(sort_key=10)
def init(
    weather: str,
    yields: str,
    *,
    settings: str = "settings.toml",
    force: _Flag = False,
    output: Output = _PLAIN,
) -> None:
    """Look at your files and write a commented settings file for them.

    Columns, resolution, crops, units, season, features and valid ranges are told from the data, and
    tried; what could not be told is said here and at the end of the file. An existing file stays as it is.

    Examples:

    - `cropyield init weather/ yields.parquet`, then `cropyield train settings.toml`
    - `cropyield init s3://bucket/weather s3://bucket/yields --settings maize.toml`

    Parameters
    ----------
    weather
        Folder or file of weather Parquet: a path, s3:// or gs://.
    yields
        Folder or file of yield Parquet.
    settings
        File to write.
    force
        Write it even where it is there already.
    """
    from flows import proposing

    result = proposing.init(weather, yields, settings, force)
    _print(output, result, lambda: proposing.tell(result))


@app.command(sort_key=90)
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

    Example:

    - `cropyield synth world --regions 100 --resolution daily`

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


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  a day has no zone
    except ValueError as error:
        raise SettingsError(
            f"--as-of {text}: no day of the calendar; write it as YYYY-MM-DD, as in 2024-07-31"
        ) from error


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
        return _complain(SettingsError(_usage(error)), debug)
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
