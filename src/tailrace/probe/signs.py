"""What the head of a response gives away about whom it has passed.

A header is a claim of whoever set it: a hop may set none, or pass on another's. So each sign says
which header it is taken from, and the lack of one proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tailrace.probe.record import Reading

Hop: TypeAlias = Literal[
    "nginx", "Caddy", "Envoy", "Apache", "Varnish", "CloudFront", "Cloudflare", "ALB", "Lambda"
]


@dataclass(frozen=True, slots=True)
class Sign:
    """A header that says something, what it says, and whose mark it is."""

    text: str
    hop: Hop | None = None


# Header, what its value has in it (in lower case), and whose mark that is.
_MARKS: Final[tuple[tuple[str, str, Hop], ...]] = (
    ("server", "nginx", "nginx"),
    ("server", "openresty", "nginx"),
    ("server", "caddy", "Caddy"),
    ("via", "caddy", "Caddy"),
    ("server", "envoy", "Envoy"),
    ("x-envoy-upstream-service-time", "", "Envoy"),
    ("server", "apache", "Apache"),
    ("x-varnish", "", "Varnish"),
    ("via", "varnish", "Varnish"),
    ("x-amz-cf-id", "", "CloudFront"),
    ("via", "cloudfront", "CloudFront"),
    ("cf-ray", "", "Cloudflare"),
    ("server", "cloudflare", "Cloudflare"),
    ("server", "awselb", "ALB"),
    ("x-amzn-requestid", "", "Lambda"),
)


def find_signs(reading: Reading) -> tuple[Sign, ...]:
    """What the response's head says, hops first."""
    signs: list[Sign] = []
    for name, part, hop in _MARKS:
        value = reading.header(name)
        if value is not None and part in value.lower() and hop not in {s.hop for s in signs}:
            shown = _shown(name, value) if part else name  # ids say nothing
            signs.append(Sign(f"`{shown}` is a mark of {_NAMES.get(hop, hop)}", hop))
    if not any(sign.hop for sign in signs):
        signs += [
            Sign(f"`{_shown(name, value)}`")
            for name in ("server", "via")
            if (value := reading.header(name)) is not None
        ]
    return (*signs, *_of_framing(reading), *_of_caches(reading))


_NAMES: Final = {"Lambda": "Lambda, or of an emulator of it"}


def _of_framing(reading: Reading) -> list[Sign]:
    signs: list[Sign] = []
    coding = reading.header("content-encoding")
    if coding is not None and coding != "identity":
        signs.append(Sign(f"`{_shown('content-encoding', coding)}`: somebody compressed the body"))
    length = reading.header("content-length")
    if length is not None:
        text = "whoever sent the head knew how long the body would be"
        signs.append(Sign(f"`{_shown('content-length', length)}`: {text}"))
    if reading.http_version in ("1.0", "HTTP/1.0"):
        signs.append(Sign("the answer is HTTP/1.0, which knows no chunks"))
    buffering = reading.header("x-accel-buffering")
    if buffering is not None and buffering.lower() == "no":
        text = "asks nginx not to buffer; one that did so would not have passed it on"
        signs.append(Sign(f"`{_shown('x-accel-buffering', buffering)}` {text}"))
    return signs


def _of_caches(reading: Reading) -> list[Sign]:
    return [
        Sign(f"`{_shown(name, value)}`: a cache speaks")
        for name in ("x-cache", "cf-cache-status", "age")
        if (value := reading.header(name)) is not None
    ]


def _shown(name: str, value: str) -> str:
    """A header as it may stand in a sentence: printable, and not long."""
    text = "".join(character if character.isprintable() else "?" for character in value)
    return f"{name}: {text if len(text) <= 60 else text[:57] + '…'}"
