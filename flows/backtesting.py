"""The flow `backtest_yields`: each of the last seasons predicted without it, at each cut-off."""

from __future__ import annotations

from typing import Any

from prefect import flow, unmapped

from data.settings.schema import Settings
from data.settings.seasons import with_cutoffs
from data.settings.types import MonthDay
from flows.ingesting import ingest
from flows.naming import backtest_name
from flows.policy import FLOW_POLICY
from flows.workers.open import open_workers
from tasks import backtesting, training
from tasks.showing import progress_shown


@flow(name="backtest-yields", flow_run_name=backtest_name, **FLOW_POLICY)
def backtest_yields(
    settings: Settings, seasons: int = 10, as_of: tuple[MonthDay, ...] = (), leave_one_out: bool = False
) -> dict[str, Any]:
    """Hindcast the last seasons and publish the skill by cut-off under `backtests/`.

    Args:
        settings: What to read, how to train, where to publish.
        seasons: How many of the last seasons to predict, each from those before it.
        as_of: Cut-off days besides the settings' own and the full season, of the seasons that contain them.
        leave_one_out: Train on all other seasons instead, which peeks at later years.

    Returns the summary that `cropyield backtest --json` prints.
    """
    settings = with_cutoffs(settings, as_of)
    kind = f"backtest of {seasons} seasons" + (", leave-one-out" if leave_one_out else "")
    job = training.identify(settings, kind=kind)
    with open_workers(settings) as workers:
        weather, yields = ingest(job, workers)
        assembled = training.assemble(job, weather, yields)
        chosen = backtesting.choose_seasons(job, assembled, seasons)
        with progress_shown("hindcasts"):
            hindcasts = workers.map(
                backtesting.hindcast_season, "hindcasts",
                job=unmapped(job), assembled=unmapped(assembled), yields=unmapped(yields), held_out=chosen,
                leave_one_out=unmapped(leave_one_out),
            )  # fmt: skip
    return backtesting.publish_backtest(job, yields, hindcasts, leave_one_out)
