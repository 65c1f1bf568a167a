"""Commands that read inputs and compute, from `init` to `score`; each imports what it needs itself."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Literal

from data.errors import GateError, SettingsError
from data.escapes import visible
from flows.cli.app import PLAIN, UNCHANGED, Changes, Flag, Many, Output, app, emit, settings_of


@app.command(sort_key=20)
def train(
    settings: str,
    *,
    force: Flag = False,
    accept: str | None = None,
    as_of_every: int | None = None,
    changes: Changes = UNCHANGED,
    output: Output = PLAIN,
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
    as_of_every
        Train cut-offs at this distance in days, too: the setting of that name.
    """
    from flows.cli import launch
    from flows.cli.terminal import tables

    every = {} if as_of_every is None else {"as_of_every": as_of_every}
    chosen = settings_of(settings, changes.as_dict() | every, output)
    try:
        result = launch.train(chosen, force, accept, output.silent, output.debug)
    except GateError as refusal:
        if output.json and refusal.result:
            print(visible(json.dumps(refusal.result, ensure_ascii=False)))
        raise
    emit(output, result, lambda: tables.trained(result))


@app.command(sort_key=25)
def forecast(
    settings: str,
    *,
    as_of: str | None = None,
    changes: Changes = UNCHANGED,
    output: Output = PLAIN,
) -> None:
    """Forecast what has no yield yet with the current model: forecasts.parquet in the store.

    Parameters
    ----------
    settings
        Settings file (TOML); its features must be those of the current model.
    as_of
        Only weather up to this day (YYYY-MM-DD) counts; by default all there is.
    """
    from flows.cli import launch
    from flows.cli.terminal import outlook

    day = _day(as_of)
    chosen = settings_of(settings, changes.as_dict(), output)
    result = launch.forecast(chosen, day, output.silent, output.debug)
    emit(output, result, lambda: outlook.forecast(result))


@app.command(sort_key=30)
def backtest(
    settings: str,
    *,
    seasons: int = 10,
    as_of: Many = (),
    leave_one_out: Flag = False,
    changes: Changes = UNCHANGED,
    output: Output = PLAIN,
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
    from flows.cli import launch
    from flows.cli.terminal import tables

    chosen = settings_of(settings, changes.as_dict(), output)
    result = launch.backtest(chosen, seasons, as_of, leave_one_out, output.silent, output.debug)
    emit(output, result, lambda: tables.backtest(result))


@app.command(sort_key=32)
def score(settings: str, *, changes: Changes = UNCHANGED, output: Output = PLAIN) -> None:
    """Hold every issued forecast against the yields known by now: verification.parquet in the store.

    Parameters
    ----------
    settings
        Settings file (TOML).
    """
    from flows.cli import launch
    from flows.cli.terminal import outlook

    result = launch.score(settings_of(settings, changes.as_dict(), output), output.silent, output.debug)
    emit(output, result, lambda: outlook.scored(result))


@app.command(sort_key=10)
def init(
    weather: str,
    yields: str,
    *,
    regions: str | None = None,
    settings: str = "settings.toml",
    force: Flag = False,
    output: Output = PLAIN,
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
    regions
        Folder or file of regions, Parquet or GeoJSON: names, areas, larger units, boundaries.
    settings
        File to write.
    force
        Write it even where it is there already.
    """
    from flows.cli import init as proposing

    result = proposing.init(weather, yields, settings, force, regions)
    emit(output, result, lambda: proposing.tell(result))


@app.command(sort_key=90)
def synth(
    out: str,
    *,
    regions: int = 60,
    years: int = 30,
    resolution: Literal["daily", "monthly", "season"] = "monthly",
    seed: int = 0,
    output: Output = PLAIN,
) -> None:
    """Write a simulated world: weather, yields, a map of regions, settings to train on, and the truth.

    Example:

    - `cropyield synth world --regions 100 --resolution daily`

    Parameters
    ----------
    out
        Folder to write; it must be new or empty.
    regions
        Number of regions.
    years
        Number of harvests; the weather goes on for one more season, to be forecast.
    resolution
        Of the weather.
    seed
        The same seed gives the same bytes.
    """
    from data.synthetic.write import synth as write

    result = write(out, regions=regions, years=years, resolution=resolution, seed=seed)
    emit(output, result, lambda: print(f"Train on it with\n  cropyield train {result['settings']}"))


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  a day has no zone
    except ValueError as error:
        raise SettingsError(
            f"--as-of {text}: no day of the calendar; write it as YYYY-MM-DD, as in 2024-07-31"
        ) from error
