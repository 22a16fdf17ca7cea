"""What the benchmark's Python functions answer."""

from tailrace.function import Head, streamify_response

LARGE = bytes(range(256)) * 256
SMALL = "data: 0123456789 0123456789 0123456789 0123456789 0123456789 12\n"


@streamify_response
def large(event, context):
    """As many chunks of 64 KiB as are asked for."""
    yield Head(200, {"content-type": "application/octet-stream"})
    for _ in range(int(event.get("queryStringParameters", event)["chunks"])):
        yield LARGE


@streamify_response
def small(event, context):
    """One chunk of 64 bytes; app.mjs has the same."""
    yield Head(200, {"content-type": "text/plain"})
    yield SMALL


@streamify_response
def tokens(event, context):
    """As many chunks of 64 bytes as are asked for, one directly after the other."""
    yield Head(200, {"content-type": "text/plain"})
    for _ in range(int(event["queryStringParameters"]["chunks"])):
        yield SMALL
