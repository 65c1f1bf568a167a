"""Commands about a Prefect server that goes on: `serve`, `alerts`; each imports what it needs itself."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from data.errors import SettingsError
from flows.cli import ending
from flows.cli.app import PLAIN, UNCHANGED, Changes, Flag, Many, Output, app, emit, settings_of


@app.command(sort_key=35)
def serve(
    settings: str,
    *,
    train_cron: str = "0 6 * * 1",
    forecast_cron: str = "0 7 * * *",
    timezone: str = "UTC",
    name: str = "served",
    changes: Changes = UNCHANGED,
    output: Output = PLAIN,
) -> None:
    """Train weekly and forecast daily on this machine, until Ctrl-C.

    Parameters
    ----------
    settings
        Settings file (TOML).
    train_cron
        When to train: minute, hour, day, month, weekday.
    forecast_cron
        When to forecast.
    timezone
        Of both, for example Europe/Rome.
    name
        Of both deployments; tells several settings files on one server apart.
    """
    from flows.server import serve as serving

    serving.prepare_log(output.debug, output.quiet)
    chosen = settings_of(settings, changes.as_dict(), output)
    ending.release()
    clock = serving.Clock(train_cron, forecast_cron, timezone)
    serving.serve(chosen, name, clock, output.json, output.debug, output.quiet)


@app.command(sort_key=87)
def alerts(
    *,
    webhook: Annotated[str | None, Parameter(env_var="CROPYIELD_WEBHOOK", show_env_var=True)] = None,
    notify: Annotated[Many, Parameter(env_var="CROPYIELD_NOTIFY", show_env_var=True)] = (),
    stale: str | None = None,
    remove: Flag = False,
    output: Output = PLAIN,
) -> None:
    """Have the Prefect server at PREFECT_API_URL tell of runs that go wrong, and mark dead ones as crashed.

    Examples:

    - `cropyield alerts --webhook https://chat.example/hook --stale 8d`
    - `cropyield alerts --notify mailtos://user:password@mail.example?to=duty@example.org`

    Parameters
    ----------
    webhook
        Address that receives a JSON object for every run that fails, times out, crashes or is not taken.
    notify
        Who is told in words: a Slack webhook, a Teams workflow, any other address that apprise knows
        (mailtos://…), or TYPE/NAME of a notification block on the server; repeatable.
    stale
        Tell, too, of a store to which no forecast has been published for so long: 36h, 8d, 2w.
    remove
        Take the alerts back.
    """
    from flows.cli.terminal import tables
    from flows.server import environment

    if not (webhook or notify or stale or remove):
        raise SettingsError("alerts: say --webhook URL, --notify ADDRESS, --stale TERM, or --remove")
    environment.prepare_environment(output.debug)
    from flows.server import alerts as automations
    from flows.server.freshness import seconds_of

    if remove:
        result = automations.remove()
    else:
        waits = automations.Waits(stale_s=seconds_of(stale) if stale else None)
        result = automations.install(webhook, notify, waits)
    emit(output, result, lambda: tables.alerts(result))
