"""The words of bars, numbers and durations. A page may have others: `page.words`."""

from __future__ import annotations

import math

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

WORDS: Final = {
    "of": "{count} of {total}",
    "percent": "{percent} %",
    "left": "{time} left",
    "took": "took {time}",
    "stopped": "stopped at {count}",
    "failed": "failed at {count}",
    "cancel": "Cancel",
    "step-done": "done",
    "step-current": "in progress",
    "step-failed": "failed",
    "step-stopped": "stopped",
    "no-news": "No news for {time}. The connection may be broken: reload the page.",
    "incomplete": "This page is incomplete: an error has ended it. Reload it to try again.",
    "second": "{n} s",
    "minute": "{n} min",
    "hour": "{n} h",
    "group": ",",
}
"""Each text by its key; `group` separates thousands."""

_STEP_S: Final = 5


def number(value: float, words: Mapping[str, str]) -> str:
    """Return a number as it is read: groups of digits, and at most two decimals."""
    text = f"{value:,.2f}".rstrip("0").removesuffix(".")
    return text.replace(",", words["group"])


def duration(seconds: float, words: Mapping[str, str]) -> str:
    """Return how long something took."""
    if seconds < 10:
        return words["second"].format(n=f"{seconds:.1f}")
    whole = round(seconds)
    if whole < 60:
        return words["second"].format(n=whole)
    large, small, rest = (
        ("minute", "second", whole) if whole < 3600 else ("hour", "minute", whole // 60)
    )
    major, minor = divmod(rest, 60)
    text = words[large].format(n=major)
    return f"{text} {words[small].format(n=minor)}" if minor else text


def time_left(seconds: float, words: Mapping[str, str]) -> str:
    """Return how long something will take: rounded up, so that the text changes rarely."""
    if seconds <= 60 - _STEP_S:
        return words["second"].format(n=max(1, math.ceil(seconds / _STEP_S)) * _STEP_S)
    minutes = math.ceil(seconds / 60)
    if minutes < 60:
        return words["minute"].format(n=minutes)
    hours, minutes = divmod(minutes, 60)
    text = words["hour"].format(n=hours)
    return f"{text} {words['minute'].format(n=minutes)}" if minutes else text
