"""Notebooks kept as text (jupytext, percent format): executed, and written as Markdown with their outputs.

A cell's metadata may say `caption="…"`, the alternative text and caption of its figure, and `tags=["check"]`:
what a test looks at and a reader may skip, which the page folds away.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbformat import NotebookNode

KERNEL_OPTIONS = ["--InlineBackend.figure_formats=['svg']", "--HistoryManager.enabled=False"]
TIMEOUT_S = 300
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True)
class Page:
    """A page as Markdown, and the pictures that it names, by file name."""

    text: str
    pictures: dict[str, bytes]


def render_notebook(path: Path) -> Page:
    """The page of an executed notebook; raises `CellExecutionError` where a cell fails."""
    notebook = jupytext.read(path)
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer).resolve() / "here"
        folder.mkdir()
        execute(notebook, folder)
        return _page(notebook, path.stem, str(folder))


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells in a kernel of their own that works in `folder`; outputs are put into the cells."""
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=KERNEL_OPTIONS,
        coalesce_streams=True,
    )
    kernel = client.create_kernel_manager()
    # sockets that nobody else can open, and nothing in the reader's home
    kernel.transport, kernel.ip = "ipc", str(folder.parent / "kernel")
    kernel.connection_file = str(folder.parent / "kernel.json")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    here = {"PATH": programs, "MPLBACKEND": "", "IPYTHONDIR": str(folder.parent / "ipython")}
    client.execute(env=os.environ | here)


def _page(notebook: NotebookNode, stem: str, folder: str) -> Page:
    pictures: dict[str, bytes] = {}
    parts: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts += _folded(_code(cell)) if "check" in cell.metadata.get("tags", []) else [_code(cell)]
        for output in cell.outputs:
            name = f"{stem}-{len(pictures) + 1}.svg"
            parts += _output(output, cell.metadata.get("caption", ""), name, pictures)
    text = "\n\n".join(part for part in parts if part.strip())
    return Page(text.replace(folder, "…") + "\n", pictures)


def _code(cell: NotebookNode) -> str:
    language, source = "python", cell.source
    if magic := re.match(r"%%(\w+)\n", source):
        language, source = magic[1], source[magic.end() :]
    return f"```{language}\n{source}\n```"


def _folded(code: str) -> list[str]:
    return ['<details class="check" markdown><summary>Checked by a test</summary>', code, "</details>"]


def _output(output: NotebookNode, caption: str, name: str, pictures: dict[str, bytes]) -> Iterator[str]:
    if output.output_type == "stream":
        if output.name == "stdout":  # stderr holds the progress of commands
            yield _printed(_COLOURS.sub("", output.text))
    elif "image/svg+xml" in output.data:
        pictures[name] = output.data["image/svg+xml"].encode()
        yield f'<figure markdown="span">\n![{caption}]({name})\n<figcaption>{caption}</figcaption>\n</figure>'
    elif "text/html" in output.data:
        table = re.sub(r"<style.*?</style>", "", output.data["text/html"], flags=re.DOTALL)
        lines = [line.strip() for line in table.splitlines() if line.strip()]
        yield "\n".join(['<div class="output" markdown="0">', *lines, "</div>"])
    else:
        yield _printed(output.data["text/plain"])


def _printed(text: str) -> str:
    return f"```{{ .text .output .no-copy }}\n{text.rstrip()}\n```"
