"""How all pages of this site begin: head, style, scripts, and what the browser may load."""

from pathlib import Path

from tailrace.html import Html

HERE = Path(__file__).parent
WAYS = {
    "callback": ("By callback", "each write is in your browser at once"),
    "held-back": ("Natively, held back", "small writes wait for later ones, as seen on Lambda"),
    "flushed": ("Natively, with flush", "padding pushes out what waits; the gateway removes it"),
    "buffered": ("Buffered", "the function returns the finished page"),
}
DEMOS = {
    "progress": "Progress",
    "dashboard": "Dashboard",
    "chat": "Chat",
    "table": "10,000 rows",
    "timing": "Timing",
}
POLICY = (
    "default-src 'none'; style-src 'nonce-{0}'; script-src 'nonce-{0}'; connect-src 'self'; "
    "img-src data:; frame-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'none'"
)


def begin(page, title, *files):
    """The beginning of a page; `files` are style sheets and scripts of this folder."""
    page.headers |= {
        "content-security-policy": POLICY.format(page.nonce),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return HEAD.format(
        title=title,
        nonce=page.nonce,
        style=Html("").join([read(name) for name in ("base.css", *files) if name.endswith(".css")]),
        script=Html("").join([read(name) for name in files if name.endswith(".js")]),
    )


def begin_demo(page, title, *files, demo=None):
    """The beginning of a page of a demo; alone in its window it has a way back, in a frame none."""
    way, _, name = page.request.path.lstrip("/").partition("/")
    is_framed = page.request.headers.get("sec-fetch-dest") == "iframe"
    back = "" if is_framed else BACK.format(demo=demo or name, way=WAYS[way][0])
    return begin(page, title, "demo.css", *files) + BODY.format(back=back, title=title)


def refuse(page):
    """Answer 404."""
    page.status = 404
    return begin(page, "Not found", "demo.css") + NOT_FOUND


def read(name):
    return Html((HERE / name).read_text())


HEAD = read("head.html")
BACK = Html('<p class="back"><a href="/compare/{demo}">All four ways</a> · {way}</p>')
BODY = Html("<body class=demo><main>{back}<h1>{title}</h1>")
NOT_FOUND = Html('<body class=demo><main><h1>No such page</h1><p><a href="/">tailrace</a>')
