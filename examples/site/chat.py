"""A made-up model answers word by word. Without script the page is the stream, as here at first;
with it each further answer comes by server-sent events."""

import asyncio
import random

from look import begin_demo, read

from tailrace.html import Html, events, page, tokens

ASKED = Html("<p class=question>{}</p><p class=answer>")
KNOWN = {
    "tailrace": "A tailrace is the channel that carries water away from a turbine. This one "
    "carries words away from a function: each left as soon as it was ready.",
    "stop": "When you leave, the function is cancelled where it waits, and so is the model's "
    "stream. By callback, that is; Lambda's own streams tell the function nothing.",
}
OTHER = "I am made up and know little. Ask me what a tailrace is, or what makes me stop."


@page
async def chat(page):
    yield begin_demo(page, "Chat", "chat.js")
    yield Html("<div id=talk>")
    if question := page.query.get("question"):
        yield ASKED.format(question)
        yield tokens(model(question))
    yield Html("</div>{}").format(read("chat.html"))


@events
def answer(stream):
    return tokens(model(stream.query.get("question", "")))


async def model(question):
    """Stands for the stream of a model's SDK, which `tokens` knows as well."""
    text = next((text for word, text in KNOWN.items() if word in question.lower()), OTHER)
    for word in text.split():
        await asyncio.sleep(random.uniform(0.02, 0.12))
        yield word + " "
