"""The APIs of language models: their wire formats, and what their SDKs return for a stream.

Sources, read 2026-11: the API references of OpenAI ("Chat Completions", "Responses": streaming
events), Anthropic ("Streaming messages", the full example), and Amazon Bedrock (`ConverseStream`,
`InvokeModelWithResponseStream`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import boto3
import botocore.config
import openai

from tailrace.wire.event_stream import MEDIA_TYPE, encode_message

SSE = "text/event-stream; charset=utf-8"
MESSAGES: Any = [{"role": "user", "content": "hello"}]


def sse(data: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data)
    return ((f"event: {name}\n" if name else "") + f"data: {text}\n\n").encode()


# --- OpenAI: chat completions --------------------------------------------------------------------


def chat_chunk(*choices: dict[str, Any], **more: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return sse(chunk | {"choices": list(choices)} | more)


def chat_delta(delta: dict[str, Any], reason: str | None = None, index: int = 0) -> bytes:
    return chat_chunk({"index": index, "delta": delta, "finish_reason": reason, "logprobs": None})


def chat_text(text: str) -> bytes:
    return chat_delta({"content": text})


CHAT_BEGIN = chat_delta({"role": "assistant", "content": "", "refusal": None})
CHAT_END = (
    chat_delta({}, "stop"),
    chat_chunk(usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}),
    sse("[DONE]"),
)

# --- OpenAI: responses ---------------------------------------------------------------------------

RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "in_progress",
    "error": None,
    "incomplete_details": None,
    "model": "m",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
PART = {"type": "output_text", "text": "", "annotations": []}
ITEM: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "status": "in_progress",
    "role": "assistant",
}
AT: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}


def response_event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, "sequence_number": 1} | fields, kind)


def response_text(text: str) -> bytes:
    return response_event("response.output_text.delta", delta=text, logprobs=[], **AT)


RESPONSE_BEGIN = (
    response_event("response.created", response=RESPONSE)
    + response_event("response.in_progress", response=RESPONSE)
    + response_event("response.output_item.added", output_index=0, item=ITEM | {"content": []})
    + response_event("response.content_part.added", part=PART, **AT)
)
DONE_ITEM: dict[str, Any] = ITEM | {"status": "completed", "content": [PART | {"text": "…"}]}
RESPONSE_END = (
    response_event("response.output_text.done", text="…", logprobs=[], **AT),
    response_event("response.content_part.done", part=DONE_ITEM["content"][0], **AT),
    response_event("response.output_item.done", output_index=0, item=DONE_ITEM),
    response_event(
        "response.completed", response=RESPONSE | {"status": "completed", "output": [DONE_ITEM]}
    ),
)

# --- Anthropic -----------------------------------------------------------------------------------


def message_event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind} | fields, kind)


def message_text(text: str) -> bytes:
    return message_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "m",
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 25, "output_tokens": 1},
}
MESSAGE_BEGIN = (
    message_event("message_start", message=MESSAGE)
    + message_event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + message_event("ping")
)
MESSAGE_END = (
    message_event("content_block_stop", index=0),
    message_event(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 15},
    ),
    message_event("message_stop"),
)

# --- Bedrock -------------------------------------------------------------------------------------


def frame(kind: str, payload: Any, message_type: str = "event") -> bytes:
    name = ":event-type" if message_type == "event" else ":exception-type"
    headers = {name: kind, ":content-type": "application/json", ":message-type": message_type}
    return encode_message(headers, json.dumps(payload).encode())


def converse_text(text: str) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})


CONVERSE_BEGIN = frame("messageStart", {"role": "assistant"})
CONVERSE_END = (
    frame("contentBlockStop", {"contentBlockIndex": 0}),
    frame("messageStop", {"stopReason": "end_turn"}),
    frame(
        "metadata",
        {
            "usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11},
            "metrics": {"latencyMs": 500},
        },
    ),
)


def model_chunk(payload: Any) -> bytes:
    return frame("chunk", {"bytes": base64.b64encode(json.dumps(payload).encode()).decode()})


def invoked_text(text: str) -> bytes:
    delta = {"type": "text_delta", "text": text}
    return model_chunk({"type": "content_block_delta", "index": 0, "delta": delta})


INVOKED_BEGIN = model_chunk({"type": "message_start", "message": MESSAGE})
INVOKED_END = (
    model_chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
    model_chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"latency": 9}}),
)

# --- SDKs ----------------------------------------------------------------------------------------


def _openai(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="key", base_url=url, max_retries=0)


def _async_openai(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="key", base_url=url, max_retries=0)


def _anthropic(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="key", base_url=url, max_retries=0)


def _async_anthropic(url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="key", base_url=url, max_retries=0)


def _bedrock(url: str) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


@dataclass(frozen=True)
class ModelApi:
    """One way to get a stream. `open` takes a client, and returns what `tokens` gets."""

    name: str
    content_type: str
    begin: bytes
    text: Callable[[str], bytes]
    ends: tuple[bytes, ...]
    client: Callable[[str], Any]
    open: Callable[[Any], Any]


CHAT = (SSE, CHAT_BEGIN, chat_text, CHAT_END)
RESPONSES = (SSE, RESPONSE_BEGIN, response_text, RESPONSE_END)
ANTHROPIC = (SSE, MESSAGE_BEGIN, message_text, MESSAGE_END)
CONVERSE = (MEDIA_TYPE, CONVERSE_BEGIN, converse_text, CONVERSE_END)
INVOKE = (MEDIA_TYPE, INVOKED_BEGIN, invoked_text, INVOKED_END)


def chat(client: Any) -> Any:
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


def chat_manager(client: Any) -> Any:
    return client.chat.completions.stream(model="m", messages=MESSAGES)


def responses(client: Any) -> Any:
    return client.responses.create(model="m", input="hello", stream=True)


def responses_manager(client: Any) -> Any:
    return client.responses.stream(model="m", input="hello")


def message(client: Any) -> Any:
    return client.messages.create(model="m", max_tokens=9, messages=MESSAGES, stream=True)


def message_manager(client: Any) -> Any:
    return client.messages.stream(model="m", max_tokens=9, messages=MESSAGES)


async def texts(client: Any) -> Any:
    async with message_manager(client) as stream:
        async for text in stream.text_stream:
            yield text


def converse(client: Any) -> Any:
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    return client.converse_stream(modelId="m", messages=messages)


def invoke(client: Any) -> Any:
    return client.invoke_model_with_response_stream(modelId="m", body=b"{}")


def by_thread(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A call that blocks until the answer begins is given as a function."""
    return lambda client: lambda: call(client)


APIS = [
    ModelApi("chat", *CHAT, _openai, by_thread(chat)),
    ModelApi("chat async", *CHAT, _async_openai, chat),
    ModelApi("chat helper", *CHAT, _openai, chat_manager),
    ModelApi("chat helper async", *CHAT, _async_openai, chat_manager),
    ModelApi("responses", *RESPONSES, _openai, by_thread(responses)),
    ModelApi("responses async", *RESPONSES, _async_openai, responses),
    ModelApi("responses helper", *RESPONSES, _openai, responses_manager),
    ModelApi("responses helper async", *RESPONSES, _async_openai, responses_manager),
    ModelApi("anthropic", *ANTHROPIC, _anthropic, by_thread(message)),
    ModelApi("anthropic async", *ANTHROPIC, _async_anthropic, message),
    ModelApi("anthropic helper", *ANTHROPIC, _anthropic, message_manager),
    ModelApi("anthropic helper async", *ANTHROPIC, _async_anthropic, message_manager),
    ModelApi("converse", *CONVERSE, _bedrock, by_thread(converse)),
    ModelApi("invoke", *INVOKE, _bedrock, by_thread(invoke)),
]
