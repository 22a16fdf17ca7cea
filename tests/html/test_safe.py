"""`Html` beside MarkupSafe, Jinja2 and htpy: what is markup for one is for all."""

from __future__ import annotations

import asyncio
import copy
import enum
import pickle
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import htpy
import jinja2
import markupsafe
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.html import Html, tokens
from tailrace.html.safe import escape, markup

UNSAFE = "<b title='\"'>&amp;"


class Waiting:
    def __await__(self) -> Iterator[object]:
        yield


class Color(enum.IntEnum):
    RED = 1


class Widget:
    def __html__(self) -> str:
        return "<input>"

    def __str__(self) -> str:
        return "a widget"


@given(st.text())
def test_a_text_is_escaped_as_by_markupsafe(text: str) -> None:
    shown = text.replace("\0", "\ufffd")

    assert escape(text) == str(markupsafe.escape(shown))
    assert markupsafe.Markup(escape(text)).unescape() == shown


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\0", "\ud83d\ude00", "é\udc80<"])
def test_what_no_page_may_have_is_replaced(text: str) -> None:
    assert "\ufffd" in escape(text)
    assert "\ufffd" in markup(Html(text)) or text == "\0"
    escape(text).encode()


def test_markup_is_markup_for_others_and_theirs_for_us() -> None:
    html = Html(UNSAFE)
    environment = jinja2.Environment(autoescape=True)

    assert markupsafe.escape(html) == UNSAFE
    assert markupsafe.Markup("<p>{}").format(html) == f"<p>{UNSAFE}"
    assert environment.from_string("<p>{{ html }}").render(html=html) == f"<p>{UNSAFE}"
    assert str(htpy.p[html]) == f"<p>{UNSAFE}</p>"
    assert Html("{} {} {}").format(markupsafe.Markup("<i>"), htpy.br, Widget()) == (
        "<i> <br> <input>"
    )
    assert markup(environment.from_string("{{ x }}").render(x="<")) == "&amp;lt;"  # it is a str


def test_what_is_added_to_markup_is_escaped() -> None:
    html = Html("<p>")
    results = [
        html + UNSAFE,
        UNSAFE + html,
        html.join([UNSAFE, html, UNSAFE]),
        Html("<p>{}{x}").format(UNSAFE, x=UNSAFE),
        Html("<p>{0[0]}{x!s:>3}").format([UNSAFE], x=UNSAFE),
    ]

    assert all(type(result) is Html for result in results)
    assert not any(UNSAFE in result for result in results)
    assert all("<p>" in result for result in results)


@pytest.mark.parametrize(
    "text",
    [
        Html("<p>x").replace("x", UNSAFE),
        Html("<p>")[1:],
        Html("<p>") * 2,
        Html("<P>").lower(),
        Html("<p>{x}").format_map({"x": UNSAFE}),
        f"{Html('<p>')}{UNSAFE}",
        "".join([Html("<p>"), UNSAFE]),
        Html("<p>,<p>").split(",")[0],
        Html("<p>").strip(),
        Html("<p>x").translate({120: UNSAFE}),
    ],
)
def test_other_methods_of_texts_return_a_text_that_is_escaped(text: str) -> None:
    """They cannot know what they have been given; that markup shows is seen, a hole is not."""
    assert type(text) is str
    assert markup(text).startswith("&lt;") or not text.startswith("<")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (["a"], r"not of list; join it: Html\(\).join"),
        ((text for text in "a"), "not of generator; join it"),
        ({"a": 1}, "not of dict; choose what it shows"),
        (len, "not of builtin_function_or_method; call it"),
        (b"a", "not of bytes; decode it"),
        (tokens(["a"]), "not of async_generator; yield it, or make it a part"),
        (asyncio.Queue[int]().get, "not of method; call it"),
        (Waiting(), "not of Waiting; await it, or make it a part"),
    ],
)
def test_a_value_without_a_text_is_refused(value: object, reason: str) -> None:
    """A page would show Python's notation of it."""
    with pytest.raises(TypeError, match=reason):
        Html("{}").format(value)
    with pytest.raises(TypeError, match=reason):
        Html("{:}{.__class__}").format(value, value)
    with pytest.raises(TypeError, match=reason):
        Html("<p>") + value
    with pytest.raises(TypeError, match=reason):
        Html().join([value])


@pytest.mark.parametrize(
    "value", [1, 1.5, True, None, Decimal("1.5"), Path("a"), Exception("a"), Color.RED]
)
def test_a_value_with_a_text_shows_it(value: object) -> None:
    assert Html("{}").format(value) == escape(str(value))


def test_a_percent_sign_is_refused() -> None:
    with pytest.raises(TypeError, match="use format, which escapes each value"):
        Html("<p>%s") % UNSAFE


def test_markup_takes_no_format() -> None:
    with pytest.raises(ValueError, match="markup takes no format: '>5'"):
        Html("{:>5}").format(Html("<b>"))


def test_markup_can_be_copied_and_pickled() -> None:
    for html in (pickle.loads(pickle.dumps(Html(UNSAFE))), copy.deepcopy(Html(UNSAFE))):
        assert type(html) is Html
        assert html == UNSAFE
