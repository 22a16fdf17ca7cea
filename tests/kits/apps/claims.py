"""What holds for every app, on every road where it can: each claim is asked and checked.

What the client has read before a gate opens was there before the app could make any more, whatever
the clock says.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from tests.e2e.chain import until
from tests.fakes import Response
from tests.kits.apps.events import AppRequest
from tests.kits.apps.frameworks import Framework
from tests.kits.apps.roads import CALLBACK, MANAGED, SERVER, Reading, Road, Served
from tests.kits.seen import BROKEN, COMPLETE, Ending

SECRET: Final = "the secret words of an error"
COOKIES: Final = [("a", "1"), ("b", "2")]
REQUESTS: Final = 100


class Case(NamedTuple):
    """One app on one road."""

    served: Served
    framework: Framework
    road: Road

    @property
    def output(self) -> str:
        """What the app has printed."""
        is_function = self.road is not SERVER
        return self.served.chain.output if is_function else self.served.server_log.read_text()

    @contextmanager
    def asked(self, path: str, **more: object) -> Iterator[Reading]:
        """A request that is on its way; the client leaves at the end."""
        with closing(self.road.ask(self.served, AppRequest(path=path, **more))) as reading:
            yield reading

    def answer(self, path: str, **more: object) -> Response:
        """A complete response."""
        with self.asked(path, **more) as reading:
            head, ending = reading.head(), reading.end()
        assert ending.ending == COMPLETE
        return Response(head.status, head.headers, ending.rest)


# --- a response ----------------------------------------------------------------------------------


def streams(case: Case) -> None:
    """Each chunk is at the client before the next can be made."""
    three_chunks(case, "/stream")


def three_chunks(case: Case, path: str) -> None:
    gate = case.served.chain.gate()
    with case.asked(path, query=f"gate={gate.port}") as reading:
        if not case.road.is_incremental:
            gate.open()
            gate.open()
        head = reading.head()
        _check_head(head, 201)
        rest = b"one\ntwo\nthree"
        if case.road.is_incremental:
            for part in (b"one\n", b"two\n"):
                assert reading.body(4) == part
                assert not reading.has_more, "a chunk came before it was made"
                gate.open()
            rest = b"three"
        assert reading.end() == Ending(rest, COMPLETE)


def three_compressed_chunks(case: Case) -> None:
    """Each leaves the compressor at once: flushed, or as a member of its own."""
    gate = case.served.chain.gate()
    received = b""
    asks = {"query": f"gate={gate.port}", "headers": (("accept-encoding", "gzip"),)}
    with case.asked("/stream", **asks) as reading:
        assert reading.head().get("content-encoding") == "gzip"
        for text in (b"one\n", b"one\ntwo\n"):
            while _unzipped(received) != text:
                received += reading.body(1)
            gate.open()
        ending = reading.end()
    assert ending.ending == COMPLETE
    assert gzip.decompress(received + ending.rest) == b"one\ntwo\nthree"


def _unzipped(data: bytes) -> bytes:
    """What can be decompressed of the beginning of a body."""
    text = b""
    while data:
        decompressor = zlib.decompressobj(zlib.MAX_WBITS + 16)
        text += decompressor.decompress(data)
        data = decompressor.unused_data
    return text


def answers(case: Case) -> None:
    """A whole response with its length, and repeated Set-Cookie as separate fields."""
    answer = case.answer("/text")

    _check_head(answer, 200)
    assert answer.body == b"hello"
    _check_length(case, answer)


def _check_head(head: Response, status: int) -> None:
    assert head.status == status, head
    assert (head.get("content-type") or "").startswith("text/plain"), head
    assert head.get("x-a") == "1", head
    cookies = [value.partition(";")[0].split("=") for value in head.all("set-cookie")]
    assert [(name, value) for name, value in cookies if name != "session"] == COOKIES, head


def _check_length(case: Case, answer: Response) -> None:
    if case.road.keeps_length:
        assert answer.all("content-length") == ["5"], answer


def head_request(case: Case) -> None:
    """The response to HEAD has the fields of GET, and no body."""
    answer = case.answer("/text", method="HEAD")

    assert (answer.status, answer.body) == (200, b"")
    _check_length(case, answer)
    assert (answer.get("content-type") or "").startswith("text/plain")


def no_content(case: Case) -> None:
    answer = case.answer("/no-content")

    assert (answer.status, answer.body) == (204, b"")


def not_modified(case: Case) -> None:
    answer = case.answer("/not-modified")

    assert (answer.status, answer.body) == (304, b"")
    assert answer.get("etag") == '"1"'


# --- a request -----------------------------------------------------------------------------------


def request_body(case: Case) -> None:
    """Any bytes get to the app."""
    data = bytes(range(256)) * 4

    answer = case.answer(
        "/echo",
        method="POST",
        headers=(("content-type", "application/octet-stream"),),
        body=data,
    )

    assert (answer.status, answer.body) == (200, data)


def form(case: Case) -> None:
    answer = case.answer(
        "/form",
        method="POST",
        headers=(("content-type", "application/x-www-form-urlencoded"),),
        body=b"name=J%C3%BCrgen+A&color=red&color=%26",
    )

    assert (answer.status, answer.json()) == (200, {"name": "Jürgen A", "color": ["red", "&"]})


def multipart(case: Case) -> None:
    parts = [("name", "Jürgen A"), ("color", "red"), ("color", "&")]
    lines = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in parts]

    answer = case.answer(
        "/form",
        method="POST",
        headers=(("content-type", "multipart/form-data; boundary=x"),),
        body=("".join(lines) + "--x--\r\n").encode(),
    )

    assert (answer.status, answer.json()) == (200, {"name": "Jürgen A", "color": ["red", "&"]})


def request_parts(case: Case) -> None:
    """Path and query are decoded once; the client is the client."""
    answer = case.answer(
        "/seen/a%20b/%C3%A9/100%25",
        query="x=1&x=%20&y=%C3%A9+z&empty=",
        headers=(("cookie", "c=1; d=two"), ("x-word", "wort")),
    )

    query = [["empty", ""], ["x", " "], ["x", "1"], ["y", "é z"]]
    assert answer.status == 200, answer
    seen = answer.json()
    url = unquote(seen.pop("url"))
    assert url == f"{case.road.base}/seen/a b/é/100%", url
    seen["query"].sort()  # Litestar's are in no order
    assert seen == (
        {
            "rest": "a b/é/100%",
            "query": query if case.road.keeps_repeats else [*query[:2], query[3]],
            "client": case.road.client,
            "cookies": {"c": "1", "d": "two"},
            "header": "wort",
        }
    ), seen


# --- failures ------------------------------------------------------------------------------------


def fails_before_the_head(case: Case) -> None:
    """A complete 500; the error is in the log and not in the response."""
    before = len(case.output)

    answer = case.answer("/fails")

    assert answer.status == 500
    assert SECRET not in answer.body.decode()
    until(lambda: SECRET in case.output[before:], "the traceback")


def fails_after_the_head(case: Case) -> None:
    """The client sees that its response is not complete."""
    before = len(case.output)
    gate = case.served.chain.gate()
    with case.asked("/fails-late", query=f"gate={gate.port}") as reading:
        if case.road.is_incremental:
            assert reading.head().status == 200
            assert reading.body(4) == b"half"
            gate.open()
            ending = reading.end()
            assert ending == Ending(b"", BROKEN), ending
        else:
            gate.open()
            assert reading.head().status == 502
    until(lambda: SECRET in case.output[before:], "the traceback")


def client_leaves(case: Case) -> None:
    """The generator is closed before its next chunk under ASGI, at its next chunk under WSGI."""
    chain = case.served.chain
    gate = chain.gate()
    with case.asked("/leaves", query=f"gate={gate.port}") as reading:
        assert reading.head().status == 200
        assert reading.body(4) == b"one\n"
        assert gate.line() == "waiting"
        earlier = chain.outcomes("/leaves")
    if case.framework.interface == "wsgi":
        until(lambda: chain.outcomes("/leaves") == [*earlier, "client-left"], "the leaving")
        gate.open()
        assert gate.line() == "went on"
    assert gate.line() == "closed"
    if case.road is not SERVER:
        until(lambda: chain.outcomes("/leaves") == [*earlier, "client-left"], "the leaving")


# --- the life of an app --------------------------------------------------------------------------


def background_task(case: Case) -> None:
    """The client has its end while the task still waits."""
    gate = case.served.chain.gate()
    with case.asked("/background", query=f"gate={gate.port}") as reading:
        if not case.road.works_on:
            gate.open()
        assert reading.head().status == 200
        assert reading.end() == Ending(b"done", COMPLETE)
        if case.road.works_on:
            gate.open()
        assert gate.line() == "ran"


def starts_once(case: Case) -> None:
    """In one environment the app is started once, however many requests it serves."""
    answers = {case.answer("/starts").body for _ in range(REQUESTS)}

    assert answers == {b"1"}


def keeps_state(case: Case) -> None:
    """What a request leaves in memory is there for the next."""
    first, second = case.answer("/state").json(), case.answer("/state").json()

    assert second == {"count": first["count"] + 1, "greeting": "from the start"}


Claim: TypeAlias = Callable[[Case], None]

CLAIMS: Final[tuple[Claim, ...]] = (
    *(streams, answers, head_request, no_content, not_modified),
    *(request_body, form, multipart, request_parts),
    *(fails_before_the_head, fails_after_the_head, client_leaves),
    *(background_task, keeps_state, starts_once),
)


BEYOND_SERVERS: Final = {
    "starlette": {"fails_after_the_head"},
    "django-wsgi": {"fails_after_the_head", "client_leaves"},
    "flask": {"fails_after_the_head", "client_leaves"},
}
"""What the other servers do not show.

uvicorn takes what BaseHTTPMiddleware sends of an app that has failed for complete, and Werkzeug's
server ends each response. When the latter notices that a client has left is up to the kernel.
"""


def claims_of(framework: Framework, road: Road) -> list[Claim]:
    """The claims that can be asked of an app on a road."""
    left_out = set(framework.lacks)
    if road is SERVER:
        left_out |= BEYOND_SERVERS.get(framework.name, set())
    elif road not in (CALLBACK, MANAGED):
        left_out.add("client_leaves")  # a function learns of that nowhere else
    return [claim for claim in CLAIMS if claim.__name__ not in left_out]
