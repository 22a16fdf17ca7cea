"""Callback URLs: `http://HOST:PORT/<exchange id>/<secret>`.

The holder of the URL may answer the exchange, once. Both parts are 128 random bits. The id names
the exchange and may be logged; the secret authorizes the callback and must not be logged.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tailrace.errors import CapabilityError
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

RANDOM_BYTES: Final = 32
ID_PLACE: Final = slice(1, 37)
"""The place of the exchange id in a path."""
EXCHANGE_FIELD: Final = "tailrace-exchange"
"""The field of the gateway's `100 Continue` that names the exchange. A 100 without it is from a
proxy in between, and does not mean that the exchange was accepted."""

# Compiled when they are first used: most functions need neither before they respond.
_ID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_DIGITS: Final = "(.{8})(.{4})(.{4})(.{4})(.{12})(.{32})"
_PATH: Final = f"/({_ID})/([0-9a-f]{{32}})"
# A URL in a text may have its slashes escaped (by JSON or percent-encoding), hex digits in either
# case, and a missing end. The search is for the last hyphen of the id and looks back from there: a
# search from the first digit would try 36 characters at each place of a text of digits.
_HEX: Final = "[0-9a-fA-F]"
_SECRETS: Final = (
    f"(-(?<={_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-){_HEX}{{12}}(?:\\\\?/|%2[fF])){_HEX}+"
)


class Capability(NamedTuple):
    """The right to answer one exchange. Its repr leaves the secret out."""

    exchange_id: str
    """128 bits in the text form of a UUID: 8-4-4-4-12 lower-case hex digits."""
    secret: str
    """32 lower-case hex digits."""

    def __repr__(self) -> str:
        return f"Capability({self.exchange_id}, …)"


def mint(random: bytes) -> list[Capability]:
    """Return a capability for each 32 of these random bytes from a cryptographic source."""
    assert random, "32 random bytes or more"
    assert len(random) % RANDOM_BYTES == 0, "32 random bytes for each"
    groups = _compiled(_DIGITS).findall(random.hex())
    return [Capability(f"{a}-{b}-{c}-{d}-{e}", secret) for a, b, c, d, e, secret in groups]


def callback_url(base: str, capability: Capability) -> str:
    """Return the callback URL below a base such as "http://gateway.internal:8081"."""
    return f"{base.rstrip('/')}/{capability.exchange_id}/{capability.secret}"


def path_of(capability: Capability) -> str:
    """Return the path of a callback URL whose base has none."""
    return f"/{capability.exchange_id}/{capability.secret}"


def parse_path(path: str) -> Capability:
    """Read the path of a callback request. Both parts are ASCII: compare secrets with
    `hmac.compare_digest`, in a time that does not depend on where they differ.

    Raises:
        CapabilityError: it is not `/<exchange id>/<secret>` in lower-case hex digits. The message
            does not show the path.
    """
    match = _compiled(_PATH).fullmatch(path)
    if match is None:
        raise CapabilityError("the path is not that of a callback URL: /<exchange id>/<secret>")
    return Capability(match[1], match[2])


def redact(text: str) -> str:
    """Return a text with "…" in place of the secret of every callback URL in it."""
    return _compiled(_SECRETS).sub(r"\1…", text)


@lru_cache(maxsize=3)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
