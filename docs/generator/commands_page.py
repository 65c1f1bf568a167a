"""The command line and the flows, from the code that runs them."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from docs.generator.markdown import code, one_line, table
from flows.backtesting import backtest_yields
from flows.cli import run_commands, server_commands, store_commands  # noqa: F401  they register their commands
from flows.cli.app import app
from flows.forecasting import forecast_yields
from flows.scoring import score_forecasts
from flows.training import train_yields

ROOT = Path(__file__).resolve().parents[2]
_DEFAULT = re.compile(r"(?<=\*\[default: ).*(?=\]\*$)", re.MULTILINE)  # what stands in *[default: …]*
FLOWS = (train_yields, forecast_yields, backtest_yields, score_forecasts)


def command_line() -> str:
    """Every command with its parameters, as `--help` shows them."""
    with patch.object(sys, "argv", ["cropyield"]):  # else usage lines say how this program was started
        text = str(app.generate_docs(output_format="markdown", include_hidden=False))
    # usage lines that a command words itself get its name before them once more
    text = re.sub(r"^(cropyield (\S+)) \2 ", r"\1 ", text, flags=re.MULTILINE)
    text = _DEFAULT.sub(lambda found: found[0].replace("*", r"\*"), text)
    return text[text.index("## cropyield") :]


def flow_parameters() -> str:
    """Every flow with its parameters."""
    return "\n\n".join(_flow(each) for each in FLOWS)


def _flow(flow: Any) -> str:
    doc = inspect.cleandoc(flow.fn.__doc__)
    meanings = dict(re.findall(r"^    (\w+): (.+)$", doc, re.MULTILINE))
    rows = [
        (code(name), code(str(each.annotation)), _default(each), meanings[name])
        for name, each in inspect.signature(flow.fn).parameters.items()
    ]
    head = f"### {flow.name}\n\n{one_line(doc.partition('Args:')[0])}"
    after = one_line(doc.rpartition("\n\n")[2])
    return "\n\n".join([head, table(("parameter", "type", "default", "meaning"), rows), after])


def _default(parameter: inspect.Parameter) -> str:
    return "required" if parameter.default is parameter.empty else code(repr(parameter.default))


def artifacts() -> str:
    """Keys and descriptions of the artifacts that runs leave in the Prefect UI."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "tasks").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            given: dict[str | None, ast.expr] = {each.arg: each.value for each in node.keywords}
            if node.func.id == "Artifact" and len(node.args) >= 2:
                key, description = node.args[:2]
            elif node.func.id.startswith("create_") and {"key", "description"} <= given.keys():
                key, description = given["key"], given["description"]
            else:
                continue
            if isinstance(key, ast.Constant):
                found[str(key.value)] = _shown(description)
    return table(("key", "what it shows"), ((code(key), text) for key, text in sorted(found.items())))


def _shown(description: ast.expr) -> str:
    match description:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text.rstrip(" ,")
        case _:
            return ""
