"""What of HTML's syntax decides whether a piece of markup can stand beside others.

Source: HTML Living Standard, "Tokenization" (read 2026-11).
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_SIMPLE: Final = re.compile(
    r"""(?:[^<]*+<(?:/[a-zA-Z]|[abcdefghjklmoqruvwyzABCDEFGHJKLMOQRUVWYZ]
        |[sS](?![cCtT])|[tT](?![eEiI])|[iI](?![fF])|[nN](?![oO])|[pP](?![lL]))
        [^>"']*+(?:"[^"]*+"[^>"']*+)*+>)*+[^<]*+""",
    re.VERBOSE,
)
"""Markup of tags alone, without the elements of `_RAW`, which two letters tell, and templates."""
_REST: Final = r"""(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'])))*+>"""
"""From behind the name of a tag to its end."""
_RAW: Final = "script|style|textarea|title|xmp|iframe|noembed|noframes|noscript"
"""Elements whose text has no tags: their own end tag ends them, and nothing else."""
_COMMENT: Final = r"!--(?:-?>|(?s:.*?)--!?>)"
_IN_SCRIPT: Final = r"(?:[^<]++|<(?:!--(?:(?!</script|-->)(?s:.))*+-->|(?!/script[\s/>]|!--)))*+"
_WHOLE: Final = re.compile(
    rf"""
    (?: [^<]++
    | < (?: (?! (?:{_RAW}|plaintext)[\s/>] ) /?+[a-z]{_REST}
        | {_COMMENT}
        | !\[CDATA\[(?s:.*?)\]\]>
        | (?!!--|!\[CDATA\[) (?: [!?] | /(?![a-z]) ) [^>]*+>
        | script(?=[\s/>]){_REST}{_IN_SCRIPT}</script{_REST}
        | (?!script) (?P<raw>{_RAW})(?=[\s/>]){_REST} (?: [^<]++ | <(?!/(?P=raw)[\s/>]) )*+
          </(?P=raw){_REST}
        | (?![a-z!?/])
        )
    )*+
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TEMPLATE: Final = re.compile(r"<(/?)template[\s/>]", re.IGNORECASE)
_SHOWN_CHARS: Final = 60


def fault_of(markup: str) -> str:
    """Return why markup would change what follows it; "" if it does not.

    It may leave elements open. It must not leave a tag, a comment, a script or a template open,
    which would take in what follows, nor end a template that it has not begun.
    """
    found = _SIMPLE.match(markup)
    if found is not None and found.end() == len(markup) and "</template" not in markup:
        return ""
    found = _WHOLE.match(markup)
    assert found is not None, "the pattern matches nothing as well"
    if found.end() < len(markup):
        return f"this is not closed: {markup[found.end() : found.end() + _SHOWN_CHARS]!r}"
    depth = 0
    for tag in _TEMPLATE.finditer(markup):
        depth += -1 if tag[1] else 1
        if depth < 0:
            return "</template> ends a template that it has not begun"
    return "<template> is not closed" if depth else ""
