"""The text in the events of models, in all their forms, and the words for what is unknown."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tailrace.errors import ModelStreamError
from tailrace.html.streams.model_text import ModelText


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def block(kind: str, **fields: Any) -> dict[str, Any]:
    """A delta of Anthropic's."""
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind} | fields}


def invoked(payload: Any) -> dict[str, Any]:
    """An event of `invoke_model_with_response_stream`."""
    return {"chunk": {"bytes": json.dumps(payload).encode()}}


TEXTS: dict[str, tuple[Any, str]] = {
    "a text": ("one", "one"),
    "chat": (delta(content="one"), "one"),
    "chat: role": (delta(role="assistant", content=""), ""),
    "chat: no content": (delta(content=None), ""),
    "chat: no delta": ({"choices": [{"index": 0, "delta": None, "finish_reason": None}]}, ""),
    "chat: refusal": (delta(content=None, refusal="I can't"), "I can't"),
    "chat: refusal, Azure": (delta(content="", refusal="I can't"), "I can't"),
    "chat: tool call": (delta(tool_calls=[{"index": 0, "function": {"arguments": "{"}}]), ""),
    "chat: reasoning": (delta(content=None, reasoning_content="hm"), ""),
    "chat: blocks": (
        delta(content=[{"type": "thinking", "thinking": []}, {"type": "text", "text": "one"}]),
        "one",
    ),
    "chat: usage": ({"choices": [], "usage": {"total_tokens": 11}}, ""),
    "chat: no choices": ({"object": "chat.completion.chunk", "choices": None}, ""),
    "chat: prompt filter": ({"choices": [], "prompt_filter_results": [{}], "object": ""}, ""),
    "chat: another choice": ({"choices": [{"index": 1, "delta": {"content": "two"}}]}, ""),
    "completions": ({"choices": [{"index": 0, "text": "one", "finish_reason": None}]}, "one"),
    "chat, objects": (
        SimpleNamespace(
            choices=[SimpleNamespace(index=0, delta=SimpleNamespace(content="one", refusal=None))]
        ),
        "one",
    ),
    "chat helper: text": ({"type": "content.delta", "delta": "one", "snapshot": "one"}, "one"),
    "chat helper: chunk": ({"type": "chunk", "chunk": delta(content="one")}, ""),
    "chat helper: done": ({"type": "content.done", "content": "one"}, ""),
    "responses": ({"type": "response.output_text.delta", "delta": "one"}, "one"),
    "responses: refusal": ({"type": "response.refusal.delta", "delta": "I can't"}, "I can't"),
    "responses: done": ({"type": "response.output_text.done", "text": "one"}, ""),
    "responses: reasoning": ({"type": "response.reasoning_text.delta", "delta": "hm"}, ""),
    "responses: call": ({"type": "response.function_call_arguments.delta", "delta": "{"}, ""),
    "responses: new": ({"type": "response.hologram.delta", "delta": "{"}, ""),
    "keepalive": ({"type": "keepalive"}, ""),
    "anthropic": (block("text_delta", text="one"), "one"),
    "anthropic: thinking": (block("thinking_delta", thinking="hm"), ""),
    "anthropic: signature": (block("signature_delta", signature="x"), ""),
    "anthropic: citation": (block("citations_delta", citation={"cited_text": "one"}), ""),
    "anthropic: tool": (block("input_json_delta", partial_json="{"), ""),
    "anthropic: ping": ({"type": "ping"}, ""),
    "anthropic helper: the text once more": ({"type": "text", "text": "one", "snapshot": ""}, ""),
    "converse": ({"contentBlockDelta": {"delta": {"text": "one"}, "contentBlockIndex": 0}}, "one"),
    "converse: reasoning": ({"contentBlockDelta": {"delta": {"reasoningContent": {}}}}, ""),
    "converse: tool": ({"contentBlockDelta": {"delta": {"toolUse": {"input": "{"}}}}, ""),
    "converse: usage": ({"metadata": {"usage": {"totalTokens": 11}}}, ""),
    "invoke: anthropic": (invoked(block("text_delta", text="one")), "one"),
    "invoke: nova": (invoked({"contentBlockDelta": {"delta": {"text": "one"}}}), "one"),
    "invoke: nova, metrics": (
        invoked({"metadata": {}, "amazon-bedrock-invocationMetrics": {}}),
        "",
    ),
    "invoke: titan": (invoked({"outputText": "one", "index": 0, "completionReason": None}), "one"),
    "invoke: llama": (invoked({"generation": "one", "stop_reason": None}), "one"),
    "invoke: llama, empty": (invoked({"generation": "", "stop_reason": None}), ""),
    "invoke: mistral": (invoked({"outputs": [{"text": "one", "stop_reason": None}]}), "one"),
    "invoke: mistral large": (
        invoked({"choices": [{"index": 0, "message": {"content": "one"}, "stop_reason": None}]}),
        "one",
    ),
    "invoke: deepseek": (invoked({"choices": [{"text": "one", "stop_reason": None}]}), "one"),
    "invoke: cohere": (invoked({"text": "one", "is_finished": False}), "one"),
    "invoke: metrics": (invoked({"amazon-bedrock-invocationMetrics": {}}), ""),
    "langchain": (SimpleNamespace(type="AIMessageChunk", content="one"), "one"),
    "langchain: blocks": (
        SimpleNamespace(
            type="AIMessageChunk",
            content=[{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "one"}, "!"],
        ),
        "one!",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_of_an_event(name: str) -> None:
    event, text = TEXTS[name]

    assert ModelText().text_of(event) == text


ENDS: dict[str, tuple[Any, Any]] = {
    "chat": (delta(content="one"), {"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    "chat: length": (delta(content="one"), {"choices": [{"delta": {}, "finish_reason": "length"}]}),
    "chat helper": (
        {"type": "content.delta", "delta": "one"},
        {"type": "chunk", "chunk": {"choices": [{"delta": {}, "finish_reason": "stop"}]}},
    ),
    "responses": ({"type": "response.created"}, {"type": "response.completed"}),
    "responses: incomplete": ({"type": "response.created"}, {"type": "response.incomplete"}),
    "anthropic": ({"type": "message_start"}, {"type": "message_stop"}),
    "anthropic: reason": (
        {"type": "message_start"},
        {"type": "message_delta", "delta": {"stop_reason": "refusal"}},
    ),
    "converse": ({"messageStart": {}}, {"messageStop": {"stopReason": "end_turn"}}),
    "invoke: titan": (
        invoked({"outputText": "one", "completionReason": None}),
        invoked({"outputText": "", "completionReason": "FINISH"}),
    ),
    "invoke: llama": (
        invoked({"generation": "one", "stop_reason": None}),
        invoked({"generation": "", "stop_reason": "stop"}),
    ),
    "invoke: mistral": (
        invoked({"outputs": [{"text": "one", "stop_reason": None}]}),
        invoked({"outputs": [{"text": "", "stop_reason": "stop"}]}),
    ),
    "invoke: cohere": (
        invoked({"text": "one", "is_finished": False}),
        invoked({"text": "", "is_finished": True}),
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_stream_may_end_behind_its_reason_only(name: str) -> None:
    event, end = ENDS[name]
    model = ModelText()

    model.text_of(event)
    with pytest.raises(ModelStreamError, match="its text may be cut off; if your server never"):
        model.check_end()
    model.text_of(end)
    model.check_end()


@pytest.mark.parametrize(
    "event", ["one", SimpleNamespace(content="one")], ids=["text", "langchain"]
)
def test_what_tells_no_end_may_end_anywhere(event: Any) -> None:
    model = ModelText()

    model.text_of(event)

    model.check_end()


FAILURES: dict[str, tuple[Any, str]] = {
    "anthropic": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        "the model failed: overloaded_error: Overloaded",
    ),
    "responses": (
        {"type": "error", "code": "server_error", "message": "no luck", "param": None},
        "the model failed: server_error: no luck",
    ),
    "responses: failed": (
        {
            "type": "response.failed",
            "response": {"error": {"code": "rate_limit_exceeded", "message": "slow down"}},
        },
        "the model failed: rate_limit_exceeded: slow down",
    ),
    "bedrock": ({"throttlingException": {"message": "slow down"}}, "the model failed: slow down"),
    "nothing": ({"modelStreamErrorException": {}}, "the model failed: it gives no reason"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_an_error_among_the_events_is_raised(name: str) -> None:
    event, words = FAILURES[name]

    with pytest.raises(ModelStreamError) as raised:
        ModelText().text_of(event)

    assert str(raised.value) == words


class Surprise:
    def __init__(self) -> None:
        self.type = "surprise"
        self.payload = 1


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Surprise(), f"{__name__}.Surprise with the fields type, payload;"),
        (  # of LangChain's `astream_events`
            {"event": "on_chat_model_stream", "data": {}, "metadata": {}},
            "dict with the fields event, data, metadata;",
        ),
        (b"one", "bytes with the fields none;"),
        (invoked({"answer": "one"}), "dict with the fields answer;"),
        ({f"field{n}": n for n in range(99)}, "field18, field19;"),
    ],
    ids=["object", "dict", "bytes", "model", "many fields"],
)
def test_an_unknown_event_is_an_error_that_names_it(event: Any, words: str) -> None:
    with pytest.raises(TypeError) as raised:
        ModelText().text_of(event)

    assert words in str(raised.value)
    assert str(raised.value).endswith("yield the texts from a generator of your own, and pass that")


def test_an_unknown_type_is_skipped_behind_known_ones() -> None:
    """APIs get new events, and ask clients to skip those."""
    model = ModelText()

    model.text_of({"type": "message_start"})

    assert model.text_of(Surprise()) == ""
    with pytest.raises(TypeError):
        model.text_of({"payload": 1})
