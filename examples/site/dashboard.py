"""Six queries run at once, and each result is shown when it is there. One query fails, one takes
too long; the others do not wait for them."""

import asyncio

from look import begin_demo

from tailrace.html import Html, page

TILE = Html("<section><h2>{}</h2>{}</section>")
FIGURE = Html("<p><b>{:,}</b> {}</p>")
NONE = Html("<p class=none>{}</p>")


@page
async def dashboard(page):
    yield begin_demo(page, "Today in the shop")
    parts = {
        "Visitors": query(0.5, 12_408, "since midnight"),
        "Orders": query(1.5, 391, "three of them large"),
        "Revenue": query(2.5, 28_730, "euros"),
        "Stock": query(1.0),
        "Returns": query(2.0, 17, "all of one size"),
        "Forecast": query(60, 430, "orders tomorrow"),
    }
    options = {"placeholder": NONE.format("…"), "timeout_s": 3, "fallback": instead}
    tiles = [TILE.format(name, page.part(part, **options)) for name, part in parts.items()]
    yield Html("<div class=tiles>{}</div>").format(Html("").join(tiles))


async def query(duration_s, number=None, note=""):
    await asyncio.sleep(duration_s)
    if number is None:
        raise ConnectionError("no answer from the warehouse")
    return FIGURE.format(number, note)


def instead(error):
    is_late = isinstance(error, TimeoutError)
    return NONE.format("took longer than 3 s" if is_late else error)
