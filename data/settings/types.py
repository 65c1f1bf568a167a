"""Types of the settings' values: days of the calendar, locations, addresses, numbers that may be infinite."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)


def _real_day(value: str) -> str:
    try:
        date.fromisoformat(f"2000-{value}")
    except ValueError as error:
        raise ValueError(f"{value!r} is no day of the calendar; write month-day, as in '04-01'") from error
    return value


def _by_key(value: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(value.items()))


# a run's id doesn't know the order in which a table was written, so its files mustn't either
ByKey = AfterValidator(_by_key)


def _without_credentials(location: str) -> str:
    from data.locations.uris import carries_credentials, redact_uri

    if carries_credentials(location):
        raise ValueError(
            f"{redact_uri(location)} is written with credentials, which would be kept with the run's "
            "parameters; "
            "leave them out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    return location


# what the Prefect server refuses before it keeps it
_NO_CREDENTIALS = r"^(?![a-z][a-z0-9+.-]*://[^@/:]*(:[^@]*)?@)"
Location = Annotated[
    str, AfterValidator(_without_credentials), Field(json_schema_extra={"pattern": _NO_CREDENTIALS})
]


def _web_address(url: str) -> str:
    from data.locations.uris import redact_uri

    if url and not re.fullmatch(_WEB_ADDRESS, url):
        raise ValueError(
            f"{redact_uri(url)!r} is no address that browsers open; write it as https://host/folder, without "
            "user, password, ? or #"
        )
    return url.rstrip("/")


_WEB_ADDRESS = r"https?://[^\s/@?#\\<>()\[\]]+(/[^\s?#\\<>()]*)?"
WebAddress = Annotated[
    str, AfterValidator(_web_address), Field(json_schema_extra={"pattern": f"^({_WEB_ADDRESS})?$"})
]
MonthDay = Annotated[str, StringConstraints(pattern=r"^\d\d-\d\d$"), BeforeValidator(_real_day)]
# JSON knows no infinity, so it travels as the string "inf"
_INFINITY = PlainSerializer(lambda value: value if math.isfinite(value) else "inf", when_used="json")


def _or_infinity(bound: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "number", bound: 0}, {"const": "inf", "type": "string"}]})


Seasons = Annotated[float, Field(gt=0), _INFINITY, _or_infinity("exclusiveMinimum")]
Shrinkage = Annotated[float, Field(ge=0), _INFINITY, _or_infinity("minimum")]
