"""The same work as one would write it in an afternoon: an ASGI application on uvicorn, and httpx.

It holds the client's request, invokes the function, and pumps the callback's body into the response
through a queue. It does no more: no routes, no deadlines, no secret in the callback's URL, no
request body. It does not notice that a client has left, and a callback that breaks off leaves its
response open. A full queue is its back-pressure: the callback is not read meanwhile.

`uvicorn --factory uvicorn_httpx:application`; BENCH_LAMBDA has the URL of Lambda's API, and
BENCH_ORIGIN that of the application itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

CALLBACK = "/callback/"
QUEUE_CHUNKS_MAX = 16
INVOKE_TIMEOUT_S = 60.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Queue = asyncio.Queue[Message]


class Application:
    """Holds a queue for each response that waits for its callback or is relayed."""

    def __init__(self, endpoint: str, origin: str) -> None:
        self._origin = origin
        self._invoke_url = f"{endpoint}/2015-03-31/functions/bench/invocations"
        self._client = httpx.AsyncClient(timeout=INVOKE_TIMEOUT_S)
        session = Session()
        self._auth = SigV4Auth(session.get_credentials(), "lambda", os.environ["AWS_REGION"])
        self._held: dict[str, Queue] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(CALLBACK):
            await self._relay(scope, receive, send)
        else:
            await self._hold(scope, send)

    async def _hold(self, scope: Message, send: Send) -> None:
        """The client's side: each message of the callback goes into the response."""
        path = CALLBACK + uuid.uuid4().hex
        queue = self._held[path] = Queue(QUEUE_CHUNKS_MAX)
        await self._invoke(
            {
                "method": scope["method"],
                "url": scope["path"],
                "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
                "origin": self._origin + path,
            }
        )
        is_over = False
        while not is_over:
            message = await queue.get()
            await send(message)
            is_over = not message.get("more_body", True)

    async def _invoke(self, event: Message) -> None:
        body = json.dumps(event).encode()
        headers = {"content-type": "application/json", "x-amz-invocation-type": "Event"}
        request = AWSRequest("POST", self._invoke_url, headers=headers, data=body)
        self._auth.add_auth(request)
        answer = await self._client.post(
            self._invoke_url, content=body, headers=dict(request.headers.items())
        )
        answer.raise_for_status()

    async def _relay(self, scope: Message, receive: Receive, send: Send) -> None:
        """The function's side: the callback's headers and body go into the queue."""
        queue = self._held.pop(scope["path"])
        headers = dict(scope["headers"])
        await queue.put(
            {
                "type": "http.response.start",
                "status": int(headers[b"x-status-code"]),
                "headers": [(b"content-type", headers[b"content-type"])],
            }
        )
        is_over = False
        while not is_over:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            is_over = not message["more_body"]
            await queue.put(
                {
                    "type": "http.response.body",
                    "body": message["body"],
                    "more_body": not is_over,
                }
            )
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
        )
        await send({"type": "http.response.body"})


def application() -> Application:
    """Called by uvicorn in its process."""
    return Application(os.environ["BENCH_LAMBDA"], os.environ["BENCH_ORIGIN"])
