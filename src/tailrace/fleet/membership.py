"""What a worker gets from its parent: sockets, its row of the board, the configuration's text.

The parent starts a worker with the variable TAILRACE_WORKER: the number of a file descriptor with
a JSON document. All descriptors that it names belong to the worker.
"""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from typing import Any, Final

VARIABLE: Final = "TAILRACE_WORKER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The document. The numbers are file descriptors, but for the slot."""

    public: list[int]
    """Listening sockets for clients, shared by all workers."""
    callback: int
    """A bound socket for callbacks, of this worker alone."""
    channel: int
    board: int
    slot: int
    config_text: str | None = None
    """The text of the configuration file when the generation began; None without a file."""
    advertise: str | None = None
    """The base of callback URLs; None: the callback socket's own address."""

    @property
    def descriptors(self) -> list[int]:
        """All descriptors that the worker inherits with it."""
        return [*self.public, self.callback, self.channel, self.board]

    def to_json(self) -> bytes:
        """Return the document as bytes."""
        return json.dumps(asdict(self)).encode()


def membership_from(environ: MutableMapping[str, str]) -> Membership | None:
    """Return the membership of this process, and remove its variable; None for a parent."""
    number = environ.pop(VARIABLE, None)
    if number is None:
        return None
    with os.fdopen(int(number), "rb") as file:
        document: dict[str, Any] = json.load(file)
    member = Membership(**document)
    for descriptor in member.descriptors:
        os.set_inheritable(descriptor, False)
    return member
