"""Commands on a store: history, audits, exports; each imports what it needs itself."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from data.errors import SettingsError
from flows.cli.app import PLAIN, Flag, Output, app, emit


@app.command(sort_key=40)
def runs(store: str, *, output: Output = PLAIN) -> None:
    """List the finished runs of a store, oldest first.

    Parameters
    ----------
    store
        Folder or URI of the store.
    """
    from flows.cli import history
    from flows.cli.terminal import tables

    result = history.runs(store)
    emit(output, result, lambda: tables.runs(result))


@app.command(name="show", sort_key=50, usage="cropyield show [OPTIONS] STORE [RUN]")
def show_run(
    store: str,
    run: str = "current",
    *,
    why: str | None = None,
    crop: str | None = None,
    output: Output = PLAIN,
) -> None:
    """Show what a run used, found and published: scores, ledger of all rows, gate, inputs.

    Examples:

    - `cropyield show store`
    - `cropyield show store 3f2a`
    - `cropyield show store --why 1701 --crop corn`

    Parameters
    ----------
    store
        Folder or URI of the store.
    run
        Run id, or the beginning of one; `current` for the published run.
    why
        A region, by its code or its name on the map: what drives its newest forecast, and the past seasons
        most like it.
    crop
        Only this crop, for --why.
    """
    if crop is not None and why is None:
        raise SettingsError("--crop goes with --why")
    if why is not None:
        from flows.cli import published
        from flows.cli.terminal import outlook

        explained = published.why(store, run, why, crop)
        emit(output, explained, lambda: outlook.why(explained))
        return
    from flows.cli import history
    from flows.cli.terminal import tables

    result = history.show(store, run)
    emit(output, result, lambda: tables.run(result))


@app.command(sort_key=60, usage="cropyield verify [OPTIONS] STORE [RUN]")
def verify(
    store: str,
    run: str = "current",
    *,
    rerun: Flag = False,
    weather: str | None = None,
    yields: str | None = None,
    regions: str | None = None,
    output: Output = PLAIN,
) -> None:
    """Read every file of a run, forecast or backtest again and compare its digest; exit code 5 on damage.

    For `current` the newest forecast, the publication log and the record of issued forecasts are looked
    through, too.

    Parameters
    ----------
    store
        Folder or URI of the store.
    run
        Run id, or the beginning of one; `current` for the published run.
    rerun
        Then repeat the run (of `cropyield train`: no forecast or backtest) from its recorded inputs and
        settings, in a temporary folder, and compare every file; exit code 3 when the inputs have
        changed, 5 when bytes differ.
    weather
        Where the recorded weather lies now, for --rerun.
    yields
        Where the recorded yields lie now, for --rerun.
    regions
        Where the recorded regions lie now, for --rerun.
    """
    from flows.cli import history
    from flows.cli.terminal import tables

    given = {"weather": weather, "yields": yields, "regions": regions}
    if not rerun and any(given.values()):
        raise SettingsError("--weather, --yields and --regions go with --rerun")
    result = history.verify(store, run)
    if rerun and not result["what"].startswith("run "):
        raise SettingsError(
            f"{result['what']}: --rerun repeats runs of `cropyield train`; without it the files are verified"
        )
    if not rerun or result["faults"]:
        emit(output, result, lambda: tables.verified(result))
        history.raise_if_damaged(result)
        return
    from flows.cli import rerun as repetition

    if not output.silent:
        tables.verified(result)
    repeated = repetition.rerun(store, result["run_id"], given, output.silent, output.debug)
    emit(output, result | {"rerun": repeated}, lambda: tables.repeated(repeated))
    repetition.raise_if_different(repeated)


@app.command(sort_key=70)
def rollback(store: str, run: str, *, output: Output = PLAIN) -> None:
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
    from flows.cli import history
    from flows.cli.terminal import tables

    result = history.rollback(store, run)
    emit(output, result, lambda: tables.rolled_back(result))


@app.command(sort_key=80)
def prune(store: str, *, keep: int, min_age: float = 1.0, output: Output = PLAIN) -> None:
    """Remove old runs, forecasts and backtests, and what killed runs left behind.

    The current run, the newest forecast and the run that it was made with stay, whatever their age.

    Example:

    - `cropyield prune store --keep 10`

    Parameters
    ----------
    store
        Folder or URI of the store.
    keep
        How many of the newest runs stay, those that always do among them; of forecasts and backtests as many.
    min_age
        Hours that each stays after it was finished, or ceased to be current.
    """
    from flows.cli import history
    from flows.cli.terminal import tables

    result = history.prune(store, keep, min_age)
    emit(output, result, lambda: tables.pruned(result))


@app.command(sort_key=65)
def compare(store: str, before: str, after: str, *, output: Output = PLAIN) -> None:
    """Show what changed from one forecast or run to another: new weather, a new model, revised yields.

    Parameters
    ----------
    store
        Folder or URI of the store.
    before
        Id of a forecast or run, or the beginning of one; `current` for the published run. Of a forecast
        its bulletin's number will do.
    after
        The same of the later one.
    """
    from flows.cli import published
    from flows.cli.terminal import outlook

    result = published.compare(store, before, after)
    emit(output, result, lambda: outlook.compared(result))


@app.command(sort_key=85, usage="cropyield export (--onnx FILE | --csv TABLE FILE) [OPTIONS] STORE [RUN]")
def export(
    store: str,
    run: str = "current",
    *,
    onnx: str | None = None,
    csv: Annotated[tuple[str, str] | None, Parameter(negative="")] = None,
    season: str | None = None,
    as_of: str | None = None,
    output: Output = PLAIN,
) -> None:
    """Write a published model as an ONNX file, or a published table as CSV.

    The ONNX file takes raw features by name (needs the extra `onnx`). The CSV is safe from formulas: a text
    that a spreadsheet would take for one gets an apostrophe before it.

    Examples:

    - `cropyield export store --csv forecasts forecasts.csv`
    - `cropyield export store 3f2a --onnx model.onnx --as-of 07-31`

    Parameters
    ----------
    store
        Folder or URI of the store.
    run
        Run id, or the beginning of one; `current` for the published run.
    onnx
        File to write.
    csv
        Table and the file to write. Forecasts (the coming season's first), drivers, aggregates, weights (of
        regions in larger units) and history (yields known on that day) are the newest forecast's, unless
        another is named; predictions, evaluation, dataset and rejected the run's.
    season
        Season of the model or dataset, by its name in the settings; by default the main one.
    as_of
        Cut-off (MM-DD) of the model; by default the full season.
    """
    if (onnx is None) == (csv is None):
        raise SettingsError("export takes either --onnx FILE or --csv TABLE FILE")
    if csv is not None:
        from flows.cli import published
        from flows.cli.terminal import outlook

        written = published.export_csv(store, run, *csv, season)
        emit(output, written, lambda: outlook.exported(written))
    if onnx is None:
        return
    from flows.cli import history
    from flows.cli.terminal import tables

    result = history.export(store, run, onnx, season, as_of)
    emit(output, result, lambda: tables.exported(result))
