"""The frame of every page: one look, one runtime, one policy of security.

A page holds all it needs, fetches nothing, and runs the two scripts and the one style sheet that its policy
names by their digests. Whatever comes from outside is escaped.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from data.contracts.wording import difference, number, percent, signed_percent, whole_percent
from tasks.report.charts.chart import Chart, page_data
from tasks.report.charts.theme import THEME
from tasks.report.tables import squared

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = {
    "number": number,
    "difference": difference,
    "percent": percent,
    "signed": signed_percent,
    "rounded": whole_percent,
    "squared": squared,
}


def render(
    name: str,
    charts: Mapping[str, Chart],
    more: Mapping[str, Any],
    **context: Any,
) -> str:
    """A page as HTML, by its template's name; `charts` by the names given there, `more` for its script."""
    runtime, script, style = _shipped()
    return template(name).render(
        policy=_policy(runtime, script, style),
        runtime=Markup(runtime),
        script=Markup(script),
        style=Markup(style),
        page_data=page_data(charts, THEME, **more),
        charts=charts,
        **context,
    )


@functools.cache
def template(name: str) -> Template:
    """A page's template, compiled once in a process, which takes a tenth of a second."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    return environment.get_template(name)


@functools.cache
def _shipped() -> tuple[str, str, str]:
    """Vega's runtime, the page's own script and the style sheet."""
    names = ("vega.js", "page.js", "page.css")
    runtime, script, style = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in names)
    return runtime, script, style


def _policy(runtime: str, script: str, style: str) -> str:
    """The Content-Security-Policy: these scripts, this style, pictures inside the page, no more."""
    scripts = " ".join(f"'{_digest(text)}'" for text in (runtime, script))
    return (
        f"default-src 'none'; script-src {scripts}; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
