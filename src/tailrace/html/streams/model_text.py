"""The text in what a language model's SDK yields.

Sources, read 2026-11: OpenAI API reference, "Chat Completions" and "Responses", streaming events;
Anthropic API, "Streaming messages"; Amazon Bedrock API reference, `ConverseStream` and
`InvokeModelWithResponseStream`, with its user guide, "Inference request parameters and response
fields" (Anthropic, Amazon Nova and Titan, Meta Llama, Mistral, Cohere, DeepSeek). The types are
those of openai 3.57, anthropic 2.14, botocore 1.44 and langchain-core 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tailrace.errors import ModelStreamError
from tailrace.html.limits import MODEL_FIELDS_SHOWN_MAX


class Reading(NamedTuple):
    """What an event has. `is_end` is None if events of its kind tell no end."""

    text: str = ""
    is_end: bool | None = False


_NOTHING: Final = Reading()
_END: Final = Reading(is_end=True)


class ModelText:
    """Takes the text out of the events of one stream, and knows whether it is complete."""

    __slots__ = ("_has_begun", "_has_ended", "_tells_end")

    def __init__(self) -> None:
        self._has_begun = False
        self._tells_end = False
        self._has_ended = False

    def text_of(self, event: Any) -> str:
        """Return the text of the next event; "" if it has none.

        Raises:
            ModelStreamError: the event is an error of the model.
            TypeError: no event of this kind is known.
        """
        if isinstance(event, str):
            return event
        reading = _read(event)
        if reading is None:
            if self._has_begun and isinstance(_field(event, "type"), str):
                return ""  # APIs add events; all of them ask for unknown ones to be skipped
            raise TypeError(_unknown(event))
        self._has_begun = True
        self._tells_end |= reading.is_end is not None
        self._has_ended |= reading.is_end is True
        return reading.text

    def check_end(self) -> None:
        """Check that the stream may end here.

        Raises:
            ModelStreamError: the model has not said that its text is complete.
        """
        if self._tells_end and not self._has_ended:
            raise ModelStreamError(
                "the model's stream ended without a reason to finish: its text may be cut off; if"
                " your server never sends one, pass a generator of your own that yields the texts"
            )


def _read(event: Any) -> Reading | None:
    """What an event has; None if it is unknown."""
    for name, read in _READERS:
        value = _field(event, name)
        if value is not None and (reading := read(event, value)) is not None:
            return reading
    return None


def _read_typed(event: Any, kind: Any) -> Reading | None:
    """OpenAI's Responses API, Anthropic's events, and those of the helpers of both SDKs."""
    if not isinstance(kind, str):
        return None
    if kind in ("error", "response.failed"):
        raise _failure(_field(event, "response") or event)
    if kind in _TEXT_FIELDS:
        return Reading(_text(_field(event, _TEXT_FIELDS[kind])))
    if kind == "content_block_delta":
        delta = _field(event, "delta")
        return Reading(_text(_field(delta, "text"))) if _is(delta, "text_delta") else _NOTHING
    if kind in _END_TYPES:
        return _END
    if kind == "message_delta":
        return Reading(is_end=_field(_field(event, "delta"), "stop_reason") is not None)
    if kind == "chunk":  # of OpenAI's helper: its text comes again as `content.delta`
        chat = _read_choices(event, _field(_field(event, "chunk"), "choices"))
        return chat and Reading(is_end=chat.is_end)
    return _NOTHING if kind.startswith(_TYPE_PREFIXES) or kind in _EMPTY_TYPES else None


_TEXT_FIELDS: Final = {
    "response.output_text.delta": "delta",
    "response.refusal.delta": "delta",
    "content.delta": "delta",
    "refusal.delta": "delta",
}
"""Types of events that are text, and the field that has it. A refusal is an answer."""
_END_TYPES: Final = ("response.completed", "response.incomplete", "message_stop")
_EMPTY_TYPES: Final = {
    *("message_start", "content_block_start", "content_block_stop", "ping", "keepalive"),
    *("text", "input_json", "citation", "thinking", "signature"),  # of Anthropic's helper
    *("content.done", "refusal.done"),  # of OpenAI's helper
}
_TYPE_PREFIXES: Final = ("response.", "tool_calls.", "logprobs.")


def _read_choices(event: Any, choices: Any) -> Reading | None:
    """OpenAI's chat chunks and completions, and what imitates them. The first choice counts."""
    if not isinstance(choices, list | tuple):
        return None
    for choice in choices:
        if _field(choice, "index") in (None, 0):
            delta = _field(choice, "delta") or _field(choice, "message") or choice
            text = _text(_field(delta, "content")) or _text(_field(delta, "refusal"))
            reason = _field(choice, "finish_reason") or _field(choice, "stop_reason")
            return Reading(text or _text(_field(delta, "text")), reason is not None)
    return _NOTHING


def _read_block_delta(event: Any, value: Any) -> Reading:
    """Bedrock's Converse, and Amazon Nova."""
    return Reading(_text(_field(_field(value, "delta"), "text")))


def _read_chunk(event: Any, chunk: Any) -> Reading | None:
    """Bedrock's `invoke_model_with_response_stream`: JSON as the model makes it."""
    data = _field(chunk, "bytes")
    if not isinstance(data, bytes | bytearray):
        return None
    model_event = json.loads(data)
    reading = _read(model_event)
    if reading is None:
        raise TypeError(_unknown(model_event))
    return reading


def _flat(text_name: str, end_name: str) -> Callable[[Any, Any], Reading]:
    """Models whose events have a text and, at last, a reason to end."""

    def read(event: Any, value: Any) -> Reading:
        return Reading(_text(_field(event, text_name)), bool(_field(event, end_name)))

    return read


def _read_outputs(event: Any, outputs: Any) -> Reading | None:
    """Mistral on Bedrock."""
    if not isinstance(outputs, list) or not outputs:
        return None
    return _flat("text", "stop_reason")(outputs[0], None)


def _read_content(event: Any, content: Any) -> Reading | None:
    """LangChain's AIMessageChunk."""
    return Reading(_text(content), None) if isinstance(content, str | list) else None


def _read_failure(event: Any, value: Any) -> Reading:
    raise _failure(value)


def _read_union(event: Any, value: Any) -> Reading | None:
    """Events of Bedrock that have no text: they have one field, and maybe metrics."""
    is_one = isinstance(event, Mapping) and len(event) - (_METRICS in event) <= 1
    return _NOTHING if is_one else None


def _read_object(event: Any, kind: Any) -> Reading | None:
    """A chunk of OpenAI's without choices."""
    return _NOTHING if kind == "chat.completion.chunk" else None


def _read_end(event: Any, value: Any) -> Reading:
    return _END


_METRICS: Final = "amazon-bedrock-invocationMetrics"
_EXCEPTIONS: Final = (
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
)
_READERS: Final[tuple[tuple[str, Callable[[Any, Any], Reading | None]], ...]] = (
    ("type", _read_typed),
    ("choices", _read_choices),
    ("object", _read_object),
    ("contentBlockDelta", _read_block_delta),
    ("messageStop", _read_end),
    *[
        (name, _read_union)
        for name in ("messageStart", "contentBlockStart", "contentBlockStop", "metadata")
    ],
    *[(name, _read_failure) for name in _EXCEPTIONS],
    ("chunk", _read_chunk),
    ("outputText", _flat("outputText", "completionReason")),  # Amazon Titan
    ("generation", _flat("generation", "stop_reason")),  # Meta Llama
    ("outputs", _read_outputs),
    ("is_finished", _flat("text", "is_finished")),  # Cohere
    ("content", _read_content),
    (_METRICS, _read_union),
)
"""Fields by which events are known, in the order in which they are looked for."""


def _field(value: Any, name: str) -> Any:
    """A field of an object or a mapping; None if there is none."""
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def _is(value: Any, kind: str) -> bool:
    return bool(_field(value, "type") == kind)


def _text(content: Any) -> str:
    """The text of a content: a text, or a list of blocks of which some are text."""
    if isinstance(content, list):
        return "".join(
            block if isinstance(block, str) else _text(_field(block, "text"))
            for block in content
            if isinstance(block, str) or _is(block, "text")
        )
    return content if isinstance(content, str) else ""


def _failure(event: Any) -> ModelStreamError:
    error = _field(event, "error")
    kind = _field(error, "type")  # that of an event would be "error"
    error = event if error is None else error
    parts = (_field(error, "code") or kind, _field(error, "message"))
    words = [part for part in parts if isinstance(part, str)]
    return ModelStreamError(f"the model failed: {': '.join(words) or 'it gives no reason'}")


def _unknown(event: Any) -> str:
    kind = f"{type(event).__module__}.{type(event).__qualname__}"
    names = event if isinstance(event, Mapping) else getattr(event, "__dict__", ())
    shown = ", ".join(str(name) for name in list(names)[:MODEL_FIELDS_SHOWN_MAX]) or "none"
    return (
        f"no text is known in {kind.removeprefix('builtins.')} with the fields {shown};"
        " yield the texts from a generator of your own, and pass that"
    )
