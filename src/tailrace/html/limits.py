"""Bounds of pages and events: name, unit, value, reason."""

from __future__ import annotations

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

PARTS_AT_ONCE_MAX: Final = 32
"""Parts of a page that are made at the same time; the others wait for one to end."""
PART_CANCEL_TIMEOUT_S: Final = 5.0
"""How long cancelled parts may take to end; then they are left, and a warning is logged."""
THREAD_ITEMS_WAITING_MAX: Final = 32
"""Items that sync code is ahead of what takes them; then its thread waits."""
PAGE_WAITING_CHARS_MAX: Final = 65_536
"""Characters of a page that wait to be sent; with more, the page function is paused."""
REQUEST_BODY_BYTES_MAX: Final = 6 * 1024 * 1024
"""The request body of a page or a stream under an ASGI server; a longer one is answered 413. Lambda
takes as much in an event."""
HEARTBEAT_INTERVAL_S: Final = 5.0
"""The longest silence of a page that is not complete; well below the idle time-outs of proxies."""
FORMATS_KEPT_MAX: Final = 256
"""Texts of `Html.format` of which is known whether their fields are simple."""
STREAM_HEARTBEAT_S: Final = 15.0
"""The default silence of a stream after which a heartbeat is sent: half of CloudFront's 30 s, the
shortest idle time-out on the way."""
STREAM_CANCEL_TIMEOUT_S: Final = 5.0
"""How long the cancelled function of a stream may take to end; then it is left, with a warning."""
EVENT_ID_CHARS_MAX: Final = 1_000
"""The longest id of an event: clients send it back in a header, of which servers take 8 KiB."""
RETRY_MS_MAX: Final = 2**31 - 1
"""The longest time before a reconnect: timers of browsers have 32 bits."""
MODEL_EVENTS_WAITING_MAX: Final = 32
"""Events of a language model that wait to be taken from `tokens`; then its stream is not read."""
MODEL_CLOSE_TIMEOUT_S: Final = 2.0
"""How long `tokens` waits for a model's stream to close; then a warning is logged."""
COALESCED_CHARS_MAX: Final = 4096
"""Characters that `coalesce_s` joins; with more they are yielded at once."""
MODEL_FIELDS_SHOWN_MAX: Final = 20
"""Fields of an unknown event that the error names."""
