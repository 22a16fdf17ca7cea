"""Ten lines of text, 300 ms apart: a generator is all it takes.

Try `curl -N http://127.0.0.1:8080/lines`.
"""

import time
from datetime import UTC, datetime

from tailrace.function import Head, streamify_response

# Browsers hold plain text back to guess its type, unless they are told not to.
HEADERS = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


@streamify_response
def handler(event, context):
    yield Head(headers=HEADERS)
    for number in range(1, 11):
        yield f"line {number:2} of 10, written at {datetime.now(UTC):%H:%M:%S.%f}\n"
        time.sleep(0.3)
