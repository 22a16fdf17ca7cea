"""What a measurement asks for, and how long it waits: the settings of the probe."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tailrace.errors import ConfigError
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


def _picture(path: Path, *, name: str) -> Path:
    """Check a picture's place and format before anything is measured."""
    from tailrace.probe.plot import picture_format

    if os.path.isdir(path):  # false for a name that is too long
        raise ValueError(f"File {str(path)!r} is a directory.")
    picture_format(path)
    if not path.parent.is_dir():
        raise ConfigError(f"cannot be written: {path.parent} is no directory", where=str(path))
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """What is asked for. The first five are for the companion; other URLs do not see them."""

    count: Annotated[
        int,
        Range(ge=1, le=limits.PROBE_COUNT_MAX),
        Setting(
            "How many chunks the companion is to write, up to 10,000.",
            help="Chunks that the companion is to write.",
        ),
    ] = 10
    size: Annotated[
        int,
        Range(ge=1, le=limits.PROBE_SIZE_BYTES_MAX),
        Setting(
            "The size of each, up to 6 MiB. A chunk that is too small for its own time stamp is "
            "larger.",
            help="Size of each.",
            metavar="BYTES",
        ),
    ] = 64
    interval_s: Annotated[
        float,
        Range(ge=0, le=limits.PROBE_INTERVAL_MS_MAX / 1000),
        Setting(
            "The pause from one write to the next. A DURATION is `250ms`, `2s`, `10m`, or a number "
            "of seconds.",
            help="Pause between two of them.",
            metavar="DURATION",
            default="`500ms`",
        ),
    ] = 0.5
    content_type: Annotated[
        str,
        Setting(
            "Their content type: `text`, `html`, `sse`, `ndjson`, `json`, `css`, `js`, `xml` or "
            "`binary`, or one of the types behind these names, such as `text/event-stream`.",
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
            "Flush after each chunk, with this much padding where padding is possible. `0`: no "
            "flush.",
            help="Flush after each, with so much padding; 0: don't.",
            option="--pad",
        ),
    ] = 0
    pings: int = limits.PROBE_PINGS
    """Before the stream, and as many after it; 0: only the stream is requested."""
    compressed: Annotated[
        bool,
        Setting(
            "Ask for gzip, as browsers do; without it, for no compression. Sizes are those on the "
            "wire.",
            help="Ask for gzip, as browsers do.",
        ),
    ] = False
    headers: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            "Send this header as well, or in place of the probe's own; can be repeated.",
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
            "How long to wait for a connection, for the response's head, for the next byte.",
            help="Wait so long for a connection, for the head, for the next byte.",
            metavar="DURATION",
            default=f"`{limits.PROBE_TIMEOUT_S:g}s`",
        ),
    ] = limits.PROBE_TIMEOUT_S
    duration_s: Annotated[
        float,
        Range(ge=0.01, le=86_400),
        Setting(
            "How long to measure one response; later bytes are not read.",
            help="Measure a response for so long; the rest is not wanted.",
            option="--max-time",
            metavar="DURATION",
            default=f"`{limits.PROBE_DURATION_S / 60:g}m`",
        ),
    ] = limits.PROBE_DURATION_S
    is_verified: bool = True
    """Refuse certificates that do not vouch for the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """How `tailrace probe` measures, shows and judges."""

    is_sweep: Annotated[
        bool,
        Setting(
            "Find the size from which on a chunk leaves at once, and so the padding that a flush "
            "needs. Of the other options only those about requests count.",
            help="Find how large a chunk must be to leave.",
            option="--sweep",
        ),
    ] = False
    is_insecure: Annotated[
        bool,
        Setting(
            "Accept any certificate.",
            help="Take any certificate.",
            option="--insecure",
            short="-k",
        ),
    ] = False
    is_json: Annotated[
        bool,
        Setting(
            "Print [one JSON document](probe.md#json) instead of text.",
            help="Print one JSON document instead of text.",
            option="--json",
        ),
    ] = False
    picture: Annotated[
        Path | None,
        Setting(
            "Draw a picture as well; its name ends in `.svg` or `.png`.",
            help="Draw a picture, too: FILE.svg or FILE.png.",
            option="--plot",
            metavar="FILE",
            parse=_picture,
        ),
    ] = None
    late_max_s: Annotated[
        float | None,
        Range(ge=0, le=86_400),
        Setting(
            "Exit with 1 if a chunk of the companion was certainly later than that.",
            help="Exit with 1 when a chunk is later than that.",
            option="--fail-if-later-than",
            metavar="DURATION",
        ),
    ] = None
    fail_if_merged: Annotated[
        bool,
        Setting(
            "Exit with 1 if chunks that were written apart arrived together. Without the "
            "companion: if events or lines came in one read.",
            help="Exit with 1 when chunks came together.",
        ),
    ] = False
