"""Names of columns that hold what Python has no object for."""

import pyarrow as pa
import pytest

from data.inputs.parsing import Names

_LAST = 2**63 - 1


@pytest.mark.parametrize("unit", ["ns", "us", "s"])
@pytest.mark.parametrize("zone", [None, "Europe/Rome"])
def test_times_beyond_python_are_names_too(unit: str, zone: str | None) -> None:
    column = pa.array([0, _LAST if unit == "ns" else 2**55, None], pa.timestamp(unit, zone))
    names, code_N = Names().read(column)
    assert len(names) == 2
    assert code_N[2] == -1
    assert len({*code_N.tolist()}) == 3
