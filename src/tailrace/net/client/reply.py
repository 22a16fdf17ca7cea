"""Answers of HTTP/1.1 servers, read as they come: what our clients on the event loop share."""

from __future__ import annotations

import httptools

from tailrace import limits
from tailrace.errors import PeerError


def no_connection(host: str, port: int, error: OSError) -> PeerError:
    """What whoever wanted to connect is told: the name, the network or the certificate is wrong."""
    reason = error.strerror or str(error) or type(error).__name__
    return PeerError(f"no connection to {host}:{port}: {reason}")


class ReplyReader:
    """Reads one answer after the other; `on_body` is called with each piece of a body.

    A connection is one, rather than having one: a piece of a body must cost no further call.
    """

    __slots__ = (
        "_fields",
        "_is_complete",
        "_is_kept",
        "_parser",
        "_start",
        "_status",
    )

    def _renew(self) -> None:
        """Be ready for the next answer."""
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0  # until the head is complete
        self._fields: dict[str, str] = {}  # names in lower case, the last of repeats
        self._is_complete = self._is_kept = False
        self._start = b""  # of the first status line: the parser takes RTSP as well

    def _forget_parser(self) -> None:
        """Let the parser go, which holds our bound methods."""
        self._parser = None  # type: ignore[assignment] # nothing is read any more

    def _read(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            PeerError: they are no answer, or one without end.
        """
        if not self._status:
            self._start = (self._start + data[:5])[:5]
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._is_complete:
                cause = error.__context__
                if isinstance(cause, PeerError):
                    raise cause from None
                raise PeerError("the answer is not HTTP", "not-http") from error
            self._is_kept = False  # more came than the answer

    @property
    def http_version(self) -> str:
        """Of the answer that is being read: "1.1"."""
        return self._parser.get_http_version()

    @property
    def _is_delimited_by_close(self) -> bool:
        """Whether the end of the connection is the end of this answer, which has not come yet."""
        framing = {"content-length", "transfer-encoding"}
        return self._status > 0 and not (self._is_complete or framing & self._fields.keys())

    # --- called by the parser -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_complete:
            raise PeerError("more came than the answer")
        self._fields = {}  # those of an informational answer (RFC 9110 §15.2), if one came before

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._status:
            return  # a trailer
        self._fields[name.decode("latin-1").lower()] = value.decode("latin-1")
        if len(self._fields) > limits.HEADER_COUNT_MAX:
            raise PeerError(f"the answer has more than {limits.HEADER_COUNT_MAX} header fields")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._start != b"HTTP/" or self._parser.get_http_version() not in ("1.1", "1.0"):
            raise PeerError("the answer is not HTTP/1.1")
        if status >= 200:
            self._status = status
            self._is_kept = self._parser.should_keep_alive()
        elif status < 100:
            raise PeerError("the answer has no status")

    def on_body(self, data: bytes) -> None:
        raise NotImplementedError

    def on_message_complete(self) -> None:
        self._is_complete = self._status > 0  # or an informational one is
