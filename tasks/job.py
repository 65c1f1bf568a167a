"""What a run is about to do: its settings, its inputs as they are now, and the id that follows from both."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from data.runs import now, run_id
from data.settings import Settings
from data.storage import Store, open_store
from data.work import Work, forced_name
from tasks.digest import InputFile, digest_inputs


@dataclass(frozen=True)
class Job:
    """One run: small, frozen, and all that a task needs to find its files."""

    settings: Settings
    run_id: str
    work_name: str
    weather: tuple[InputFile, ...]
    yields: tuple[InputFile, ...]
    started_at: str

    @property
    def store(self) -> Store:
        """Where the run will be published."""
        return open_store(self.settings.store)

    @property
    def work(self) -> Work:
        """Where its finished steps lie."""
        return Work(self.store, self.work_name)

    def inputs(self) -> dict[str, list[dict[str, Any]]]:
        """Input files with size and digest, for run id and manifest."""
        return {
            "weather": [asdict(file) for file in self.weather],
            "yields": [asdict(file) for file in self.yields],
        }


def open_job(settings: Settings, force: bool = False, kind: str = "train") -> Job:
    """Digest the inputs and form the run id. Raises InputError and StorageError."""
    weather, yields = digest_inputs(settings.weather), digest_inputs(settings.yields)
    inputs = {"weather": [asdict(f) for f in weather], "yields": [asdict(f) for f in yields]}
    run = run_id(settings, inputs, kind)
    return Job(settings, run, forced_name(run) if force else run, weather, yields, now())
