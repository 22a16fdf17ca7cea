"""The wire format of parts that fill a page out of order; the only module that writes it.

    <?start name="p1">placeholder<?end>          in the page
    <template for="p1">content</template>        behind it, in the same element or around it

Source: WICG "declarative partial updates", whatwg/html#11818 (read 2026-11); found in Chromium 156:
names are quoted, and the first place with the name counts that is within the template's parent. The
processing instructions and the template are then gone. A browser that does not know the format
parses comments and an inert template. The script does for it what others do while they parse.
"""

from __future__ import annotations

import re
from functools import lru_cache
from os.path import dirname, join

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_PROBE: Final = "tailrace"
_BLOCK_TAG: Final = re.compile(
    r"<(/?(?:p|address|article|aside|blockquote|body|dd|details|dialog|div|dl|dt|fieldset"
    r"|figcaption|figure|footer|form|h[1-6]|header|hr|li|main|menu|nav|ol|pre|section|summary|table"
    r"|tbody|td|th|tr|ul))(?=[\s/>])",
    re.IGNORECASE,
)
"""Tags that open a paragraph, or that close one that is open."""
_PLACE: Final = re.compile(r'<\?start name="(p[0-9]+)">')
_END: Final = "<!---->"
"""Behind a template: the script sees by this node that all of the template is there."""
_NEEDLESS: Final = re.compile(
    r"""(?P<kept>"[^"]*"|/\^.*?/(?=\.))|\s*//[^\n]*|\s*(?P<sign>[][{}()=<>;,+&|?:!-])\s*|\n\s*"""
)
"""Comments and white space of a script, whose strings and regular expressions are kept."""


def place(name: str, placeholder: str) -> str:
    """Return the markup of a place, and of what is there until it is filled."""
    return f'<?start name="{name}">{placeholder}<?end>'


def fill(name: str, content: str) -> str:
    """Return the markup that fills a place.

    Content that is the place again can be filled again. No node is behind it, so that a page does
    not grow by updates: its end is that of the place.
    """
    is_update = content.startswith(f'<?start name="{name}">') and content.endswith("<?end>")
    return f'<template for="{name}">{content}</template>{"" if is_update else _END}'


def places(text: str) -> list[str]:
    """Return the names of the places of parts in a text."""
    return _PLACE.findall(text)


def script(nonce: str, policy: str = "") -> str:
    """Return what stands once before the first `fill`: a pair that shows whether the browser knows
    the format, and the script that fills if it does not.

    `policy` is the page's content security policy.
    """
    probe = f'{place(_PROBE, "")}<template for="{_PROBE}"></template>'
    return f'{probe}<script nonce="{nonce}">{_source("strict-dynamic" in policy)}</script>'


def closing(text: str) -> str:
    """Return what closes a paragraph that the end of a page leaves open; fills must not be in it,
    since their places are not."""
    tags = _BLOCK_TAG.findall(text)
    return "</p>" if tags and tags[-1].lower() == "p" else ""


@lru_cache(maxsize=2)
def _source(is_strict: bool) -> str:
    with open(join(dirname(__file__), "fill.js"), encoding="utf-8") as file:
        text = file.read()
    if is_strict:
        text = text.replace("//strict ", "")
    return _NEEDLESS.sub(lambda found: found["kept"] or found["sign"] or "", text)
