"""The aggregates that make a feature of a measure: their names, parameters and units.

What each computes stands in `tasks/features/aggregates.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, assert_never, get_args

Aggregate = Literal["mean", "sum", "min", "max", "std", "days_above", "days_below", "degree_days"]
Parameter = Literal["threshold", "base", "cap"]


@dataclass(frozen=True)
class Traits:
    """What settings must say with an aggregate, and the unit it gives for a measure in some unit."""

    parameters: tuple[Parameter, ...] = ()
    unit: Callable[[str], str] = str


def traits_of(aggregate: Aggregate) -> Traits:
    """What is particular to an aggregate."""
    match aggregate:
        case "mean" | "sum" | "min" | "max" | "std":
            return Traits()
        case "days_above" | "days_below":
            return Traits(("threshold",), lambda _: "days")
        case "degree_days":
            return Traits(("base", "cap"), lambda unit: f"{unit or 'degree'} days")
        case _:
            assert_never(aggregate)


def check_parameters(aggregate: Aggregate, given: set[str]) -> None:
    """Raise ValueError unless the parameters given with an aggregate are those it takes."""
    wanted = traits_of(aggregate).parameters
    for name in get_args(Parameter):
        if (name in given) != (name in wanted):
            takers = [each for each in get_args(Aggregate) if name in traits_of(each).parameters]
            needed = traits_of(takers[0]).parameters
            raise ValueError(
                f"{' and '.join(needed)} {'belongs' if len(needed) == 1 else 'belong'} to "
                f"{' and '.join(takers)}, here: {aggregate}"
            )
