"""The command line's application: options that commands share, and how a result is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from data.errors import EXIT_CODES
from data.escapes import one_line, visible

if TYPE_CHECKING:
    from data.settings.schema import Settings

app = App(
    name="cropyield",
    help="""Learn crop yields from regional weather and publish forecasts.

Begin with your own two Parquet inputs: `cropyield init WEATHER YIELDS` writes settings.toml, and
`cropyield train settings.toml` does the rest. `cropyield COMMAND --help` tells more.""",
    version=lambda: metadata.version("cropyield"),
    help_epilogue=f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}.",
)


app.register_install_completion_command(
    help="Have this shell complete commands and options by the tab key; writes to its start-up file.",
    sort_key=100,
)

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Many = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How results are shown."""

    json: Flag = False
    """Print one JSON object on standard output and nothing else there."""
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative="", show_default=False)] = False
    """Say more: what each step found, as it is found."""
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative="", show_default=False)] = False
    """Say nothing but errors (and JSON, where it is asked for); the exit code tells the rest."""
    debug: Flag = False
    """Show tracebacks, and Prefect's own log."""

    @property
    def silent(self) -> bool:
        """No progress is shown."""
        return self.json or self.quiet


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """What replaces values of the settings file."""

    store: str | None = None
    """Store, instead of the settings file's."""
    weather: str | None = None
    """Weather, instead of the settings file's."""
    yields: str | None = None
    """Yields, instead of the settings file's."""
    regions: str | None = None
    """Regions, instead of the settings file's."""
    set: Many = ()
    """A setting as key=value, for example training.epochs=50 or 'crops=["corn"]'; repeatable."""

    def as_dict(self) -> dict[str, Any]:
        """Dotted keys and values."""
        from data.locations.uris import LOCATIONS
        from data.settings.overrides import parse_change

        named = {key: getattr(self, key) for key in LOCATIONS if getattr(self, key) is not None}
        return dict(parse_change(text) for text in self.set) | named


PLAIN = Output()
UNCHANGED = Changes()


def emit(output: Output, result: dict[str, Any], for_people: Callable[[], None]) -> None:
    """One JSON object, or what people read; nothing in it that a terminal would obey.

    `for_people` prints `result`, whose texts are made safe for it.
    """
    if output.json:
        print(visible(json.dumps(result, ensure_ascii=False)))
    elif not output.quiet:
        _make_safe(result)
        for_people()


def _make_safe(value: Any) -> Any:
    """Escape the texts of nested dicts and lists where they stand."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        items = [(_make_safe(key), _make_safe(inner)) for key, inner in value.items()]
        value.clear()
        value.update(items)
    elif isinstance(value, list):
        value[:] = [_make_safe(inner) for inner in value]
    elif isinstance(value, tuple):
        return tuple(_make_safe(inner) for inner in value)
    return value


def settings_of(file: str, changes: dict[str, Any], output: Output) -> Settings:
    """The settings that a command runs by; what its run says from here on follows `output`."""
    from data.settings.files import load_settings
    from flows.server.environment import prepare_environment

    chosen = load_settings(file, changes)
    if output.verbose or output.quiet:
        prepare_environment(output.debug, output.verbose)
    return chosen
