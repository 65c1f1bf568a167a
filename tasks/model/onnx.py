"""A model as an ONNX graph, always from `Model.coefficients()`: raw features by name in, yields out.

Shapes: N rows, R regions with the unknown one last, T crops, F features but the harvest year.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from data.contracts.columns import AS_OF, CROP, REGION, SEASON_YEAR, UNIT
from data.errors import InputError, SettingsError
from data.settings.schema import YEAR
from tasks.model.model import Model

PREDICTED, KNOWN_REGION = "predicted", "known_region"
_RESERVED = (REGION.name, PREDICTED, KNOWN_REGION)
# what runtimes of the last years read
_OPSET, _OPSET_ML, _IR = 17, 3, 8
_INNER = "cropyield/"  # names within the graph; features may be called anything else


def onnx_model(model: Model) -> bytes:
    """The model as the bytes of an ONNX file.

    Inputs, a value for each of N rows: `region` (string), `year` (int64) and each feature by its name
    (double, in the units it was trained on). Outputs: `predicted` (double, [N, T], crops in the order
    of the metadata's `crop`, in its `unit`s; NaN where a feature is NaN) and `known_region` (bool, [N]).
    Regions that the model has not seen take the pooled line. All arithmetic is double, because
    intercept and slope · year are large and cancel. Equal models give equal bytes.

    Raises SettingsError where the extra `onnx` is missing, InputError for features named as an input or
    output of the graph is.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise SettingsError('ONNX files need the extra: pip install "cropyield[onnx]"') from error
    table = model.coefficients()
    T, R = len(model.crops), len(model.region_names) + 1
    C = table.num_rows // (R * T)
    terms: list[str] = table["term"].slice(0, C).to_pylist()
    value_RTC = table["coefficient"].to_numpy().reshape(R, T, C)
    powers: list[int] = table["power"].slice(0, C).to_pylist()
    features = [name for name, power in zip(terms, powers, strict=True) if name != YEAR and power == 1]
    squared = [at for at, power in enumerate(powers) if power == 2]
    _check_names(features)

    nodes: list[Any] = []
    constants: dict[str, np.ndarray[Any, Any]] = {}

    def constant(name: str, value: Any, kind: Any = np.float64) -> str:
        constants[_INNER + name] = np.ascontiguousarray(value, dtype=kind)
        return _INNER + name

    def node(kind: str, inputs: list[str], output: str, **more: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **more))
        return output

    code = node(
        "LabelEncoder", [REGION.name], f"{_INNER}code", domain="ai.onnx.ml",
        keys_strings=list(model.region_names), values_int64s=list(range(R - 1)), default_int64=R - 1,
    )  # fmt: skip
    node("Less", [code, constant("regions", R - 1, np.int64)], KNOWN_REGION)
    column = constant("column", [1], np.int64)
    parts = [node("Gather", [constant("intercept_RT", value_RTC[:, :, 0]), code], f"{_INNER}intercept_NT")]
    if YEAR in terms:
        slope_RT = constant("slope_RT", value_RTC[:, :, terms.index(YEAR)])
        slope_NT = node("Gather", [slope_RT, code], f"{_INNER}slope_NT")
        year_N = node("Cast", [SEASON_YEAR.name], f"{_INNER}year_N", to=TensorProto.DOUBLE)
        year_N1 = node("Unsqueeze", [year_N, column], f"{_INNER}year_N1")
        parts.append(node("Mul", [slope_NT, year_N1], f"{_INNER}trend_NT"))
    if features:
        columns = [
            node("Unsqueeze", [name, column], f"{_INNER}feature{at}_N1") for at, name in enumerate(features)
        ]
        x_NF = node("Concat", columns, f"{_INNER}x_NF", axis=1)
        if squared:
            chosen = constant("squared", [features.index(terms[at]) for at in squared], np.int64)
            root_NS = node("Gather", [x_NF, chosen], f"{_INNER}root_NS", axis=1)
            square_NS = node("Mul", [root_NS, root_NS], f"{_INNER}square_NS")
            x_NF = node("Concat", [x_NF, square_NS], f"{_INNER}x_NX", axis=1)
        # weights are common to all regions
        weight_FT = value_RTC[-1, :, [*(terms.index(name) for name in features), *squared]]
        parts.append(node("MatMul", [x_NF, constant("weight_FT", weight_FT)], f"{_INNER}weather_NT"))
    total = parts[0]
    for at, part in enumerate(parts[1:], 1):
        total = node("Add", [total, part], f"{_INNER}sum{at}_NT")
    node("Identity", [total], PREDICTED)

    rows = ["N"]
    inputs = [
        helper.make_tensor_value_info(REGION.name, TensorProto.STRING, rows),
        helper.make_tensor_value_info(SEASON_YEAR.name, TensorProto.INT64, rows),
        *(helper.make_tensor_value_info(name, TensorProto.DOUBLE, rows) for name in features),
    ]
    outputs = [
        helper.make_tensor_value_info(PREDICTED, TensorProto.DOUBLE, ["N", T]),
        helper.make_tensor_value_info(KNOWN_REGION, TensorProto.BOOL, rows),
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    built = helper.make_model(
        helper.make_graph(nodes, "cropyield", inputs, outputs, tensors),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _OPSET_ML)],
        ir_version=_IR, producer_name="cropyield",
    )  # fmt: skip
    units = dict(zip(model.features, model.feature_units, strict=True))
    about = {
        CROP.name: list(model.crops),
        UNIT.name: list(model.crop_units),
        AS_OF.name: model.as_of,
        "feature_units": {name: units[name] for name in features},
    }
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
    helper.set_model_props(built, texts)
    onnx.checker.check_model(built, full_check=True)
    return bytes(built.SerializeToString(deterministic=True))


def _check_names(features: list[str]) -> None:
    taken = [name for name in features if name in _RESERVED or name.startswith(_INNER) or not name]
    if taken:
        raise InputError(
            f"an ONNX graph can't take the feature {taken[0]!r} by that name, which it needs for itself; "
            "give it another one (settings: [[features]] name)"
        )
