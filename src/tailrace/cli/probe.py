"""`tailrace probe`: the command and its options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tailrace.cli.options import DURATION, Duration, options_of
from tailrace.errors import ConfigError, ProbeError
from tailrace.probe import limits
from tailrace.probe.options import MeasureOptions
from tailrace.probe.request import check


def _read_urls(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    for value in values:
        try:
            check(value)
        except ProbeError as error:
            raise click.BadParameter(str(error)) from None
    return values


def _read_picture(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    if value is not None:  # before anything is measured
        from tailrace.probe.plot import picture_format

        picture_format(value)
        if not value.parent.is_dir():
            problem = f"cannot be written: {value.parent} is no directory"
            raise ConfigError(problem, where=str(value))
    return value


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("urls", metavar="URL...", nargs=-1, required=True, callback=_read_urls)
@options_of(MeasureOptions, "count", "size", "interval_s", "content_type", "pad_bytes")
@click.option("--sweep", "is_sweep", is_flag=True, help="Find how large a chunk must be to leave.")
@options_of(MeasureOptions, "compressed", "headers")
@click.option("-k", "--insecure", is_flag=True, help="Take any certificate.")
@options_of(MeasureOptions, "timeout_s", "duration_s")
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
    metavar=DURATION,
    type=Duration(0, 86_400),
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
        problem = "many responses, so no --plot and no --fail-if-… with it"
        raise ConfigError(problem, where="--sweep")
    if options["count"] * (options["size"] + options["pad_bytes"]) > limits.PROBE_STREAM_BYTES_MAX:
        most = limits.PROBE_STREAM_BYTES_MAX
        problem = f"with --size and --pad more than {most} bytes in all"
        raise ConfigError(problem, where="--count")
    from tailrace.cli.probe_session import Conditions, Session
    from tailrace.net.process.startup import run

    asked = MeasureOptions(**options, is_verified=not insecure)
    conditions = Conditions(late_max_s, fail_if_merged)
    session = Session(urls, asked, conditions, picture, is_json=is_json)
    sys.exit(run(session.run(is_sweep=is_sweep)))
