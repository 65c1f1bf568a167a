"""The proposed settings as a commented TOML file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.propose.crops import CropFound
from tasks.propose.profiles import Profile
from tasks.propose.proposal import Proposal

_NEAR = 2  # folders up to here are written as ../.., farther ones in full


def write_text(proposal: Proposal, file: Path) -> str:
    """The text of the settings file, which will lie at `file`."""
    folder = file.absolute().parent
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,
    )  # fmt: skip
    environment.filters |= {"toml": _toml, "key": _key, "comment": _comment, "count": lambda n: f"{n:,}"}
    environment.globals |= {"facts": _facts, "crop_facts": _crop_facts, "unread": _unread}
    text = environment.from_string(_TEMPLATE).render(
        p=proposal,
        name=file.name,
        weather=seen_from(proposal.weather, folder),
        yields=seen_from(proposal.yields, folder),
        season_default=(proposal.season.start, proposal.season.end) == ("01-01", "12-31"),
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def seen_from(location: str, folder: Path) -> str:
    """A location as the settings file names it: relative where it is near, else absolute; URIs stay."""
    if "://" in location:
        return location
    relative = os.path.relpath(Path(location).resolve(), folder.resolve())
    return relative if Path(relative).parts.count("..") <= _NEAR else str(Path(location).resolve())


def _toml(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _comment(text: str) -> str:
    """As comment lines of modest width."""
    lines: list[str] = []
    for given in text.splitlines():
        if given.startswith("  python "):  # to be copied
            lines.append(f"# {given}")
            continue
        line = "#"
        for word in given.split(" "):
            if len(line) + len(word) > 105 and line != "#":
                lines.append(line)
                line = "#"
            line += f" {word}"
        lines.append(line)
    return "\n".join(lines)


def _facts(profile: Profile) -> str:
    low, first, middle, last, high = (f"{value:.4g}" for value in profile.quantiles)
    said = f"found {low} to {high}; 1 %: {first}, median {middle}, 99 %: {last}"
    if profile.sentinel is not None:
        said += f"; {profile.sentinel:g} stands for nothing and is rejected"
    if profile.outside > 0:
        said += f"; {profile.outside:.2g} of the rows lie outside the range".replace("0e+00", "0")
    gaps = profile.missing - profile.outside
    if gaps > 0.0005:
        said += f"; {gaps:.1%} missing"
    return said


def _crop_facts(crop: CropFound) -> str:
    unit = f", {' and '.join(crop.units[:4])}" if crop.units else ""
    return f"{crop.rows:,} yields with weather, {crop.seasons} seasons{unit}"


def _unread(columns: Mapping[str, str]) -> str:
    return '; "" = not read' if "" in columns.values() else ""


_TEMPLATE = """\
# Written by `cropyield init` from the data itself; every line may be changed.
# Run it with: cropyield train {{ name }}
# Keys left out take their defaults; locations are seen from this file's folder.
#
{% for line in p.seen %}
{{ line | comment }}
{% endfor %}
{% if p.unresolved %}
# What could not be told is listed at the end of this file.
{% endif %}

weather = {{ weather | toml }}
yields = {{ yields | toml }}
store = "store"

# Crops to model, the most frequent first.
crops = [
{% for crop in p.crops %}
    {{ crop.name | toml }},  # {{ crop_facts(crop) }}
{% endfor %}
]
{% if p.other_crops %}
# Not selected ({{ p.other_crops | length }}):
{% for crop in p.other_crops[:12] %}
#   {{ crop.name | toml }}: {{ crop_facts(crop) }}; {{ crop.why }}
{% endfor %}
{% endif %}

{% if p.first_season is not none %}
{{ (p.why_first ~ "." if p.why_first else "The first season with both weather and yields.") | comment }}
first_season = {{ p.first_season }}
{% endif %}

# What yields depart from: none | mean (each region's) | trend (each region's line over the years).
{% if p.why_baseline %}
{{ (p.why_baseline ~ ".") | comment }}
{% endif %}
baseline = {{ p.baseline | toml }}
{% if p.why_coverage %}

{{ (p.why_coverage ~ ".") | comment }}
min_coverage = {{ p.min_coverage | toml }}
{% endif %}
{% if p.why_rejected %}

{{ (p.why_rejected ~ ".") | comment }}
max_rejected = {{ p.max_rejected | toml }}
{% endif %}

{% if not season_default %}
# The season that counts for the harvest: {{ p.season.why }}.
[season]
start = {{ p.season.start | toml }}
end = {{ p.season.end | toml }}
{% endif %}
{% if p.further %}

# Crops of another season, {{ p.further.window.why }}.
[seasons.{{ p.further.name }}]
start = {{ p.further.window.start | toml }}
end = {{ p.further.window.end | toml }}
crops = [{% for crop in p.further.crops %}{{ crop | toml }}{{ ", " if not loop.last }}{% endfor %}]
{% endif %}

{% if p.weather_columns %}
# Our names = the names in the weather files{{ unread(p.weather_columns) }}.
[weather_columns]
{% for name, source in p.weather_columns.items() %}
{{ name | key }} = {{ source | toml }}
{% endfor %}
{% endif %}

{% if p.yield_columns %}
# Our names = the names in the yield files{{ unread(p.yield_columns) }}.
[yield_columns]
{% for name, source in p.yield_columns.items() %}
{{ name | key }} = {{ source | toml }}
{% endfor %}
{% endif %}

{% if p.crop_units %}
[crop_units]
{% for crop, unit in p.crop_units.items() %}
{{ crop | key }} = {{ unit | toml }}
{% endfor %}
{% endif %}

# Units are shown with every figure; rows with values outside a range are rejected, and listed.
{% for profile in p.profiles %}
{{ facts(profile) | comment }}
[measures.{{ profile.name | key }}]
{% if profile.unit %}
unit = {{ profile.unit | toml }}{{ "  # guessed" if profile.guessed else "" }}
{% endif %}
range = [{{ profile.low | toml }}, {{ profile.high | toml }}]

{% endfor %}
# What the model sees of the weather: measures aggregated over the season or each of its months.
{% for line in p.features.live %}
[[features]]
measure = {{ line.measure | toml }}
aggregate = {{ line.aggregate | toml }}
{% if line.every != "season" %}
every = {{ line.every | toml }}
{% endif %}
{% if line.square %}
square = true  # there can be too much of a good thing, and the rows are many
{% endif %}

{% endfor %}
{% for line in p.features.asleep %}
# [[features]]  # {{ line.why }}
# measure = {{ line.measure | toml }}
# aggregate = {{ line.aggregate | toml }}
{% if line.every != "season" %}
# every = {{ line.every | toml }}
{% endif %}
{% for name, value in line.numbers %}
# {{ name }} = {{ value | toml }}
{% endfor %}

{% endfor %}
{% if p.left_out %}
# Measures that are no feature:
{% for name, why in p.left_out %}
{{ ("  " ~ name ~ ": " ~ why) | comment }}
{% endfor %}
{% endif %}

{{ (p.why_split ~ ".") | comment }}
[split]
by = {{ p.split.by | toml }}
{% if p.split.by == "season" %}
test_seasons = {{ p.split.test_seasons }}
calibration_seasons = {{ p.split.calibration_seasons }}
{% endif %}

{% if p.unresolved %}
# What could not be told:
{% for said in p.unresolved %}
{{ ("- " ~ said) | comment }}
{% endfor %}
{% endif %}
"""
