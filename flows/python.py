"""From Python: a run, a forecast or a backtest as the command of that name makes it, its tables as frames.

    from flows.python import train_yields
    run = train_yields("settings.toml")
    run.predictions()

Nothing else is imported before the first call. Where another package hides `data` or `tasks`, the rooms of
that name are put in its place here.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib.util
import io
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from data.settings.schema import Settings

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    """What a run, forecast or backtest has left in the store: where it lies, and its tables.

    `summary` is what the command prints with `--json`; `places` names files and folders.
    """

    run_id: str
    area: str
    store: str
    summary: Mapping[str, Any]

    @property
    def message(self) -> str:
        """What has happened, in a sentence."""
        return str(self.summary.get("message", f"backtest {self.run_id}"))

    @property
    def places(self) -> Mapping[str, str]:
        """Where its files lie; empty where there was nothing to forecast."""
        return dict(self.summary["places"])

    def predictions(self) -> pd.DataFrame:
        """A row for each region, year, crop and cut-off. Raises SettingsError where it has none."""
        return self._table("predictions.parquet")

    def drivers(self) -> pd.DataFrame:
        """What each prediction consists of, a row for each term. Raises SettingsError where it has none."""
        return self._table("drivers.parquet")

    def metrics(self) -> pd.DataFrame:
        """Scores by season, cut-off, split and crop (None: pooled); of a forecast those of its model's run.

        The columns are those of `metrics.json`, naive baselines' MSE as `mse_NAME`.
        """
        import json

        import pandas as pd

        of_forecast = self.area == "forecasts"
        area, run = ("runs", str(self.summary["model_run_id"])) if of_forecast else (self.area, self.run_id)
        found = json.loads(_read(self.store, area, run, "metrics.json"))
        rows = [
            {"season": season, "as_of": day, "split": split, "crop": crop}
            | {key: value for key, value in scores.items() if not isinstance(value, (dict, list))}
            | {f"mse_{name}": mse for name, mse in scores["baselines"].items()}
            for season, of in found["seasons"].items()
            for day, part in of["as_of"].items()
            for split, by in part["splits"].items()
            for crop, scores in [*by["crops"].items(), (None, by["pooled"])]
        ]
        return pd.DataFrame(rows)

    def _table(self, name: str) -> pd.DataFrame:
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(_read(self.store, self.area, self.run_id, name))).to_pandas()


def train_yields(
    settings: str | Path | Settings,
    *,
    force: bool = False,
    accept: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Result:
    """Train, evaluate and publish, as `cropyield train` does.

    Args:
        settings: A settings file, or settings.
        force: Compute the run again even when it is finished.
        accept: Publish in spite of a failed gate, for this reason.
        changes: Settings by dotted key that replace the file's, as `--set` does: {"training.epochs": 50}.

    Raises GateError when the run is kept but not made current; SettingsError, InputError, StorageError.
    """
    from flows.cli import launch

    asked = _settings(settings, changes)
    with _in_this_process():
        summary = launch.train(asked, force, accept, as_json=True, debug=False)
    return Result(str(summary["run_id"]), "runs", asked.store, summary)


def forecast_yields(
    settings: str | Path | Settings,
    *,
    as_of: date | str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Result:
    """Forecast what has no yield yet with the current model, as `cropyield forecast` does.

    Args:
        settings: A settings file, or settings; features are the current model's.
        as_of: Only weather up to this day (YYYY-MM-DD) counts; none: all there is.
        changes: As for `train_yields`.

    Raises SettingsError where no model serves; InputError, StorageError.
    """
    from flows.cli import launch

    asked = _settings(settings, changes)
    day = date.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    with _in_this_process():
        summary = launch.forecast(asked, day, as_json=True, debug=False)
    return Result(str(summary["run_id"]), "forecasts", asked.store, summary)


def backtest_yields(
    settings: str | Path | Settings,
    *,
    seasons: int = 10,
    as_of: Sequence[str] = (),
    leave_one_out: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> Result:
    """Predict each of the last seasons without it, as `cropyield backtest` does.

    Args:
        settings: A settings file, or settings.
        seasons: How many of the last seasons.
        as_of: Cut-off days (MM-DD) besides the settings' own and the full season.
        leave_one_out: Train on all other seasons, which peeks at later years.
        changes: As for `train_yields`.

    Raises SettingsError, InputError, StorageError.
    """
    from flows.cli import launch

    asked = _settings(settings, changes)
    with _in_this_process():
        summary = launch.backtest(asked, seasons, tuple(as_of), leave_one_out, as_json=True, debug=False)
    return Result(str(summary["run_id"]), "backtests", asked.store, summary)


def _settings(given: str | Path | Settings, changes: Mapping[str, Any] | None) -> Settings:
    from data.settings.files import load_settings, parse_settings
    from data.settings.overrides import put
    from data.settings.schema import Settings

    if not isinstance(given, Settings):
        return load_settings(given, dict(changes or {}))
    if not changes:
        return given
    raw = given.model_dump(mode="json", exclude_unset=True)
    for key, value in changes.items():
        put(raw, key, value)
    return parse_settings(raw, "settings")


@contextlib.contextmanager
def _in_this_process() -> Iterator[None]:
    """What a command may do to a process of its own stays within the block, this process's warnings silenced.

    Raises ServerError where Prefect's server ends before the block does.
    """
    from data.errors import ServerError
    from flows.cli.launch import when_gone

    said: list[str] = []

    def gone(words: str) -> None:
        said.append(words)
        _thread.interrupt_main()

    token = when_gone.set(gone)
    try:
        with warnings.catch_warnings():
            yield
    except KeyboardInterrupt:
        if said:
            raise ServerError(said[0]) from None
        raise
    finally:
        when_gone.reset(token)


def _read(location: str, area: str, run: str, name: str) -> bytes:
    """A file as it was published. Raises SettingsError where there is none, DamageError."""
    from data.errors import SettingsError
    from data.store.backends.open import open_store
    from data.store.manifests import read_manifest, read_published

    store = open_store(location)
    manifest = read_manifest(store, run, area)
    if manifest is None or name not in manifest["files"]:
        raise SettingsError(f"{store.place(f'{area}/{run}')}: there is no {name}")
    return read_published(store, manifest, name, area)


def _claim_rooms() -> None:
    """Have `data` and `tasks` be the rooms beside this one, whatever lies in the current folder.

    Warns where a package there is hidden by it; raises ImportError where one was imported already.
    """
    for room in ("data", "tasks"):
        ours = _ROOT / room / "__init__.py"
        there = sys.modules.get(room) or importlib.util.find_spec(room)
        place = getattr(there, "__file__", None) or getattr(there, "origin", None)
        if place and Path(place).resolve() == ours:
            continue
        if room in sys.modules:
            raise ImportError(
                f"cropyield has a package {room!r}, but another one of that name was imported before "
                f"({place or 'a folder'}): import flows.python first, or rename the other"
            )
        spec = importlib.util.spec_from_file_location(
            room, ours, submodule_search_locations=[str(ours.parent)]
        )
        if spec is None or spec.loader is None:  # pragma: no cover  # it lies beside this file
            raise ImportError(f"cropyield's package {room!r} is gone from {_ROOT}; install it again")
        sys.modules[room] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[room])
        warnings.warn(
            f"{place} can't be imported in this process, since cropyield has a package {room!r}, too; rename "
            "it if you need it here",
            stacklevel=3,
        )


_claim_rooms()
