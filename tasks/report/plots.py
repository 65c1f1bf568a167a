"""The report's pictures, from plain arrays to SVG and PNG bytes.

Same values, same bytes: no date, a fixed hash salt. Shapes: N points, Y seasons, E epochs.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from data.contracts.season_table import Flags, Floats, Integers

# Okabe and Ito's palette: told apart with every kind of colour vision
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
)
INK, FAINT = "#222222", "#999999"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
MARKS = ("o", "s", "^", "D", "v", "P", "X")
MANY = 1000
"""Above this many points a density takes the place of marks."""
SIZE = (5.2, 3.7)  # inches; labels stay legible when a phone shows it 360 pixels wide

Draw = Callable[[Figure], None]
_STYLE: dict[str, Any] = {
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "text.parse_math": False,  # a crop may be called $\alpha$
    "axes.formatter.use_mathtext": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text: searchable, small, in the reader's own font
}
_ONE_AT_A_TIME = threading.Lock()  # matplotlib's settings are global to the process


def as_svg(name: str, draw: Draw, size: tuple[float, float] = SIZE) -> bytes:
    """The drawing as SVG; `name` salts the ids in it, so that several fit into one page."""
    return _render(draw, size, "svg", {"svg.hashsalt": name}, {"Date": None, "Creator": None})


def _render(
    draw: Draw, size: tuple[float, float], kind: str, extra: dict[str, Any], metadata: dict[str, None]
) -> bytes:
    style: Any = {**mpl.rcParamsDefault, **_STYLE, **extra}
    with _ONE_AT_A_TIME, mpl.rc_context(style), warnings.catch_warnings():
        # names in other scripts: the reader's browser has the letters, matplotlib's font need not
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=size)
        draw(figure)
        file = io.BytesIO()
        figure.savefig(file, format=kind, metadata=metadata)
        return file.getvalue()


def with_unit(text: str, unit: str | None) -> str:
    """A label with its unit in brackets, where there is one."""
    return f"{text} ({unit})" if unit else text


def loss_curve(losses: Mapping[str, Sequence[float]], optimum: Mapping[str, float]) -> Draw:
    """Training objective by epoch with its exact optimum as a line, and how far above that it is."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        seen = False
        for at, (as_of, values) in enumerate(losses.items()):
            loss_E, colour = np.asarray(values, dtype=np.float64), CYCLE[at % len(CYCLE)]
            epoch_E = np.arange(1, len(loss_E) + 1)
            label = "SGD" if len(losses) == 1 else as_of
            above.plot(epoch_E, loss_E, color=colour, lw=1.8, label=label, marker=_few(len(loss_E)))
            best = optimum.get(as_of)
            if best is None:
                continue
            exact = {"label": "exact optimum"} if at == 0 else {}
            above.axhline(best, color=colour if at else INK, lw=1.1, ls=(0, (4, 2)), **exact)
            excess_E = loss_E / best - 1 if best > 0 else np.full(len(loss_E), np.nan)
            excess_E[~(excess_E > 0)] = np.nan  # an epoch's running loss can undercut the optimum
            seen = seen or bool(np.isfinite(excess_E).any())
            below.plot(epoch_E, excess_E, color=colour, lw=1.4, marker=_few(len(loss_E)))
        if min(value for values in losses.values() for value in values) > 0:
            _logarithmic(above)
        if seen:
            _logarithmic(below)
        else:
            below.set_yticks([])
            below.text(0.5, 0.5, "none above it", transform=below.transAxes, ha="center", va="center")
        above.set_ylabel("mean squared error\n(objective)")
        above.legend()
        below.set_ylabel("excess over\nthe optimum")
        below.set_xlabel("epoch")
        below.xaxis.set_major_locator(MaxNLocator(integer=True))

    return draw


def predicted_actual(actual_N: Floats, predicted_N: Floats, crop: str, unit: str | None) -> Draw:
    """Predicted against actual yields with the line of equality; a density where points are many."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        low = float(min(actual_N.min(), predicted_N.min()))
        high = float(max(actual_N.max(), predicted_N.max()))
        margin = 0.04 * (high - low) or 1.0
        ends = (low - margin, high + margin)
        if len(actual_N) > MANY:
            _density(figure, axes, actual_N, predicted_N, ends)
        else:
            alpha = 0.85 if len(actual_N) < 100 else 0.45
            axes.scatter(actual_N, predicted_N, s=16, color=BLUE, alpha=alpha, linewidths=0)
        axes.plot(ends, ends, color=INK, lw=1, ls=(0, (4, 2)))
        axes.text(0.98, 0.03, "dashed: predicted = actual", transform=axes.transAxes, ha="right", fontsize=9)
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.set_xlabel(with_unit(f"actual {crop}", unit))
        axes.set_ylabel(with_unit(f"predicted {crop}", unit))

    return draw


def error_by_season(
    year_Y: Integers,
    model_Y: Floats,
    naive_Y: Floats,
    test_Y: Flags,
    naive_name: str,
    crop: str,
    unit: str | None,
) -> Draw:
    """Each season's root mean squared error beside a naive baseline's; test seasons shaded."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for at, year in enumerate(year_Y[test_Y]):
            label = {"label": "test seasons"} if at == 0 else {}
            axes.axvspan(year - 0.5, year + 0.5, color=SKY, alpha=0.22, lw=0, **label)  # type: ignore[arg-type]
        mark = _few(len(year_Y), 60)
        axes.plot(
            year_Y,
            naive_Y,
            color=VERMILLION,
            lw=1.3,
            ls=(0, (4, 2)),
            marker=mark and "s",
            ms=3.5,
            label=naive_name,
        )
        axes.plot(year_Y, model_Y, color=BLUE, lw=1.8, marker=mark, ms=4, label="model")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axes.set_xlabel("season (harvest year)")
        axes.set_ylabel(with_unit(f"RMSE of {crop}", unit))
        axes.legend(
            ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1.2, handlelength=1.8
        )

    return draw


def skill_by_cutoff(cutoffs: Sequence[str], skill: Mapping[str, Sequence[float | None]]) -> Draw:
    """Skill of each crop by the last day whose weather was known, earliest first."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for at, (crop, values) in enumerate(skill.items()):
            known = [float("nan") if value is None else value for value in values]
            axes.plot(
                range(len(cutoffs)),
                known,
                color=CYCLE[at % len(CYCLE)],
                marker=MARKS[at % len(MARKS)],
                lw=1.8,
                label=crop,
            )
        axes.axhline(0, color=INK, lw=1, ls=(0, (4, 2)))
        axes.set_xticks(range(len(cutoffs)), list(cutoffs))
        axes.set_xlabel("weather known up to (month-day)")
        axes.set_ylabel("skill against the best naive baseline")
        axes.legend()

    return draw


def _density(figure: Figure, axes: Axes, x_N: Floats, y_N: Floats, ends: tuple[float, float]) -> None:
    bins = int(np.clip(0.75 * np.sqrt(len(x_N)), 30, 80))  # a few points a cell where they crowd
    counts, _, _ = np.histogram2d(x_N, y_N, bins=bins, range=(ends, ends))
    picture = axes.imshow(
        np.ma.masked_equal(counts.T, 0),
        origin="lower",
        extent=(*ends, *ends),
        interpolation="nearest",
        cmap="cividis_r",
        norm=LogNorm(1, max(2.0, float(counts.max()))),
    )
    axes.grid(visible=False)
    figure.colorbar(picture, ax=axes, label="region-seasons", shrink=0.7, format=_plain, pad=0.02)


def _plain(value: float, _: float | None = None) -> str:
    return f"{value:g}"


def _logarithmic(axes: Axes) -> None:
    """A logarithmic scale in plain numbers; with numbers between powers of ten where it spans few."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 100 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7) if high < 10 * low else (1, 2, 5)))
    axes.yaxis.set_major_formatter(_plain)
    axes.yaxis.set_minor_formatter(NullFormatter())


def _few(count: int, limit: int = 25) -> str | None:
    return "o" if count <= limit else None
