"""Text that comes from data, made safe for terminal, log and settings files.

What is shown on a terminal or written to a log is one line without control characters, so that no name
can pretend to be another message; what goes into a TOML file can't leave its quotes or its comment.
Markdown's escape is `data.contracts.wording.as_text`, SQL's are in `tasks.model.sql`; templates escape HTML.
"""

from __future__ import annotations

import json
import re
from typing import Any

# what moves a cursor, changes colours, hides or turns round what follows: controls, bidi marks, surrogates
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_UNSAFE = re.compile(f"[{_CONTROLS}]")
_UNSAFE_IN_LINE = re.compile(f"[{_CONTROLS}\t\n]")


def visible(text: str) -> str:
    r"""Text of several lines for terminal and log: other control characters as \u001b, which JSON reads."""
    return _UNSAFE.sub(_as_number, text)


def one_line(text: str) -> str:
    """A name or value for terminal, log and messages: no line breaks either."""
    return _UNSAFE_IN_LINE.sub(_as_number, text)


def toml_value(value: Any) -> str:
    """A value in a TOML file."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    text = json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML string but for some characters
    return one_line(re.sub("[\ud800-\udfff]", "\ufffd", text))  # halves of a character are none in TOML


def toml_key(name: str) -> str:
    """A key in a TOML file."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def _as_number(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
