"""Bounds of pages and events: name, unit, value, reason."""

from __future__ import annotations

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

# --- pages and events -------------------------------------------------------------------------

FILL_SCRIPT_BYTES_MAX: Final = 1_120
"""The script that each page with parts contains, for browsers that do not fill by themselves."""
PARTS_AT_ONCE_MAX: Final = 256
"""Parts of a page that are made at the same time by default; the others wait for one to end. Most
parts wait for something else, and one that could be done is not to wait for those that cannot."""
PART_THREADS_MAX: Final = 32
"""Those of them that are not async: each has a thread."""
PART_FALLBACK_TIMEOUT_S: Final = 5.0
"""How long the fallback of a part may take; then its place is empty."""
PART_CANCEL_TIMEOUT_S: Final = 5.0
"""How long cancelled parts may take to end; then they are left, and a warning is logged."""
THREAD_ITEMS_WAITING_MAX: Final = 32
"""Items that sync code is ahead of what takes them; then its thread waits."""
PAGE_WAITING_CHARS_MAX: Final = 65_536
"""Characters of a page that wait to be sent; with more, the page function is paused."""
FLUSH_FIRST_S: Final = 0.005
"""How long the beginning of a response waits for more before it is flushed."""
FLUSH_WAIT_MAX_S: Final = 0.25
"""How long bytes wait for a pause in what follows, at most, before they are flushed."""
FLUSH_INTERVAL_SHARE: Final = 0.02
"""The time between two flushes grows to this share of the age of the response, up to
`FLUSH_INTERVAL_MAX_S`. With a padding of 100 KB the longest response, of 15 minutes, has 42 MB of
it at most; Lambda ends a response at 200 MB."""
FLUSH_INTERVAL_MAX_S: Final = 5.0
"""The longest time between two flushes of a response that goes on: that of heartbeats."""
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
NO_NEWS_S: Final = 15.0
"""How long nothing has come, at least, when a page shows that its stream may be broken."""
PROGRESS_INTERVAL_S: Final = 0.1
"""Between two updates of progress, at least."""
PROGRESS_HELD_INTERVAL_S: Final = 1.0
"""The same where each update costs more: on ways that hold back small writes, and in order."""
PROGRESS_INTERVAL_SHARE: Final = 0.05
"""The interval grows to this share of how long the oldest bar has been running."""
PROGRESS_INTERVAL_MAX_S: Final = 2.0
"""Between two updates of progress, at most."""
PROGRESS_TURNS: Final = 8
"""How often a loop over progress lets others go on when an update is due: enough to send it."""
PROGRESS_BLOCKS_MAX: Final = 500
"""Updates on a page in order, of which all stay in the document; then only ends are shown."""
STATUS_INTERVAL_S: Final = 1.0
"""Between two texts that a screen reader reads out, at least."""
STATUS_UNKNOWN_INTERVAL_S: Final = 10.0
"""The same where the total is not known: the text then changes with each count."""
LOG_LINES_MAX: Final = 10
"""Lines of a bar's log that are shown: the last ones."""
LOG_LINE_CHARS_MAX: Final = 500
"""Characters of a line; the others are cut off."""
