"""The notice of a page that has had no news for a while, because its stream has broken.

A style starts an animation that shows the notice later. Each style that follows starts another one,
so the notice is only seen when none comes any more.
"""

from __future__ import annotations

import re
from functools import cache
from os.path import dirname, join

from tailrace.html.limits import HEARTBEAT_INTERVAL_S, NO_NEWS_S
from tailrace.html.progress.words import time_left

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

_TEXT: Final = ":root::after{{content:{text};animation-delay:{delay_s:g}s}}"
_NAME: Final = '<style nonce="{nonce}">:root::after{{animation-name:{name}}}</style>'


class News:
    """When a page was last heard of."""

    __slots__ = ("_name", "_next_s", "_nonce")

    def __init__(self, nonce: str) -> None:
        self._nonce: Final = nonce
        self._name = "none"
        self._next_s = 0.0

    @property
    def is_on(self) -> bool:
        """Whether the notice will appear if nothing more comes."""
        return self._name != "none"

    def pulse(self, now_s: float) -> str:
        """Return what starts the time again; nothing if that was done a moment ago."""
        if self.is_on and now_s < self._next_s:
            return ""
        self._next_s = now_s + HEARTBEAT_INTERVAL_S
        return self._named("tailrace-b" if self._name == "tailrace-a" else "tailrace-a")

    def end(self) -> str:
        """Return what makes the notice never appear; nothing if it would not, anyway."""
        return self._named("none") if self.is_on else ""

    def _named(self, name: str) -> str:
        self._name = name
        return _NAME.format(nonce=self._nonce, name=name)


def style(words: Mapping[str, str]) -> str:
    """Return the style of the notice."""
    notice = words["no-news"].format(time=time_left(NO_NEWS_S, words))
    text = _TEXT.format(text=_css_string(notice), delay_s=NO_NEWS_S + HEARTBEAT_INTERVAL_S)
    return css("notice.css") + text


@cache
def css(name: str) -> str:
    """Return a style sheet of this folder, without white space that it does not need."""
    with open(join(dirname(__file__), name), encoding="utf-8") as file:
        source = re.sub(r"/\*.*?\*/|\s+", " ", file.read())
    return re.sub(r"\s*([{};,>])\s*", r"\1", source).strip()


def _css_string(text: str) -> str:
    """Return a text as a string of CSS, in a style element."""
    return (
        '"' + "".join([c if c.isalnum() or c in " .,:" else f"\\{ord(c):x} " for c in text]) + '"'
    )
