"""`tailrace package`: the commands and their options."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from tailrace.cli.options import options_of, take
from tailrace.cli.steps import Steps
from tailrace.cli.usage import CONTEXT, HintingGroup
from tailrace.errors import ConfigError
from tailrace.package.options import FunctionPackageOptions, GatewayPackageOptions, LayerOptions
from tailrace.words import counted


@click.group(
    cls=HintingGroup,
    context_settings=CONTEXT,
)
def package() -> None:
    """Make the archives and folders that run on AWS, without Docker."""
    # Temporary files are removed at the end of the command, whatever ends it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _end)


@package.command()
@options_of(LayerOptions)
def layer(**values: Any) -> None:
    """Make the Lambda layer with which AWS's managed Python runtime streams.

    One layer serves each Python from 3.11 on, on arm64 and x86_64.
    """
    from tailrace.package.archive import write_archive
    from tailrace.package.command_text import shown_command
    from tailrace.package.layer import VARIABLES, layer_entries, publish_command

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
            "publish_layer_version": publish_command(written.path),
        }
        click.echo(json.dumps(facts))
        return
    click.echo(f"wrote {written.path}: {written.file_count} files, {written.bytes:,} bytes")
    for name, text in VARIABLES.items():
        click.echo(f"functions with this layer need {name}={text}")
    click.echo(f"\npublish it:\n{shown_command(publish_command(written.path))}")


@package.command()
@click.argument(
    "path", metavar="PATH", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@options_of(FunctionPackageOptions)
def function(**values: Any) -> None:
    """Make the archive of a function: the code in PATH, and its dependencies as wheels.

    Nothing is built from source, and no file of this machine's Python is in it.
    """
    from tailrace.package.function.build import build
    from tailrace.package.function.report import facts_of, text_of
    from tailrace.package.usual_places import app_in_project

    options = FunctionPackageOptions(**values)
    with Steps(sys.stderr) as steps:
        app = options.app
        if app is None:
            app = _app_in(options.path)
            steps.note(f"the app is {app}; --app names another one")
        archive = build(options, app, steps.begin)
        if options.bundle and app == app_in_project(options.path):
            steps.note(f"warning: {_only_with_our_runtime(app)}")
        for warning in archive.warnings:
            steps.note(f"warning: {warning}")
    click.echo(json.dumps(facts_of(archive)) if options.is_json else text_of(archive))


def _app_in(folder: Path) -> str:
    from tailrace.package.usual_places import app_in_project, app_nearby

    app = app_in_project(folder)
    if app is None:
        problem = f"there is no app of a known framework in a usual file of {folder}"
        remedy = app_nearby(folder) or "name an app or a handler: --app MODULE:ATTRIBUTE"
        raise ConfigError(f"{problem}; {remedy}")
    return app


def _only_with_our_runtime(app: str) -> str:
    module, _, name = app.partition(":")
    return (
        f"AWS's own runtime calls handlers, and {app} is an app, which only tailrace.runtime calls;"
        f" otherwise add handler = asgi({name}), or wsgi({name}), and give --app {module}:handler"
    )


@package.command()
@options_of(GatewayPackageOptions)
def gateway(**values: Any) -> None:
    """Make a folder from which a machine installs the gateway, without an index.

    The machine runs Linux with glibc 2.34 or newer, as Amazon Linux 2023 does. There, in the
    folder, sh install.sh makes the gateway a service of systemd.
    """
    from tailrace.package.gateway import install_command, make_gateway_folder, platform_text
    from tailrace.package.wheels import WheelTarget

    options = take(GatewayPackageOptions, values)
    target = WheelTarget(options.architecture, options.python)
    with Steps(sys.stderr) as steps:
        made = make_gateway_folder(options.output, target, steps.begin)
    wheels = [each for each in made if each.name.endswith(".whl")]
    others = [each for each in made if each not in wheels]
    folder = shlex.quote(str(options.output))
    total = sum(wheel.bytes for wheel in wheels)
    if options.is_json:
        facts = {
            "folder": str(options.output),
            "architecture": options.architecture,
            "python": options.python,
            "platform": target.platform,
            "bytes": total,
            "wheels": [asdict(wheel) for wheel in wheels],
            "files": [asdict(each) for each in others],
            "install": install_command(folder),
            "install_service": f"sh {folder}/install.sh",
        }
        click.echo(json.dumps(facts))
        return
    for each in made:
        click.echo(f"{each.bytes:>12,}  {each.name}")
    click.echo(f"wrote {options.output}: {counted(len(wheels), 'wheel')}, {total:,} bytes")
    click.echo(f"for {platform_text(target)}; there, as root, for a service of systemd:")
    click.echo(f"  sh {folder}/install.sh")
    click.echo(f"or into an environment of yours:\n  {install_command(folder)}")


def _end(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signum)
