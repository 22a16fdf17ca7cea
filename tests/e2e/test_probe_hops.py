"""What the probe says of real programs between it and a function, and of the emulator's front.

Every row has a function of its own, so that its pings reach the environment that streams. Rows are
measured a few at a time. A row is measured again where the probe cannot tell, and where round trips
show that this machine was too busy to be measured; a wrong word is not forgiven otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e.chain import Chain, serving
from tests.kits import hops

from tailrace.probe.diagnosis import Diagnosis, Kind, diagnose
from tailrace.probe.measure import measure
from tailrace.probe.options import MeasureOptions
from tailrace.probe.record import Reading

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "why-is-my-stream-late.md"
HEAD = "| the way | the probe's options | what it says |\n| --- | --- | --- |\n"
AT_A_TIME = 6
ATTEMPTS = 4
COMPRESSIBLE = "text/plain"


@dataclass(frozen=True)
class Row:
    """A way to the function, and what the probe must say of it."""

    way: str
    """As the documentation calls it."""
    kind: Kind
    program: str = "emulator"
    settings: str = ""
    """Of the program; of the emulator, its function's `hold_back`."""
    asked: str = ""
    """The probe's options, as the documentation shows them."""
    options: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Between which values each lies."""


def _filter(name: str, kind: str, **config: Any) -> str:
    """A filter of Envoy."""
    at = "type.googleapis.com/envoy.extensions.filters.http"
    return json.dumps(
        {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{at}.{kind}", **config}}
    )


BUFFER = _filter("buffer", "buffer.v3.Buffer", max_request_bytes=1_000_000)
FILE_SYSTEM_BUFFER = _filter(
    "file_system_buffer",
    "file_system_buffer.v3.FileSystemBufferFilterConfig",
    manager_config={"thread_pool": {"thread_count": 1}},
    response={"behavior": {"fully_buffer": {}}},
)
BANDWIDTH = _filter(
    "bandwidth_limit",
    "bandwidth_limit.v3.BandwidthLimit",
    stat_prefix="limit",
    enable_mode="RESPONSE",
    limit_kbps=50,
    fill_interval="0.05s",
)
GZIP = f"proxy_http_version 1.1; gzip on; gzip_types {COMPRESSIBLE};"
FIXED = "{first_writes = 0, threshold_bytes = 15000, shaping = false}"
TIMED = "{first_writes = 0, threshold_bytes = 1000000, hold_s = 0.3, shaping = false}"

ROWS = (
    Row("nothing: the function's URL", "on-time", settings='"off"'),
    Row("the callback gateway", "on-time", "gateway"),
    Row("nginx, HTTP/1.1 to its upstream", "on-time", "nginx", "proxy_http_version 1.1;"),
    Row(
        "nginx, HTTP/1.0 to its upstream (the default)",
        "at-the-end",
        "nginx",
        "proxy_buffering on;",
    ),
    Row(
        "the same",
        "fixed-buffer",
        "nginx",
        "proxy_buffering on;",
        "--size 1000 --count 16",
        {"size": 1000, "count": 16},
        {"buffer_bytes_min": (4096, 4096), "buffer_bytes_max": (4096, 4096)},
    ),
    Row(
        "nginx, HTTP/1.1 and `gzip on`",
        "compression",
        "nginx",
        GZIP,
        "--compressed",
        {"compressed": True},
    ),
    Row(
        "the same",
        "compression",
        "nginx",
        GZIP,
        "--compressed --size 4000 --count 20",
        {"compressed": True, "size": 4000, "count": 20},
    ),
    Row("the same", "on-time", "nginx", GZIP),
    Row("nginx, `proxy_buffering off`", "on-time", "nginx", "proxy_buffering off;"),
    Row(
        "nginx, `proxy_buffering off` and `gzip on`",
        "on-time",
        "nginx",
        f"proxy_buffering off; gzip on; gzip_types {COMPRESSIBLE};",
        "--compressed",
        {"compressed": True},
    ),
    Row(
        "HAProxy",
        "held-for-a-time",
        "haproxy",
        asked="--interval 500ms --count 8",
        options={"interval_s": 0.5, "count": 8},
        figures={"held_s": (0.15, 0.4)},
    ),
    Row("HAProxy, `option http-no-delay`", "on-time", "haproxy", "option http-no-delay"),
    Row("Caddy", "on-time", "caddy"),
    Row("Caddy, `buffer_responses`", "at-the-end", "caddy", "buffer_responses"),
    Row("Envoy", "on-time", "envoy"),
    Row("Envoy, `buffer` filter (it holds requests)", "on-time", "envoy", BUFFER),
    Row("Envoy, `file_system_buffer` of responses", "at-the-end", "envoy", FILE_SYSTEM_BUFFER),
    Row(
        "Envoy, `bandwidth_limit` of 50 KiB a second",
        "bandwidth",
        "envoy",
        BANDWIDTH,
        "--size 10000 --count 20 --interval 50ms",
        {"size": 10_000, "count": 20, "interval_s": 0.05},
        {"rate_bytes_per_s": (40_000, 60_000)},
    ),
    Row(
        'the emulator, `hold_back = "lambda"`',
        "held-until-next-write",
        settings='"lambda"',
        figures={"first_writes": (3, 3)},
    ),
    Row(
        "the same",
        "on-time",
        settings='"lambda"',
        asked="--size 100000",
        options={"size": 100_000},
    ),
    Row(
        "the same",
        "on-time",
        settings='"lambda"',
        asked="--type sse --pad 100000",
        options={"content_type": "text/event-stream", "pad_bytes": 100_000},
    ),
    Row(
        "the same",
        "bandwidth",
        settings='"lambda"',
        asked="--size 500000 --count 24 --interval 50ms",
        options={"size": 500_000, "count": 24, "interval_s": 0.05},
        figures={"rate_bytes_per_s": (1.8e6, 2.5e6), "burst_bytes": (5e6, 7e6)},
    ),
    Row(
        "the emulator, a buffer of 15,000 bytes",
        "fixed-buffer",
        settings=FIXED,
        asked="--size 4000 --count 14",
        options={"size": 4000, "count": 14},
        figures={"buffer_bytes_min": (12_000, 15_000), "buffer_bytes_max": (15_000, 18_000)},
    ),
    Row("the same", "at-the-end", settings=FIXED),
    Row(
        "the emulator, held for 0.3 s",
        "held-for-a-time",
        settings=TIMED,
        figures={"held_s": (0.25, 0.5)},
    ),
)


def _configuration() -> str:
    lines = ["[emulator]", "retry_delay_scale = 0"]
    for number, row in enumerate(ROWS):
        lines += [f"[functions.f{number}]", 'handler = "tailrace.probe.handler"']
        lines += ["timeout_s = 120", "concurrency = 1", 'url = {invoke_mode = "RESPONSE_STREAM"}']
        if row.program == "emulator":
            lines.append(f"hold_back = {row.settings}")
        lines += ["[[routes]]", f'path = "/f{number}/*"', f'function = "f{number}"']
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, str]]:
    """Where each row's way begins."""
    directory = tmp_path_factory.mktemp("hops")
    (directory / "tailrace.toml").write_text(_configuration())
    with serving(directory / "tailrace.toml") as chain, ExitStack() as programs:
        bases = _started(programs, directory, urlsplit(chain.url).netloc)
        yield {number: _begin(chain, bases, number, row) for number, row in enumerate(ROWS)}


def _started(programs: ExitStack, directory: Path, gateway: str) -> dict[tuple[str, str], str]:
    """The programs before the gateway, by name and settings."""
    bases: dict[tuple[str, str], str] = {}
    for run in (hops.nginx, hops.haproxy, hops.caddy, hops.envoy):
        program = run.__name__
        settings = {row.settings: row.settings for row in ROWS if row.program == program}
        started = run(directory / program, gateway, settings)
        bases |= {(program, name): url for name, url in programs.enter_context(started).items()}
    return bases


def _begin(chain: Chain, bases: dict[tuple[str, str], str], number: int, row: Row) -> str:
    if row.program == "emulator":
        return chain.function_url(f"f{number}")
    base = chain.url if row.program == "gateway" else bases[row.program, row.settings]
    return f"{base}/f{number}/"


def test_the_probe_is_right_about_every_way(urls: dict[int, str]) -> None:
    said = asyncio.run(_diagnose_all(urls))

    lines = [_line(row, said[number]) for number, row in enumerate(ROWS)]
    print("\n" + "\n".join(lines))
    wrong = [line for number, line in enumerate(lines) if not _is_right(ROWS[number], said[number])]
    assert not wrong, "\n".join(wrong)


def test_the_documentation_has_this_table() -> None:
    lines = [
        f"| {row.way} | {f'`{row.asked}`' if row.asked else ''} | `{row.kind}` |\n" for row in ROWS
    ]

    assert HEAD + "".join(lines) in PAGE.read_text()


async def _diagnose_all(urls: dict[int, str]) -> list[Diagnosis]:
    turn = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int, row: Row) -> Diagnosis:
        async with turn:
            return await _diagnose(urls[number], row)

    return await asyncio.gather(*(one(number, row) for number, row in enumerate(ROWS)))


async def _diagnose(url: str, row: Row) -> Diagnosis:
    """Measure; again, and with longer pauses as the probe advises, when the machine was busy."""
    options = MeasureOptions(**{"interval_s": 0.25, "pings": 5, **row.options})
    for _ in range(ATTEMPTS):
        reading = await measure(url, options)
        said = diagnose(reading)
        if said.kind == "cannot-tell":
            size = options.size * (2 if row.kind == "bandwidth" else 1)
            options = replace(options, interval_s=options.interval_s * 2, size=size)
        elif _is_right(row, said) or not _was_busy(reading):
            break
        print(f"measured again: {_line(row, said)}")
    return said


def _was_busy(reading: Reading) -> bool:
    """Whether the machine kept something waiting for a good part of a pause.

    Even the quickest round trip, a write of the function, or an arrival: each of them belongs to
    the write before it, but for the ways that count on the time.
    """
    assert reading.clock is not None and reading.interval_s is not None
    good_part_s = 0.1 * reading.interval_s
    written_s = [chunk.written_s for chunk in reading.chunks if chunk.written_s is not None]
    pauses_s = [after - before for before, after in pairwise(written_s)]
    return (
        (reading.clock.round_trip_s or 1) > good_part_s
        or any(abs(pause_s - reading.interval_s) > good_part_s for pause_s in pauses_s)
        or any(
            min((chunk.arrived_s - s for s in written_s if s <= chunk.arrived_s), default=0)
            > good_part_s
            for chunk in reading.chunks
        )
    )


def _is_right(row: Row, said: Diagnosis) -> bool:
    figures = said.figures
    return said.kind == row.kind and all(
        low <= figures[name] <= high for name, (low, high) in row.figures.items()
    )


def _line(row: Row, said: Diagnosis) -> str:
    figures = ", ".join(f"{name} {value:.6g}" for name, value in said.figures.items())
    return f"| {row.way} | {row.asked} | {said.kind} | {figures} | {said.words}"
