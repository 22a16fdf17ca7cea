"""An MCP server of the Python SDK in a function, asked by the SDK's own client.

It is stateless: each request stands for itself, so that any environment can serve it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp import Client
from tests.kits.apps.claims import Case
from tests.kits.apps.roads import Served
from tests.kits.seen import COMPLETE

FRAMEWORK = "mcp"
CALLS = 100


def asked(served: Served, ask: Callable[[Client], Awaitable[Any]]) -> Any:
    """What is asked by a client of the server behind the gateway."""

    async def talk() -> Any:
        async with Client(f"{served.chain.url}/mcp") as client:
            return await ask(client)

    return anyio.run(talk)


def text_of(result: Any) -> str:
    (content,) = result.content
    return str(content.text)


def test_progress_is_at_the_client_while_the_tool_works(served: Served) -> None:
    gate = served.chain.gate()
    seen: list[str | None] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(message)
        gate.open()

    async def work(client: Client) -> Any:
        return await client.call_tool("work", {"gate": gate.port}, progress_callback=on_progress)

    assert text_of(asked(served, work)) == "done"
    assert seen == ["half", "whole"]


def test_a_hundred_calls_are_served_by_one_start(served: Served) -> None:
    """The SDK's session manager runs once: a lifespan for each request would fail the second."""

    async def repeat(client: Client) -> set[str]:
        return {text_of(await client.call_tool("process", {})) for _ in range(CALLS)}

    assert len(asked(served, repeat)) == 1


def test_a_tool_that_fails_is_answered(served: Served) -> None:
    result = asked(served, lambda client: client.call_tool("fails", {}))

    assert result.is_error
    assert "fails" in text_of(result)


def test_each_message_is_sent_on_its_own(streamed: Case) -> None:
    """Without the SDK's client, and by a Function URL as well."""
    gate = streamed.served.chain.gate()
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "work",
            "arguments": {"gate": gate.port},
            "_meta": {"progressToken": "token"},
        },
    }
    with streamed.asked(
        "/mcp",
        method="POST",
        headers=(
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ),
        body=json.dumps(call).encode(),
    ) as reading:
        head = reading.head()
        assert (head.status, head.get("content-type")) == (200, "text/event-stream")
        for message in ("half", "whole"):
            received = b""
            while not received.endswith(b"\r\n\r\n"):
                received += reading.body(1)
            assert f'"{message}"' in received.decode()
            assert not reading.has_more
            gate.open()
        ending = reading.end()
    assert ending.ending == COMPLETE
    assert '"done"' in ending.rest.decode()
