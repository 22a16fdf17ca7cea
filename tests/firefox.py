"""Headless Firefox, driven by WebDriver BiDi.

Source: W3C WebDriver BiDi (read 2026-11). Firefox writes the address of its WebSocket to stderr,
and refuses connections that have an Origin.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import websocket
from tests.browser import PATIENCE_S, end_browser

_PREFERENCES = 'user_pref("browser.chrome.site_icons", false);'
"""It asks for no icons, which a content security policy would refuse."""
_FLAGS = ("--headless", "--no-remote", "--remote-debugging-port=0")


class Firefox:
    """One page of a browser with a profile of its own, while entered.

    What its pages log as errors or warnings, exceptions included, is kept in `problems`.
    """

    def __enter__(self) -> Self:
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        assert program is not None, "Firefox is not installed: make test installs it"
        self._profile = tempfile.mkdtemp(prefix="firefox-")
        (Path(self._profile) / "user.js").write_text(_PREFERENCES)
        self._process = subprocess.Popen(
            [program, *_FLAGS, "--profile", self._profile, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.problems: list[str] = []
        self._count = 0
        try:
            self._socket = websocket.create_connection(
                f"{self._address()}/session", timeout=PATIENCE_S, suppress_origin=True
            )
            self.call("session.new", capabilities={})
            self.call("session.subscribe", events=["log.entryAdded"])
            self._context = self.call("browsingContext.getTree")["contexts"][0]["context"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if hasattr(self, "_socket"):
            self._socket.close()
        end_browser(self._process, self._profile)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; events that come first are noted."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._count:
                assert answer["type"] == "success", (method, answer)
                result: dict[str, Any] = answer["result"]
                return result
            if answer.get("method") == "log.entryAdded":
                entry = answer["params"]
                if entry["level"] in ("warn", "error"):
                    self.problems.append(entry["text"])

    def navigate(self, url: str) -> None:
        """Go to a page; returns when that has begun."""
        self.call("browsingContext.navigate", context=self._context, url=url, wait="none")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression; a promise is waited for."""
        answer = self.call(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        text = answer["result"].get("value")
        return None if text is None else json.loads(text)

    def screenshot(self) -> bytes:
        """What is to be seen, as a PNG."""
        answer = self.call("browsingContext.captureScreenshot", context=self._context)
        return base64.b64decode(answer["data"])

    def look(self, *, width: int = 1280, height: int = 900) -> None:
        """Be a screen of this size."""
        self.call(
            "browsingContext.setViewport",
            context=self._context,
            viewport={"width": width, "height": height},
        )

    def wait_until(self, expression: str) -> None:
        """Wait until an expression holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            assert time.monotonic() < deadline_s, f"waited in vain for {expression}"
            time.sleep(0.02)

    def _address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "WebDriver BiDi listening on " in line:
                return line.split()[-1]
        raise AssertionError("Firefox did not start")
