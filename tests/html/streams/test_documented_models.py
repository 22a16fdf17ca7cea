"""The functions of docs/how-to/stream-llm-tokens.md for each SDK, against a played server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.html.streams.exchange import Exchange
from tests.html.streams.model_apis import APIS, ModelApi
from tests.html.streams.played_model import PlayedModel, in_loop
from tests.walk import blocks

PAGE = "docs/how-to/stream-llm-tokens.md"
SECTIONS = {"OpenAI": "chat async", "Anthropic": "anthropic helper async", "Bedrock": "converse"}
API_OF = {section: next(a for a in APIS if a.name == name) for section, name in SECTIONS.items()}
ENDS = {"Anthropic": {"reason": "end_turn"}}
ENVIRONMENT = {
    "OPENAI_API_KEY": "key",
    "ANTHROPIC_API_KEY": "key",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_MAX_ATTEMPTS": "1",
}
URLS = ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME")


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield monkeypatch


def documented(section: str, url: str, setting: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the code of a section defines, with its SDK pointed at a server."""
    for name in URLS:
        setting.setenv(name, url)
    (code,) = (step.text for step in blocks(f"{PAGE}#{section}") if step.info[0] == "python")
    namespace: dict[str, Any] = {}
    exec(compile(code, PAGE, "exec"), namespace)
    return namespace


async def close(client: Any) -> None:
    if (closing := client.close()) is not None:
        await closing


@pytest.mark.parametrize("section", SECTIONS)
@in_loop
async def test_the_function_streams_and_ends(section: str, setting: pytest.MonkeyPatch) -> None:
    api: ModelApi = API_OF[section]
    async with PlayedModel() as model:
        names = documented(section, model.url, setting)
        async with Exchange(names["chat"], query="prompt=why%3F") as visitor:
            assert b'"why?"' in await model.request()
            await model.begin(api.content_type)
            await model.send(api.begin, api.text("one"))
            assert await visitor.piece() == 'data: {"token":"one"}\n\n'
            await model.send(api.text(" two"))
            assert await visitor.piece() == 'data: {"token":" two"}\n\n'
            await model.send(*api.ends)
            await model.end()
            end = json.dumps(ENDS.get(section, {}), separators=(",", ":"))
            assert await visitor.text() == f"id: ~done\nevent: done\ndata: {end}\n\n"
        await close(names["client"])


@in_loop
async def test_a_rate_limit_is_told_in_the_words_of_the_page(setting: pytest.MonkeyPatch) -> None:
    async with PlayedModel() as model:
        names = documented("OpenAI", model.url, setting)
        names["client"] = names["client"].with_options(max_retries=0)
        async with Exchange(names["chat"]) as visitor:
            await model.request()
            await model.begin("application/json", "429 Too Many Requests")
            await model.send(b'{"error": {"message": "Rate limit reached for organization"}}')
            await model.end()

            text = await visitor.text()
        await close(names["client"])

    assert text == (
        "id: ~done\nevent: failed\n"
        'data: {"message":"too many questions at once; try again in a minute"}\n\n'
    )
