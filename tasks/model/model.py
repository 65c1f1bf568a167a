"""A fitted model: what it predicts, its coefficients in raw units, and the files it is kept in.

Shapes: N rows, F columns (the features, then the squares of some), P trained columns, T crops, R regions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load, save

from data.contracts.columns import COEFFICIENTS, INTERCEPT, schema_of
from data.contracts.season_table import Flags, Floats, SeasonTable
from data.contracts.vocabulary import SCHEMA_VERSION
from data.errors import InputError
from data.settings.schema import YEAR
from tasks.normalise.baseline import UNKNOWN, Baseline, Climatology
from tasks.normalise.normalise import Normaliser
from tasks.normalise.scaling import Scaling
from tasks.normalise.squares import Squares

WEIGHTS_FILE, FACTS_FILE = "weights.safetensors", "model.json"


@dataclass(frozen=True, eq=False)
class Model:
    """Weights in scaled units with everything that leads from raw units to them and back.

    `record` is the training record: plain values that JSON can hold, no times, hosts or paths.
    """

    as_of: str
    features: tuple[str, ...]
    feature_units: tuple[str, ...]
    crops: tuple[str, ...]
    crop_units: tuple[str | None, ...]
    region_names: tuple[str, ...]
    squares: Squares
    baseline: Baseline
    climatology: Climatology
    scaling: Scaling
    weight_TP: Floats
    bias_T: Floats
    record: dict[str, Any] = field(repr=False)

    @property
    def normaliser(self) -> Normaliser:
        """The way from raw to scaled units and back."""
        return Normaliser(self.features, self.squares, self.baseline, self.climatology, self.scaling)

    def predict(self, table: SeasonTable) -> Floats:
        """Yields y_NT in the crops' units; regions that the model doesn't know use pooled values.

        The table may code its regions as it likes and hold more features; its yields are not read.
        Raises InputError where it lacks a feature.
        """
        normaliser = self.normaliser
        z_NP = self.scaling.transform(normaliser.departures(table))
        # summed column by column: the same bytes whatever threads a matrix product would use
        u_NT = np.broadcast_to(self.bias_T, (len(table), len(self.crops))).copy()
        for at in range(z_NP.shape[1]):
            u_NT += z_NP[:, at, None] * self.weight_TP[:, at]
        return normaliser.yields(u_NT, normaliser.codes(table), table.year_N)

    def baseline_of(self, table: SeasonTable) -> Floats:
        """What the regional baseline alone says, y_NT in the crops' units.

        Under the baseline `none`, which says nothing, it is the crop's mean over the training rows.
        """
        if self.baseline.kind == "none":
            return np.tile(self.scaling.y_centre_T, (len(table), 1))
        return self.baseline.predict(self.normaliser.codes(table), table.year_N)

    def known(self, table: SeasonTable) -> Flags:
        """Which rows lie in regions that the model was trained on, shape [N]."""
        return np.asarray(self.normaliser.codes(table) != UNKNOWN)

    def feature_notes(self) -> list[str]:
        """What a reader of the coefficients must know of the features, a sentence each."""
        scaling = self.scaling
        said = {
            "left out, because they never change": scaling.constant,
            "left out, because the features before them determine them": scaling.collinear,
            "with hardly anything of their own beside the features before them, so that coefficients mean "
            "little one by one (keep the fewest that carry the information)": scaling.redundant,
        }
        return [f"features {what}: {', '.join(names)}" for what, names in said.items() if names]

    def coefficients(self) -> pa.Table:
        """The same model in raw units, laid out as `contracts.COEFFICIENTS`.

        prediction = intercept + Σ coefficient · term^power, for each region and crop; region null serves
        regions that the model has not seen. The intercept's power is 0. `year` is the slope of the trend,
        plus the weight of the feature of that name where there is one.
        """
        weight_TF, intercept_RT, slope_RT = self.normaliser.fold(self.weight_TP, self.bias_T)
        terms = [INTERCEPT, *self.features, *(self.features[at] for at in self.squares.of)]
        powers = [0, *[1] * len(self.features), *[2] * len(self.squares.of)]
        value_RTC = np.empty((*intercept_RT.shape, len(terms)))
        value_RTC[:, :, 0] = intercept_RT
        value_RTC[:, :, 1:] = weight_TF
        if self.baseline.kind == "trend":
            if YEAR not in terms:
                terms.insert(1, YEAR)
                powers.insert(1, 1)
                value_RTC = np.insert(value_RTC, 1, 0.0, axis=2)
            value_RTC[:, :, terms.index(YEAR)] += slope_RT
        R, T, C = value_RTC.shape
        regions = pa.array([*self.region_names, None], pa.string())
        columns = [
            regions.take(pa.array(np.repeat(np.arange(R), T * C))),
            pa.array(self.crops, pa.string()).take(pa.array(np.tile(np.repeat(np.arange(T), C), R))),
            pa.array(terms, pa.string()).take(pa.array(np.tile(np.arange(C), R * T))),
            pa.array(np.tile(np.array(powers, dtype=np.int8), R * T)),
            pa.array(value_RTC.reshape(-1)),
        ]
        return pa.Table.from_arrays(columns, schema=schema_of(COEFFICIENTS))

    def to_bytes(self) -> dict[str, bytes]:
        """The model's files by name; equal models make equal bytes."""
        facts = {
            "schema": SCHEMA_VERSION,
            "as_of": self.as_of,
            "features": self.features,
            "feature_units": self.feature_units,
            "crops": self.crops,
            "crop_units": self.crop_units,
            "regions": self.region_names,
            "baseline": self.baseline.kind,
            "squares": {
                self.features[at]: centre
                for at, centre in zip(self.squares.of, self.squares.centre_S.tolist(), strict=True)
            },
            "constant": self.scaling.constant,
            "collinear": self.scaling.collinear,
            "redundant": self.scaling.redundant,
            "record": self.record,
        }
        # a line for each: there are many regions, and json indents slowly
        lines = [
            f" {json.dumps(name)}: {json.dumps(fact, sort_keys=True, ensure_ascii=False, allow_nan=False)}"
            for name, fact in sorted(facts.items())
        ]
        text = ",\n".join(lines)
        tensors = {name: np.ascontiguousarray(values) for name, values in self._tensors().items()}
        return {WEIGHTS_FILE: save(tensors), FACTS_FILE: f"{{\n{text}\n}}\n".encode()}

    @classmethod
    def from_bytes(cls, files: dict[str, bytes]) -> Self:
        """The model that `to_bytes` wrote. Raises InputError for files that are none."""
        try:
            facts = json.loads(files[FACTS_FILE])
            tensors = load(files[WEIGHTS_FILE])
            if facts["schema"] != SCHEMA_VERSION:
                raise InputError(f"{FACTS_FILE}: schema {facts['schema']}, expected {SCHEMA_VERSION}")
            regions, crops, features = (tuple(facts[name]) for name in ("regions", "crops", "features"))
            return cls(
                facts["as_of"],
                features,
                tuple(facts["feature_units"]),
                crops,
                tuple(facts["crop_units"]),
                regions,
                Squares.of_centres({features.index(name): at for name, at in facts["squares"].items()}),
                Baseline(facts["baseline"], regions, crops, *(tensors[name] for name in _BASELINE)),
                Climatology(*(tensors[name] for name in _CLIMATOLOGY)),
                Scaling(
                    **{name: tensors[name] for name in _SCALING},
                    constant=tuple(facts["constant"]),
                    collinear=tuple(facts["collinear"]),
                    redundant=tuple(facts["redundant"]),
                ),
                tensors["weight_TP"],
                tensors["bias_T"],
                facts["record"],
            )
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise InputError(
                f"{WEIGHTS_FILE} and {FACTS_FILE} are no model of this program: {error!r}; train it again"
            ) from error

    def to_files(self, folder: Path) -> None:
        """Write the files of `to_bytes` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.to_bytes().items():
            (folder / name).write_bytes(content)

    @classmethod
    def from_files(cls, folder: Path) -> Self:
        """Read the files of `to_files`. Raises InputError where one is missing or is no model."""
        try:
            return cls.from_bytes({name: (folder / name).read_bytes() for name in (WEIGHTS_FILE, FACTS_FILE)})
        except FileNotFoundError as error:
            raise InputError(f"{folder} holds no model: {Path(error.filename).name} is missing") from error

    def _tensors(self) -> dict[str, npt.NDArray[Any]]:
        parts: dict[str, object] = dict.fromkeys(_BASELINE, self.baseline)
        parts |= dict.fromkeys(_CLIMATOLOGY, self.climatology) | dict.fromkeys(_SCALING, self.scaling)
        parts |= {"weight_TP": self, "bias_T": self}
        return {name: getattr(part, name) for name, part in parts.items()}


# in the order of their classes' fields
_BASELINE = ("level_RT", "slope_RT", "origin_RT", "pooled_level_T", "pooled_slope_T", "pooled_origin_T")
_CLIMATOLOGY = ("mean_RF", "pooled_F")
_SCALING = ("centre_F", "matrix_FP", "y_centre_T", "y_scale_T")
