"""TCP connections of a function's process."""

from __future__ import annotations

# Not `socket`: its enumerations cost a cold start as much as all modules of tailrace.
import _socket

from tailrace.errors import PeerError


def open_connection(host: str, port: int, timeout_s: float) -> _socket.socket:
    """Open a connection without Nagle's delay; each address of a name has `timeout_s`.

    Raises:
        PeerError: the name is unknown, the connection is refused, or it takes too long.
    """
    reason: OSError | None = None
    try:
        addresses = _addresses(host, port)
    except OSError as error:
        reason, addresses = error, []
    for family, address in addresses:
        sock = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout_s)
            sock.connect(address)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            reason = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    text = "no address" if reason is None else text_of(reason)
    raise PeerError(f"no connection to {host}:{port}: {text}") from reason


def text_of(error: OSError) -> str:
    """Return the reason of an error, for a message."""
    return error.strerror or str(error) or type(error).__name__


def _addresses(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    """Return the addresses of a host, each with its family."""
    if host.replace(".", "").isdecimal():
        # An IP address, as of the Runtime API: the resolver would take as long as the connection.
        return [(_socket.AF_INET, (host, port))]
    # As bytes: text would go through the idna codec, whose import costs a cold start.
    found = _socket.getaddrinfo(host.encode("ascii"), port, 0, _socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]
