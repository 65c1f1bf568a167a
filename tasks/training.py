"""The tasks of training: identify, assemble, normalise, train, evaluate, report, publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from prefect import task

from data.contracts.parquet import write_table
from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import SplitName
from data.contracts.wording import in_short, number
from data.errors import GateError
from data.settings.schema import Settings
from data.settings.seasons import Cutoff, of_season
from data.store.current import find_finished
from data.store.entries import State
from data.store.log import read_state
from tasks.assemble.regions import read_regions
from tasks.assemble.seasons import AssembledSeasons, assemble_seasons, assembled_cutoffs, full_season
from tasks.assembled import AssembledStep, season_data
from tasks.bulletins import mend_bulletins
from tasks.evaluate import results, stored_intervals
from tasks.evaluate.calibration import leads_to
from tasks.evaluate.season_errors import errors_of_fits, load_errors, save_errors
from tasks.events import RUN_PUBLISHED, tell_published
from tasks.job.job import Job, open_job
from tasks.job.links import Links
from tasks.job.progress import report as report_progress
from tasks.ledger import account
from tasks.model.fits import EVALUATED, PUBLISHED, fits_of
from tasks.model.model import Model
from tasks.model.sql import predict_sql
from tasks.normalise import normalise as normalising
from tasks.normalise.tensors import load_normalised, save_normalised
from tasks.normalise.threads import one_thread
from tasks.outlook.errors import ERRORS, Errors, errors_table, evaluation_errors
from tasks.outlook.joined import joined_outlook
from tasks.outlook.outlook import SAID, Fitted, outlook_of_run
from tasks.publish import run
from tasks.report import artifacts, gather
from tasks.showing import is_seen, name_run, progress_shown, show, show_earlier, tag_run
from tasks.steps import POLICY, logger, open_step, step_folder
from tasks.train.fit import fit_normalised
from tasks.weather.merge import load_weather
from tasks.weather.parts import with_named_cutoffs
from tasks.yields.ingest import Yields

_SEASON_ERRORS = "season_errors.npz"


@task(name="identify", task_run_name="identify", **POLICY)
def identify(settings: Settings, force: bool = False, kind: str = "train") -> Job:
    """Digest the inputs; the run's id follows from what they and the settings are."""
    job = open_job(with_named_cutoffs(settings), force, kind)
    files = [*job.weather, *job.yields]
    size = sum(file.size for file in files)
    logger().info("run %s: %d input files, %.1f MB", job.run_id, len(files), size / 1e6)
    return job


@task(name="assemble", task_run_name="assemble", **POLICY)
def assemble(job: Job, weather: str, yields: str) -> AssembledStep:
    """Join weather and yields for each season, split by harvest year, and draw up the ledger of all rows."""
    with open_step(job, "assembled") as folder:
        if folder is not None:
            found = assemble_seasons(
                load_weather(step_folder(job, weather)), Yields.load(step_folder(job, yields)), job.settings,
                read_regions(job.settings),
            )  # fmt: skip
            found.save(folder)
            for line in account.ledger_story(account.ledger_columns(found.ledger)):
                logger().info(line)
            _name_after(found.crops, found.years)
    return AssembledStep("assembled", assembled_cutoffs(step_folder(job, "assembled"), job.settings))


@task(name="normalise", task_run_name="normalise {cutoff}", **POLICY)
def normalise(job: Job, cutoff: Cutoff, assembled: AssembledStep) -> str:
    """Fit baseline, climatology and scaling on training rows; tensors for both fits."""
    name = f"tensors {cutoff.season} {cutoff.as_of}"
    with open_step(job, name) as folder:
        if folder is not None:
            table = season_data(job, assembled, cutoff.season).datasets[cutoff.as_of]
            settings = of_season(job.settings, cutoff.season)
            for fit, rows in fits_of(table).items():
                save_normalised(normalising.normalise(rows, settings), folder, fit)
    return name


@task(name="train", task_run_name="train {cutoff}", **POLICY)
def train(job: Job, cutoff: Cutoff, assembled: AssembledStep, tensors: str) -> str:
    """SGD for the evaluation fit (training seasons) and the published fit (all seasons)."""
    name = f"model {cutoff.season} {cutoff.as_of}"
    with open_step(job, name) as folder:
        if folder is not None:
            data = season_data(job, assembled, cutoff.season)
            settings = of_season(job.settings, cutoff.season)
            table = data.datasets[cutoff.as_of]
            fits = fits_of(table)
            leads = {EVALUATED: leads_to(fits[EVALUATED], table), PUBLISHED: stored_intervals.LEADS_KEPT}

            def trained(fit: str) -> Model:
                with progress_shown(f"train {cutoff} {fit}"):
                    model = fit_normalised(
                        load_normalised(step_folder(job, tensors), fit), settings, cutoff.as_of,
                        on_epoch=log_epoch(f"train {cutoff} {fit}", settings),
                        crop_units=tuple(data.crop_units[crop] for crop in data.crops),
                        feature_units=tuple(data.feature_units[feature] for feature in table.features),
                    )  # fmt: skip
                report_progress(f"train {cutoff} {fit}", 1, 1)
                excess, epochs = number(model.record["excess"]), model.record["epochs"]
                logger().info(
                    "%s %s fit: %s above the exact optimum in %d epochs", cutoff, fit, excess, epochs
                )
                return model

            # rolling origins take as long as both fits and share nothing with them but torch's number of
            # threads, which is 1 until both have ended
            with one_thread(), ThreadPoolExecutor(1) as beside:
                rolling = beside.submit(errors_of_fits, fits, leads, settings)
                _save_model(trained(EVALUATED), folder / EVALUATED)
                published, errors = trained(PUBLISHED), rolling.result()
            save_errors(errors[EVALUATED], folder / _SEASON_ERRORS)  # for `evaluate`
            # a forecast needs its intervals, and nothing but the model's files
            calibration = stored_intervals.calibrate_published(fits[PUBLISHED], settings, errors[PUBLISHED])
            _save_model(stored_intervals.with_intervals(published, calibration), folder / PUBLISHED)
            write_table(errors_table(calibration, fits[PUBLISHED]), folder / PUBLISHED / ERRORS)
    return name


def _save_model(model: Model, folder: Path) -> None:
    model.to_files(folder)
    write_table(model.coefficients(), folder / "coefficients.parquet")
    (folder / "predict.sql").write_text(predict_sql(model), encoding="utf-8")


def log_epoch(what: str, settings: Settings) -> Callable[[int, float], None]:
    most = settings.training.epochs * (settings.rounds if settings.baseline != "none" else 1)
    every = max(most // 4, 1)

    def log(epoch: int, loss: float) -> None:
        report_progress(what, epoch, most)
        if epoch == 1 or epoch % every == 0:
            logger().info("%s: epoch %d of %d at most, loss %.6g", what, epoch, most, loss)

    return log


@task(name="evaluate", task_run_name="evaluate", **POLICY)
def evaluate(job: Job, assembled: AssembledStep, models: list[str]) -> str:
    """Score the evaluation fits beside naive baselines, calibrate intervals, predict every season.

    Seasons without a yield are predicted by the published fit.
    """
    with open_step(job, "evaluated") as folder:
        if folder is not None:
            data = AssembledSeasons.load(step_folder(job, assembled.step)).seasons
            found, ahead = {}, []
            for name, cutoff in zip(models, assembled.cutoffs, strict=True):
                fits, of = models_of(job, name), data[cutoff.season]
                settings = of_season(job.settings, cutoff.season)
                table, later = of.datasets[cutoff.as_of], of.forecast_rows[cutoff.as_of]
                errors = load_errors(step_folder(job, name) / _SEASON_ERRORS)
                found[cutoff] = results.evaluate_cutoff(fits, table, settings, cutoff, errors)
                ahead.append(results.forecast(fits[PUBLISHED], later, season=cutoff.season))
                report_progress("evaluate", len(found), len(assembled.cutoffs))
            full = {season: full_season(of) for season, of in data.items()}
            breaks = {season: results.level_breaks(table) for season, table in full.items()}
            far = {season: results.far_yields(table, breaks[season]) for season, table in full.items()}
            results.save_results(found, breaks, far, ahead, folder, job.run_id)
            for cutoff, result in found.items():
                table = data[cutoff.season].datasets[cutoff.as_of]
                place = folder / evaluation_errors(cutoff)
                place.parent.mkdir(parents=True)
                write_table(errors_table(result.calibration, table), place)
            for line in results.story(found):
                logger().info(line)
    return "evaluated"


@task(name="outlook", task_run_name="outlook", **POLICY)
def outlook(job: Job, assembled: AssembledStep, yields: str, models: list[str], evaluated: str) -> str:
    """What drives predictions and what they come to in larger units: test seasons and seasons to come."""
    with open_step(job, "outlook") as folder:
        if folder is not None:
            said, places = step_folder(job, evaluated), dict(zip(assembled.cutoffs, models, strict=True))
            predictions = pq.read_table(said / "predictions.parquet", columns=list(SAID))
            harvests, regions = Yields.load(step_folder(job, yields)), read_regions(job.settings)
            parts = []
            for season in dict.fromkeys(cutoff.season for cutoff in places):
                data, tested, ahead = season_data(job, assembled, season), {}, {}
                for day, table in data.datasets.items():
                    cutoff = Cutoff(season, day)
                    bases = _fitted(job, cutoff, places[cutoff], said, table)
                    tested[day] = bases[EVALUATED], table.of_split(SplitName.TEST)
                    ahead[day] = bases[PUBLISHED], data.forecast_rows[day]
                parts.append(
                    outlook_of_run(
                        predictions, tested, ahead, harvests, regions, of_season(job.settings, season),
                        job.run_id, season,
                    )
                )  # fmt: skip
            for name, joined in joined_outlook(parts).items():
                write_table(joined, folder / f"{name}.parquet")
    return "outlook"


def _fitted(job: Job, cutoff: Cutoff, name: str, evaluated: Path, table: SeasonTable) -> dict[str, Fitted]:
    """Both fits of a cut-off with their errors and the rows that each learned from."""
    errors = {
        EVALUATED: evaluated / evaluation_errors(cutoff),
        PUBLISHED: step_folder(job, name) / PUBLISHED / ERRORS,
    }
    rows = fits_of(table)
    return {
        fit: Fitted(model, Errors.read(errors[fit]), rows[fit]) for fit, model in models_of(job, name).items()
    }


def models_of(job: Job, name: str) -> dict[str, Model]:
    """The fits that a step of `train` made, by name."""
    folder = step_folder(job, name)
    return {fit: Model.from_files(folder / fit) for fit in (EVALUATED, PUBLISHED)}


@task(name="report", task_run_name="report", **POLICY)
def report(job: Job, assembled: AssembledStep, models: list[str], evaluated: str) -> str:
    """Write the report; put the gist of it where the Prefect UI shows it."""
    fits = {cutoff: models_of(job, name) for cutoff, name in zip(assembled.cutoffs, models, strict=True)}
    found = gather.report_data(job, step_folder(job, assembled.step), step_folder(job, evaluated), fits)
    with open_step(job, "report") as folder:
        if folder is not None:
            gather.save_report(found, folder)
    tag_run(job.run_id)
    for data in found:
        show(*artifacts.of_report(data, pictures=is_seen()))
    report_progress("report", 1, 1)
    return "report"


@task(name="publish", task_run_name="publish", **POLICY)
def publish(job: Job, accept: str | None = None) -> dict[str, Any]:
    """Write the run, its manifest last; then, if the gate lets it through, the log's entry."""
    store = job.store
    links, before = Links(store.place(""), job.settings.public_url), read_state(store)
    try:
        result = run.publish(job, accept)
        mend_bulletins(job.store)
    except GateError as refused:
        show(artifacts.of_gate(run.refused(job, refused), links))
        raise
    show(artifacts.of_gate(result, links))
    _tell_published(job, before, result, links)
    logger().info("%s", result["message"])
    logger().info("gate %s", result["gate"]["reason"])
    for what, place in result["places"].items():
        logger().info("%s: %s", what, place)
    return result


def _tell_published(job: Job, before: State, result: Mapping[str, Any], links: Links) -> None:
    """Emit the event of the entry that made the run current, if there is one since `before`."""
    current = read_state(job.store).current
    if current is None or current.run_id != job.run_id or current.entry <= before.number:
        return
    gate = result["gate"]
    facts = {
        "run": job.run_id,
        "entry": current.entry,
        "headline": f"{result['message']}; gate {gate['reason']}",
        "gate": gate["outcome"],
        "accepted": gate["accepted"],
        "report": links.address(result["places"]["report"]),
    }
    tell_published(RUN_PUBLISHED, job.store.place(""), facts)


def is_finished(job: Job) -> bool:
    """Whether this very run lies in the store already; then what it showed is linked."""
    finished = find_finished(job.store, read_state(job.store), job.run_id)
    if finished is None:
        return False
    logger().info("nothing new: run %s is finished", job.run_id)
    _name_after(finished.manifest["crops"], finished.manifest["seasons"])
    show_earlier(job.run_id)
    return True


def _name_after(crops: Sequence[str], years: Sequence[int]) -> None:
    name_run(f"{in_short(crops)} {years[0]}–{years[-1]}")
