"""How callers name a function: plain, with a qualifier, as a partial or a full ARN."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from tailrace.emulator.service_error import ServiceError, invalid_value

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"
VERSION: Final = "$LATEST"

_PATTERN: Final = (
    r"(arn:aws[a-zA-Z-]*:lambda:)?([a-z]{2,4}(-[a-z]+)+-\d:)?(\d{12}:)?(function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(:(?P<qualifier>\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_NAME: Final = re.compile(_PATTERN)
_QUALIFIER: Final = re.compile(r"\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+")
_CHARS_MAX: Final = 256


class FunctionName(NamedTuple):
    """A function as a caller named it; `qualifier` is an alias, a version or None."""

    name: str
    qualifier: str | None

    @property
    def arn(self) -> str:
        """The ARN that the function is told, with the qualifier when there was one."""
        suffix = f":{self.qualifier}" if self.qualifier else ""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}{suffix}"


def parse_name(segment: str, qualifier: str | None) -> FunctionName:
    """Read a path segment (percent-encoded) and the `Qualifier` parameter.

    Any region, account, alias and version is taken: the emulator is all of them, and runs
    `$LATEST`. So code that names a deployed alias works here unchanged.

    Raises:
        ServiceError: the name or the qualifier is malformed, or they contradict each other.
    """
    text = unquote(segment)
    match = _NAME.fullmatch(text) if len(text) <= _CHARS_MAX else None
    if match is None:
        raise _invalid("functionName", text, _PATTERN)
    if qualifier is not None and not _QUALIFIER.fullmatch(qualifier):
        raise _invalid("qualifier", qualifier, _QUALIFIER.pattern)
    inner = match["qualifier"]
    if inner is not None and qualifier is not None and inner != qualifier:
        raise ServiceError(
            400,
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )
    return FunctionName(match["name"], inner if inner is not None else qualifier)


def _invalid(what: str, value: str, pattern: str) -> ServiceError:
    return invalid_value(what, value, f"Member must satisfy regular expression pattern: {pattern}")
