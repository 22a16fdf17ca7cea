"""`tailrace probe`: the command and its options."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Final

import click

from tailrace.errors import ConfigError, ProbeError
from tailrace.probe import limits
from tailrace.probe.protocol import ALIASES, FORMS
from tailrace.probe.request import check

_UNITS: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0}


class _Duration(click.ParamType[float]):
    """250ms, 2s, 1.5, 10m; seconds unless it says otherwise."""

    name = "duration"

    def __init__(self, lowest_s: float, highest_s: float) -> None:
        self._lowest_s = lowest_s
        self._highest_s = highest_s

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no duration such as 250ms, 2s or 10m", param, context)
        seconds = float(match[1]) * _UNITS[match[2]]
        if not self._lowest_s <= seconds <= self._highest_s:
            allowed = f"{self._lowest_s:g}s to {self._highest_s:g}s"
            self.fail(f"{value} is not in the range {allowed}", param, context)
        return seconds


def _read_urls(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    for value in values:
        try:
            check(value)
        except ProbeError as error:
            raise click.BadParameter(str(error)) from None
    return values


def _read_type(context: click.Context, parameter: click.Parameter, value: str) -> str:
    content_type = ALIASES.get(value, value)
    if content_type not in FORMS:
        raise click.BadParameter(f"{value!r} is none of {', '.join(ALIASES)}")
    return content_type


def _read_headers(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs = []
    for value in values:
        name, colon, text = value.partition(":")
        is_good = colon and re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
        if not is_good or not re.fullmatch(r"[\t -~\x80-\xff]*", text):
            raise click.BadParameter(f"{value[:80]!r} is no 'NAME: VALUE'")
        pairs.append((name, text.strip()))
    return tuple(pairs)


def _read_picture(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    if value is not None:  # before anything is measured
        from tailrace.probe.plot import picture_format

        picture_format(value)
        if not value.parent.is_dir():
            raise ConfigError(f"{value}: cannot be written: {value.parent} is no directory")
    return value


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("urls", metavar="URL...", nargs=-1, required=True, callback=_read_urls)
@click.option(
    "--count",
    metavar="COUNT",
    type=click.IntRange(1, limits.PROBE_COUNT_MAX),
    default=10,
    help="Chunks that the companion is to write.  [default: 10]",
)
@click.option(
    "--size",
    metavar="BYTES",
    type=click.IntRange(1, limits.PROBE_SIZE_BYTES_MAX),
    default=64,
    help="Size of each.  [default: 64]",
)
@click.option(
    "--interval",
    "interval_s",
    metavar="DURATION",
    type=_Duration(0, limits.PROBE_INTERVAL_MS_MAX / 1000),
    default="500ms",
    help="Pause between two of them.  [default: 500ms]",
)
@click.option(
    "--type",
    "content_type",
    metavar="TYPE",
    callback=_read_type,
    default="text",
    help=f"Their content type: {', '.join(ALIASES)}.  [default: text]",
)
@click.option(
    "--pad",
    "pad_bytes",
    metavar="BYTES",
    type=click.IntRange(0, limits.PROBE_PAD_BYTES_MAX),
    default=0,
    help="Flush after each, with so much padding; 0: don't.  [default: 0]",
)
@click.option("--sweep", "is_sweep", is_flag=True, help="Find how large a chunk must be to leave.")
@click.option("--compressed", is_flag=True, help="Ask for gzip, as browsers do.")
@click.option(
    "-H",
    "--header",
    "headers",
    metavar="NAME: VALUE",
    multiple=True,
    callback=_read_headers,
    help="Send this header, too.",
)
@click.option("-k", "--insecure", is_flag=True, help="Take any certificate.")
@click.option(
    "--timeout",
    "timeout_s",
    metavar="DURATION",
    type=_Duration(0.01, 86_400),
    default=f"{limits.PROBE_TIMEOUT_S:g}s",
    help="Wait so long for a connection, for the head, for the next byte. "
    f" [default: {limits.PROBE_TIMEOUT_S:g}s]",
)
@click.option(
    "--max-time",
    "duration_s",
    metavar="DURATION",
    type=_Duration(0.01, 86_400),
    default=f"{limits.PROBE_DURATION_S / 60:g}m",
    help="Measure a response for so long; the rest is not wanted. "
    f" [default: {limits.PROBE_DURATION_S / 60:g}m]",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option(
    "--plot",
    "picture",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_read_picture,
    help="Draw a picture, too: FILE.svg or FILE.png.",
)
@click.option(
    "--fail-if-later-than",
    "late_max_s",
    metavar="DURATION",
    type=_Duration(0, 86_400),
    help="Exit with 1 when a chunk is later than that.",
)
@click.option("--fail-if-merged", is_flag=True, help="Exit with 1 when chunks came together.")
def probe(
    urls: tuple[str, ...],
    is_sweep: bool,
    insecure: bool,
    is_json: bool,
    picture: Path | None,
    late_max_s: float | None,
    fail_if_merged: bool,
    **options: Any,
) -> None:
    """Measure when the chunks of a response were written, and when they arrived.

    With the companion function `tailrace.probe.handler` behind the URL, both are known; from any
    other URL, when its bytes arrived. Several URLs are measured one after the other.
    """
    if is_sweep and (picture is not None or late_max_s is not None or fail_if_merged):
        raise ConfigError("--sweep: many responses, so no --plot and no --fail-if-… with it")
    if options["count"] * (options["size"] + options["pad_bytes"]) > limits.PROBE_STREAM_BYTES_MAX:
        most = limits.PROBE_STREAM_BYTES_MAX
        raise ConfigError(f"--count: with --size and --pad more than {most} bytes in all")
    from tailrace.cli.probe_session import Conditions, Session
    from tailrace.net.process.startup import run
    from tailrace.probe.measure import MeasureOptions

    asked = MeasureOptions(**options, is_verified=not insecure)
    conditions = Conditions(late_max_s, fail_if_merged)
    session = Session(urls, asked, conditions, picture, is_json=is_json)
    sys.exit(run(session.run(is_sweep=is_sweep)))
