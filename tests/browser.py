"""Headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.request import urlopen

import websocket

PATIENCE_S = 30.0
"""When a wait is in vain."""

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*"),
)


class Chromium:
    """One page of a browser with a profile of its own, while entered.

    What the page did wrong is kept in `problems`: exceptions, refused resources, log entries.
    `flags` are more options of the program.
    """

    def __init__(self, *flags: str) -> None:
        self._flags = (*_FLAGS, *flags)

    def __enter__(self) -> Self:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        assert program is not None, "Chromium is not installed: make test installs it"
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        self._process = subprocess.Popen(
            [program, *self._flags, f"--user-data-dir={self._profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.problems: list[str] = []
        self.events: list[dict[str, Any]] = []
        self._count = 0
        try:
            self._socket = websocket.create_connection(self._page_url(), timeout=PATIENCE_S)
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if hasattr(self, "_socket"):
            self._socket.close()
        end_browser(self._process, self._profile)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; events that come first are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression; a promise is waited for."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def navigate(self, url: str) -> None:
        """Go to a page; returns when the head of its response is there."""
        self.call("Page.navigate", url=url)

    def screenshot(self) -> bytes:
        """What is to be seen, as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def wait_until(self, expression: str) -> None:
        """Wait until an expression holds."""
        self.wait_for(lambda: self.evaluate(expression), expression)

    def wait_for(self, condition: Callable[[], object], what: str = "the condition") -> None:
        """Wait until a condition holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, f"waited in vain for {what}"
            time.sleep(0.05)

    def look(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Be a screen of this size, with a preference for light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def _page_url(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "DevTools listening on" in line:
                port = line.split(":")[-1].split("/")[0]
                break
        else:
            raise AssertionError("Chromium did not start")
        with urlopen(f"http://127.0.0.1:{port}/json", timeout=PATIENCE_S) as response:
            targets = json.load(response)
        return next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")

    def _note(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if event["method"] == "Runtime.exceptionThrown":
            self.problems.append(event["params"]["exceptionDetails"]["text"])
        if event["method"] == "Log.entryAdded":
            entry = event["params"]["entry"]
            self.problems.append(f"{entry['text']} {entry.get('url', '')}")


def end_browser(process: subprocess.Popen[str], profile: str) -> None:
    """End a browser, and remove its profile."""
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_S)
    assert process.stderr is not None
    process.stderr.close()
    shutil.rmtree(profile, ignore_errors=True)
