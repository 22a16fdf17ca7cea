"""One shape on one path: run it, and compare what its caller sees with what the tables say.

- Whatever a handler has written is at the caller before it may write more; where a path is not
  incremental, the caller gets the same bytes when the handler has ended.
- A response that the handler has ended is complete at the caller while the handler works on.
- Behind a complete response a connection serves another request: nothing of it is left over.
- The text of an error is in the function's log, and nowhere in a response.
"""

from __future__ import annotations

import re
from contextlib import closing

from tests.e2e.gate import Gate
from tests.kits.differences import expected, is_same
from tests.kits.paths import Ask, Callers, Conversation, Path
from tests.kits.seen import COMPLETE, Ending, HeadSeen, Seen
from tests.kits.shapes import ERROR, Shape


def check(callers: Callers, path: Path, shape: Shape) -> None:
    """Raises AssertionError."""
    chain = callers.chain
    before = len(chain.output)
    gate = chain.gate()
    conversation = path.ask(callers, Ask(shape.name, shape.request, gate.port))
    with closing(conversation):
        seen = _converse(conversation, path, shape, gate)
        if seen.ending == COMPLETE:
            conversation.go_on()
    chain.settle()
    seen = seen._replace(logged=_logged(chain.output[before:]))
    wanted = expected(shape.name, shape.seen, path.name)
    assert is_same(seen, wanted), f"\n  seen {_shown(seen)}\nwanted {_shown(wanted)}"
    assert ERROR not in repr(seen), "an error's text is in a response"


def _converse(conversation: Conversation, path: Path, shape: Shape, gate: Gate) -> Seen:
    if shape.works_on:
        return _end_before_the_handler(conversation, path, gate)
    if not path.is_incremental:
        for _ in range(len(shape.steps) + 2 if shape.steps else 0):
            gate.open()
        return _seen(conversation.head(), conversation.end())
    if not shape.steps:
        return _seen(conversation.head(), conversation.end())
    gate.open()
    head = conversation.head()
    assert not conversation.has_more, "a chunk came before it was written"
    for step in shape.steps:
        gate.open()
        assert conversation.body(len(step)) == step
        assert not conversation.has_more
    gate.open()
    ending = conversation.end()
    return _seen(head, ending._replace(rest=b"".join(shape.steps) + ending.rest))


def _end_before_the_handler(conversation: Conversation, path: Path, gate: Gate) -> Seen:
    seen = _seen(conversation.head(), conversation.end()) if path.is_incremental else None
    assert gate.line() == "works on"
    gate.open()
    assert gate.line() == "has ended"
    return seen or _seen(conversation.head(), conversation.end())


def _seen(head: HeadSeen | None, ending: Ending) -> Seen:
    status, headers, cookies = head or (None, (), ())
    return Seen(status, headers, cookies, ending.rest, ending.ending, ending.error)


def _logged(output: str) -> str | None:
    """The error in a function's log."""
    found = re.search(r"\[ERROR\] (\w+): ", output)
    assert found is not None or "Traceback" not in output, output
    assert found is None or found[1] == "PreludeError" or ERROR in output, output
    return found and found[1]


def _shown(seen: Seen) -> str:
    body = seen.body
    if isinstance(body, bytes) and len(body) > 200:
        return repr(seen._replace(body=body[:100] + b"..." + body[-100:])) + f" {len(body)} bytes"
    return repr(seen)
