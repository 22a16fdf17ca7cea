"""Real clients that GET many URLs, and what each of them takes for a complete response."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.browser import Chromium

PATIENCE_S = 10
"""When a client has waited in vain: a response that hangs."""
RUN_S = 90
"""When a client that has all URLs to get has."""

_AT_ONCE = 16
_CURL_TIMED_OUT = 28
_NPM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace" / "npm"


@dataclass(frozen=True, slots=True)
class Received:
    """What a client made of a response: `is_complete` when it reports no error.

    `said` is its error; `status` is 0 when it saw no head. What came of the body before an error
    is in `body` as far as the client gives it away.
    """

    is_complete: bool
    is_hung: bool
    status: int
    body: bytes
    said: str


Get = Callable[[Sequence[str]], list[Received]]


def curl(urls: Sequence[str], *options: str) -> list[Received]:
    """One curl that gets all of them."""
    with tempfile.TemporaryDirectory(prefix="cut-") as where:
        told = r"%{urlnum}\t%{exitcode}\t%{http_code}\t%{errormsg}\n"
        lines = [f'write-out = "{told}"', f"max-time = {PATIENCE_S}", "parallel-max = 64"]
        for number, url in enumerate(urls):
            lines += [f'url = "{url}"', f'output = "{where}/{number}"']
        # The exit code of the whole is that of one of them.
        done = subprocess.run(
            ["curl", "--silent", "--parallel", "--parallel-immediate", *options, "--config", "-"],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        assert done.stdout.count("\n") == len(urls), done
        received = {}
        for line in done.stdout.splitlines():
            number, code, status, said = line.split("\t")
            path = Path(where, number)
            received[int(number)] = Received(
                is_complete=int(code) == 0,
                is_hung=int(code) == _CURL_TIMED_OUT,
                status=int(status),
                body=path.read_bytes() if path.exists() else b"",
                said=said,
            )
    return [received[number] for number in range(len(urls))]


def curl_1_0(urls: Sequence[str]) -> list[Received]:
    """The same, speaking HTTP/1.0."""
    return curl(urls, "--http1.0")


class _Connection10(http.client.HTTPConnection):
    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


def python(
    urls: Sequence[str], kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
) -> list[Received]:
    """http.client, in a few threads."""

    def get(url: str) -> Received:
        parts = urlsplit(url)
        assert parts.hostname is not None
        connection = kind(parts.hostname, parts.port, timeout=PATIENCE_S)
        try:
            return _read(connection, f"{parts.path}?{parts.query}")
        finally:
            connection.close()

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(get, urls))


def _read(connection: http.client.HTTPConnection, target: str) -> Received:
    status, body, said, is_hung = 0, b"", "", False
    try:
        connection.request("GET", target)
        with connection.getresponse() as response:
            status = response.status
            if response.chunked or response.length is not None:
                body = response.read()  # its errors hold what came before them
            else:
                while piece := response.read1(65_536):
                    body += piece
    except http.client.IncompleteRead as error:
        body, said = error.partial, repr(error)
    except (http.client.HTTPException, OSError) as error:
        said, is_hung = repr(error), isinstance(error, TimeoutError)
    return Received(not said, is_hung, status, body, said)


def python_1_0(urls: Sequence[str]) -> list[Received]:
    """The same, speaking HTTP/1.0."""
    return python(urls, _Connection10)


def undici_request(urls: Sequence[str]) -> list[Received]:
    """One Node.js process; `undici.request`."""
    return _undici("request", urls)


def undici_fetch(urls: Sequence[str]) -> list[Received]:
    """One Node.js process; undici's `fetch`, which is that of Node.js."""
    return _undici("fetch", urls)


def _undici(way: str, urls: Sequence[str]) -> list[Received]:
    done = subprocess.run(
        ["node", Path(__file__).with_name("cut_undici.mjs"), _NPM / "node_modules", way],
        input=json.dumps(urls),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [_received(**seen) for seen in json.loads(done.stdout)]


def _received(*, complete: bool, hung: bool, status: int, body: str, said: str) -> Received:
    return Received(complete, hung, status, body.encode("latin-1"), said)


_FETCH_ALL = """
(async (urls, patience) => {
  async function get(url) {
    const seen = { complete: false, hung: false, status: 0, body: "", said: "" };
    const signal = AbortSignal.timeout(patience);
    try {
      const response = await fetch(url, { signal, cache: "no-store" });
      seen.status = response.status;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        seen.body += value;
      }
      seen.complete = true;
    } catch (error) {
      seen.said = String(error);
      seen.hung = signal.aborted;
    }
    return seen;
  }
  const results = [];
  let next = 0;
  async function work() {
    while (next < urls.length) {
      const index = next++;
      results[index] = await get(urls[index]);
    }
  }
  await Promise.all(Array.from({ length: 6 }, work));
  return results;
})
"""


def chromium(browser: Chromium, urls: Sequence[str]) -> list[Received]:
    """`fetch` in one page, which is of the same origin; six at a time, as the browser has it."""
    batch = 250
    results = []
    for start in range(0, len(urls), batch):
        arguments = json.dumps(urls[start : start + batch])
        results += browser.evaluate(f"({_FETCH_ALL.strip()})({arguments}, {PATIENCE_S * 1000})")
    return [_received(**seen) for seen in results]
