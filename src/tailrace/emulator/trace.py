"""X-Ray trace headers: a caller's trace is continued, or a new one is started; none is sampled."""

from __future__ import annotations

import hashlib
import secrets
import time

from tailrace.net.server.listener import Headers, RequestHead
from tailrace.wire.forwarded import find_trace_root, new_trace_root


def root_of(head: RequestHead) -> str:
    """Return the root of the caller's trace, or of a new one."""
    given = (head.get(b"x-amzn-trace-id") or b"").decode("latin-1")
    return find_trace_root(given) or new_trace_root(time.time(), secrets.token_hex(12))


def for_runtime(root: str) -> str:
    """Return the header for a runtime: the root, and the emulator as parent."""
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


def with_lineage(root: str, arn: str) -> str:
    """Return the header for the runtime and a Function URL's client; `Lineage` is the function.

    The form is as recorded of Function URLs; AWS counts invocations of one chain in the last part
    of the lineage (Lambda Developer Guide, "invocation-recursion"), which is always 0 here.
    """
    return f"{for_runtime(root)};Lineage=1:{hashlib.sha256(arn.encode()).hexdigest()[:8]}:0"


def for_caller(root: str) -> str:
    """Return the header for a caller of the Invoke API."""
    return f"root={root};sampled=0"


def answer_fields(request_id: str, trace: str) -> Headers:
    """Return the fields that Lambda adds to each answer to a request for a function."""
    return [(b"x-amzn-RequestId", request_id.encode()), (b"X-Amzn-Trace-Id", trace.encode())]
