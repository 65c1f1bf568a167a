"""Error messages, found in the source: what is raised on purpose, by exit code, with its remedy."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from data import errors
from data.errors import CropyieldError
from docs.generator.markdown import code, one_line, table

ROOT = Path(__file__).resolve().parents[2]
_KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, CropyieldError)
}


def exit_codes() -> str:
    """Each kind of error with its exit code."""
    kinds = sorted(_KINDS.items(), key=lambda each: (each[1].exit_code, len(each[1].__mro__)))
    return table(
        ("exit code", "error", "meaning"),
        ((str(kind.exit_code), code(name), one_line(kind.__doc__ or "")) for name, kind in kinds),
    )


def messages() -> str:
    """Every message by kind of error and room; what varies stands in ‹angle brackets›."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted(path for room in ("data", "tasks", "flows") for path in (ROOT / room).rglob("*.py")):
        for name, message in _raised(ast.parse(file.read_text(encoding="utf-8"))):
            room = file.relative_to(ROOT).parent.as_posix()
            if message not in found[name][room]:
                found[name][room].append(message)
    parts = []
    for name in sorted(found, key=lambda each: _KINDS[each].exit_code):
        parts.append(f"## {name}: exit code {_KINDS[name].exit_code}")
        for room, texts in found[name].items():
            parts += [f"### In {room}", "\n".join(f"- {text}" for text in texts)]
    return "\n\n".join(parts)


def _raised(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _KINDS
            and node.args
        ):
            text = one_line(_text(node.args[0]))
            if len(text.replace("‹…›", "").split()) > 2:
                yield node.func.id, text


def _text(node: ast.expr) -> str:
    """A message with its variable parts in angle brackets."""
    match node:
        case ast.Constant(value=str(text)):
            return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return f"‹{name.strip('_').replace('_', ' ')}›"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case _:
            return "‹…›"
