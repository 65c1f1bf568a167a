"""The dirt of a spoilt world: every kind is there, and the expected ledger says where each row goes."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data.contracts.vocabulary import OutOfScope, Reason
from data.synthetic.write import write_world
from tests.sample.inject_faults import SampleFaults


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("spoilt")
    return folder, write_world(folder, 60, 30, seed=5, faults=SampleFaults())["ledger"]


def read(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in sorted(folder.iterdir())])


def test_every_reason_occurs(spoilt: tuple[Path, dict[str, Any]]) -> None:
    _, ledger = spoilt
    elsewhere = {OutOfScope.AFTER_AS_OF, OutOfScope.HARVESTED, OutOfScope.NO_DATA}  # of forecasts and regions
    for part, reasons in (("rejected", set(Reason)), ("out_of_scope", set(OutOfScope) - elsewhere)):
        assert set(ledger["weather"][part]) | set(ledger["yields"][part]) == {
            str(reason) for reason in reasons
        }


@pytest.mark.parametrize("name", ["weather", "yields"])
def test_the_ledger_adds_up(spoilt: tuple[Path, dict[str, Any]], name: str) -> None:
    folder, ledger = spoilt
    counts = ledger[name]
    assert counts["rows_in"] == read(folder / name).num_rows
    fates = [*counts["used"].values(), *counts["rejected"].values(), *counts["out_of_scope"].values()]
    assert counts["rows_in"] == sum(fates)
    assert min(fates) > 0


def test_counts_that_can_be_seen_in_the_files(spoilt: tuple[Path, dict[str, Any]]) -> None:
    folder, ledger = spoilt
    weather, yields = read(folder / "weather"), read(folder / "yields")
    missing_key = [pc.or_(weather["region"].is_null(), weather["year"].is_null()), weather["month"].is_null()]
    assert pc.sum(pc.or_(*missing_key)).as_py() == ledger["weather"]["rejected"]["missing key"]
    outside = pc.or_(pc.less(weather["month"], 4), pc.greater(weather["month"], 9))
    assert pc.sum(outside).as_py() == ledger["weather"]["out_of_scope"]["outside the season"]
    assert yields["yield"].null_count == ledger["yields"]["rejected"]["missing value"]
    unusable = pc.invert(pc.is_finite(yields["yield"]))
    assert pc.sum(unusable).as_py() == ledger["yields"]["rejected"]["not a number"]
    assert (
        pc.sum(pc.less(yields["yield"], 0)).as_py() == ledger["yields"]["rejected"]["outside the valid range"]
    )
    seen = yields["crop"].to_pylist()
    assert seen.count("quinces") == ledger["yields"]["rejected"]["too few rows for this crop"]
    assert seen.count("medlars") == ledger["yields"]["out_of_scope"]["crop not selected"]


def test_duplicates_lie_within_and_across_files(spoilt: tuple[Path, dict[str, Any]]) -> None:
    folder, ledger = spoilt
    for name, key in (("weather", ["region", "year", "month"]), ("yields", ["region", "year", "crop"])):
        frames = [pq.read_table(file).to_pandas() for file in sorted((folder / name).iterdir())]
        within = sum(int(frame.dropna(subset=key).duplicated(key).sum()) for frame in frames)
        whole = read(folder / name).to_pandas().dropna(subset=key)
        rejected = ledger[name]["rejected"]
        total = int(whole.duplicated(key).sum())
        assert 0 < within < total
        assert total == rejected["duplicate"] + rejected["conflicting duplicate"] / 2
