"""What a measurement asks for, and how long it waits: the settings of the probe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from tailrace.probe import limits
from tailrace.probe.protocol import ALIASES, FORMS
from tailrace.setting import Range, Setting


def _content_type(text: str, *, name: str) -> str:
    content_type = ALIASES.get(text, text)
    if content_type not in FORMS:
        raise ValueError(f"{text!r} is none of {', '.join(ALIASES)}")
    return content_type


def _header(text: str, *, name: str) -> tuple[str, str]:
    field, colon, value = text.partition(":")
    is_good = colon and re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", field)
    if not is_good or not re.fullmatch(r"[\t -~\x80-\xff]*", value):
        raise ValueError(f"{text[:80]!r} is no 'NAME: VALUE'")
    return field, value.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """What is asked for. The first five are for the companion; other URLs do not see them."""

    count: Annotated[
        int,
        Range(ge=1, le=limits.PROBE_COUNT_MAX),
        Setting(
            "How many chunks the companion writes.", help="Chunks that the companion is to write."
        ),
    ] = 10
    size: Annotated[
        int,
        Range(ge=1, le=limits.PROBE_SIZE_BYTES_MAX),
        Setting("The size of each chunk.", help="Size of each.", metavar="BYTES"),
    ] = 64
    interval_s: Annotated[
        float,
        Range(ge=0, le=limits.PROBE_INTERVAL_MS_MAX / 1000),
        Setting(
            "The pause from one write to the next.",
            help="Pause between two of them.",
            metavar="DURATION",
            default="`500ms`",
        ),
    ] = 0.5
    content_type: Annotated[
        str,
        Setting(
            "The content type of the chunks.",
            help=f"Their content type: {', '.join(ALIASES)}.",
            option="--type",
            metavar="TYPE",
            default="`text`",
            parse=_content_type,
        ),
    ] = "text/plain"
    pad_bytes: Annotated[
        int,
        Range(ge=0, le=limits.PROBE_PAD_BYTES_MAX),
        Setting(
            "The padding of a flush after each chunk; 0: no flush.",
            help="Flush after each, with so much padding; 0: don't.",
            option="--pad",
        ),
    ] = 0
    pings: int = limits.PROBE_PINGS
    """Before the stream, and as many after it; 0: only the stream is requested."""
    compressed: Annotated[bool, Setting("Ask for gzip.", help="Ask for gzip, as browsers do.")] = (
        False
    )
    headers: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            "Header fields of each request.",
            help="Send this header, too.",
            option="--header",
            short="-H",
            metavar="NAME: VALUE",
            parse=_header,
        ),
    ] = ()
    timeout_s: Annotated[
        float,
        Range(ge=0.01, le=86_400),
        Setting(
            "How long to wait for a connection, for the head, for the next byte.",
            help="Wait so long for a connection, for the head, for the next byte.",
            metavar="DURATION",
            default=f"`{limits.PROBE_TIMEOUT_S:g}s`",
        ),
    ] = limits.PROBE_TIMEOUT_S
    duration_s: Annotated[
        float,
        Range(ge=0.01, le=86_400),
        Setting(
            "How long one response is measured; some have no end.",
            help="Measure a response for so long; the rest is not wanted.",
            option="--max-time",
            metavar="DURATION",
            default=f"`{limits.PROBE_DURATION_S / 60:g}m`",
        ),
    ] = limits.PROBE_DURATION_S
    is_verified: bool = True
    """Refuse certificates that do not vouch for the server."""
