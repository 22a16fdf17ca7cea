"""Refuses requests on new connections of an overloaded process before anything is made for them.

A connection costs the event loop several times as much as the refusal. So requests that have waited
too long in the kernel are answered on the plain socket, which is closed then. What cannot be judged
at a glance takes the usual way: what is not complete or very long, HEAD, the health path.
"""

from __future__ import annotations

import re
import socket
from typing import Final

from tailrace.limits import PIPELINED_BYTES_MAX
from tailrace.net.server.overload import Overload
from tailrace.wire.http_head import Headers, encode_response_head

_AT_ONCE: Final = getattr(socket, "MSG_DONTWAIT", 0)
_find_length: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.I).search
_find_other_framing: Final = re.compile(
    rb"\r\n(transfer-encoding:|content-length:(?![ \t]*[0-9]{1,9}[ \t]*\r\n))", re.I
).search


class Door:
    """Turns connections away. `refusal` and `page` are head fields and body for the two kinds of
    clients: those that accept HTML get the page.
    """

    def __init__(
        self,
        overload: Overload,
        *,
        open_path: str,
        refusal: tuple[Headers, bytes],
        page: tuple[Headers, bytes],
    ) -> None:
        """`open_path`: requests for it are never refused."""
        self._overload = overload
        self._open_path = open_path.encode()
        self._refusal = _encode(*refusal)
        self._page = _encode(*page)

    def turns_away(self, accepted: socket.socket) -> bool:
        """Return whether a connection was answered and closed; if not, nothing was read."""
        if not self._overload.is_alert:
            return False
        try:
            data = accepted.recv(PIPELINED_BYTES_MAX, socket.MSG_PEEK | _AT_ONCE)
        except OSError:  # nothing has come yet, or the peer has left
            return False
        if self._open_path in data[: len(self._open_path) + 16] or not is_whole(data):
            return False
        if not self._overload.must_refuse_socket(accepted):
            return False
        try:
            accepted.recv(len(data), _AT_ONCE)  # unread bytes would reset it
            accepted.send(self._page if b"text/html" in data else self._refusal, _AT_ONCE)
        except OSError:
            pass  # the peer has left
        accepted.close()
        return True


def is_whole(data: bytes) -> bool:
    """Return whether these bytes look like one request that is complete, and not HEAD."""
    head, end, body = data.partition(b"\r\n\r\n")
    head += b"\r\n"
    if not end or data.startswith(b"HEAD ") or _find_other_framing(head):
        return False
    length = _find_length(head)
    return len(body) == (int(length[1]) if length else 0)


def _encode(fields: Headers, body: bytes) -> bytes:
    framing = b"content-length: %d\r\nconnection: close\r\n" % len(body)
    return encode_response_head(503, fields, framing, b"") + body
