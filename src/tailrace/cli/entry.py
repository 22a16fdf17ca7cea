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
from typing import NoReturn

from tailrace import __version__
from tailrace.cli.error_words import error_in_words
from tailrace.errors import ConfigError, PackageError
from tailrace.net.process.descriptors import open_standard_streams


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; `arguments` are those of the process unless given."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if arguments is None:
        open_standard_streams()
    if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a command handles signals, Ctrl-C ends the process without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        if given[:1] == ["probe"]:  # its extra has fewer packages than `commands` imports
            from tailrace.cli.probe import probe

            probe.main(given[1:], prog_name="tailrace probe")
        if given == ["--version"]:  # of an installation with any extra
            print(f"tailrace {__version__}")  # noqa: T201 - click may be missing
            sys.exit(0)
        if given[:1] == ["drain"]:  # of hooks with a short time
            from tailrace.cli.drain import drain

            drain.main(given[1:], prog_name="tailrace drain")
        if given[:1] == ["package"]:
            from tailrace.cli.package import package

            package.main(given[1:], prog_name="tailrace package")
        from tailrace.cli.commands import tailrace

        tailrace.main(given, prog_name="tailrace")
    except (ConfigError, PackageError, ModuleNotFoundError, OSError) as error:
        _fail(*error_in_words(error, given))
    sys.exit(0)


def _fail(code: int, message: str) -> NoReturn:
    print(f"tailrace: {message}", file=sys.stderr)  # noqa: T201 - click may be what is missing
    sys.exit(code)
