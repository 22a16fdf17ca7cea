"""How long bytes have waited in the kernel, which no event loop knows."""

from __future__ import annotations

import socket
import sys
from typing import Final

_TCP_INFO: Final = socket.TCP_INFO if sys.platform == "linux" else 0
_BYTES: Final = 56  # linux/tcp.h: struct tcp_info, up to tcpi_last_data_recv


def received_ago_s(sock: socket.socket) -> float:
    """Return how long ago the kernel received the last bytes of a connection, to some ms.

    0 if that is unknown: on other systems than Linux, or if the peer has left.
    """
    if not _TCP_INFO:
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES)
    except OSError:
        return 0.0
    return int.from_bytes(info[-4:], sys.byteorder) / 1000
