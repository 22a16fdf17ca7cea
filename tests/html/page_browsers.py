"""Browsers that fill pages: by themselves, or by the script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from tests.browser import Chromium
from tests.firefox import Firefox

Browser: TypeAlias = Chromium | Firefox

SCRIPTED = ("no format", "no templates", "firefox")
"""Browsers that need the script."""
_FLAGS = {
    # as Chromium was before: instructions are comments, and templates fill nothing
    "no format": ["--disable-blink-features=DocumentPatching,HTMLProcessingInstruction"],
    # instructions are nodes of their own, but templates fill nothing
    "no templates": ["--disable-blink-features=DocumentPatching"],
}


@contextmanager
def open_browser(kind: str) -> Iterator[Browser]:
    """Start a browser: "native", "no script", or one of `SCRIPTED`."""
    with Firefox() if kind == "firefox" else Chromium(*_FLAGS.get(kind, [])) as browser:
        if isinstance(browser, Chromium) and kind == "no script":
            browser.call("Emulation.setScriptExecutionDisabled", value=True)
        is_native = browser.evaluate("'htmlFor' in HTMLTemplateElement.prototype")
        assert is_native == (kind not in SCRIPTED)
        yield browser
