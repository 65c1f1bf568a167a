"""What people are told of a forecast: crops that are missing with the reason, larger units in order."""

import pyarrow as pa

from data.contracts.columns import AGGREGATE_COLUMNS, schema_of
from tasks.publish.forecast import coming_units, crops_left_out


def test_crops_without_a_model_come_with_the_reason() -> None:
    trained = {"crops": ["corn", "quinces"], "seasons": {"winter": {"crops": ["wheat"]}}}
    assert crops_left_out(["quinces", "wheat", "rice"], trained) == [
        "quinces (too few training rows for the features)",
        "wheat (too few training rows for the features)",
        "rice (trained without it)",
    ]


def test_the_wholes_of_all_crops_come_before_their_parts() -> None:
    rows = [
        {"level": level, "name": name, "crop": crop, "year": year, "predicted": predicted}
        for level, name in (("state", "a"), ("state", None), ("all", "all"))
        for crop in ("corn", "rye")
        for year, predicted in ((2022, 1.0), (2023, None if (name, crop) == ("a", "rye") else 2.0))
    ]
    found = coming_units(pa.Table.from_pylist(rows, schema_of(AGGREGATE_COLUMNS)))
    assert [(row["level"], row["name"], row["crop"]) for row in found] == [
        ("all", "all", "corn"), ("all", "all", "rye"), ("state", "a", "corn"), ("state", None, "corn"),
        ("state", None, "rye"),
    ]  # fmt: skip
    assert {(row["year"], row["predicted"]) for row in found} == {(2023, 2.0)}
