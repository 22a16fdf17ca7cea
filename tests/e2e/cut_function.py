"""A Lambda endpoint whose function cuts its callback wherever a request's query says.

`/cut?story=NAME&by=fin&at=123` makes the function send the first 123 bytes of its callback, head
included, and then end its side ("fin"), reset the connection ("reset") or fall silent
("silence"). At the length of the whole callback there is nothing to cut: it takes its answer.
With `&held=1` it sends the last byte when the test says so.
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import uvloop
from tests.fakes import Fields, Peer, encode_chunk, encode_head, encode_request, until

from tailrace.net.server.listener import Connection, HttpServer, RequestHead, WholeBody
from tailrace.wire.integration import MEDIA_TYPE

SAMPLE_PATH = "/00000000-0000-0000-0000-000000000000/" + 32 * "0"
"""A callback's path: all of them are equally long."""


@dataclass(frozen=True, slots=True)
class Story:
    """A callback, as a list of chunks; `border` is where in them the head ends and the body begins.

    With `is_chunked` each chunk is framed as one, else they make a body of announced length;
    `has_length` says whether the response to the client has an announced length.
    With `expects` the function waits for `100 Continue`; without, it sends everything at once.
    It sends `piece_bytes` at a time.
    """

    name: str
    chunks: tuple[bytes, ...]
    border: int
    headers: Fields = (("content-type", MEDIA_TYPE),)
    has_length: bool = False
    is_chunked: bool = True
    expects: bool = True
    piece_bytes: int = 1_000_000
    trailer: bytes = b""

    @property
    def body(self) -> bytes:
        """What the client gets."""
        return b"".join(self.chunks)[self.border :]

    def head(self, callback_url: str) -> bytes:
        """The head of the POST."""
        parts = urlsplit(callback_url)
        length = str(sum(map(len, self.chunks)))
        fields = [
            ("host", parts.netloc),
            *self.headers,
            ("transfer-encoding", "chunked") if self.is_chunked else ("content-length", length),
            *([("expect", "100-continue")] if self.expects else []),
        ]
        return encode_request("POST", parts.path, fields)

    def message(self) -> bytes:
        """The body of the POST as it is on the wire."""
        if not self.is_chunked:
            return b"".join(self.chunks)
        return b"".join((*map(encode_chunk, self.chunks), b"0\r\n", self.trailer, b"\r\n"))

    def sent(self, count: int) -> bytes | None:
        """What of the response's body is in the first bytes of `message`; None before its head."""
        data = b""
        for chunk in self.chunks:
            framing = len(b"%x\r\n" % len(chunk)) if self.is_chunked else 0
            data += chunk[: max(0, count - framing)]
            count -= framing + len(chunk) + (2 if self.is_chunked else 0)
        return data[self.border :] if len(data) >= self.border else None


def _story(name: str, pieces: tuple[bytes, ...], *, is_split: bool = False, **more: Any) -> Story:
    """A response with a prelude; `is_split` puts the border inside a chunk."""
    headers = {"content-type": "text/plain"}
    if more.get("has_length"):
        headers["content-length"] = str(sum(map(len, pieces)))
    prelude = encode_head(headers=headers)
    chunks = (prelude, *pieces)
    if is_split:
        chunks = (prelude[:20], prelude[20:] + pieces[0], *pieces[1:])
    return Story(name, chunks, len(prelude), **more)


def _lines(name: str, count: int) -> tuple[bytes, ...]:
    return tuple(b"%s, line %d of %d\n" % (name.encode(), n + 1, count) for n in range(count))


_BLOCKS = tuple(b"".join(b"%9d\n" % (2_000 * n + i) for i in range(2_000)) for n in range(5))

STORIES = {
    story.name: story
    for story in (
        _story("chunked", (*_lines("chunked", 3), b"!"), piece_bytes=24, trailer=b"x-sum: 1\r\n"),
        _story("length", _lines("length", 3), is_split=True, has_length=True),
        _story("counted", _lines("counted", 2), is_chunked=False, expects=False),
        Story(
            "plain",
            _lines("plain", 3),
            0,
            headers=(("content-type", "text/plain"),),
            has_length=True,
            is_chunked=False,
            expects=False,
        ),
        _story("empty", (), has_length=True),
        _story("large-chunked", _BLOCKS),
        _story("large-length", _BLOCKS, has_length=True),
    )
}
"""The responses that are cut: `plain` says its head in the headers of the POST itself. The client
gets the length of `length`, `plain` and `empty`, and chunks of the others."""


class CutLambda:
    """The endpoint, in a thread with a loop of its own while it is entered.

    `surprises` are what happened to functions that must not happen.
    """

    def __init__(self) -> None:
        self.surprises: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ready = threading.Event()

    @property
    def is_idle(self) -> bool:
        """Whether no function runs."""
        return not self._tasks

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()))
        self._thread.start()
        assert self._is_ready.wait(10)
        return self

    def release(self) -> None:
        """Let held functions go on, those that run now."""
        self._loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._released = asyncio.Event()
        server = HttpServer(self._on_head, name="cut lambda")
        await server.start("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.port}"
        self._is_ready.set()
        await self._stop.wait()
        await until(lambda: self.is_idle, "the functions to end")
        await server.stop()

    def _on_head(self, head: RequestHead, connection: Connection) -> WholeBody:
        def on_body(payload: bytes, _trailers: object) -> None:
            connection.respond(202)
            task = asyncio.create_task(self._run(json.loads(payload)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return WholeBody(head, 10_000_000, on_body, lambda: None)

    async def _run(self, event: dict[str, Any]) -> None:
        query = {name: values[0] for name, values in parse_qs(event["rawQueryString"]).items()}
        url = event["tailrace"]["callback"]
        try:
            function = await Peer.connect(url)
            try:
                await self._play(function, url, query)
            finally:
                function.close()
        except Exception as error:
            self.surprises.append(f"{query}: {error!r}")

    async def _play(self, function: Peer, url: str, query: dict[str, str]) -> None:
        """Send what the query says, cut, and look at what the gateway has to say to it."""
        story, by, at = STORIES[query["story"]], query["by"], int(query["at"])
        head, message = story.head(url), story.message()
        sent = (head + message)[:at]
        if story.expects and at >= len(head):
            await function.send(head)
            proof = f"tailrace-exchange: {url.split('/')[-2]}\r\n"
            go_on = f"HTTP/1.1 100 Continue\r\n{proof}\r\n".encode()
            assert await function.read_until(b"\r\n\r\n") == go_on
            sent = sent[len(head) :]
        if "held" in query:
            released = self._released
            await function.send(sent[:-1])
            await released.wait()
            sent = sent[-1:]
        for start in range(0, len(sent), story.piece_bytes):
            await function.send(sent[start : start + story.piece_bytes])
            await asyncio.sleep(0)
        if at == len(head) + len(message):
            answer = await function.read_response()
            assert (answer.status, answer.json()) == (200, {"bytes": len(story.body)}), answer
        elif by == "fin":
            function.fin()
            assert await function.read_to_end() == (b"", "end")
        elif by == "reset":
            function.reset()
        else:
            assert (await function.read_response()).status == 410
