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

_PARTS: dict[str, type[Any]] = {
    "baseline": Baseline,
    "climatology": Climatology,
    "scaling": Scaling,
    "moments": Moments,
}


def save_normalised(data: Normalised, folder: Path, name: str) -> None:
    """Write `name`.safetensors and `name`.json into a folder."""
    normaliser = data.normaliser
    parts: dict[str, Any] = {
        "baseline": normaliser.baseline,
        "climatology": normaliser.climatology,
        "scaling": normaliser.scaling,
        "moments": data.moments,
    }
    arrays: dict[str, npt.NDArray[Any]] = {"x_NF": data.x_NF, "y_NT": data.y_NT}
    facts: dict[str, Any] = {"features": normaliser.features}
    for part, value in parts.items():
        for field in fields(value):
            inner = getattr(value, field.name)
            if isinstance(inner, np.ndarray):
                arrays[f"{part}.{field.name}"] = inner
            else:
                facts[f"{part}.{field.name}"] = inner
    save_file(
        {key: np.ascontiguousarray(array) for key, array in arrays.items()}, folder / f"{name}.safetensors"
    )
    (folder / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")


def load_normalised(folder: Path, name: str) -> Normalised:
    """Read what `save_normalised` wrote."""
    arrays = load_file(folder / f"{name}.safetensors")
    facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    parts = {}
    for part, kind in _PARTS.items():
        prefix = f"{part}."
        values: dict[str, Any] = {
            key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)
        }
        for key, value in facts.items():
            if key.startswith(prefix):
                values[key.removeprefix(prefix)] = tuple(value) if isinstance(value, list) else value
        parts[part] = kind(**values)
    normaliser = Normaliser(
        tuple(facts["features"]), parts["baseline"], parts["climatology"], parts["scaling"]
    )
    return Normalised(normaliser, arrays["x_NF"], arrays["y_NT"], parts["moments"])
