"""One request of an ASGI app: its `receive` and `send`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tailrace.errors import AsgiDisconnected, ClientDisconnected
from tailrace.function.apps.framing import unframed
from tailrace.function.apps.late_failure import is_sent_by_middleware
from tailrace.limits import END_TURNS_MAX
from tailrace.wire.integration import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from tailrace.function.response import ResponseStream


class AsgiExchange:
    """Gives an app the request, and sends its response.

    The head is sent with the first part of the body if that comes in the same turn of the loop,
    else alone, so that the client has it while the app works. Until it is sent, the response can
    still become a 500.

    The end is sent with the last message. Behind a middleware that also ends the response of an app
    that has failed (`late_failure`), it is sent when the app returns, or `END_TURNS_MAX` turns of
    the loop later.
    """

    __slots__ = (
        *("_body", "_call", "_failure", "_gone", "_has_raised", "_is_bodiless"),
        *("_is_complete", "_is_started", "_remaining", "_response", "_transport", "_turns"),
        *("has_left", "stream"),
    )

    def __init__(self, response: ResponseStream, body: bytes, *, is_head_request: bool) -> None:
        self.stream = response._stream
        self.has_left = False
        self._response = response
        self._transport = response._stream.output.transport
        self._body: bytes | None = body  # None: the app has it
        self._gone = asyncio.Event()  # the client has left, or has all of its response
        self._has_raised = False
        self._call: asyncio.Handle | None = None  # what sends the head, or the end, in a later turn
        self._is_bodiless = is_head_request
        self._is_started = False
        self._is_complete = False  # the app has sent its last message
        self._turns = 0  # of the loop, since then
        self._failure: Exception | None = None  # of the head that was sent alone
        self._remaining: int | None = None  # bytes that the content-length announces
        response._on_loss = self._leave

    async def receive(self) -> dict[str, Any]:
        """Return the request's body at first, then `http.disconnect`, as soon as that is true."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Send a part of the response; return when there is room for another.

        Raises:
            AsgiDisconnected: the client has left; only once, later parts are dropped.
            RuntimeError: the message is not allowed here, or the body does not have the length that
                the head announces.
            HeadError: HTTP does not allow a part of the head.
        """
        if self.has_left or self.stream.is_ended:
            await self._pass_turn()
        if self.has_left:
            return
        try:
            self._take(message)
            if self._transport.has_unsent:
                await self._response._drain()
            if self._is_complete and self.is_held and not self._turns:
                self._await_return()
        except ClientDisconnected as error:
            self._leave()
            self._has_raised = True
            raise AsgiDisconnected(str(error)) from None

    def finish(self) -> None:
        """The app has returned.

        Raises:
            RuntimeError: its response is not complete, though the client waits for it.
        """
        if self.is_held:
            self.end()
        if self.has_left or self.stream.is_ended:
            return
        if self._failure is not None:
            raise self._failure
        if not self._is_started:
            raise RuntimeError("the ASGI app returned without a response")
        if self._is_bodiless:
            self.end()  # its head is all of it
            return
        raise RuntimeError(
            "the ASGI app returned before its response was complete: the last http.response.body is"
            " missing, or has more_body set"
        )

    @property
    def is_held(self) -> bool:
        """Whether the app has sent its last message, and the end is not sent yet."""
        return self._is_complete and not self.stream.is_ended and not self.has_left

    def end(self) -> None:
        """Send the end of the response."""
        try:
            self.stream.end()
        except ClientDisconnected:
            self._leave()
            return
        self._gone.set()
        self._response._send_queued()

    def close(self) -> None:
        """The app has returned: send nothing by itself, and let no task wait in `receive`."""
        self._cancel_call()
        self._gone.set()

    def _cancel_call(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _call_soon(self, function: Callable[[], None]) -> None:
        self._call = asyncio.get_running_loop().call_soon(function)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "http.response.body" and self._is_started:
            self._send_body(message.get("body", b""), bool(message.get("more_body", False)))
        elif kind == "http.response.start" and not self._is_started:
            self._start(message)
        else:
            wanted = "http.response.body" if self._is_started else "http.response.start"
            raise RuntimeError(f"the ASGI app sent {kind!r} where {wanted!r} is expected")

    def _start(self, message: dict[str, Any]) -> None:
        fields, length = unframed(_decoded(message.get("headers", ())))
        head = Head(message["status"], fields)
        self._is_bodiless = self._is_bodiless or head.status in (204, 304)
        self.stream.set_head(head)
        self._remaining = length
        self._is_started = True
        if self._transport.peer is not None:
            self._call_soon(self._send_head)

    def _send_head(self) -> None:
        """Send the head alone: the first part of the body was not sent in the same turn."""
        if self.stream.head is not None or self.stream.is_ended:
            return
        try:
            self.stream.send_head()
        except ClientDisconnected:
            self._leave()
        except Exception as error:
            self._failure = error  # for the next `send`, or for `finish`
        self._note_end()  # it may have no body

    def _send_body(self, data: Any, has_more: bool) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_complete:
            return  # "further messages on the channel will be ignored"
        self._cancel_call()
        if isinstance(data, str):
            raise TypeError("the body of an http.response.body message is bytes, not str")
        if self._remaining is not None and not self._is_bodiless:
            self._remaining = _remainder(self._remaining - len(data), has_more)
        if self.stream.is_ended:  # with its head
            self._is_complete = not has_more
            return
        if data:
            self.stream.write(data)
        elif has_more:
            self.stream.send_head()
        if not has_more:
            self._is_complete = True
            if self._is_bodiless or self._remaining == 0 or not is_sent_by_middleware():
                self.end()
        self._note_end()  # it may have no body

    def _await_return(self) -> None:
        """Send the end in a later turn, unless the app returns or fails before."""
        self._turns += 1
        if self._turns > END_TURNS_MAX:
            self.end()
        else:
            self._call_soon(self._await_return)

    def _note_end(self) -> None:
        if self.stream.is_ended:
            self._gone.set()

    def _leave(self) -> None:
        self.has_left = True
        self._gone.set()

    async def _pass_turn(self) -> None:
        """Let other tasks run: else one that does nothing but send would never learn of the end.

        Raises:
            AsgiDisconnected: the client has left; only once.
        """
        if self.has_left and not self._has_raised:
            self._has_raised = True
            raise AsgiDisconnected("the client has left, or the gateway has ended the exchange")
        await asyncio.sleep(0)


def _remainder(size: int, has_more: bool) -> int:
    """Return how many bytes a body lacks of its content-length, if that can be right."""
    if size < 0:
        raise RuntimeError("the body is longer than its content-length")
    if size and not has_more:
        raise RuntimeError("the body is shorter than its content-length")
    return size


def _decoded(pairs: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    try:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
    except (AttributeError, ValueError):
        raise TypeError("headers are pairs of name and value, both of them bytes") from None
