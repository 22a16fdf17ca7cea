"""The pages of this site; tailrace.toml has each of them four ways."""

from chat import answer, chat
from compare import compare
from dashboard import dashboard
from front import front
from look import refuse
from progress import cancelled, progress
from table import table
from timing import timing

from tailrace.html import page

PAGES = {
    "answer": answer,
    "cancelled": cancelled,
    "chat": chat,
    "dashboard": dashboard,
    "progress": progress,
    "table": table,
    "timing": timing,
}
not_found = page(refuse)


def page_of(path):
    first, _, name = path.lstrip("/").partition("/")
    if not first:
        return front
    return compare if first == "compare" else PAGES.get(name, not_found)


def handler(event, context):
    return page_of(event["rawPath"]).handler(event, context)


def buffered(event, context):
    """The same without the gateway's mark: the response is returned when it is complete."""
    return handler({name: event[name] for name in event if name != "tailrace"}, context)


async def unflushed(scope, receive, send):
    """The same pages as a web app, without what flushes them on Lambda's response streams."""
    extensions = dict(scope["extensions"])
    extensions.pop("tailrace.flush", None)
    await page_of(scope["path"])(scope | {"extensions": extensions}, receive, send)
