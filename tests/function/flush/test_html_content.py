"""Elements of HTML in which a comment may not stand, and those that leave no certainty."""

from __future__ import annotations

import re

import pytest

from tailrace.function.flush.html.content import HtmlContent
from tailrace.function.flush.html.tokenizer import LOST, RAW_TEXT, TEXT


def read(tags: str) -> tuple[HtmlContent, int]:
    """The content after these tags, and the state that the last one leaves."""
    content, state = HtmlContent(), TEXT
    for end, name, slash in re.findall(r"<(/?)([a-z!-]+)(/?)>", tags):
        if name == "!":
            state = TEXT if content.begin_markup(0x2D) else LOST
            content.complete_markup()
        else:
            state = content.complete_tag(
                name.encode(), is_end=bool(end), is_self_closing=bool(slash)
            )
    return content, state


@pytest.mark.parametrize(
    ("tags", "after_tag", "after_text"),
    [
        ("", True, True),
        ("<p>", True, True),
        ("<pre>", False, True),
        ("<pre><!>", True, True),
        ("<pre><b>", True, True),
        ("<listing>", False, True),
        ("<table>", True, False),
        ("<table><tr>", True, False),
        ("<table><tr><td>", True, True),
        ("<table><tr><td></td>", True, False),
        ("<table><tr><td><table></table>", True, True),
        ("<table></table>", True, True),
        ("<table><template>", True, False),
        ("<template><td>", True, False),
        ("<svg>", False, False),
        ("<svg><g></svg>", True, True),
        ("<svg><svg></svg>", False, False),
        ("<svg/>", True, True),
        ("<math><mi></mi>", False, False),
    ],
)
def test_where_a_comment_may_stand(tags: str, after_tag: bool, after_text: bool) -> None:
    content, state = read(tags)

    assert state == TEXT
    assert content.allows_comment(has_text=False) == after_tag
    assert content.allows_comment(has_text=True) == after_text


@pytest.mark.parametrize(
    ("tags", "state"),
    [
        ("<script>", RAW_TEXT),
        ("<title>", RAW_TEXT),
        ("<svg><title>", TEXT),
        ("<svg><title><p>", LOST),
        ("<svg><title></title>", TEXT),
        ("<svg><title><!>", LOST),
        ("<svg><style/>", LOST),
        ("<svg><foreignobject>", LOST),
        ("<plaintext>", LOST),
        ("<frameset>", LOST),
        ("<select><textarea>", LOST),
        ("<select></select><textarea>", RAW_TEXT),
    ],
)
def test_states_that_follow_a_tag(tags: str, state: int) -> None:
    assert read(tags)[1] == state


def test_plain_tags_have_the_effect_of_their_last_part_of_a_table() -> None:
    content, _ = read("<table>")

    assert content.complete_plain_tags(b"<tr><TD>x<b>")
    assert content.allows_comment(has_text=True)
    assert content.complete_plain_tags(b"y</b></td>")
    assert not content.allows_comment(has_text=True)
    assert not read("<svg><desc>")[0].complete_plain_tags(b"<b>")


def test_cdata_is_uncertain_in_foreign_content_only() -> None:
    assert read("")[0].begin_markup(0x5B)
    assert not read("<svg>")[0].begin_markup(0x5B)


def test_a_noscript_element_keeps_the_context_in_which_it_began() -> None:
    content, _ = read("<table><noscript><td>")

    assert content.noscript_context is not None
    assert content.noscript_context != content.context()
    assert read("<table><noscript>")[0].context() == content.noscript_context
    assert read("<p>")[0].noscript_context is None
