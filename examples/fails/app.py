"""Ten rows are promised; after the fifth the function fails.

Try `curl -N http://127.0.0.1:8080/fails`: the client is told that something is missing.
Without that, half a response would look like a whole one.
"""

import time
from datetime import UTC, datetime

from tailrace.function import Head, streamify_response

HEADERS = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


@streamify_response
def handler(event, context):
    yield Head(headers=HEADERS)
    for number in range(1, 6):
        yield f"row {number:2} of 10, written at {datetime.now(UTC):%H:%M:%S.%f}\n"
        time.sleep(0.3)
    raise RuntimeError("the database went away after row 5")
