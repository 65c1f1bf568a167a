"""Where people find a published file: its address on the web where the store is served, else its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from data.contracts.wording import as_text


@dataclass(frozen=True)
class Links:
    """Links to the files of a store that lies at `root` and is served at `public_url` ("": nowhere)."""

    root: str
    public_url: str = ""

    def address(self, place: str) -> str:
        """What a browser opens: the file's address, or the place as it is where no address is known."""
        inside = place.removeprefix(self.root).lstrip("/")
        if not self.public_url or f"{self.root}/{inside}" != place:
            return place
        return f"{self.public_url}/{quote(inside)}"

    def markdown(self, place: str, text: str = "") -> str:
        """A link for Prefect's pages; where a browser can't follow it, the place to copy."""
        address = self.address(place)
        if address == place or not PurePosixPath(place).suffix:  # a folder isn't a page
            return f"{as_text(text)}: {as_text(place)}" if text else as_text(place)
        return f"[{as_text(text or place)}]({address})"
