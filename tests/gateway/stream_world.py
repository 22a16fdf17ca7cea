"""A hand-made Lambda that answers with response streams, byte by byte as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from tests.fakes import Broken, Client, FakeLambda, Fields, Invocation, soon
from tests.gateway.world import FixedRoute, Story, World, played

from tailrace.net.server.listener import Connection, RequestHead, WholeBody
from tailrace.wire.event_stream import MEDIA_TYPE, encode_chunk, encode_complete

REQUEST_ID = b"11f4b1a4-2d5c-4b9d-8c02-7e5a4d6f0c33"
ROUTE = FixedRoute(transport="response-stream")


class LambdaStream:
    """One invocation, and the answer to it."""

    def __init__(self, invocation: Invocation, connection: Connection) -> None:
        self.invocation = invocation
        self.connection = connection
        self.gone = asyncio.Event()
        """Set when the gateway closes the connection before the answer has ended."""

    @property
    def event(self) -> dict[str, Any]:
        """What was invoked with."""
        return self.invocation.event

    def begin(self) -> None:
        """Send the head of the HTTP answer."""
        fields = [(b"content-type", MEDIA_TYPE.encode()), (b"x-amzn-RequestId", REQUEST_ID)]
        self.connection.start(200, fields)

    def send(self, data: bytes) -> None:
        """Send bytes of the event stream."""
        self.connection.write(data)

    def chunk(self, *payloads: bytes) -> None:
        """Send a message for each payload, all in one write."""
        self.send(b"".join(encode_chunk(payload) for payload in payloads))

    def complete(self, *error: str) -> None:
        """Send the last message."""
        self.send(encode_complete(*error))

    def end(self) -> None:
        """End the HTTP answer."""
        self.connection.end()

    def finish(self) -> None:
        """Send the last message and the end."""
        self.complete()
        self.end()

    def break_off(self) -> None:
        """Close without the end of the HTTP answer."""
        self.connection.abort()

    def reset(self) -> None:
        """Reset the connection."""
        self.connection.reset()

    async def wait_gone(self) -> None:
        """Wait until the gateway has closed the connection."""
        await soon(self.gone.wait(), "the gateway to close its connection")


class StreamLambda(FakeLambda):
    """A Lambda endpoint whose invocations are answered by the test; `refuse` refuses them."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = lambda connection: None
        self.streams: asyncio.Queue[LambdaStream] = asyncio.Queue()

    def _on_head(self, head: RequestHead, connection: Connection) -> WholeBody:
        self.connections.add(id(connection))

        def on_body(body: bytes, _trailers: object) -> None:
            headers = {key.decode(): value.decode("latin-1") for key, value in head.headers}
            name = unquote(head.path.split("/functions/")[1].split("/")[0])
            invocation = Invocation(name, head.method, head.path, headers, body)
            self.invocations.append(invocation)
            stream = LambdaStream(invocation, connection)
            streams.append(stream)
            self.answer(connection)
            self.streams.put_nowait(stream)

        def on_gone() -> None:
            for stream in streams:
                stream.gone.set()

        streams: list[LambdaStream] = []
        return WholeBody(head, 10_000_000, on_body, on_gone)


def streamed(route: FixedRoute = ROUTE, **options: Any) -> Callable[[Story], Callable[..., None]]:
    """Play a story with a gateway whose route is one of response streams."""
    return played(endpoint=StreamLambda, route=lambda host, path: route, **options)


async def next_stream(world: World) -> LambdaStream:
    """The next invocation that reached Lambda."""
    assert isinstance(world.endpoint, StreamLambda)
    stream = await soon(world.endpoint.streams.get(), "an invocation")
    assert isinstance(stream, LambdaStream)
    return stream


async def hold(
    world: World, method: str = "GET", target: str = "/", headers: Fields = (), **options: Any
) -> tuple[Client, LambdaStream]:
    """A client whose response is held, and the invocation that has not been answered."""
    client = await world.client(receive_bytes=options.pop("receive_bytes", None))
    await client.request(method, target, headers, **options)
    return client, await next_stream(world)


async def pair(world: World, *args: Any, **options: Any) -> tuple[Client, LambdaStream]:
    """A client, and an invocation whose stream has begun."""
    client, stream = await hold(world, *args, **options)
    stream.begin()
    return client, stream


async def outcome_of(client: Client) -> tuple[int, bytes, bool]:
    """What a client got: status, body, and whether that was complete."""
    head = await client.read_head()
    try:
        return head.status, await client.read_body(head), True
    except Broken as broken:
        return head.status, broken.received, False
