"""Messages for faulty settings: which key, what was found, what would do."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from data.locations.uris import LOCATIONS

_SAID = "Value error, "


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """A sentence for each fault, in the order of the file's sections."""
    by_key: dict[str, list[dict[str, Any]]] = {}
    for fault in error.errors(include_url=False):
        *outer, last = fault["loc"] or ("",)
        own = fault["type"] == "extra_forbidden"  # what somebody has written may look like anything
        where = [
            *(part for part in outer if not _of_union(part)),
            *([last] if own or not _of_union(last) else []),
        ]
        by_key.setdefault(".".join(map(str, where)), []).append(dict(fault) | {"loc": where})
    inner = [key for key in by_key if key.startswith("features.")]
    return [
        _sentence(_telling(faults), model, len(faults) > 1)
        for key, faults in by_key.items()
        # one bad entry makes the list of features look empty too
        if not (key == "features" and inner and faults[0]["type"] == "too_short")
    ]


def _telling(faults: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the faults with each member of a union, the one that fits what was found."""
    text = isinstance(faults[0]["input"], str)
    fitting = [fault for fault in faults if (fault["type"] == "literal_error") == text]
    return (fitting or faults)[0]


def _sentence(fault: dict[str, Any], model: type[BaseModel], of_union: bool) -> str:
    where = fault["loc"]
    key = ".".join(str(part) for part in where)
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden" and key in _SUCCESSORS:
        return f"{key} is no longer a setting; write {_SUCCESSORS[key]}"
    if kind == "extra_forbidden" and where[1:] and where[-1] in model.model_fields:
        section = ".".join(str(part) for part in where[:-1] if not isinstance(part, int))
        return (
            f"unknown key {key!r}; {where[-1]} is a key of the whole file, and a line below [{section}] "
            "belongs to that: move it above the first [section]"
        )
    if kind == "extra_forbidden":
        known = _known_keys(model, where[:-1])
        near = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=0.6)
        section = f"the keys of [{'.'.join(map(str, where[:-1]))}]" if where[1:] else "the keys and sections"
        hint = f"did you mean {near[0]!r}?" if near else f"{section} are {', '.join(known)}"
        return f"unknown key {key!r}; {hint}"
    if kind == "missing":
        if where and isinstance(where[-1], int):
            name = ".".join(map(str, where[:-1]))
            return f"{name}: needs {where[-1] + 1} or more values (found {_shown(fault['input'])})"
        return f"{key!r} is missing and has no default{_MISSING.get(key, '')}"
    # a location may hold credentials
    found = "" if key in LOCATIONS else f" (found {_shown(fault['input'])})"
    if kind == "literal_error":
        choices = _choices(model, where) or str(context.get("expected", "")).replace("'", "").split(", ")
        near = difflib.get_close_matches(str(fault["input"]), choices, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        if of_union:
            return f"{key}: must be {' or '.join(map(repr, choices))} or a number{found}"
        return f"{key}: must be one of {', '.join(choices)}{hint}{found}"
    if kind in _WORDS:
        words = _WORDS[kind]
        if kind in _SECTION_TYPES:
            words = _section_hint(key, model, where)
        elif kind in ("tuple_type", "list_type"):
            words = _list_hint(key)
        elif kind == "string_pattern_mismatch":
            words = f"must be one of these: {_description(model, where)}"
        else:
            limits = {
                name: f"{limit:g}" for name, limit in context.items() if isinstance(limit, (int, float))
            }
            words = words.format(**limits)
        return f"{key}: {words}{found}"
    message = str(fault["msg"]).removeprefix(_SAID).removeprefix("Input should be ")
    return f"{key}: {message}{'' if isinstance(fault['input'], dict) else found}" if key else message


_SUCCESSORS = {
    "trend_half_life": "half_life under [[trend]], of which there may be several",
    "trend_shrinkage": "shrinkage under [[trend]], of which there may be several",
    "training.weight_decay": "training.ridge_seasons, the ridge in seasons' worth of data",
    "training.patience": "training.tolerance, the bound on the excess below which training ends",
}
_MISSING = {
    "features": ': add at least one, as in\n\n[[features]]\nmeasure = "rainfall"\naggregate = "sum"',
    "weather": ": the folder or file of weather Parquet",
    "yields": ": the folder or file of yield Parquet",
    "store": ": the folder that receives runs and predictions",
}
_SECTION_TYPES = ("model_type", "model_attributes_type", "dict_type")
_WORDS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false, without quotes",
    "bool_type": "must be true or false",
    "string_type": "must be text, in quotes",
    "string_pattern_mismatch": "",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be {le} or less",
    "tuple_type": "",
    "list_type": "",
    "too_short": "needs {min_length} or more entries",
    "too_long": "takes no more than {max_length} entries",
    "model_type": "",
    "model_attributes_type": "",
    "dict_type": "",
}


def _section_hint(key: str, model: type[BaseModel], where: list[Any]) -> str:
    known = _known_keys(model, where)
    section = f"[[{where[0]}]]" if len(where) > 1 and isinstance(where[1], int) else f"[{key}]"
    keys = f"; its keys: {', '.join(known)}" if known else ""
    return f"is a section and can't be a single value: write {section} on a line of its own{keys}"


def _list_hint(key: str) -> str:
    if key in ("features", "trend"):
        return f"is a list of sections: write [[{key}]], in two brackets, above each of them"
    example = {"range": "[0, 100]", "as_of": '["06-30", "07-31"]', "window": '["07-01", "08-15"]'}
    return f"must be a list in brackets, as in {example.get(key.split('.')[-1], '[' + _ANY + ']')}"


_ANY = '"a", "b"'


def _description(model: type[BaseModel], where: list[Any]) -> str:
    section = _section(model, where[:-1])
    field = section.model_fields.get(str(where[-1])) if section else None
    return (field.description or "").rstrip(".") if field else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _of_union(part: Any) -> bool:
    """Parts of a location that name the member of a union that was tried, not a key."""
    return isinstance(part, str) and ("[" in part or part in ("float", "int", "str", "constrained-float"))


def _known_keys(model: type[BaseModel], where: list[Any]) -> list[str]:
    section = _section(model, where)
    return list(section.model_fields) if section else []


def _choices(model: type[BaseModel], where: list[Any]) -> list[str]:
    """The values of a field that takes one of a list, else nothing."""
    section = _section(model, where[:-1])
    field = section.model_fields.get(str(where[-1])) if section and where else None
    if field is None:
        return []
    found = [arg for of in _unfold(field.annotation) if typing.get_origin(of) is typing.Literal
             for arg in typing.get_args(of)]  # fmt: skip
    return [str(value) for value in found]


def _section(model: type[BaseModel], where: list[Any]) -> type[BaseModel] | None:
    """The model that a location leads to; positions and free names stay in theirs."""
    current: type[BaseModel] | None = model
    free = False
    for part in where:
        if isinstance(part, int) or free:
            free = False
            continue
        field = current.model_fields.get(str(part)) if current else None
        if field is None:
            return None
        inner = [of for of in _unfold(field.annotation) if isinstance(of, type) and issubclass(of, BaseModel)]
        current = inner[0] if inner else None
        free = any(typing.get_origin(of) is dict for of in _unfold(field.annotation))
    return current


def _unfold(annotation: Any) -> Iterator[Any]:
    yield annotation
    if typing.get_origin(annotation) is not typing.Literal:
        for inner in typing.get_args(annotation):
            yield from _unfold(inner)
