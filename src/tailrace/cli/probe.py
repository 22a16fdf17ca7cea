"""`tailrace probe`: the command and its options."""

from __future__ import annotations

import sys
from typing import Any

import click

from tailrace.cli.options import options_of, take
from tailrace.cli.usage import CONTEXT
from tailrace.errors import ConfigError, ProbeError
from tailrace.probe import limits
from tailrace.probe.options import MeasureOptions, ProbeOptions
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


@click.command(
    context_settings=CONTEXT,
    short_help="Measure when a response's chunks were written and arrived.",
)
@click.argument("urls", metavar="URL...", nargs=-1, required=True, callback=_read_urls)
@options_of(MeasureOptions, "count", "size", "interval_s", "content_type", "pad_bytes")
@options_of(ProbeOptions, "is_sweep")
@options_of(MeasureOptions, "compressed", "headers")
@options_of(ProbeOptions, "is_insecure")
@options_of(MeasureOptions, "timeout_s", "duration_s")
@options_of(ProbeOptions, "is_json", "picture", "late_max_s", "fail_if_merged")
def probe(urls: tuple[str, ...], **values: Any) -> None:
    """Measure when the chunks of a response were written, and when they arrived.

    With the companion function `tailrace.probe.handler` behind the URL, both are known; from any
    other URL, when its bytes arrived. Several URLs are measured one after the other.
    """
    options = take(ProbeOptions, values)
    asked = MeasureOptions(**values, is_verified=not options.is_insecure)
    has_condition = options.late_max_s is not None or options.fail_if_merged
    if options.is_sweep and (options.picture is not None or has_condition):
        problem = "many responses, so no --plot and no --fail-if-… with it"
        raise ConfigError(problem, where="--sweep")
    most = limits.PROBE_STREAM_BYTES_MAX
    if asked.count * (asked.size + asked.pad_bytes) > most:
        problem = f"with --size and --pad more than {most} bytes in all"
        raise ConfigError(problem, where="--count")
    from tailrace.cli.probe_session import Conditions, Session
    from tailrace.net.process.startup import run

    conditions = Conditions(options.late_max_s, options.fail_if_merged)
    session = Session(urls, asked, conditions, options.picture, is_json=options.is_json)
    sys.exit(run(session.run(is_sweep=options.is_sweep)))
