"""`tokens`: the text of a language model while the model makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from tailrace.html.limits import COALESCED_CHARS_MAX
from tailrace.html.streams.model_text import ModelText
from tailrace.html.streams.upstream import Upstream


def tokens(
    source: Any,
    *,
    coalesce_s: float | None = None,
    on_event: Callable[[Any], object] | None = None,
) -> AsyncGenerator[str, None]:
    """Yield the text of a language model, piece by piece, and close its stream in the end.

    `source` is what an SDK returns for a streamed answer, async or not: a stream of OpenAI,
    Anthropic, boto3 (Bedrock) or LangChain, its coroutine or context manager; or an iterable of
    texts. What is not async runs in a thread, also a function that returns a source.

    `coalesce_s`: texts that come within this time are joined, to `COALESCED_CHARS_MAX` characters;
    neither the first nor the last one waits. `on_event` is called with each event as the SDK
    yields it, before its text is yielded: for tool calls, reasoning, usage, the reason to finish.
    Of several choices the first is yielded.

    When it is closed or cancelled, the stream is closed and its connection ends, also in a silence.

    Raises:
        TypeError: `source` is nothing of that kind, or yields something in which no text is known.
        ValueError: `coalesce_s` is negative.
        ModelStreamError: an event reports an error, or the stream ends without a reason to finish.
        Exception: what the SDK raises.
    """
    if coalesce_s is not None and not coalesce_s >= 0:
        raise ValueError(f"coalesce_s is {coalesce_s!r}: pass seconds, or None")
    return _pieces(Upstream(source), coalesce_s or 0.0, on_event)


async def _pieces(
    upstream: Upstream, coalesce_s: float, on_event: Callable[[Any], object] | None
) -> AsyncGenerator[str, None]:
    loop = asyncio.get_running_loop()
    model = ModelText()
    feed = upstream.open()
    waiting, due_s = "", loop.time()
    try:
        while waiting or not feed.is_over:
            event = await feed.take(due_s - loop.time() if waiting else None)
            failure = None
            if event is not None:
                try:
                    if on_event is not None:
                        on_event(event)
                    waiting += model.text_of(event)
                except Exception as error:
                    failure = error
            is_due = event is None or failure is not None or loop.time() >= due_s
            if waiting and (is_due or len(waiting) >= COALESCED_CHARS_MAX):
                yield waiting
                waiting, due_s = "", loop.time() + coalesce_s
            if failure is not None:
                raise failure
        feed.check()
        model.check_end()
    finally:
        await upstream.close()
