"""`tailrace package`: the commands and their options."""

from __future__ import annotations

import json
from typing import Any

import click

from tailrace.cli.options import options_of, take
from tailrace.cli.usage import HintingGroup
from tailrace.package.options import LayerOptions


@click.group(
    cls=HintingGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def package() -> None:
    """Make the archives and folders that run on AWS, without Docker."""


@package.command()
@options_of(LayerOptions)
def layer(**values: Any) -> None:
    """Make the Lambda layer with which AWS's managed Python runtime streams.

    One layer serves each Python from 3.11 on, on arm64 and x86_64.
    """
    from tailrace.package.archive import write_archive
    from tailrace.package.layer import VARIABLES, layer_entries

    options = take(LayerOptions, values)
    written = write_archive(options.output, layer_entries(options.bytecode))
    if options.is_json:
        facts = {
            "file": str(written.path),
            "bytes": written.bytes,
            "unzipped_bytes": written.unzipped_bytes,
            "files": written.file_count,
            "sha256": written.sha256,
            "environment": VARIABLES,
        }
        click.echo(json.dumps(facts))
        return
    click.echo(f"wrote {written.path}: {written.file_count} files, {written.bytes:,} bytes")
    for name, text in VARIABLES.items():
        click.echo(f"functions with this layer need {name}={text}")
