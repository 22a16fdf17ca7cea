"""`Html.format` gives the same for simple fields, which it takes a shorter way with, and others."""

from __future__ import annotations

from datetime import date
from enum import Enum

import pytest

from tailrace.html import Html


class Colour(Enum):
    RED = "<red>"


class Money:
    def __format__(self, spec: str) -> str:
        return f"<{spec or 'plain'}>"

    def __str__(self) -> str:
        return "never used"


VALUES = [
    "<b>&'\"",
    "größe\0\ud800",
    Html("<i>"),
    Html("\ud800"),
    None,
    1.5,
    date(2026, 11, 28),
    Colour.RED,
    Money(),
]


@pytest.mark.parametrize("value", VALUES)
def test_simple_fields_give_what_any_field_gives(value: object) -> None:
    simple = Html("a{}b").format(value)

    assert simple == Html("a{x[0]}b").format(x=[value])
    assert type(simple) is Html
    assert simple == Html("a{self}b").format(self=value) == Html("a{1}b").format("", value)


def test_values_are_escaped_once() -> None:
    assert Html("{} {x} {{}}").format("<", x=Html("{}").format("&")) == "&lt; &amp; {}"
    assert Html("{!r} {:>5} {:{}}").format("<", "&", "'", 3) == "&#39;&lt;&#39;     &amp; &#39;  "


@pytest.mark.parametrize(
    ("text", "error"), [("{", ValueError), ("{} {0}", ValueError), ("{} {}", IndexError)]
)
def test_a_format_that_is_wrong_raises_as_that_of_a_text_does(
    text: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Html(text).format("")
