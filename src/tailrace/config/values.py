"""Kinds of values that several settings take: ranges, patterns, and what is allowed in words."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from tailrace import limits
from tailrace.config.address import HOST_NAME_PATTERN

DAY_S: Final = 86_400
PATH_CHARACTER: Final = r"""[!"$-)+-;=@-z|~]"""
"""Printable ASCII without # * ? < > { }."""

SWITCH: Final = Meta(description="true or false")
KEY: Final = Meta(pattern=r"^[!-~]{1,128}\Z", description="up to 128 printable characters")


def whole(low: int, high: int) -> Meta:
    """Allow whole numbers of a range, both ends included."""
    return Meta(ge=low, le=high, description=f"a whole number from {low} to {high}")


def seconds_up_to(high: float) -> Meta:
    """Allow times above zero."""
    return Meta(gt=0, le=high, description=f"seconds: more than 0, at most {high:.0f}")


def seconds_from_zero_to(high: float) -> Meta:
    """Allow times, and zero."""
    return Meta(ge=0, le=high, description=f"seconds from 0 to {high:.0f}")


# --- lists of hosts and origins ----------------------------------------------------------------

_ADDRESS: Final = rf"({HOST_NAME_PATTERN}|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?"
HostNames: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(pattern=rf"^{HOST_NAME_PATTERN}\Z", max_length=253)], ...],
    Meta(
        max_length=limits.ALLOWED_HOSTS_MAX,
        description=f"a list of at most {limits.ALLOWED_HOSTS_MAX} host names without port;"
        ' ".example.com" is all names below it, too',
    ),
]
CallbackHosts: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(pattern=rf"^{_ADDRESS}\Z", max_length=260)], ...],
    Meta(
        max_length=limits.ALLOWED_HOSTS_MAX,
        description=f"a list of at most {limits.ALLOWED_HOSTS_MAX} times HOST or HOST:PORT;"
        ' ".example.com" is all names below it, too',
    ),
]
# As browsers send them: in lower case, without a path and without the usual port. Extensions have
# schemes of their own, whose hosts browsers leave as they are.
_ORIGIN: Final = (
    r"(?!http://.*:80\Z|https://.*:443\Z)https?://([a-z0-9._~-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
    r"|(?!https?:)[a-z][a-z0-9+.-]*://[A-Za-z0-9._~-]+"
)
Origins: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(pattern=rf"^(\*|null|{_ORIGIN})\Z", max_length=253)], ...],
    Meta(
        max_length=limits.ALLOWED_HOSTS_MAX,
        description=f"a list of at most {limits.ALLOWED_HOSTS_MAX} origins as browsers send them,"
        ' such as "https://example.com" (lower case, no path, no usual port), or of "*"',
    ),
]
