"""The page of commands: what a reader copies from it is what they can type."""

from __future__ import annotations

import re
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from docs.generator.commands_page import command_line


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    """As `python -m docs.generator.build` makes it."""
    main = ModuleType("__main__")
    main.__spec__ = ModuleSpec("docs.generator.build", None, origin="build.py")
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["build.py"])
    return command_line()


def test_usage_lines_name_program_and_command_once(page: str) -> None:
    lines = re.findall(r"^```console\n(.*)\n```$", page, re.MULTILINE)
    commands = re.findall(r"^## cropyield (\S+)$", page, re.MULTILINE)
    assert {"train", "show", "verify", "export"} <= set(commands)
    assert [line.split()[:2] for line in lines] == [["cropyield", command] for command in commands]
    assert not [line for line in lines if "-m docs" in line or re.search(r"\b(\w+) \1\b", line)]


def test_asterisks_of_a_default_are_no_markup(page: str) -> None:
    assert r"*[default: 0 7 \* \* \*]*" in page
    assert r"*[default: 0 6 \* \* 1]*" in page


def test_no_option_is_there_by_accident(page: str) -> None:
    assert not re.findall(r"--(?:empty|no)-[\w-]+", page)
