"""A web app that does not import tailrace: plain ASGI, as FastAPI and Django are underneath.

Try `curl -N http://127.0.0.1:8080/app`. It runs under any ASGI server as well: `uvicorn main:app`.
"""

import asyncio
from datetime import UTC, datetime

HEADERS = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
# Each step has a bar of its own, which covers the one before.
BEGIN = """<!doctype html>
<meta charset="utf-8">
<title>A web app that streams its page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  :root { color-scheme: light dark; }
  body { font: 1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; }
  progress { position: fixed; inset: 0 0 auto; width: 100%; }
  p { margin: 0; }
</style>
<h1>A page, arriving</h1>
"""
END = '<p>That was all of it. <a href="/">Back</a>\n'


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await run_lifespan(scope["state"], receive, send)
    elif scope["type"] == "http":
        await send_page(scope["state"], send)
    else:
        raise ValueError(f"this app does not serve {scope['type']}")


async def run_lifespan(state, receive, send):
    """Start once in each process; every request gets the state."""
    await receive()
    state["started"] = datetime.now(UTC)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def send_page(state, send):
    """Send each step when it is done. `send` raises when the client has left."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send(part(f"{BEGIN}<p>This process started at {state['started']:%H:%M:%S} UTC.\n"))
    for step in range(1, 11):
        await asyncio.sleep(0.3)
        bar = f'<progress max="10" value="{step}"></progress>'
        now = datetime.now(UTC)
        await send(
            part(f'<p class="step">{bar}step {step:2} of 10, written at {now:%H:%M:%S.%f}\n')
        )
    await send(part(END, is_last=True))


def part(text, is_last=False):
    return {"type": "http.response.body", "body": text.encode(), "more_body": not is_last}
