"""Manifests, and the layout that they vouch for: areas, ids, promised files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, TypeGuard

from data.contracts.vocabulary import MAIN
from data.errors import DamageError
from data.store.backends.base import MANIFEST, Store

CURRENT, FORECAST = "current.json", "forecast.json"  # at the top
PREDICTIONS = "predictions.parquet"
RUNS, FORECASTS, BACKTESTS, WORK = "runs", "forecasts", "backtests", ".work"
DAY_S = 86_400.0
REPAIR = (
    "`cropyield train` with --force computes it anew, or `cropyield rollback` makes another one current "
    "(`cropyield runs` lists them)"
)
# the files that the layout promises; those of models lie in one folder for each
PROMISED: Mapping[str, frozenset[str]] = {
    RUNS: frozenset(
        {
            "settings.toml", "dataset.parquet", "rejected.parquet", "ledger.json", PREDICTIONS,
            "metrics.json", "evaluation.parquet", "report.html",
        }
    ),
    FORECASTS: frozenset({PREDICTIONS, "ledger.json", "rejected.parquet", "settings.toml"}),
    BACKTESTS: frozenset({PREDICTIONS, "metrics.json", "settings.toml"}),
}  # fmt: skip
MODEL_FILES = frozenset({"weights.safetensors", "model.json", "coefficients.parquet", "predict.sql"})
_ID = re.compile(r"[0-9a-f]{16}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# what a manifest must hold for its readers, and of which shape; `...` stands for any name
_FILE = {"sha256": str, "size": int}
_MANIFEST: Mapping[Any, Any] = {"run_id": str, "finished_at": str, "files": {...: _FILE}}
_OF_A_RUN: Mapping[Any, Any] = {
    "gate": {"outcome": str, "checks": [{"name": str, "outcome": str, "reason": str}]},
    "crops": [str],
    "seasons": [int],
    "settings": {"crops": [str]},
    "inputs": {...: {"location": str, "files": [{"name": str, **_FILE}]}},
}
_SEASONS: Mapping[Any, Any] = {...: {"crops": [str]}}  # of the settings, where there are several
_DEEPEST = 50  # levels of a manifest; those of settings and gate are fewer than ten


def is_id(text: object) -> TypeGuard[str]:
    """Whether something is the id of a run, forecast or backtest by its shape: 16 hex digits."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_digest(text: object) -> TypeGuard[str]:
    """Whether something is a SHA-256 by its shape: 64 hex digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def folder(run: str, area: str = RUNS) -> str:
    """The folder of a run, forecast or backtest in its store. Raises DamageError for what is no id."""
    if not is_id(run):
        raise DamageError(f"{area}: {run!r} is no id of a run (16 hex digits)")
    return f"{area}/{run}"


def now() -> str:
    """The time in UTC, to the microsecond, as ISO 8601."""
    return datetime.now(UTC).isoformat()


def to_json(value: Any) -> bytes:
    """JSON for people and machines: sorted keys, indented, numbers that can't be had are null."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def digest(content: bytes) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def parse_json(content: bytes) -> dict[str, Any] | None:
    """A JSON object; None where it is something else."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(content)
        if isinstance(value, dict):
            return value
    return None


def read_json(store: Store, name: str) -> dict[str, Any] | None:
    """A JSON object of the store, None where there is none. Raises DamageError when it is something else."""
    content = store.get(name)
    if content is None:
        return None
    value = parse_json(content)
    if value is None:
        raise DamageError(
            f"{store.place(name)}: not a JSON object; it was changed by something else than cropyield"
        )
    return value


def load_manifest(store: Store, run: str, area: str = RUNS) -> tuple[dict[str, Any], str] | None:
    """The manifest of a run and its SHA-256; None: for readers the run doesn't exist.

    Raises DamageError when it is no manifest, or that of another run.
    """
    name = f"{folder(run, area)}/{MANIFEST}"
    content = store.get(name)
    if content is None:
        return None
    manifest = parse_json(content)
    fault = "is no manifest" if manifest is None else _fault(manifest, run, area)
    if manifest is None or fault:
        raise DamageError(
            f"{store.place(name)} was changed by something else than cropyield and {fault}; {REPAIR}"
        )
    return manifest, digest(content)


def read_manifest(store: Store, run: str, area: str = RUNS) -> dict[str, Any] | None:
    """The manifest of a run; None: for readers the run doesn't exist. Raises DamageError when it is none."""
    found = load_manifest(store, run, area)
    return found[0] if found else None


def _fault(manifest: Mapping[str, Any], run: str, area: str) -> str:
    """What is wrong with a manifest; empty when nothing is."""
    shape = {**_MANIFEST, **(_OF_A_RUN if area == RUNS else {})}
    wrong = sorted(key for key, inner in shape.items() if not _has_shape(manifest.get(key), inner))
    if not wrong and seconds(manifest["finished_at"]) is None:
        wrong = ["finished_at"]
    if not wrong and area == RUNS and len(manifest["seasons"]) != 2:
        wrong = ["seasons"]
    if not wrong and area == RUNS and not _has_shape(manifest["settings"].get("seasons", {}), _SEASONS):
        wrong = ["settings"]
    if not wrong and not _can_be_written(manifest):
        wrong = ["a text or number that JSON can't hold, or too many levels"]
    if wrong:
        return f"is no manifest ({', '.join(wrong)})"
    if manifest["run_id"] != run:
        return f"is that of another one ({manifest['run_id'][:40]!r})"
    for name, facts in manifest["files"].items():
        if not (is_digest(facts["sha256"]) and _is_plain(name)):
            return f"is no manifest (file {name[:80]!r})"
    return ""


def _has_shape(value: Any, shape: Any) -> bool:
    if isinstance(shape, type):
        return type(value) is shape
    if isinstance(shape, list):
        return isinstance(value, list) and all(_has_shape(each, shape[0]) for each in value)
    if not isinstance(value, dict):
        return False
    if ... in shape:
        return all(_has_shape(each, shape[...]) for each in value.values())
    return all(_has_shape(value.get(key), inner) for key, inner in shape.items())


def _can_be_written(manifest: Mapping[str, Any]) -> bool:
    """Whether it could be written as it was read: halves of characters, NaN and infinities are read, too.

    Else a rollback, which copies the gate into the log, would break off.
    """
    level: list[Any] = [manifest]
    for _ in range(_DEEPEST):
        level = [inner for each in level if isinstance(each, dict | list) for inner in _inside(each)]
    if level:
        return False
    with contextlib.suppress(ValueError):
        json.dumps(manifest, ensure_ascii=False, allow_nan=False).encode()
        return True
    return False


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _is_plain(name: str) -> bool:
    """Whether a name stays within the folder that it is read from."""
    path = PurePosixPath(name)
    return bool(
        name and "\\" not in name and "\0" not in name and str(path) == name and not path.is_absolute()
        and not {"..", "."}.intersection(path.parts) and name != MANIFEST
    )  # fmt: skip


def seconds(at: str) -> float | None:
    """An ISO time with a zone as seconds since 1970; None where it is none."""
    with contextlib.suppress(ValueError, OverflowError):
        time = datetime.fromisoformat(at)
        return time.timestamp() if time.tzinfo else None
    return None


def lacking(manifest: Mapping[str, Any], area: str = RUNS) -> list[str]:
    """The files that the layout promises and a manifest doesn't list."""
    names = set(manifest["files"])
    absent = PROMISED[area] - names
    if area == RUNS:
        models = {name.rpartition("/")[0] for name in names if name.startswith("model/")}
        places = {place for place in models if MODEL_FILES & {_last(n) for n in names if _in(n, place)}}
        absent |= {f"{place}/{file}" for place in places or {"model"} for file in MODEL_FILES} - names
    return sorted(absent)


def _in(name: str, place: str) -> bool:
    return name.rpartition("/")[0] == place


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def damaged(store: Store, manifest: Mapping[str, Any], area: str = RUNS) -> list[str]:
    """What of a run isn't as its manifest says: one sentence a file; empty when all is well."""
    faults = [f"{name}: not listed in {MANIFEST}" for name in lacking(manifest, area)]
    for name, facts in manifest["files"].items():
        content = store.get(f"{folder(manifest['run_id'], area)}/{name}")
        if content is None:
            faults.append(f"{name}: missing")
        elif digest(content) != facts["sha256"]:
            sizes = f"{len(content):,} bytes, {facts['size']:,} when it was published"
            faults.append(f"{name}: changed since it was published ({sizes})")
    return faults


def read_published(store: Store, manifest: Mapping[str, Any], name: str, area: str = RUNS) -> bytes:
    """A file of a run, forecast or backtest that its manifest vouches for.

    Raises DamageError when the file is gone, differs, or isn't listed.
    """
    place = f"{folder(manifest['run_id'], area)}/{name}"
    facts = manifest["files"].get(name)
    content = store.get(place) if facts else None
    if facts is None or content is None or digest(content) != facts["sha256"]:
        what = "isn't listed in its manifest" if facts is None else "isn't as it was published"
        raise DamageError(
            f"{store.place(place)} {'is gone' if facts and content is None else what}; {REPAIR}"
        )
    return content


def published_json(store: Store, manifest: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A JSON object of a run that its manifest vouches for. Raises DamageError."""
    value = parse_json(read_published(store, manifest, name))
    if value is None:
        raise DamageError(f"{store.place(folder(manifest['run_id']))}/{name}: not a JSON object; {REPAIR}")
    return value


def dataset_name(season: str) -> str:
    """The file of a season's features and yields in a run's folder."""
    return "dataset.parquet" if season == MAIN else f"dataset-{season}.parquet"


def crop_units(store: Store, manifest: Mapping[str, Any]) -> dict[str, str | None]:
    """The unit of each crop that a run has modelled. Raises DamageError."""
    units: dict[str, str | None] = {}
    for season, of in published_json(store, manifest, "metrics.json")["seasons"].items():
        full = list(of["as_of"])[-1]
        model = published_json(store, manifest, f"model/{season}/{full}/model.json")
        units |= dict(zip(model.get("crops", ()), model.get("crop_units", ()), strict=False))
    return units
