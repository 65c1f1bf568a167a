"""Numbers, tables and names as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.vocabulary import best_baseline
from data.contracts.wording import (
    as_text,
    difference,
    in_words,
    markdown_table,
    number,
    percent,
    signed_percent,
    span,
    whole_percent,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (None, "–"), (float("nan"), "–"), (float("inf"), "–"), (2036.82, "2,037"),
        (0.909446, "0.9094"), (-4.5, "−4.500"), (36613.2, "36,613"), (1.5e-7, "1.500e-07"),
        (293.1, "293.1"), (-1234567.0, "−1,234,567"),
    ],
)  # fmt: skip
def test_numbers_for_people(value: float | None, shown: str) -> None:
    assert number(value) == shown


@given(st.floats(-1e12, 1e12))
def test_a_shown_number_is_the_number(value: float) -> None:
    read = float(number(value).replace("−", "-").replace(",", ""))
    assert read == pytest.approx(value, rel=1e-3, abs=1e-300)


def test_percentages() -> None:
    assert percent(0.2468) == "24.7\N{NO-BREAK SPACE}%"
    assert percent(-0.1).startswith("−")
    assert percent(None) == "–"
    assert percent(-0.00001) == "0.0\N{NO-BREAK SPACE}%"
    changes = {0.031: "+3.1", -0.031: "−3.1", 0.0004: "0.0", -0.0004: "0.0"}
    assert {signed_percent(value) for value in changes} == {
        f"{text}\N{NO-BREAK SPACE}%" for text in changes.values()
    }
    chances = {0.001: "<1", 0.999: ">99", 0.355: "36", 1.0: ">99"}
    assert {whole_percent(value) for value in chances} == {
        f"{text}\N{NO-BREAK SPACE}%" for text in chances.values()
    }
    assert signed_percent(None) == whole_percent(float("nan")) == "–"


@pytest.mark.parametrize(
    ("value", "reference", "shown"),
    [
        (0.889, 46.15, "+0.89"), (0.00222, 46.15, "0.00"), (-0.0799, 40.94, "−0.08"), (-0.001, 4.1, "−0.001"),
        (1200.4, 48000.0, "+1,200"), (2.3, 0.0, "+2.30"), (None, 3.0, "–"), (float("nan"), 3.0, "–"),
    ],
)  # fmt: skip
def test_a_change_has_the_decimals_of_what_it_changes(
    value: float | None, reference: float, shown: str
) -> None:
    assert difference(value, reference) == shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (8 * 86400, "8 days"),
        (86400, "1 day"),
        (36 * 3600, "36 hours"),
        (600, "10 minutes"),
        (90, "90 seconds"),
    ],
)
def test_terms_are_said_as_people_do(seconds: float, said: str) -> None:
    assert in_words(seconds) == said


def test_intervals() -> None:
    assert span(1.0, 20500.0) == "1.000 to 20,500"
    assert span(None, None) == span(float("nan"), 1.0) == "–"


def test_a_table_puts_numbers_to_the_right_and_takes_any_name() -> None:
    table = markdown_table(("crop", "rows"), [(as_text("a|b"), "1,000")], ["rows"])
    assert table == "| crop | rows |\n| --- | ---: |\n| a\\|b | 1,000 |\n"


def test_the_best_baseline_is_the_least() -> None:
    assert best_baseline({"a": 3.0, "b": None, "c": 2.0}) == ("c", 2.0)
    assert best_baseline({"a": None}) == (None, None)
