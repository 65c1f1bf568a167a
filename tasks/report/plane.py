"""The plane of yield over two features with the data's points, as the textbook draws it.

The other features are held at their means and their share is taken off each point, so that a point
lies as far off the plane as the model's prediction lies off the yield. Shapes: N rows, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from data.contracts.season_table import Floats
from tasks.report.plots import BLUE, INK, SKY, VERMILLION, Draw, with_unit

_POINTS = 300


@dataclass(frozen=True, eq=False)
class Plane:
    """z = level + slopes · x, and the points about it: x_N2 in the features' units, z in the crop's."""

    labels: tuple[str, str]
    slopes: tuple[float, float]
    level: float
    x_N2: Floats
    residual_N: Floats
    crop: str
    unit: str | None


def plane(of: Plane) -> Draw:
    """The plane with at most 300 of the points, evenly taken; above it blue, below it vermillion."""

    def draw(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes: Any = figure.add_axes((0.02, 0.0, 0.98, 1.13), projection="3d")
        N = len(of.x_N2)
        taken = np.unique(np.linspace(0, N - 1, min(N, _POINTS)).round().astype(np.int64))
        x_N2, residual_N = of.x_N2[taken], of.residual_N[taken]
        on_N = of.level + x_N2 @ np.asarray(of.slopes)
        corners = [np.linspace(x_N2[:, at].min(), x_N2[:, at].max(), 7) for at in (0, 1)]
        grid_x, grid_y = np.meshgrid(*corners)
        surface = of.level + of.slopes[0] * grid_x + of.slopes[1] * grid_y
        axes.plot_surface(
            grid_x, grid_y, surface, color=SKY, alpha=0.3, edgecolor=BLUE, linewidth=0.4, shade=False
        )
        for above, colour, mark in ((True, BLUE, "o"), (False, VERMILLION, "s")):
            chosen = (residual_N >= 0) == above
            x, y, foot = x_N2[chosen, 0], x_N2[chosen, 1], on_N[chosen]
            top = foot + residual_N[chosen]
            if len(taken) <= 60:
                for at in range(len(x)):
                    axes.plot([x[at]] * 2, [y[at]] * 2, [foot[at], top[at]], color=colour, lw=0.8)
            axes.scatter(x, y, top, s=14, color=colour, marker=mark, depthshade=False, linewidths=0)
        axes.set_xlabel(of.labels[0], labelpad=9, fontsize=9)
        axes.set_ylabel(of.labels[1], labelpad=9, fontsize=9)
        axes.set_zlabel(with_unit(of.crop, of.unit), labelpad=2, fontsize=9)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color((1, 1, 1, 0))
            axis.line.set_color(INK)
            axis.set_major_locator(MaxNLocator(5))
        axes.tick_params(labelsize=8, pad=1)
        axes.view_init(elev=22, azim=-125)
        axes.set_box_aspect((1.15, 1.15, 0.85), zoom=0.93)

    return draw
