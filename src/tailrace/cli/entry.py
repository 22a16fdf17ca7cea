"""The entry point of the command `tailrace`: error messages and exit codes.

Exit codes: 0 success; 1 an address is unavailable, responses were aborted at the end, a condition
of the probe does not hold, or a package cannot be made; 2 the command line, the configuration or
the installation is wrong; 3 the probe could not measure; 130 and 143 a second signal ended the
command.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

from tailrace import __version__
from tailrace.cli.error_words import error_in_words
from tailrace.errors import ConfigError, PackageError
from tailrace.net.process.descriptors import open_standard_streams

if TYPE_CHECKING:  # click may be missing
    import click

ALONE: Final = {
    "check": "agreement",
    "costs": "costs",
    "drain": "drain",
    "package": "package",
    "probe": "probe",
}
"""Commands that are run without the others: their extras have fewer packages, or their time is
short. For each its module here, which has it by its name."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; `arguments` are those of the process unless given."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if arguments is None:
        open_standard_streams()
    if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a command handles signals, Ctrl-C ends the process without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        if given == ["--version"]:  # of an installation with any extra
            print(f"tailrace {__version__}")  # noqa: T201 - click may be missing
            sys.exit(0)
        if given and given[0] in ALONE:
            _alone(given[0]).main(given[1:], prog_name=f"tailrace {given[0]}")
        from tailrace.cli.commands import tailrace

        is_known = bool(given) and given[0] in tailrace.commands
        line = tailrace if is_known else whole_command_line()  # for help, or after a mistake
        line.main(given, prog_name="tailrace")
    except (ConfigError, PackageError, ModuleNotFoundError, OSError) as error:
        _fail(*error_in_words(error, given))
    sys.exit(0)


def whole_command_line() -> click.Group:
    """Return the group of all commands, whose import takes longer than that of one."""
    from tailrace.cli.commands import tailrace

    for name in ALONE:
        tailrace.add_command(_alone(name))
    return tailrace


def _alone(name: str) -> click.Command:
    command: click.Command = getattr(import_module(f"tailrace.cli.{ALONE[name]}"), name)
    return command


def _fail(code: int, message: str) -> NoReturn:
    print(f"tailrace: {message}", file=sys.stderr)  # noqa: T201 - click may be what is missing
    sys.exit(code)
