"""The landing page: HTML that is on its way to the browser while it is being made.

page.html is cut at its `<!-- part -->` comments. Each part leaves with the time at which it
was written; page.js compares that with the time at which it arrived.
"""

import base64
import hashlib
import html
import os
import shutil
import string
import time
from pathlib import Path

from tailrace.function import Head, streamify_response

HERE = Path(__file__).parent
STYLE = (HERE / "style.css").read_text()
SCRIPT = (HERE / "page.js").read_text()
PARTS = [string.Template(part) for part in (HERE / "page.html").read_text().split("<!-- part -->")]
PAUSE_S = 0.2


@streamify_response
def handler(event, context):
    yield Head(headers=HEADERS)
    values = page_values(event)
    for number, part in enumerate(PARTS, start=1):
        yield part.substitute(values, written=f"{time.time() * 1000:.2f}")
        if number < len(PARTS):
            time.sleep(PAUSE_S)


def page_values(event):
    request = event["requestContext"]
    scheme = event["headers"].get("x-forwarded-proto", "http")
    host = event["headers"].get("host", request["domainName"])
    text = {
        "origin": f"{scheme}://{host}",
        "exchange": request["requestId"],
        "process": str(os.getpid()),
        "parts": str(len(PARTS)),
    }
    escaped = {name: html.escape(value) for name, value in text.items()}
    return escaped | SOURCES | {"style": STYLE, "script": SCRIPT, "node": NODE}


def source_of(path):
    """An example's code, to be shown beside its stream; deployed alone, the page has none."""
    file = HERE.parent / path
    return html.escape(file.read_text().rstrip()) if file.exists() else f"see examples/{path}"


def sha256_source(text):
    """What lets one inline style or script through the content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


SOURCES = {
    "lines_code": source_of("lines/app.py"),
    "tokens_code": source_of("tokens/app.py"),
    "fails_code": source_of("fails/app.py"),
    "node_code": source_of("node/app.mjs"),
}
NODE = "" if shutil.which("node") else "missing"
HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "content-security-policy": (
        f"default-src 'none'; style-src {sha256_source(STYLE)}; "
        f"script-src {sha256_source(SCRIPT)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
