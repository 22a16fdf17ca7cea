"""`tailrace drain`: the command and its options."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import click

from tailrace.cli.options import DURATION, options_of, take
from tailrace.cli.usage import CONTEXT
from tailrace.config import ADMIN_ADDRESS, Address, parse_address
from tailrace.setting import Range, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOptions:
    """What to drain, and how long to watch."""

    admin: Annotated[
        Address,
        Setting(
            "The gateway's [admin listener](admin.md).",
            help="The gateway's admin listener.",
            metavar="HOST:PORT",
            parse=parse_address,
        ),
    ] = ADMIN_ADDRESS
    timeout_s: Annotated[
        float | None,
        Range(ge=0.1, le=86_400),
        Setting(
            "How long to watch: `250ms`, `2s`, `10m`, or a number of seconds. The drain goes on "
            "afterwards.",
            help="Watch no longer than this; the drain goes on.",
            metavar=DURATION,
            default="until the drain is over",
        ),
    ] = None
    is_json: Annotated[
        bool,
        Setting(
            "Write [a JSON object a line](#tailrace-drain).",
            help="Write a JSON object a line.",
            option="--json",
        ),
    ] = False


@click.command(
    context_settings=CONTEXT,
    short_help="Let a running gateway end what it holds; show what is open.",
)
@options_of(DrainOptions)
def drain(**values: Any) -> None:
    """Let a running gateway end what it holds, and show what is still open.

    The gateway takes no new requests from then on. Ctrl-C ends the watching, not the drain.
    """
    from tailrace.cli.drain_session import DrainSession

    options = take(DrainOptions, values)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it has a message of its own
    session = DrainSession(options.admin, options.timeout_s, is_json=options.is_json)
    sys.exit(session.run())
