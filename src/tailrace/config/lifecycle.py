"""The name of a lifecycle hook on the command line."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tailrace.errors import ConfigError

_GROUP: Final = re.compile(r"[^\x00-\x1f\x7f:]{1,255}").fullmatch
_HOOK: Final = re.compile(r"[A-Za-z0-9_-]{1,255}").fullmatch


class HookName(NamedTuple):
    """A hook of an Auto Scaling group; `group` is None if the instance's tags name it."""

    group: str | None
    hook: str

    def __str__(self) -> str:
        return self.hook if self.group is None else f"{self.group}/{self.hook}"


def parse_hook(text: str, *, name: str = "hook") -> HookName:
    """Parse [GROUP/]HOOK; `name` is the option, for messages. Only the group may have slashes.

    Raises:
        ConfigError: the text is no such name.
    """
    group, slash, hook = text.strip().rpartition("/")
    if not _HOOK(hook) or (slash and not _GROUP(group)):
        raise ConfigError(
            f"{text[:80]!r} names no lifecycle hook", where=name, allowed="[GROUP/]HOOK"
        )
    return HookName(group or None, hook)
