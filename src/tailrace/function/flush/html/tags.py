"""HTML's tags that decide how the content after them is read.

Source: HTML Standard, sections 13.2.5 (tokenization) and 13.2.6 (tree construction), read 2026-11.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

RAW: Final = frozenset(
    (b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes")
)
"""Elements whose content has no tag but their own end tag; for script see `SCRIPT_END`."""

FOREIGN: Final = frozenset((b"svg", b"math"))
"""Roots of other vocabularies, in which RAW elements are ordinary elements."""

TEXT_IN_FOREIGN: Final = RAW | {
    b"script",
    b"noscript",
    b"desc",
    b"mi",
    b"mo",
    b"mn",
    b"ms",
    b"mtext",
}
"""Elements that, in FOREIGN ones, change the vocabulary or have another meaning than in HTML."""

UNCERTAIN: Final = frozenset((b"plaintext", b"frameset"))
UNCERTAIN_IN_FOREIGN: Final = frozenset((b"foreignobject", b"annotation-xml"))

CELLS: Final = frozenset((b"td", b"th", b"caption"))
TABLE_PARTS: Final = CELLS | {b"tr", b"tbody", b"thead", b"tfoot", b"col", b"colgroup"}

SPECIAL: Final = (
    TEXT_IN_FOREIGN
    | FOREIGN
    | UNCERTAIN
    | UNCERTAIN_IN_FOREIGN
    | TABLE_PARTS
    | {b"table", b"template", b"select", b"pre", b"listing", b"meta"}
)

_S: Final = rb"[\t\n\f\r ]"
_NOT_S: Final = rb"[^\t\n\f\r />"
_ATTRIBUTE: Final = (
    rb"(?:=%(not)s=<]*+|%(not)s=<]++)"
    rb"(?:%(s)s*+=%(s)s*+(?:\"[^\"<]*+\"|'[^'<]*+'|[^\t\n\f\r <>\"'][^\t\n\f\r <>]*+|(?=>))"
    rb"|(?!%(s)s*+=))"
) % {b"s": _S, b"not": _NOT_S}
PLAIN_TAGS: Final = re.compile(
    rb"(?:(?:[^<]++|<(?![A-Za-z/!?]))*+"
    rb"</?+(?!(?:%b)[\t\n\f\r />])[A-Za-z]%b<]*+(?:[\t\n\f\r /]++|%b)*+>)++"
    % (b"|".join(sorted(SPECIAL - TABLE_PARTS)), _NOT_S, _ATTRIBUTE),
    re.IGNORECASE,
)
"""Text and complete tags of elements that are TABLE_PARTS or not SPECIAL; a match ends with a tag.

Its tags contain no `<`, so TABLE_PART finds nothing inside a tag.
"""
TABLE_PART: Final = re.compile(
    rb"<(/?)(%b)(?=[\t\n\f\r />])" % b"|".join(sorted(TABLE_PARTS)), re.IGNORECASE
)

RAW_END: Final = {name: re.compile(rb"</%b(?=[\t\n\f\r />])" % name, re.IGNORECASE) for name in RAW}
NOSCRIPT_END: Final = re.compile(rb"</noscript(?=[\t\n\f\r />])", re.IGNORECASE)
SCRIPT_END: Final = re.compile(rb"</script(?=[\t\n\f\r />])|<!--", re.IGNORECASE)
ESCAPED_SCRIPT_END: Final = re.compile(rb"</?script(?=[\t\n\f\r />])|-->", re.IGNORECASE)

_META: Final = re.compile(
    rb"(?:\s|/)charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)"
    rb"|http-equiv\s*=\s*[\"']?\s*content-type.*charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)"
    rb"|charset\s*=\s*[\"']?\s*([^\s\"'/>;]+).*http-equiv\s*=\s*[\"']?\s*content-type",
    re.IGNORECASE | re.DOTALL,
)


def meta_charset(attributes: bytes) -> str | None:
    """Return the charset that a meta element declares, None if it declares none."""
    match = _META.search(attributes)
    if match is None:
        return None
    return next(group for group in match.groups() if group).decode("latin-1")
