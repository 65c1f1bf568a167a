"""Normalised rows on disk, from the task that makes them to the task that trains on them; no pickle."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from tasks.normalise.baseline import Baseline, Climatology
from tasks.normalise.moments import Moments
from tasks.normalise.normalise import Normalised, Normaliser
from tasks.normalise.scaling import Scaling
from tasks.normalise.squares import Squares

_PARTS: dict[str, type[Any]] = {
    "squares": Squares,
    "baseline": Baseline,
    "climatology": Climatology,
    "scaling": Scaling,
    "moments": Moments,
}


def save_normalised(data: Normalised, folder: Path, name: str) -> None:
    """Write `name`.safetensors and `name`.json into a folder."""
    normaliser = data.normaliser
    arrays: dict[str, npt.NDArray[Any]] = {}
    facts: dict[str, Any] = {"features": normaliser.features}

    def keep(prefix: str, value: Any) -> None:
        for field in fields(value):
            inner = getattr(value, field.name)
            if isinstance(inner, np.ndarray):
                arrays[prefix + field.name] = np.ascontiguousarray(inner)
            elif isinstance(inner, (bool, int, str, tuple)):
                facts[prefix + field.name] = inner

    keep("", data)
    for part in _PARTS:
        keep(f"{part}.", data.moments if part == "moments" else getattr(normaliser, part))
    save_file(arrays, folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")


def load_normalised(folder: Path, name: str) -> Normalised:
    """Read what `save_normalised` wrote."""
    kept: dict[str, Any] = dict(load_file(folder / f"{name}.safetensors"))
    for key, value in json.loads((folder / f"{name}.json").read_text(encoding="utf-8")).items():
        kept[key] = tuple(value) if isinstance(value, list) else value
    parts = {
        part: kind(**{field.name: kept[f"{part}.{field.name}"] for field in fields(kind)})
        for part, kind in _PARTS.items()
    }
    moments = parts.pop("moments")
    own = {field.name: kept[field.name] for field in fields(Normalised) if field.name in kept}
    return Normalised(Normaliser(kept["features"], **parts), moments=moments, **own)
