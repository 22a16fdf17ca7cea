"""Take the screenshots of the documentation again, of the demo site while it runs.

    python -m docs.screenshots      write them into docs/screenshots; it takes a quarter of a minute

Each is taken at a moment that the page defines: when one way has got so far.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final, NamedTuple

from tests.browser import Chromium
from tests.command import EXAMPLES, DevCommand

FOLDER: Final = Path(__file__).parent / "screenshots"
WIDTH: Final = 1280
COMPLETE: Final = "document.querySelectorAll('arrival-line.complete').length === 4"


class Screenshot(NamedTuple):
    """A page of the demo site, when an expression holds in it."""

    path: str
    height: int
    moment: str


SCREENSHOTS: Final = {
    "chunk-timing": Screenshot("/compare/timing", 776, COMPLETE),
    "four-ways": Screenshot(
        "/compare/dashboard",
        752,
        "document.getElementById('callback').contentDocument.body?.innerText.includes('391')",
    ),
}


def take_all(folder: Path) -> None:
    """Write all screenshots into a folder."""
    with DevCommand(EXAMPLES) as dev, Chromium() as browser:
        for name, screenshot in SCREENSHOTS.items():
            url = dev.url + screenshot.path
            browser.look(width=WIDTH, height=screenshot.height)
            browser.call("Page.navigate", url=url)  # once before: all processes have started then
            browser.wait_until(f"document.URL === {url!r} && {COMPLETE}")
            browser.call("Page.reload")
            browser.wait_until(f"!({COMPLETE})")
            browser.wait_until(f"({screenshot.moment}) === true")
            picture = browser.call("Page.captureScreenshot", format="png")["data"]
            (folder / f"{name}.png").write_bytes(base64.b64decode(picture))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    take_all(FOLDER)
