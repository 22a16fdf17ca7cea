"""Hints for usage errors: commands and options of other tools, and ours for the same."""

from __future__ import annotations

from typing import Any, Final

import click

CONTEXT: Final[dict[str, Any]] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}
"""How a command shows its help; those of a group have it from the group."""

_LISTEN: Final = "Use --listen HOST:PORT, as in --listen 127.0.0.1:8080."
_CONFIG: Final = "Use --config FILE."
_WORKERS: Final = "tailrace gateway has --workers; for tailrace dev, set concurrency in the file."
_DRAIN: Final = "Use --drain-timeout SECONDS."
_OPTIONS: Final = {
    "--port": _LISTEN,
    "-p": _LISTEN,
    "--host": _LISTEN,
    "--bind": _LISTEN,
    "-b": _LISTEN,
    "--file": _CONFIG,
    "-f": _CONFIG,
    "-c": _CONFIG,
    "--template": _CONFIG,
    "--reload": "tailrace dev reloads without being asked.",
    "--watch": "tailrace dev reloads without being asked.",
    "--handler": "Name it as an argument: tailrace dev app:handler.",
    "--app": "Name it as an argument: tailrace dev main:app.",
    "--app-dir": "Start in the folder of the app, or set path in tailrace.toml.",
    "--workers": "Set concurrency in tailrace.toml.",
    "--threads": _WORKERS,
    "--processes": _WORKERS,
    "--graceful-timeout": _DRAIN,
    "--timeout-graceful-shutdown": _DRAIN,
    "--timeout": "A function's is timeout_s in tailrace.toml; the gateway's are --…-timeout.",
    "--region": "Set AWS_REGION, or give --endpoint-url URL.",
    "--profile": "Set AWS_PROFILE; for functions, set aws_profile in tailrace.toml.",
    "--env-file": "Set env_file in tailrace.toml.",
}
_COMMANDS: Final = (
    dict.fromkeys(("start", "run", "serve", "local", "up", "start-api"), "dev")
    | {"new": "init", "create": "init"}
    | {"lambda": "emulator", "proxy": "gateway", "measure": "probe"}
    | {"stop": "drain", "shutdown": "drain"}
)
_RELOAD: Final = "A gateway reloads at SIGHUP: kill -HUP PID, with the process id of its parent."
_STATISTICS: Final = "Ask the gateway's admin listener: curl http://127.0.0.1:8082/statistics"
_NO_COMMANDS: Final = dict.fromkeys(("reload", "restart"), _RELOAD) | dict.fromkeys(
    ("status", "stats", "health"), _STATISTICS
)


class HintingCommand(click.Command):
    """A command whose usage errors suggest what to write instead."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        given = list(args)
        ctx.allow_extra_args = True  # refused below, where each of them is named
        try:
            extra = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in _OPTIONS:
                raise
            hint = f" {_OPTIONS[error.option_name]}"
            raise click.UsageError(f"No such option {error.option_name!r}.{hint}", ctx) from None
        if extra and not ctx.resilient_parsing:
            noun = "argument" if len(extra) == 1 else "arguments"
            text = f"Got unexpected extra {noun} ({' '.join(extra)})"
            raise click.UsageError(text + _for_argument(given, ctx), ctx)
        return extra


class HintingGroup(click.Group):
    """A group whose error for an unknown command suggests one of ours."""

    command_class = HintingCommand

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named first."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            meant = _COMMANDS.get(args[0])
            known = ", ".join(self.list_commands(ctx))
            hint = f"Did you mean {meant}?" if meant else f"There are: {known}."
            hint = _NO_COMMANDS.get(args[0], hint)
            raise click.UsageError(f"No such command {args[0]!r}. {hint}", ctx) from None


def _for_argument(given: list[str], ctx: click.Context) -> str:
    for argument in given:
        if argument.endswith((".toml", ".yaml", ".yml", ".json")):
            return f" Write --config {argument}."
    if ctx.info_name == "gateway":
        return " Routes name the functions; --function NAME is one without a file."
    return ""
