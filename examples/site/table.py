"""10,000 rows of a query, each hundred sent while the database still looks for the next. No part of
the table waits for its end, and no process holds all of it."""

import asyncio
import random

from look import begin_demo

from tailrace.html import Html, page

ROW = Html("<tr><td>{}<td>{}<td>{:.2f}\n")
TOWNS = ("Basel", "Bergen", "Cork", "Gdańsk", "Ghent", "Lund", "Porto", "Trieste", "Utrecht")


@page
async def table(page):
    yield begin_demo(page, "10,000 orders")
    yield Html("<table><thead><tr><th scope=col>Order<th scope=col>Town<th scope=col>Euros")
    total = 0
    async for orders in query():
        total += sum(amount for _, _, amount in orders)
        rows = [ROW.format(*order) for order in orders]
        yield Html("<tbody>{}").format(Html("").join(rows))
    yield Html("<tfoot><tr><th scope=row>Total<td>10,000<td>{:,.2f}</table>").format(total)


async def query():
    chance = random.Random(15)
    for first in range(1, 10_001, 100):
        await asyncio.sleep(0.04)
        numbers = range(first, first + 100)
        yield [(n, chance.choice(TOWNS), chance.uniform(5, 250)) for n in numbers]
