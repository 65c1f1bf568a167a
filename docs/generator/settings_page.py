"""The settings as tables, from the pydantic models: key, type with its bounds, default, meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from data.settings.schema import Settings
from docs.generator.markdown import code, one_line, table

_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_TYPES = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "none",
}
_DAY = r"^\d\d-\d\d$"


def settings_tables() -> str:
    """A table for each section of a settings file, in the order of the class."""
    schema = Settings.model_json_schema()
    return "\n\n".join(_sections("", schema, schema["$defs"]))


def _sections(header: str, model: dict[str, Any], models: dict[str, Any]) -> Iterator[str]:
    """The table of one model, then those of the models in it."""
    fields = {key: _resolved(field, models) for key, field in model["properties"].items()}
    inner = {key: _model_in(field, models) for key, field in fields.items()}
    required = model.get("required", [])
    rows = [
        (
            code(key),
            f"{_type(field)}<br>{_default(field, key in required)}",
            one_line(field.get("description", "")),
        )
        for key, field in fields.items()
        if inner[key] is None
    ]
    yield "\n\n".join(
        [
            *([f"## `{header}`", one_line(model.get("description", ""))] if header else []),
            table(("key", "values, default", "meaning"), rows),
        ]
    )
    for key, found in inner.items():
        if found:
            kind, section = found
            name = {"object": f"[{key}]", "array": f"[[{key}]]", "map": f"[{key}.NAME]"}[kind]
            yield from _sections(name, section, models)


def _resolved(field: dict[str, Any], models: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in field:
        model: dict[str, Any] = models[field["$ref"].rpartition("/")[2]]
        return model | field
    return field


def _model_in(field: dict[str, Any], models: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """How a field holds a model (as itself, in a list, under names), and the model."""
    for kind, inner in (
        ("object", field),
        ("array", field.get("items")),
        ("map", field.get("additionalProperties")),
    ):
        if isinstance(inner, dict) and "properties" in (found := _resolved(inner, models)):
            return kind, found
    return None


def _type(field: dict[str, Any]) -> str:
    if "enum" in field or "const" in field:
        return " or ".join(code(json.dumps(value)) for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"] if each.get("type") != "null")
    if field.get("pattern") == _DAY:
        return "day `MM-DD`"
    if "prefixItems" in field:
        return "[" + ", ".join(_type(each) for each in field["prefixItems"]) + "]"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        return f"table of {_type(field['additionalProperties'])}"
    bounds = [f"{sign} {field[key]:g}" for key, sign in _BOUNDS.items() if key in field]
    return " ".join([_TYPES[field["type"]], " and ".join(bounds)]).rstrip()


def _default(field: dict[str, Any], required: bool) -> str:
    if required:
        return "**required**"
    value = field.get("default")
    return "default: " + ("none" if value is None else code(json.dumps(value, ensure_ascii=False)))
