"""A text as a language model sends it: one server-sent event for each token.

Try `curl -N http://127.0.0.1:8080/tokens`, or `new EventSource("/tokens")` in a page. With
`?silent=3` the model thinks for three seconds first, and with `?fail=5` it fails after five tokens.
"""

import asyncio
import json
import random
import time

from tailrace.function import Head, streamify_response

TEXT = (
    "A tailrace is the channel that carries water away from a turbine. This one carries words "
    "away from a function: each of them left as soon as it was ready, and none had to wait for "
    "the next. That is all that a stream has to do. Nothing was buffered, padded or polled for; "
    "when you leave, the function stops as well."
)
TOKENS = [word if word == "A" else f" {word}" for word in TEXT.split(" ")]
HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would collect what it gets
}
HEARTBEAT_S = 1.0


@streamify_response
async def handler(event, context):
    first = next_token(event["headers"].get("last-event-id", ""))
    if first > len(TOKENS):
        # The browser reconnects when a stream ends. 204 tells it that there is no more.
        yield Head(status=204)
        return

    yield Head(headers=HEADERS)
    try:
        async for number, token in with_heartbeats(model(first, event)):
            if number is None:
                yield ": \n\n"  # a comment: something is on its way, and proxies stay calm
                continue
            data = json.dumps({"token": token, "written_at": time.time()})
            yield f"id: {number}\ndata: {data}\n\n"
    except ModelError:
        # The status says 200 since long. Only an event can tell.
        yield f"id: {len(TOKENS)}\nevent: failed\ndata: {{}}\n\n"
    else:
        yield f"id: {len(TOKENS)}\nevent: done\ndata: {{}}\n\n"


def next_token(last_event_id):
    """Where to go on: a browser that lost its connection names the last event it has."""
    try:
        return max(0, int(last_event_id) + 1)
    except ValueError:
        return 0


class ModelError(Exception):
    """The model cannot go on."""


async def model(first, event):
    """Stands for the client of a language model."""
    asked = event.get("queryStringParameters", {})
    await asyncio.sleep(float(asked.get("silent", 0)))
    for number, token in enumerate(TOKENS[first:], start=first):
        if number == int(asked.get("fail", -1)):
            raise ModelError
        yield number, token
        await asyncio.sleep(random.uniform(0.02, 0.12))


async def with_heartbeats(source):
    """What a source yields, and `(None, None)` whenever it has been silent for HEARTBEAT_S."""
    pending = asyncio.ensure_future(anext(source))
    try:
        while True:
            await asyncio.wait([pending], timeout=HEARTBEAT_S)
            if not pending.done():
                yield None, None
                continue
            yield pending.result()
            pending = asyncio.ensure_future(anext(source))
    except StopAsyncIteration:
        pass
    finally:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        await source.aclose()
