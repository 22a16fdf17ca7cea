"""The tables and the picture of docs/topics/costs.md, all of them from the model."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from docs.drawn.chart import Curve, Plot, chart
from docs.drawn.markdown import table

from tailrace.costs import US_EAST_1, Estimate, Price, Workload, estimate, paying_left_share
from tailrace.costs.quotas import QUOTAS

SCALES: Final = (1_000, 10_000, 100_000, 1_000_000)
MEMORIES_MB: Final = (128, 256, 512, 1_024)
SMALLEST: Final = Workload(streams=1, node="t4g.small", deploys=0)
_STEPS_PER_POWER: Final = 12
"""Points of a line between two powers of ten."""
_SEEN: Final = {
    "AWS": "a copy of AWS's page",
    "others": "others' texts only",
    "nowhere": "**not found**",
}


def _of(streams: int, **changes: Any) -> Estimate:
    return estimate(Workload(streams=streams, **changes))


def _usd(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:,.2f}"


def _share(value: float | None) -> str:
    return "never" if value is None else f"{value:.1%}".replace("%", " %")


# --- tables ------------------------------------------------------------------------------------


def scale_table() -> str:
    """A row for each scale."""
    head = ["streams at the peak", "streams a month, millions", "machines", "LCU"]
    head += ["Lambda", "CloudFront", "gateway", "all, callback", "all, Function URL"]
    head += ["all, REST API", "callback costs no more if so many leave halfway"]
    rows = []
    for found in map(_of, SCALES):
        bill = found.bills["callback"]
        rows.append(
            [
                f"{found.workload.streams:,}",
                f"{found.workload.streams_per_month / 1e6:,.0f}",
                f"{found.machines.count} × {found.machines.type.name}",
                f"{found.units.paid:,.1f}",
                *(_usd(bill.part_usd(part)) for part in ("function", "front", "gateway")),
                *(_usd(found.bills[way].usd) for way in found.bills),
                _share(paying_left_share(found.workload)),
            ]
        )
    return table(head, rows)


def line_table() -> str:
    """The lines of the gateway at two scales, beside what they are at the smallest."""
    fleets = [estimate(SMALLEST), *map(_of, SCALES[:3])]
    names: dict[str, list[str]] = {}
    for index, found in enumerate(fleets):
        for line in found.bills["callback"].lines:
            if line.part == "gateway":
                name = line.name.partition(",")[0]
                names.setdefault(name, ["–"] * len(fleets))[index] = _usd(line.usd)
    rows = [[name, *cells, _GROWS_WITH[name]] for name, cells in names.items()]
    rows.append(["**all**", *(f"**{_usd(found.gateway_usd)}**" for found in fleets), ""])
    head = ["", "one stream", *(f"{scale:,} streams" for scale in SCALES[:3]), "grows with"]
    return table(head, rows)


_GROWS_WITH: Final = {
    "machines": "chunks a second at the peak, then open streams",
    "machines that drain": "machines, deploys, the time to drain",
    "disks": "machines",
    "load balancer": "nothing",
    "load balancer units": "the largest of four: new connections, open ones, bytes, rules",
    "endpoints": "zones",
    "bytes through endpoints": "requests and their size",
    "bytes between zones": "bytes of responses",
    "metrics": "nothing",
    "alarms": "nothing",
    "gateway logs": "requests",
}


def memory_table() -> str:
    """How many clients must leave, by the function's memory."""
    rows = [
        [
            f"{memory_mb:,} MB",
            *(_share(paying_left_share(Workload(streams=n, memory_mb=memory_mb))) for n in SIZES),
        ]
        for memory_mb in MEMORIES_MB
    ]
    return table(["the function's memory", *(f"{n:,} streams" for n in SIZES)], rows)


SIZES: Final = (100, *SCALES[:3])


def quota_table() -> str:
    """What is needed of each quota whose default is too low at a scale."""
    excesses = [{each.quota: each for each in _of(scale).exceeded} for scale in SCALES]
    rows = []
    for quota in QUOTAS:
        found = [each.get(quota) for each in excesses]
        if any(found):
            cells = ["–" if each is None else f"{each.needed:,.0f}" for each in found]
            ways = ", ".join(_WAYS[way] for way in quota.ways)
            rows.append([quota.name, ways, f"{quota.limit:,.0f}", *cells, quota.remedy])
    head = ["quota", "of", "default", *(f"{scale:,} streams" for scale in SCALES), "what to do"]
    return table(head, rows)


_WAYS: Final = {
    "callback": "callback",
    "function-url": "Function URL",
    "rest-api": "REST API",
}


def other_quotas() -> str:
    """The quotas that none of the scales meets."""
    met = {excess.quota for scale in SCALES for excess in _of(scale).exceeded}
    others = (f"{quota.name} ({quota.limit:,.0f})" for quota in QUOTAS if quota not in met)
    return "\n".join(textwrap.wrap(f"Not met by this workload: {', '.join(others)}.", 120))


def smallest_fact() -> str:
    """The smallest gateway, in streams."""
    usual = estimate(SMALLEST)
    bare = estimate(dataclasses.replace(SMALLEST, endpoints=0))
    text = (
        f"The smallest gateway, two `t4g.small` and a load balancer, costs "
        f"{bare.gateway_usd:.2f} $ a month. For that Lambda runs {bare.gateway_in_streams:,.0f} "
        f"streams of 30 s and 1 GB, at {bare.stream_usd:.7f} $ each. Three interface endpoints "
        f"in two zones make it {usual.gateway_usd:.2f} $, or {usual.gateway_in_streams:,.0f} "
        "streams."
    )
    return "\n".join(textwrap.wrap(text, 120))


def new_site_fact() -> str:
    """What a site costs before its first request."""
    usual = estimate(SMALLEST)
    text = (
        f"A site that nobody visits costs about {usual.gateway_usd:.0f} US dollars a month in "
        "us-east-1: two small machines, a load balancer, and the endpoints through which the "
        "machines reach AWS without the internet."
    )
    return "\n".join(textwrap.wrap(text, 120))


def price_table() -> str:
    """Each price, with what is known of it."""
    rows = []
    for name, price in prices():
        further = [f"from {begin:,.0f} on {_plain(usd)}" for begin, usd in price.tiers]
        free = f"{price.free:,.0f}" if price.free else ""
        cells = [name, _plain(price.usd), price.unit, "; ".join(further), free]
        rows.append([*cells, f"[{_SEEN[price.seen]}]({price.page})", price.read])
    head = ["price of", "$", "for a", "further tiers", "free a month", "seen in", "written"]
    return table(head, rows)


def _plain(usd: float) -> str:
    return f"{usd:.10f}".rstrip("0")


def prices() -> Iterator[tuple[str, Price]]:
    """Each price of the table with its name, those of a kind one by one."""
    for field in dataclasses.fields(US_EAST_1):
        value = getattr(US_EAST_1, field.name)
        name = f"`{field.name}`"
        if isinstance(value, Price):
            yield name, value
        elif not isinstance(value, str):
            yield from ((f"{name} {key}", price) for key, price in value.items())


# --- the picture -------------------------------------------------------------------------------


def picture() -> str:
    """What each part costs over the number of streams, and when it is paid for."""
    estimates = [_of(streams) for streams in _streams(10, 1_000_000)]
    parts = Plot(
        "US dollars a month, by part",
        "streams of 30 s, 1 GB of memory, 20 chunks a second; the average is 30 % of the peak",
        [
            _curve(
                "Lambda, on each way", estimates, lambda e: e.bills["callback"].part_usd("function")
            ),
            _curve(
                "CloudFront, on each way",
                estimates,
                lambda e: e.bills["callback"].part_usd("front"),
            ),
            _curve("gateway, for callbacks only", estimates, lambda e: e.gateway_usd),
            _curve(
                "API Gateway, REST API only",
                estimates,
                lambda e: e.bills["rest-api"].part_usd("gateway"),
            ),
        ],
        range(1, 7),
        range(8),
        lambda value: f"{value:,.0f} $",
        340,
    )
    leaving = Plot(
        "Clients that leave, so that the callback costs no more than a Function URL",
        "leaving halfway on average; by the memory of the function",
        [Curve(f"{memory_mb:,} MB", _shares(memory_mb)) for memory_mb in MEMORIES_MB],
        range(1, 7),
        range(-2, 1),
        lambda value: f"{value:.0%}".replace("%", " %"),
        240,
    )
    title = "Cost a month over the number of streams, and the share of leaving clients that pays"
    return chart(title, [parts, leaving], "streams that are open at the peak")


def _streams(low: int, high: int) -> Iterable[int]:
    value = float(low)
    while round(value) < high:
        yield round(value)
        value *= 10 ** (1 / _STEPS_PER_POWER)
    yield high


def _curve(name: str, estimates: Iterable[Estimate], usd: Callable[[Estimate], float]) -> Curve:
    return Curve(name, [(each.workload.streams, usd(each)) for each in estimates])


def _shares(memory_mb: int) -> list[tuple[float, float]]:
    """From the first size on at which there is a share that pays."""
    found = (
        (streams, paying_left_share(Workload(streams=streams, memory_mb=memory_mb)))
        for streams in _streams(10, 1_000_000)
    )
    return [(streams, share) for streams, share in found if share]
