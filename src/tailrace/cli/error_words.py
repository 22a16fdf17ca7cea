"""Exit codes and messages of the errors that end a command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tailrace.errors import ConfigError, PackageError

_LIBRARIES: Final = frozenset(
    (
        *("botocore", "click", "httptools", "matplotlib", "msgspec", "pip", "uv", "uvloop"),
        "watchfiles",
    )
)
_EXTRAS: Final = ("dev", "package", "gateway", "emulator", "probe")


def error_in_words(error: Exception, arguments: Sequence[str]) -> tuple[int, str]:
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
