"""The four listeners as targets of the corpus: where a row goes, and what would be smuggled there.

`serving_listeners` runs a gateway and an emulator with functions that print each request that they
get. A smuggled request is one that a function got, or that claimed the exchange of a bystander,
although the client sent one request only.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.chain import Chain, serving, until
from tests.e2e.gate import WAIT_S
from tests.hostile.corpus import SMUGGLED, Aim, smuggled

UNANSWERED_S = 0.5
"""Through a proxy, after this long without a byte our side ends; no verdict depends on it."""
INVOKE = "/2015-03-31/functions/{}/invocations"

APP = '''
import json
from pathlib import Path
from tailrace.function import Head, streamify_response


@streamify_response
def echo(event, context):
    """Print which request came, and answer with it."""
    target = event["rawPath"]
    print(f"<got {target}>", flush=True)
    yield Head(200, {"content-type": "text/plain"})
    yield f"<{target}>"


def plain(event, context):
    """The same for an invocation that is no HTTP request."""
    target = event.get("target", "nothing") if isinstance(event, dict) else "nothing"
    print(f"<got {target}>", flush=True)
    return target


def silent(event, context):
    """Write down where the callback is expected, and do not call back."""
    name = event["rawPath"].rpartition("/")[2]
    path = Path(__file__).with_name(f"{name}.new")
    path.write_text(event["tailrace"]["callback"])
    path.rename(path.with_suffix(".url"))
'''

CONFIGURATION = """
[emulator]
retry_delay_scale = 0
allowed_hosts = ["h"]

[functions.echo]
handler = "app.echo"
concurrency = 4

[functions.echo.url]
invoke_mode = "RESPONSE_STREAM"

[functions.plain]
handler = "app.plain"

[functions.silent]
handler = "app.silent"

[[routes]]
path = "/silent/*"
function = "silent"

[[routes]]
path = "/*"
function = "echo"
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A response that the gateway holds: its client, and the path of its callback."""

    client: socket.socket
    path: str

    @property
    def is_held(self) -> bool:
        """Whether nothing has come for the client."""
        return not select.select([self.client], [], [], 0)[0]


class Listener:
    """One listener: its address, and the rows as they are sent there."""

    def __init__(self, chain: Chain, url: str, host: str) -> None:
        self.chain = chain
        self.address = urlsplit(url).netloc
        self._host = host.encode()

    def aim(self, row: int) -> Aim:
        """What a row is aimed at, with a smuggled request that names the row."""
        raise NotImplementedError

    def smuggled_count(self) -> int:
        """How many smuggled requests had an effect."""
        return len(re.findall(r"<got /?smuggled", self.chain.output))

    def canary(self, row: int) -> tuple[bytes, bytes]:
        """A request that is in order, and a text that only its own answer has."""
        raise NotImplementedError

    def forwarded(self, log: str) -> int:
        """How many smuggled requests a proxy has seen as requests, by the lines of its log."""
        return log.count("/smuggled/")


class HttpListener(Listener):
    """The gateway's public listener, or a Function URL."""

    def aim(self, row: int) -> Aim:
        line = f"GET /smuggled/{row} HTTP/1.1".encode()
        return Aim(b"/", self._host, smuggled(line, self._host))

    def canary(self, row: int) -> tuple[bytes, bytes]:
        line = f"GET /canary/{row} HTTP/1.1\r\nHost: ".encode()
        return line + self._host + b"\r\n\r\n", b"</canary/%d>" % row


class LambdaApiListener(Listener):
    """The Lambda API: a row invokes the function, and so would what is smuggled."""

    def aim(self, row: int) -> Aim:
        body = json.dumps({"target": f"smuggled/{row}"}).encode()
        head = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\nX-Fill: " % (
            INVOKE.format("plain").encode() + b"?smuggled",
            self._host,
            len(body),
        )
        fill = b"f" * (len(SMUGGLED) - len(head) - len(body) - 4)
        raw = head + fill + b"\r\n\r\n" + body
        return Aim(INVOKE.format("plain").encode(), self._host, raw)

    def forwarded(self, log: str) -> int:
        return log.count("?smuggled ")

    def canary(self, row: int) -> tuple[bytes, bytes]:
        body = json.dumps({"target": f"canary/{row}"}).encode()
        head = f"POST {INVOKE.format('plain')} HTTP/1.1\r\nContent-Length: {len(body)}\r\nHost: "
        return head.encode() + self._host + b"\r\n\r\n" + body, b'"canary/%d"' % row


class CallbackListener(Listener):
    """The callback listener: a row answers one exchange, what is smuggled would answer another."""

    def __init__(self, chain: Chain, url: str, host: str) -> None:
        super().__init__(chain, url, host)
        self._made = 0
        self._stolen: list[str] = []
        self._canary: Exchange | None = None
        self._own = self._exchange()
        self._bystander = self._exchange()

    def aim(self, row: int) -> Aim:
        if not self._own.is_held:
            self._own.client.close()
            self._own = self._exchange()
        line = f"POST {self._bystander.path} HTTP/1.1".encode()
        return Aim(self._own.path.encode(), self._host, smuggled(line, self._host))

    def smuggled_count(self) -> int:
        if not self._bystander.is_held:
            self._stolen.append(self._bystander.path)
            self._bystander.client.close()
            self._bystander = self._exchange()
        return len(self._stolen)

    def forwarded(self, log: str) -> int:
        return sum(path in log for path in self._stolen)

    def canary(self, row: int) -> tuple[bytes, bytes]:
        if self._canary is not None:
            self._canary.client.close()
        self._canary = self._exchange()
        head = f"POST {self._canary.path} HTTP/1.1\r\nContent-Length: 1\r\nHost: ".encode()
        return head + self._host + b"\r\n\r\nx", b'{"bytes":'

    def _exchange(self) -> Exchange:
        """A client whose response is held, once its function has run."""
        self._made += 1
        client = self.chain.client()
        client.ask(f"/silent/{self._made}")
        path = self.chain.config.path.with_name(f"{self._made}.url")
        until(path.exists, "the callback URL")
        return Exchange(client._sock, urlsplit(path.read_text()).path)


@contextmanager
def serving_listeners(directory: Path) -> Iterator[dict[str, Listener]]:
    """The listeners by name, in front of real functions."""
    (directory / "app.py").write_text(APP)
    path = directory / "tailrace.toml"
    path.write_text(CONFIGURATION)
    with serving(path) as chain:
        yield {
            "public": HttpListener(chain, chain.url, "h"),
            "function URL": HttpListener(chain, chain.function_url("echo"), "localhost"),
            "Lambda API": LambdaApiListener(chain, chain.emulator_url, "localhost"),
            "callback": CallbackListener(chain, chain.callback_url, "h"),
        }


def exchange(
    address: str, raw: bytes, *, is_in_pieces: bool = False, patience_s: float = WAIT_S
) -> bytes:
    """Send bytes, wait for a whole answer, end our side, and return all that comes.

    `patience_s` bounds the wait for an answer: a proxy may wait for more instead of answering.
    """
    host, _, port = address.rpartition(":")
    received = b""
    with socket.create_connection((host, int(port)), WAIT_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        size = 1 if is_in_pieces else len(raw)
        with contextlib.suppress(OSError):  # refused, and cut because it went on
            for at in range(0, len(raw), size):
                sock.sendall(raw[at : at + size])
        with contextlib.suppress(OSError):
            while not _is_whole(received, raw) and select.select([sock], [], [], patience_s)[0]:
                data = sock.recv(65_536)
                if not data:
                    return received
                received += data
            sock.shutdown(socket.SHUT_WR)
            while data := sock.recv(65_536):
                received += data
    return received


def _is_whole(received: bytes, request: bytes) -> bool:
    """Whether a whole final answer to a request has come."""
    final = re.sub(rb"\A(HTTP/1\.1 1.*?\r\n\r\n)*", b"", received, flags=re.DOTALL)
    head, end, body = final.partition(b"\r\n\r\n")
    if not end or request.startswith(b"HEAD "):
        return bool(end)
    if length := re.search(rb"(?i)\r\ncontent-length: (\d+)", head):
        return len(body) >= int(length[1])
    return body.endswith(b"0\r\n\r\n")


def statuses(received: bytes) -> list[int]:
    """The final statuses among the bytes of a connection."""
    found = map(int, re.findall(rb"HTTP/1\.[01] (\d{3}) ", received))
    return [status for status in found if status >= 200]
