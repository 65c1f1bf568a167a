"""Builds the site: pages as they lie in docs/, notebooks executed, the reference made from the code.

`python -m docs.generator.build [FOLDER]` puts it into FOLDER/site (by default .docs/site), to be opened from
there without a server. It fails on any warning, on a link that leads nowhere, and on a page that would fetch
something from elsewhere.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from docs.generator.commands_page import artifacts, command_line, flow_parameters
from docs.generator.errors_page import exit_codes, messages, storage_failures
from docs.generator.links import faults
from docs.generator.notebooks import Page, render_notebook
from docs.generator.settings_page import settings_tables
from docs.generator.tables_page import closed_lists, published_tables

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
NOTEBOOKS = sorted(file for room in ("tutorial", "explanation") for file in (DOCS / room).glob("*.py"))
COPIED = {".md", ".svg", ".png", ".css", ".js"}
FROM_THE_CODE: dict[str, Callable[[], str]] = {
    "settings": settings_tables,
    "tables": published_tables,
    "closed lists": closed_lists,
    "exit codes": exit_codes,
    "messages": messages,
    "failures of storage": storage_failures,
    "command line": command_line,
    "flow parameters": flow_parameters,
    "artifacts": artifacts,
    "benchmarks": lambda: _below_its_title(ROOT / "tests/benchmarks/README.md").replace("../../docs/", "../"),
    "changes": lambda: _below_its_title(ROOT / "CHANGELOG.md"),
}
"""What a page asks for with a line `<!-- from the code: NAME -->`."""
STUB = (
    "*`make docs` fills this page from the code; the site that it builds lies in `.docs/site`, to be opened "
    "at `index.html`.*\n\n"
)
"""What such a page says to whoever reads it unfilled, in the repository."""


def build(folder: Path, render: Callable[[Path], Page] = render_notebook) -> Path:
    """Make the site anew below `folder`; its first page. Raises SystemExit with what is wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    gather(folder / "pages", render)
    shutil.copyfile(DOCS / "zensical.toml", folder / "zensical.toml")
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--strict"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        sys.exit(f"the site was not built:\n{made.stdout}{made.stderr}")
    if found := faults(folder / "site"):
        sys.exit("links of the site:\n" + "\n".join(found))
    return folder / "site/index.html"


def gather(pages: Path, render: Callable[[Path], Page]) -> None:
    """Put all pages and their pictures together as Markdown."""
    for source in sorted(DOCS.rglob("*")):
        target = pages / source.relative_to(DOCS)
        if source.suffix in COPIED and source.parent.name != "generator":
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".md":
                target.write_text(with_generated(source.read_text(encoding="utf-8")), encoding="utf-8")
            else:
                shutil.copyfile(source, target)
    for source in NOTEBOOKS:
        page = render(source)
        target = (pages / source.relative_to(DOCS)).with_suffix(".md")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page.text, encoding="utf-8")
        for name, picture in page.pictures.items():
            (target.parent / name).write_bytes(picture)


def with_generated(text: str) -> str:
    """A page with what it asks for from the code."""
    return re.sub(
        r"^<!-- from the code: (.+) -->$",
        lambda asked: FROM_THE_CODE[asked[1]](),
        text.replace(STUB, ""),
        flags=re.MULTILINE,
    )


def _below_its_title(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[2]


if __name__ == "__main__":
    print(f"site         {build(Path(*sys.argv[1:2] or ['.docs']).resolve())}")
