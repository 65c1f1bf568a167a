"""Training beside its peers, all from the same arrays in one run: `python -m tests.benchmarks.training`.

Prints a table for the terminal and the same in Markdown. Times are medians after a warm run where
a peer is repeated, so compare them within one run only. Peers that would take too long on
the largest table are scaled up from the largest that they were run on, and marked.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch

from data.contracts.season_table import SeasonTable
from tasks.normalise.moments import Moments, compute_moments
from tasks.train.optimum import certify, solve
from tests.benchmarks.training.peers import PEERS, Peer, Solution, made_up

SIZES = ((100_000, 3), (1_000_000, 3), (10_000_000, 3), (1_000_000, 48))


@dataclass(frozen=True)
class Measured:
    """Seconds of one fit, and the excess MSE it reached over the exact optimum."""

    rows: int
    features: int
    peer: str
    seconds: float
    excess: float | None
    scaled_up: bool = False


def excess_of(moments: Moments, solution: Solution) -> float | None:
    """MSE / exact MSE - 1, mean over crops, without cancellation."""
    ones_T = moments.rows_T**0
    exact = solve(moments, 0 * ones_T, np.eye(moments.x_TF.shape[1]))
    return certify(exact, moments, *solution, ones_T, 0 * ones_T).excess


def compare(table: SeasonTable, peers: tuple[Peer, ...]) -> list[Measured]:
    """Run every peer on one table, taking turns, so that a busy machine is busy for all."""
    moments = compute_moments(table.x_NF, table.y_NT)
    rows, features = table.x_NF.shape
    seconds: dict[str, list[float]] = {peer.name: [] for peer in peers}
    reached: dict[str, float | None] = {}
    for turn in range(max(peer.repeats for peer in peers) + 1):
        for peer in peers:
            # the first turn warms up those that are repeated
            if turn > peer.repeats or (peer.repeats == 1 and turn == 0):
                continue
            begun = time.perf_counter()
            solution = peer.fit(table)
            if turn or peer.repeats == 1:
                seconds[peer.name].append(time.perf_counter() - begun)
            reached[peer.name] = excess_of(moments, solution)
    return [
        Measured(rows, features, name, statistics.median(times), reached[name])
        for name, times in seconds.items()
    ]


def run(sizes: tuple[tuple[int, int], ...]) -> list[Measured]:
    """All peers on all sizes; what is too large for a peer is scaled up from its largest."""
    found: list[Measured] = []
    for rows, features in sizes:
        table = made_up(rows, features)
        able = tuple(peer for peer in PEERS if rows <= peer.most_rows)
        found += compare(table, able)
        for peer in PEERS:
            smaller = [one for one in found if (one.peer, one.features) == (peer.name, features)]
            if peer not in able and smaller:
                last = max(smaller, key=lambda one: one.rows)
                seconds = last.seconds * rows / last.rows
                found.append(Measured(rows, features, peer.name, seconds, last.excess, scaled_up=True))
    return found


HEAD = ("rows", "features", "fit", "seconds", "× LinearRegression", "µs a row", "excess MSE")


def lines(found: list[Measured]) -> list[tuple[str, ...]]:
    """The table's cells; µs a row shows how time grows with rows."""
    closed = {(one.rows, one.features): one.seconds for one in found if one.peer == "LinearRegression"}
    return [
        (
            f"{one.rows:,}",
            str(one.features),
            one.peer,
            f"{one.seconds:.3f}" + (" (scaled up)" if one.scaled_up else ""),
            f"{one.seconds / closed[one.rows, one.features]:.2f}",
            f"{one.seconds / one.rows * 1e6:.3f}",
            "-" if one.excess is None or one.scaled_up else f"{one.excess:.1e}",
        )
        for one in found
    ]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only 100,000 rows")
    sizes = SIZES[:1] if parser.parse_args().quick else SIZES
    cells = [HEAD, *lines(run(sizes))]
    widths = [max(len(row[at]) for row in cells) for at in range(len(HEAD))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nPython {platform.python_version()}, torch {torch.__version__}, {platform.machine()}\n")
    for at, row in enumerate(cells):
        print(f"| {' | '.join(row)} |")
        if at == 0:
            print("|" + "---|" * len(HEAD))


if __name__ == "__main__":
    main()
