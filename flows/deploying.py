"""The parameters of a deployment from a settings file: the build step that `prefect.yaml` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.errors import SettingsError
from data.escapes import visible
from data.locations.uris import LOCATIONS, is_local
from data.settings.files import load_settings
from data.settings.schema import Settings


def read_settings(file: str) -> dict[str, Any]:
    """Read a settings file for `prefect deploy`: what `read.settings` and `read.project` stand for there.

    Locations below the working directory become relative to it, so that a worker with its own copy of
    the project, at another path, finds them too. Raises SystemExit with what is wrong: of any other
    error Prefect shows the traceback alone.
    """
    project = Path.cwd()
    try:
        settings = load_settings(file)
    except SettingsError as error:
        raise SystemExit(f"prefect.yaml, the build step's file: {visible(str(error))}") from None
    return {"settings": parameters(settings, project), "project": str(project)}


def parameters(settings: Settings, project: Path | None = None) -> dict[str, Any]:
    """The settings as a flow's parameter: what the file says, the rest left to the form's defaults."""
    given = settings.model_dump(mode="json", exclude_unset=True)
    for key in given.keys() & {*LOCATIONS}:
        if project and is_local(given[key]) and Path(given[key]).is_relative_to(project):
            given[key] = Path(given[key]).relative_to(project).as_posix()
    return given
