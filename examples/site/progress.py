"""A job checks 200 orders and shows how far it is. By callback, to leave the page stops the job,
and Cancel is a link that does so. Lambda's streams do not tell a function that you have left."""

import asyncio

from jobs import Job
from look import begin_demo

from tailrace.html import Html, page

DONE = Html("<p>All 200 orders are checked, <b>{}</b> are wrong.</p>")


@page
async def progress(page):
    yield begin_demo(page, "Check 200 orders")
    wrong = 0
    with Job() as job:
        cancel = f"cancelled?job={job.id}"
        orders = page.progress(range(1, 201), label="Orders", cancel=cancel)
        async for order in orders:
            job.order = order
            if not await is_right(order):
                wrong += 1
                orders.log(f"order {order} is wrong")
    yield DONE.format(wrong)


async def is_right(order):
    await asyncio.sleep(0.03)
    return order % 47 != 0


@page
async def cancelled(page):
    yield begin_demo(page, "Cancelled", demo="progress")
    end = await Job.ended(page.query.get("job", ""))
    yield Html('<p>{}</p><p><a href="progress">Start another</a></p>').format(end)
