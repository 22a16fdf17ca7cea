"""Addresses in configuration files and on command lines."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from tailrace.errors import ConfigError

_HOST_PORT: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?"
).fullmatch
HOST_NAME_PATTERN: Final = r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"
_HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){HOST_NAME_PATTERN}").fullmatch
_AUTO: Final = re.compile(r"((?:https?://)?)auto((?::[0-9]{1,5})?)/?").fullmatch


WILDCARDS: Final = ("0.0.0.0", "::")
"""Hosts to listen on that stand for all addresses of the machine. Nobody can call them."""


class Address(NamedTuple):
    """An address to listen on; port 0 is any free port."""

    host: str
    """A name or an IP address, without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PortRange(NamedTuple):
    """Ports from the first to the last."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def parse_address(text: str, *, name: str = "address") -> Address:
    """Parse HOST:PORT, an IPv6 address in brackets; `name` is the option, for messages.

    Raises:
        ConfigError: the text is not an address.
    """
    meant = _meant(text)
    if meant is not None:
        problem = f"{text[:80]!r} is no address"
        raise ConfigError(problem, where=name, meant=meant, allowed="HOST:PORT")
    host, port = _split_host(text, name, "HOST:PORT")
    if port is None:
        raise ConfigError(f"{text[:80]!r} has no port", where=name, allowed="HOST:PORT")
    return Address(host, port)


def parse_address_or_off(text: str, *, name: str = "address") -> Address | None:
    """Parse HOST:PORT; `off` is None.

    Raises:
        ConfigError: the text is neither.
    """
    return None if text.strip() == "off" else parse_address(text, name=name)


def parse_ports(text: str, *, name: str = "ports") -> PortRange:
    """Parse FIRST-LAST, or one port; return the range.

    Raises:
        ConfigError: the text is no range of ports.
    """
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text.strip())
    if match is None:
        raise ConfigError(f"{text[:80]!r} is no range of ports", where=name, allowed="FIRST-LAST")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65_535:
        problem = f"{text[:80]!r} is no range of ports"
        raise ConfigError(problem, where=name, allowed="FIRST-LAST, from 1 to 65535, FIRST first")
    return PortRange(first, last)


def parse_advertise(
    text: str, default_port: int, *, offset: int = 0, name: str = "--advertise"
) -> str:
    """Return the base of callback URLs for [https://]HOST[:PORT], such as "http://10.0.0.1:8081".

    The port defaults to `default_port`; for https it defaults to 443, because a proxy terminates
    TLS in front of the gateway. `offset` is added to a port that the text has.

    Raises:
        ConfigError: the text is malformed, or its address cannot be called, such as 0.0.0.0.
    """
    allowed = "[https://]HOST[:PORT]"
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    if scheme not in ("http", "https"):
        problem = f"{text[:80]!r} is neither http nor https"
        raise ConfigError(problem, where=name, allowed=allowed)
    host, port = _split_host(rest.removesuffix("/"), name, allowed)
    if host in WILDCARDS:
        problem = f"functions cannot call {host}; name an address of this machine"
        raise ConfigError(problem, where=name)
    if port == 0:
        raise ConfigError("functions cannot call port 0", where=name, allowed=allowed)
    if port is not None:
        port += offset
        if port > 65_535:
            raise ConfigError(f"port {port} is not allowed", where=name, allowed="0 to 65535")
    if port is None:
        port = 443 if scheme == "https" else default_port
    if port == 0:
        problem = "has no port, and --callback-listen takes any; name one"
        raise ConfigError(problem, where=name)
    return f"{scheme}://{Address(host, port)}"


def unadvertised(listen: Address) -> ConfigError:
    """The error to raise if functions cannot call a callback listener at its own address."""
    return ConfigError(
        f"missing; --callback-listen {listen} is no address that functions can call",
        where="--advertise",
        allowed="auto, or [https://]HOST[:PORT]",
    )


def is_auto(text: str) -> bool:
    """Whether the host of a value of `--advertise` is `auto`, and has to be found."""
    return _AUTO(text) is not None


def with_host(text: str, host: str) -> str:
    """Return a value of `--advertise` with this host, a name or an IP address, for `auto`."""
    match = _AUTO(text)
    assert match is not None
    return f"{match[1]}[{host}]{match[2]}" if ":" in host else f"{match[1]}{host}{match[2]}"


def parse_host_name(text: str, *, name: str) -> str:
    """Parse a host name without a port, or `.example.com` for all names below it.

    Raises:
        ConfigError: the text is not a host name.
    """
    if not _HOST_NAME(text):
        raise ConfigError(
            f"{text[:80]!r} is no host name",
            where=name,
            allowed="a name without scheme and port, such as my-laptop.local, or"
            ' ".example.com" for all names below it, too',
        )
    return text


def check_url(url: str, *, name: str) -> None:
    """Refuse a URL to which no request can be sent; `name` is the key or option, for messages.

    Raises:
        ConfigError: the host is missing, or the port is out of range. The message omits path and
            query, which may be secret.
    """
    host = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
    _, port = _split_host(host, name, "http[s]://HOST[:PORT]/PATH")
    if port == 0:
        raise ConfigError("nobody can be reached at port 0", where=name)


def _meant(text: str) -> str | None:
    """Return the address in a URL, or the loopback address with a port that stands alone."""
    if re.fullmatch(r":?[0-9]{1,5}", text):
        return f"127.0.0.1:{text.removeprefix(':')}"
    scheme, separator, rest = text.partition("://")
    rest = rest.rstrip("/")
    return rest if separator and scheme.isalpha() and _HOST_PORT(rest) else None


def _split_host(text: str, name: str, allowed: str) -> tuple[str, int | None]:
    """Return host, without brackets, and port of HOST[:PORT]."""
    match = _HOST_PORT(text)
    if match is None:
        problem = f"{text[:80]!r} is no address"
        raise ConfigError(problem, where=name, allowed=f"{allowed}, IPv6 in brackets")
    bracketed, host, digits = match.groups()
    if bracketed is not None:
        try:
            host = str(IPv6Address(bracketed))
        except ValueError as error:
            raise ConfigError(f"no IPv6 address: {error}", where=name) from None
    if digits is None:
        return host, None
    if int(digits) > 65_535:
        raise ConfigError(f"port {digits} is not allowed", where=name, allowed="0 to 65535")
    return host, int(digits)
