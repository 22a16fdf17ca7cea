"""A text as a language model sends it: one server-sent event for each token.

Try `curl -N http://127.0.0.1:8080/tokens`, or `new EventSource("/tokens")` in a page.
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
HEADERS = {"content-type": "text/event-stream", "cache-control": "no-cache"}


@streamify_response
async def handler(event, context):
    first = next_token(event["headers"].get("last-event-id", ""))
    if first > len(TOKENS):
        # The browser reconnects when a stream ends. 204 tells it that there is no more.
        yield Head(status=204)
        return

    yield Head(headers=HEADERS)
    for number, token in enumerate(TOKENS[first:], start=first):
        data = json.dumps({"token": token, "written_at": time.time()})
        yield f"id: {number}\ndata: {data}\n\n"
        await asyncio.sleep(random.uniform(0.02, 0.12))
    yield f"id: {len(TOKENS)}\nevent: done\ndata: {{}}\n\n"


def next_token(last_event_id):
    """Where to go on: a browser that lost its connection names the last event it has."""
    try:
        return max(0, int(last_event_id) + 1)
    except ValueError:
        return 0
