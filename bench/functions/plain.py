"""Handlers that import nothing."""

SMALL = "data: 0123456789 0123456789 0123456789 0123456789 0123456789 12\n"


def handler(event, context):
    """Never called: for a runtime that is only started."""


def result(event, context):
    """The response of `app.tokens` to a request for one chunk, as a result."""
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": SMALL}
