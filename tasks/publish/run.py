"""Publishing a run: its folder, the manifest last, then the log's entry, if the gate lets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import CropyieldError, DamageError, GateError
from data.locations.failures import storage_errors
from data.store.backends.base import Store
from data.store.current import Finished, Written, find_finished, make_current, settle_manifest
from data.store.entries import Instance, State
from data.store.log import read_state
from data.store.manifests import DAY_S, RUNS, WORK, dataset_name, folder, to_json
from tasks.assemble.seasons import AssembledSeasons, full_season
from tasks.job.identity import run_settings
from tasks.job.job import Job
from tasks.model.fits import EVALUATED, PUBLISHED
from tasks.publish.gate import Gate, decide
from tasks.publish.judge import Read, described, judge_run, reader
from tasks.publish.manifest import digests, origin, parquet
from tasks.publish.summary import summary, withdrawn


def publish(job: Job, accept: str | None) -> dict[str, Any]:
    """Write the run where it isn't finished, judge it, and make it current if the gate lets it through.

    Returns the summary for people and machines. Raises InputError when an input changed since the
    run began, StorageError, and GateError when the run is kept but not made current.
    """
    store = job.store
    state = read_state(store)
    forced = job.work_name != job.run_id
    finished = _finished_before(job, state, forced)
    withdrawable = not forced and accept is None
    if withdrawable and (known := withdrawn(job, state)):
        return known
    written = None
    message = f"nothing new: run {job.run_id} was finished before"
    if state.current and state.current.run_id != job.run_id:
        message += f", and is current now, in place of {state.current.run_id}"
    if finished is None or forced:
        job.verify()
        with storage_errors("read", store.place(job.work.name)):
            files = run_files(job)
        write_files(store, job.run_id, files, finished.manifest if finished else None)
        if finished is None:
            gate = _judged(job, files.get, state)
            facts = {**manifest_facts(job, gate, accept), "files": digests(files)}
            manifest = settle_manifest(store, RUNS, facts)
        else:
            manifest = finished.manifest
        written = Written(files, manifest)
        message = f"published run {job.run_id}"
    gate = promote(job, written, accept, withdrawable)
    sweep(store)
    if withdrawable and (known := withdrawn(job, read_state(store))):
        return known
    return summary(job, described(gate) | {"accepted": accept}, message)


def refused(job: Job, error: GateError) -> dict[str, Any]:
    """The summary of a run that is kept but not made current."""
    state = read_state(job.store)
    finished = find_finished(job.store, state, job.run_id)
    if finished is None:
        raise error
    gate = _judged(job, reader(job.store, finished), state)
    return summary(job, described(gate), str(error))


def _finished_before(job: Job, state: State, forced: bool) -> Finished | None:
    try:
        return find_finished(job.store, state, job.run_id)
    except DamageError:
        if forced:  # which is how a damaged manifest is mended
            return None
        raise


def _judged(job: Job, read: Read, state: State) -> Gate:
    return judge_run(read, job.store, state, job.run_id, job.settings.gate)


def sweep(store: Store) -> None:
    """Remove work that nobody has touched for a day; younger work may be another run's."""
    for run in store.folders(WORK):
        if (store.age(f"{WORK}/{run}") or 0.0) > DAY_S:
            store.remove(f"{WORK}/{run}")


def promote(job: Job, written: Written | None, accept: str | None, withdrawable: bool) -> Gate:
    """Make a finished run current, unless the gate refuses; what is current already stays so.

    Returns what the gate said. `withdrawable`: a run stays as it is where somebody has rolled back from
    it. Raises GateError.
    """
    store, run = job.store, job.run_id
    judged: dict[Instance | None, Gate] = {}

    def decided(state: State, instance: Instance) -> dict[str, Any] | None:
        current = state.current
        if current not in judged:
            judged.clear()
            finished = find_finished(store, state, run)
            read = reader(store, finished) if finished else (written.files.get if written else lambda _: None)
            judged[current] = _judged(job, read, state)
        gate = judged[current]
        if withdrawable and run in state.withdrawn:
            return None
        if current is not None and current.run_id == run and accept is None:
            again = {
                "gate": described(gate) | {"accepted": None},
                "note": "its lost manifest was written anew",
            }
            return None if current.manifest == instance.manifest else again
        decision = decide(gate, accept)
        if not decision.publish:
            raise GateError(
                f"run {run} is kept but not published: {decision.reason}. What to do: {gate.advice}. See "
                f'{store.place(folder(run))}/report.html; publish it all the same with --accept "reason"'
            )
        return {"gate": described(gate) | {"accepted": accept}, "note": decision.reason}

    make_current(store, run, decided, written=written)
    return next(iter(judged.values()))


def run_files(job: Job) -> dict[str, bytes]:
    """Every file of a run but its manifest, from its finished steps.

    `dataset.parquet` holds the full season's features (`dataset-SEASON.parquet` those of further
    seasons); those of earlier cut-offs lie beside their models.
    """
    assembled = AssembledSeasons.load(_finished(job, "assembled"))
    files = {
        "settings.toml": run_settings(job.settings).encode(),
        "rejected.parquet": parquet(assembled.rejected),
        "ledger.json": to_json(assembled.ledger),
    }
    for step in ("evaluated", "outlook", "report"):
        files |= _contents(_finished(job, step))
    for season, found in assembled.seasons.items():
        files[dataset_name(season)] = parquet(full_season(found).to_arrow())
        for day in list(found.datasets)[:-1]:
            files[f"model/{season}/{day}/dataset.parquet"] = parquet(found.datasets[day].to_arrow())
        for day in found.datasets:
            trained, place = _finished(job, f"model {season} {day}"), f"model/{season}/{day}"
            for fit, folder in ((PUBLISHED, place), (EVALUATED, f"{place}/{EVALUATED}")):
                files |= {f"{folder}/{name}": content for name, content in _contents(trained / fit).items()}
    return files


def write_files(
    store: Store, run: str, files: Mapping[str, bytes], finished: Mapping[str, Any] | None
) -> None:
    """Write the files of a run; those that lie there already with the same bytes are left alone.

    Raises CropyieldError when the run is finished with other bytes: it would not be reproducible.
    """
    if finished is not None:
        found = digests(files)
        differing = sorted(name for name in found if finished["files"].get(name) != found[name])
        if differing:
            raise CropyieldError(
                f"run {run} was computed again and {', '.join(differing)} came out with other bytes; "
                "the published run is left as it was"
            )
    for name, content in sorted(files.items()):
        path = f"{folder(run)}/{name}"
        if store.get(path) != content:
            store.put(path, content)


def manifest_facts(job: Job, gate: Gate, accept: str | None) -> dict[str, Any]:
    """What a manifest says besides its files: how the run came about and what it decided."""
    assembled = AssembledSeasons.load(_finished(job, "assembled"))
    metrics = json.loads((_finished(job, "evaluated") / "metrics.json").read_bytes())
    return origin(job, "train") | {
        "gate": described(gate) | {"accepted": accept},
        "ledger": assembled.ledger,
        "crops": list(assembled.crops),
        "seasons": list(assembled.years),
        "models": {
            season: {
                "crops": list(found.crops),
                "seasons": list(found.years),
                "as_of": list(found.datasets),
                "excess": {day: part["excess"] for day, part in metrics["seasons"][season]["as_of"].items()},
            }
            for season, found in assembled.seasons.items()
        },
    }


def _finished(job: Job, step: str) -> Path:
    made = job.work.finished(step)
    if made is None:
        raise CropyieldError(f"step {step!r} of run {job.run_id} is not finished; run again")
    return made


def _contents(made: Path) -> dict[str, bytes]:
    return {
        file.relative_to(made).as_posix(): file.read_bytes()
        for file in sorted(made.rglob("*"))
        if file.is_file()
    }
