"""A text as a language model makes it: one server-sent event for each token.

Try `curl -N http://127.0.0.1:8080/tokens`, or `new EventSource("/tokens")` in a page. With
`?silent=3` the model thinks for three seconds first, and with `?fail=5` it fails after five tokens.
A browser that has lost its connection goes on behind the last token that it has.
"""

import asyncio
import random
import time

from tailrace.html import ServerEvent, events, tokens

TEXT = (
    "A tailrace is the channel that carries water away from a turbine. This one carries words "
    "away from a function: each of them left as soon as it was ready, and none had to wait for "
    "the next. That is all that a stream has to do. Nothing was buffered, padded or polled for; "
    "when you leave, the function stops as well."
)
WORDS = [word if word == "A" else f" {word}" for word in TEXT.split(" ")]


@events(heartbeat_s=1.0)
async def chat(stream):
    number = next_number(stream.last_event_id)
    try:
        async for token in tokens(model(number, stream.query)):
            yield ServerEvent({"token": token, "written_at": time.time()}, id=number)
            number += 1
    except ModelError:
        stream.final = ServerEvent({}, name="failed")


handler = chat.handler


def next_number(last_event_id):
    """Where to go on: a browser that lost its connection names the last event it has."""
    try:
        return max(0, int(last_event_id or -1) + 1)
    except ValueError:
        return 0


class ModelError(Exception):
    """The model cannot go on."""


async def model(first, query):
    """Stands for the client of a language model."""
    await asyncio.sleep(float(query.get("silent", 0)))
    for number, word in enumerate(WORDS[first:], start=first):
        if number == int(query.get("fail", -1)):
            raise ModelError
        yield word
        await asyncio.sleep(random.uniform(0.02, 0.12))
