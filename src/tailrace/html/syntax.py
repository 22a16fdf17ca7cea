"""What of HTML's syntax decides whether a piece of markup can stand beside others.

Source: HTML Living Standard, "Tokenization" (read 2026-11). Compared with Chromium's parser in
tests/e2e/test_part_markup.py.
"""

from __future__ import annotations

import re
from functools import lru_cache

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_SIMPLE: Final = re.compile(
    r"""(?:[^<]*+<(?:/(?![tT][eE]|[nN][oO])[a-zA-Z]|[abcdefghjklmoqruvwyzABCDEFGHJKLMOQRUVWYZ]
        |[sS](?![cCtT])|[tT](?![eEiI])|[iI](?![fF])|[nN](?![oO])|[pP](?![lL]))
        [^\s/>"'=]*+(?:[\s/][^>"'=]*+(?:(?<![\s/])="[^"]*+")?+)*+>)*+[^<]*+""",
    re.VERBOSE,
)
"""Markup of tags alone, without the elements below, which two letters tell."""
_VALUE: Final = r"""\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+|(?=>))"""
_REST: Final = rf"(?:[\s/]++|[^\s/>][^\s/>=]*+(?:{_VALUE}|(?!\s*+=)))*+>"
"""From behind the name of a tag to its end: spaces and attributes."""
_RAW: Final = ("style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
"""Elements whose text has no tags, beside script: their own end tag ends them, and nothing else."""
_FOREIGN: Final = re.compile(r"<(?:svg|math)(?=[\s/>])", re.IGNORECASE)
"""Within these, elements of raw text have tags."""
_PAIRED: Final = re.compile(r"<(/?)(template|noscript)(?=[\s/>])", re.IGNORECASE)
"""Elements that may not be left open: what follows would be in them."""
_SHOWN_CHARS: Final = 60
_TEXT_START: Final = re.compile(r"<(?:(script|style|textarea|title)(?=[\s/>])|!--)", re.IGNORECASE)
_TEXT_ENDS: Final = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title")
} | {"comment": re.compile("--!?>")}
_TEXT_STARTS: Final = ("<!--", "<script", "<style", "<textarea", "<title")
TEXT_MARK_CHARS: Final = 10
"""The longest of these marks has as many: one that is cut is found with what stands before."""


def text_element(markup: str, name: str = "") -> str:
    """Return the name of the element without tags in which markup ends, "comment" for a comment,
    and "" for neither. `name` is the same of what stands before."""
    if not name:
        lower = markup.lower()
        if not any(start in lower for start in _TEXT_STARTS):  # cheaper than the pattern
            return ""
    at = 0
    while True:
        if name:
            found = _TEXT_ENDS[name].search(markup, at)
            if found is None:
                return name
            at = found.end()
        found = _TEXT_START.search(markup, at)
        if found is None:
            return ""
        name = (found[1] or "comment").lower()
        at = found.end() if found[1] else found.end() - 2  # of `<!-->`


def fault_of(markup: str) -> str:
    """Return why markup would change what follows it; "" if it does not.

    It may leave elements open. It must not leave a tag, a comment, a script or a template open,
    which would take in what follows, nor end a template that it has not begun.
    """
    found = _SIMPLE.match(markup)
    if found is not None and found.end() == len(markup):
        return ""
    token = _token(is_foreign=_FOREIGN.search(markup) is not None)
    depths = {"template": 0, "noscript": 0}
    seen = at = 0
    while at < len(markup):
        if (found := token.match(markup, at)) is None:
            return f"this is not closed: {markup[at : at + _SHOWN_CHARS]!r}"
        if tag := _PAIRED.match(markup, at):
            name = tag[2].lower()
            seen += name == "noscript"
            depths[name] += -1 if tag[1] else 1
            if depths[name] < 0:
                return f"</{name}> ends what it has not begun"
        at = found.end()
    for name, depth in depths.items():
        if depth:
            return f"<{name}> is not closed"
    if seen < sum(tag[2].lower() == "noscript" for tag in _PAIRED.finditer(markup)):
        return "a tag of noscript is in a text that is no markup; with scripts, it ends there"
    return ""


@lru_cache(maxsize=2)
def _token(*, is_foreign: bool) -> re.Pattern[str]:
    """The pattern of simple markup, a text, a tag, a comment, or an element of raw text.

    With foreign elements, raw text without tags is taken only, which is the same in these. There is
    no capturing group in it: `re` of Python 3.11 may raise SystemError for one in a possessive
    repeat.
    """
    end = "(?!)" if is_foreign else ""
    raws = "|".join(
        rf"{name}(?=[\s/>]){_REST}(?:[^<]++|{end}<(?!/{name}[\s/>]))*+</{name}(?=[\s/>]){_REST}"
        for name in _RAW
    )
    return re.compile(
        rf"""
        [^<]++
        | < (?: (?! (?:script|{"|".join(_RAW)}|plaintext)[\s/>] ) /?+[a-z][^\s/>]*+{_REST}
            | !--(?:-?>|(?s:.*?)--!?>)
            | !\[CDATA\[[^<>]*\]\]>
            | (?!!--|!\[CDATA\[) (?: [!?] | /(?![a-z]) ) [^>]*+>
            | script(?=[\s/>]){_REST}
              (?:[^<]++|{end}<(?:!--(?:(?!</script|-->)(?s:.))*+-->|(?!/script[\s/>]|!--)))*+
              </script(?=[\s/>]){_REST}
            | {raws}
            | (?![a-z!?/])
            )
        """,
        re.IGNORECASE | re.VERBOSE,
    )
