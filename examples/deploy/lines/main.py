"""Ten lines of text, a second apart, by an ASGI app without a framework."""

import asyncio
from datetime import UTC, datetime

# Browsers hold plain text back to guess its type, unless they are told not to.
HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"x-content-type-options", b"nosniff"),
]


async def app(scope, receive, send):
    if scope["type"] != "http":  # lifespan: there is nothing to start
        raise NotImplementedError(scope["type"])
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    for number in range(1, 11):
        line = f"line {number:2} of 10, written at {datetime.now(UTC):%H:%M:%S.%f}\n"
        await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
        await asyncio.sleep(1)
    await send({"type": "http.response.body"})
