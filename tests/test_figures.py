"""The pictures of the documentation: they can be drawn again, and none is missing or left over."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs import figures, screenshots
from tests.browser import Chromium

ROOT = Path(__file__).parent.parent
SCREENSHOT_BYTES_MAX = 150_000


def test_they_can_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, without the pauses that make them worth looking at."""
    chosen = {name: figures.FIGURES[name] for name in ("published-experiment", "asymmetry")}
    monkeypatch.setattr(figures, "FIGURES", chosen)

    figures.draw_all(tmp_path, pause_s=0.02)

    assert {path.stem for path in tmp_path.iterdir()} == set(chosen)


def test_each_has_its_place_in_the_documentation() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {
        name for page in pages for name in re.findall(r"images/([\w-]+)\.svg", page.read_text())
    }

    assert {path.stem for path in figures.IMAGES.iterdir()} == set(figures.FIGURES) == shown


def test_screenshots_can_be_taken_again(tmp_path: Path) -> None:
    screenshots.take_all(tmp_path)

    sizes = {path.stem: png_size(path) for path in tmp_path.iterdir()}
    assert sizes == {
        name: (screenshots.WIDTH, each.height) for name, each in screenshots.SCREENSHOTS.items()
    }
    assert {path.stem: png_size(path) for path in screenshots.FOLDER.iterdir()} == sizes


def test_each_screenshot_is_small_and_has_its_place() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {
        name
        for page in pages
        for name in re.findall(r"screenshots/([\w-]+)\.png", page.read_text())
    }

    assert set(screenshots.SCREENSHOTS) == shown
    for path in screenshots.FOLDER.iterdir():
        assert path.stat().st_size < SCREENSHOT_BYTES_MAX


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG: the first fields of its first chunk."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


PICTURES = sorted((ROOT / "docs").rglob("*.svg"))

# Words are texts in the drawings, and groups of outlines in the measurements.
OUTSIDE = """
(() => {
  const [{ x, y, width, height }, at] =
    [document.documentElement.viewBox.baseVal, document.documentElement.getScreenCTM()];
  const all = {
    left: x * at.a + at.e, right: (x + width) * at.a + at.e,
    top: y * at.d + at.f, bottom: (y + height) * at.d + at.f,
  };
  const words = [...document.querySelectorAll("text, g[id^='text_']")];
  const isInside = ({ left, right, top, bottom }) =>
    left >= all.left && right <= all.right && top >= all.top && bottom <= all.bottom;
  return [words.length, words.filter((w) => !isInside(w.getBoundingClientRect()))
                              .map((w) => w.textContent.trim() || w.id)];
})()
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_no_word_stands_over_the_edge(picture: Path, browser: Chromium) -> None:
    browser.call("Page.navigate", url=picture.as_uri())
    browser.wait_until(
        f"document.URL === {picture.as_uri()!r} && document.readyState === 'complete'"
    )

    count, outside = browser.evaluate(OUTSIDE)

    assert count > 5
    assert outside == []
