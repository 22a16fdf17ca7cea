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
from pathlib import Path
from typing import Final, NoReturn

from tailrace import __version__
from tailrace.errors import ConfigError, PackageError

_LIBRARIES: Final = frozenset(
    (
        *("botocore", "click", "httptools", "matplotlib", "msgspec", "pip", "uv", "uvloop"),
        "watchfiles",
    )
)
_EXTRAS: Final = ("dev", "package", "gateway", "emulator", "probe")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; `arguments` are those of the process unless given."""
    given = sys.argv[1:] if arguments is None else list(arguments)
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
        if given[:1] == ["package"]:
            from tailrace.cli.package import package

            package.main(given[1:], prog_name="tailrace package")
        from tailrace.cli.commands import tailrace

        tailrace.main(given, prog_name="tailrace")
    except (ConfigError, PackageError, ModuleNotFoundError, OSError) as error:
        _fail(*in_words(error, given))
    sys.exit(0)


def in_words(error: Exception, arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit code and message for an error of a command; any other error is raised again."""
    match error:
        case ConfigError():
            return 2, str(error)
        case PackageError():
            return 1, str(error)
        case ModuleNotFoundError():
            library = (error.name or "").partition(".")[0]
            if library in _LIBRARIES:
                return 2, _missing(library, arguments)
        case OSError():
            words = error.strerror or str(error)
            return 1, words if error.filename is None else f"{error.filename}: {words}"
    raise error


def _missing(library: str, given: Sequence[str]) -> str:
    """Return the message for a missing package: it names the extra of the command."""
    command = next((argument for argument in given if argument in _EXTRAS), None)
    name = "tailrace" if command is None else f"tailrace {command}"
    extra, source = command or "dev", _source()
    where = f"'{source}[{extra}]'" if source else f"'.[{extra}]' in a clone of its repository"
    return (
        f"{name} needs {library}, which is not installed; tailrace is not released yet,"
        f" so install its extra from where it came: pip install {where}"
    )


def _source() -> str | None:
    """Return the directory from which pip installed this package (PEP 610)."""
    import json
    from importlib import metadata
    from urllib.parse import unquote, urlsplit

    try:
        record = metadata.distribution("tailrace").read_text("direct_url.json")
        parts = urlsplit(json.loads(record or "{}").get("url", ""))
    except (metadata.PackageNotFoundError, ValueError):
        return None
    path = unquote(parts.path)
    return path if parts.scheme == "file" and Path(path).is_dir() else None


def _fail(code: int, message: str) -> NoReturn:
    print(f"tailrace: {message}", file=sys.stderr)  # noqa: T201 - click may be what is missing
    sys.exit(code)
