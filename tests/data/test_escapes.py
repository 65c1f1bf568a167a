"""Hostile names in each of the places that text from data goes to."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.wording import as_text
from data.escapes import one_line, toml_key, toml_value, visible

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(NAMES, NAMES)
def test_toml_reads_back_what_was_written_and_nothing_else(key: str, value: str) -> None:
    text = f"{toml_key(key)} = {toml_value(value)}  # {one_line(value)}\n"
    assert tomllib.loads(text) == {key: value}


@given(st.text())
def test_nothing_reaches_a_terminal_that_it_would_obey(text: str) -> None:
    assert one_line(text).isprintable() or not one_line(text).isascii()
    assert not set("\x1b\r\b\x07\x7f\x9b\u202e\n\t") & set(one_line(text))
    assert visible(text).count("\n") == text.count("\n")


def test_json_is_still_json() -> None:
    content = {"na\x1b[31mme\x9b": "a\u202eb\x7f", "n": "x\ny"}
    assert json.loads(visible(json.dumps(content, ensure_ascii=False))) == content


@pytest.mark.parametrize(
    "name", ["a|b", "[x](javascript:y)", "<img src=x>", "`code`", "a\nb", "![](x)", "\x1b[31m"]
)
def test_a_markdown_cell_is_one_cell_of_plain_text(name: str) -> None:
    cell = as_text(name)
    assert "\n" not in cell
    assert "\x1b" not in cell
    for mark in "|[]<>`!":
        assert cell.count(mark) == cell.count(f"\\{mark}")


def test_half_a_character_does_not_spoil_a_settings_file() -> None:
    assert tomllib.loads(f"a = {toml_value(chr(0xD800))}") == {"a": "\ufffd"}
