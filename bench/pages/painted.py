"""Time until a part is seen, and bytes: the same page in parts, ours and React's, in Chromium.

A part holds the time when it was ready, by the clock of its server, which is also the browser's.
The page notes when the part's caption is painted, whoever put it there (Element Timing, a W3C
draft, read 2026-11). Both servers get the parts' data in the same order, at the same distances.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final
from urllib.request import urlopen

from tests.browser import Chromium

from bench.load import BenchError
from bench.pages import content
from bench.pages.served import PLAN_VARIABLE
from bench.process import cpu_s
from bench.report import Row, say
from bench.versions import NPM

HERE: Final = Path(__file__).parent
OURS: Final = "tailrace, under uvicorn"
OURS_BY_SCRIPT: Final = "  the same, filled by the script"
REACT: Final = "React, renderToPipeableStream"
SEED: Final = 15
STYLE: Final = (
    "main{display:grid;grid-template-columns:repeat(20,76px);gap:2px}table,p{margin:0;font:7px/9px "
    "sans-serif;border-spacing:0;table-layout:fixed;width:76px}td,caption{padding:0;overflow:hidden;"
    "white-space:nowrap}"
)
"""All parts fit on one screen: what is not on it is not painted."""
SCRIPT: Final = (
    "var painted=[];new PerformanceObserver(list=>{for(const entry of list.getEntries())"
    'painted.push([entry.identifier,entry.renderTime])}).observe({type:"element",buffered:true})'
)
_LATE_MS: Final = """\
(() => {
  const at = performance.timeOrigin;
  return painted.map(([name, time_ms]) => {
    const table = document.querySelector(`[elementtiming=${name}]`).closest("table");
    return at + time_ms - Number(table.dataset.ready);
  });
})()"""
_CONTENT: Final = re.compile("<table.*?</table>|<p>…</p>".encode(), re.DOTALL)
"""Parts and placeholders."""

COMMANDS: Final = {
    OURS: [sys.executable, "-m", "bench.pages.served"],
    REACT: ["node", str(HERE / "react.mjs"), str(NPM / "node_modules")],
}
OLD: Final = "--disable-blink-features=DocumentPatching,HTMLProcessingInstruction"
"""With it, Chromium is a browser that does not know the format of ours."""
TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """When parts get done."""

    words: str
    apart_ms: float


PLANS: Final = {"apart": Plan("one every 50 ms", 50.0), "together": Plan("all at once", 0.0)}


@dataclass(frozen=True, slots=True)
class Side:
    """A server of the page."""

    port: int
    pid: int

    def url(self, parts: int, apart_ms: float) -> str:
        return f"http://127.0.0.1:{self.port}/?parts={parts}&apart_ms={apart_ms:g}"

    def fetch(self, parts: int) -> bytes:
        with urlopen(self.url(parts, 0), timeout=TIMEOUT_S) as response:
            body: bytes = response.read()
            return body


def new_rows() -> list[Row]:
    """Bytes, and times for each plan."""
    rows = [
        Row("each", "bytes of a part beside its content", "B"),
        Row("once", "bytes that come once with parts", "B"),
        Row("bytes", "bytes of the page", "B"),
        Row("gzip", "  compressed as a whole", "B"),
    ]
    for name, plan in PLANS.items():
        rows += [
            Row(f"{name}-p50", f"part ready to painted, {plan.words}, p50", "ms"),
            Row(f"{name}-p95", "  p95", "ms"),
            Row(f"{name}-max", "  the last one", "ms"),
            Row(f"{name}-server", "  CPU of the server for the page", "ms"),
        ]
    return rows


def measure(rows: Mapping[str, Row], runs: int, parts: int) -> None:
    """Measure each side in turn within each run.

    Raises:
        BenchError: a server did not start.
    """
    with _served(OURS) as ours, _served(REACT) as react, Chromium() as new, Chromium(OLD) as old:
        for name, side in {OURS: ours, REACT: react}.items():
            _measure_bytes(rows, name, side)
        for browser in (new, old):
            browser.look(width=1600, height=1200)
        sides = {OURS: (new, ours), OURS_BY_SCRIPT: (old, ours), REACT: (new, react)}
        for browser, side in sides.values():
            _late_ms(browser, side, parts, 0)  # brings in what the first page needs
        for run in range(1, runs + 1):
            for plan_name, plan in PLANS.items():
                for name, (browser, side) in sides.items():
                    before_s = cpu_s(side.pid)
                    late_ms = _late_ms(browser, side, parts, plan.apart_ms)
                    rows[f"{plan_name}-server"].add(name, (cpu_s(side.pid) - before_s) * 1e3)
                    shares = quantiles(late_ms, n=20)
                    rows[f"{plan_name}-p50"].add(name, shares[9])
                    rows[f"{plan_name}-p95"].add(name, shares[18])
                    rows[f"{plan_name}-max"].add(name, max(late_ms))
            say(f"painted, run {run} of {runs}")


@contextmanager
def _served(name: str) -> Iterator[Side]:
    plan = json.dumps(_plan())
    process = subprocess.Popen(
        COMMANDS[name],
        env=os.environ | {PLAN_VARIABLE: plan, "NODE_ENV": "production"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.isdigit():
            raise BenchError(f"{name}: the server has not started (sh scripts/install-npm.sh)")
        yield Side(int(line), process.pid)
    finally:
        process.kill()
        process.communicate()


def _plan() -> dict[str, Any]:
    tables = [
        {
            "title": table.title,
            "rows": [[str(s.number), s.name, s.city, str(s.amount)] for s in table.rows],
        }
        for table in content.TABLES
    ]
    order = random.Random(SEED).sample(range(content.PARTS), content.PARTS)
    return {"tables": tables, "order": order, "style": STYLE, "script": SCRIPT}


def _measure_bytes(rows: Mapping[str, Row], name: str, side: Side) -> None:
    """Those of each part are the difference between a page of all parts and one of half of them."""
    half, all_ = content.PARTS // 2, content.PARTS
    pages = {parts: side.fetch(parts) for parts in (0, half, all_)}
    rest = {parts: len(_CONTENT.sub(b"", page)) for parts, page in pages.items()}
    each = (rest[all_] - rest[half]) / (all_ - half)
    rows["each"].add(name, each)
    rows["once"].add(name, rest[half] - rest[0] - half * each)
    rows["bytes"].add(name, len(pages[all_]))
    rows["gzip"].add(name, len(gzip.compress(pages[all_])))


def _late_ms(browser: Chromium, side: Side, parts: int, apart_ms: float) -> list[float]:
    """From ready to painted, for each part."""
    url = side.url(parts, apart_ms)
    browser.call("Page.navigate", url=url)
    browser.wait_until(f"location.href == '{url}' && window.painted?.length == {parts}")
    late_ms: list[float] = browser.evaluate(_LATE_MS)
    return late_ms
