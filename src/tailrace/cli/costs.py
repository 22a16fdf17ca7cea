"""`tailrace costs`: the command and its options."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import click

from tailrace.cli.options import options_of, take
from tailrace.cli.usage import CONTEXT
from tailrace.costs.workload import Workload
from tailrace.setting import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsOptions:
    """How the estimate is shown."""

    is_json: Annotated[
        bool,
        Setting(
            "Write one JSON object, with every line of the bills.",
            help="Write one JSON object, with every line.",
            option="--json",
        ),
    ] = False


@click.command(
    context_settings=CONTEXT,
    short_help="Estimate what many streams need on AWS, and cost.",
)
@options_of(Workload)
@options_of(CostsOptions)
def costs(**values: Any) -> None:
    """Estimate what so many streams need on AWS, and what they cost a month.

    By callback through a gateway, and beside it on Lambda's own streams. No network is used: the
    prices are a table of this version.
    """
    from tailrace.costs.estimate import estimate
    from tailrace.costs.report import facts, text_lines

    options = take(CostsOptions, values)
    found = estimate(Workload(**values))
    click.echo(json.dumps(facts(found)) if options.is_json else "\n".join(text_lines(found)))
