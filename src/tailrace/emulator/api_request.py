"""A request of the Lambda API: its payload is taken in, then it is answered, or refused."""

from __future__ import annotations

import uuid
from typing import Final

from tailrace import limits
from tailrace.emulator.service_error import ServiceError
from tailrace.net.server.listener import Connection, Headers

JSON: Final = (b"content-type", b"application/json")

_READ_BYTES_MAX: Final = 8 * limits.SYNC_INVOKE_BYTES_MAX


class ApiRequest:
    """Receives the payload of a request, and has it answered behind it.

    Also of a request that is refused the payload is read to its end: SDKs do not look for an
    answer while they send. A caller that leaves stops nothing.
    """

    __slots__ = (
        "_payload",
        "_payload_bytes_max",
        "connection",
        "cors_fields",
        "is_gone",
        "payload_size",
    )

    def __init__(self, connection: Connection, payload_bytes_max: int = 0) -> None:
        self.connection = connection
        self.cors_fields: Headers = []
        self.is_gone = False
        self.payload_size = 0  # as it was sent
        self._payload = bytearray()  # pieces of a dribbled payload would take many times its bytes
        self._payload_bytes_max = payload_bytes_max

    # --- for those that build on it -----------------------------------------------------------

    def answer(self, payload: bytes) -> None:
        """Answer. One that is over its limit has lost its payload: see `payload_size`.

        Raises:
            ServiceError: the request is refused.
        """
        raise NotImplementedError

    def own_headers(self) -> Headers:
        """What Lambda adds to every answer to this request."""
        return [(b"x-amzn-RequestId", str(uuid.uuid4()).encode())]

    def headers(self) -> Headers:
        """The headers of every answer to this request."""
        return [*self.own_headers(), *self.cors_fields]

    def refuse(self, error: ServiceError) -> None:
        """Answer with an error of the API."""
        fields = [*error.headers(), *self.headers()]
        self.connection.respond(error.status, fields, error.body())

    # --- what the connection calls --------------------------------------------------------------

    def on_body(self, data: bytes) -> None:
        """Collect what is within the limit."""
        self.payload_size += len(data)
        if self.payload_size <= self._payload_bytes_max:
            self._payload += data
        else:
            self._payload.clear()
        if self.payload_size > _READ_BYTES_MAX:  # enough: the connection ends with the answer
            self._conclude()

    def on_end(self, trailers: Headers) -> None:
        """The payload is complete."""
        self._conclude()

    def on_gone(self) -> None:
        """The caller has left; what runs goes on."""
        self.is_gone = True

    def on_pause(self) -> None:
        """Answers are written whole, unless they stream."""

    def on_resume(self) -> None:
        """See `on_pause`."""

    def _conclude(self) -> None:
        payload, self._payload = bytes(self._payload), bytearray()
        try:
            self.answer(payload)
        except ServiceError as error:
            self.refuse(error)


class DocumentRequest(ApiRequest):
    """A request that is answered with a JSON document."""

    __slots__ = ("_document",)

    def __init__(self, connection: Connection, document: bytes) -> None:
        super().__init__(connection)
        self._document = document

    def answer(self, payload: bytes) -> None:
        """Answer with the document; a payload is not looked at."""
        self.connection.respond(200, [JSON, *self.headers()], self._document)


class Refused(ApiRequest):
    """A request that is refused for what its head says."""

    __slots__ = ("_error",)

    def __init__(self, connection: Connection, error: ServiceError) -> None:
        super().__init__(connection)
        self._error = error

    def answer(self, payload: bytes) -> None:
        """Refuse."""
        raise self._error
