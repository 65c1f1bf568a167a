"""The proposed settings as a commented TOML file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from data.escapes import one_line, toml_key, toml_value, visible
from tasks.propose.crops import CropFound
from tasks.propose.profiles import Profile
from tasks.propose.proposal import Proposal

_TEMPLATES = Path(__file__).parent / "templates"
_NEAR = 2  # folders up to here are written as ../.., farther ones in full


def write_text(proposal: Proposal, file: Path) -> str:
    """The text of the settings file, which will lie at `file`."""
    folder = file.absolute().parent
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.filters |= {"toml": toml_value, "key": toml_key, "comment": _comment, "line": one_line}
    environment.filters["count"] = lambda n: f"{n:,}"
    environment.globals |= {"facts": _facts, "crop_facts": _crop_facts, "unread": _unread}
    text = environment.get_template("settings.toml.jinja").render(
        p=proposal,
        name=file.name,
        weather=seen_from(proposal.weather, folder),
        yields=seen_from(proposal.yields, folder),
        regions=seen_from(proposal.regions, folder) if proposal.regions else None,
        season_default=(proposal.season.start, proposal.season.end) == ("01-01", "12-31"),
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def seen_from(location: str, folder: Path) -> str:
    """A location as the settings file names it: relative where it is near, else absolute; URIs stay."""
    if "://" in location:
        return location
    relative = os.path.relpath(Path(location).resolve(), folder.resolve())
    return relative if Path(relative).parts.count("..") <= _NEAR else str(Path(location).resolve())


def _comment(text: str) -> str:
    """As comment lines of modest width."""
    lines: list[str] = []
    for given in visible(text).split("\n"):
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
