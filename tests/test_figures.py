"""The pictures of the documentation: they can be drawn again, and none is missing or left over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs import figures

ROOT = Path(__file__).parent.parent


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
