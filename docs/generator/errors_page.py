"""Error messages, found in the source: what is raised on purpose, by exit code, with its remedy."""

from __future__ import annotations

import ast
import errno
import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from data import errors
from data.errors import CropyieldError
from data.inputs import services
from data.locations import failures
from docs.generator.markdown import code, one_line, table

ROOT = Path(__file__).resolve().parents[2]
_KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, CropyieldError)
}


def exit_codes() -> str:
    """Each exit code with the errors that end with it."""

    def kinds(exit_code: int) -> str:
        found = [(name, kind) for name, kind in _KINDS.items() if kind.exit_code == exit_code]
        found.sort(key=lambda each: len(each[1].__mro__))
        return "<br>".join(f"{code(name)}: {one_line(kind.__doc__ or '')}" for name, kind in found)

    return table(
        ("exit code", "meaning", "errors"),
        ((str(number), meaning, kinds(number)) for number, meaning in errors.EXIT_CODES.items()),
    )


def storage_failures() -> str:
    """What failures of storage are called, with the words that they are known by."""
    system: dict[str, list[str]] = defaultdict(list)
    for number, remedy in failures.REMEDIES.items():
        system[remedy].append(errno.errorcode[number])
    return "\n\n".join(
        f"### {where}\n\n" + "\n".join(f"- {remedy}: {', '.join(map(code, words))}" for remedy, words in rows)
        for where, rows in (
            ("On a disk", system.items()),
            ("A store on an object store", _by_words(failures.REMOTE_REMEDIES)),
            ("An input on an object store", _by_words(services.MEANINGS)),
        )
    )


def _by_words(remedies: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    for pattern, remedy in remedies.items():
        yield remedy, pattern.split("|")


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
        parts.append(f"### {name}: exit code {_KINDS[name].exit_code}")
        for room, texts in found[name].items():
            parts += [f"#### In {room}", "\n".join(f"- {text}" for text in texts)]
    return "\n\n".join(parts)


def _raised(tree: ast.Module) -> Iterator[tuple[str, str]]:
    texts = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _KINDS
            and node.args
        ):
            text = one_line(_text(node.args[0], texts))
            if len(text.replace("‹…›", "").split()) > 2:
                yield node.func.id, text


def _text(node: ast.expr, texts: Mapping[str, str]) -> str:
    """A message with its variable parts in angle brackets; `texts` are the constants of its module."""
    match node:
        case ast.Constant(value=str(text)):
            return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, texts) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)) if name in texts:
            return _text(ast.Constant(texts[name]), texts)
        case ast.FormattedValue(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return f"‹{name.strip('_').replace('_', ' ')}›"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, texts) + _text(right, texts)
        case _:
            return "‹…›"
