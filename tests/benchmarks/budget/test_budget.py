"""The budget names what grew, and measures the phases that a run has."""

from __future__ import annotations

import json

from tests.benchmarks.budget.__main__ import CALIBRATION, RECORD, budget_table, grown_phases

RECORDED = {"sample": {CALIBRATION: 1.0, "train": 0.5, "publish": 0.01, "gone": 3.0}}


def test_what_grew_by_more_than_15_per_cent_is_named_and_noise_is_not() -> None:
    found = {"sample": {CALIBRATION: 1.0, "train": 0.58, "publish": 0.02, "new": 9.0}}
    assert grown_phases(found, RECORDED) == ["sample train 0.500 → 0.580"]
    assert grown_phases({"sample": {CALIBRATION: 1.0, "train": 0.57}}, RECORDED) == []
    assert grown_phases({}, RECORDED) == []
    table = budget_table(
        {"sample": {"train": 0.29, "new": 4.5}}, {"sample": {"train": 0.58, "new": 9.0}}, RECORDED
    )
    assert "| sample | train | 0.290 | 0.580 | 0.500 | +16% |" in table
    assert "| sample | new | 4.500 | 9.000 | – | – |" in table


def test_the_record_is_of_the_phases_of_a_run() -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    phases = {
        "identify",
        "ingest",
        "assemble",
        "normalise",
        "train",
        "evaluate",
        "outlook",
        "report",
        "publish",
    }
    for case in ("sample", "US"):
        assert recorded[case][CALIBRATION] == 1
        assert phases < set(recorded[case])
