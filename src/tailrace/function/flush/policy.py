"""When a response is flushed, as the user configures it, and what its flushes added."""

from __future__ import annotations

from tailrace.limits import (
    FLUSH_PAD_BYTES,
    FLUSH_PAD_BYTES_MAX,
    FLUSH_QUIET_S,
    FLUSH_QUIET_S_MAX,
)
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final, Literal, NoReturn, TypeAlias

    When: TypeAlias = Literal["explicit", "every-write", "adaptive"]

_WHEN: Final = ("explicit", "every-write", "adaptive")


class FlushPolicy:
    """When a response is flushed, and with how much padding; immutable.

    `when`: "explicit", only when the handler flushes; "every-write", also after each write;
    "adaptive", also when nothing was written for `quiet_s` seconds and bytes are held back.
    `pad_bytes`: padding of one flush. `pads_text`: pad plain text with spaces, which its reader may
    see; without it plain text cannot be flushed over native streaming.

    Raises:
        TypeError, ValueError: a value has another type, or is out of its range.
    """

    __match_args__ = ("when", "pad_bytes", "quiet_s", "pads_text")
    __slots__ = ("pad_bytes", "pads_text", "quiet_s", "when")

    when: When
    pad_bytes: int
    quiet_s: float
    pads_text: bool

    def __init__(
        self,
        when: When = "explicit",
        pad_bytes: int = FLUSH_PAD_BYTES,
        quiet_s: float = FLUSH_QUIET_S,
        pads_text: bool = False,
    ) -> None:
        if when not in _WHEN:
            raise ValueError(f"when is {_listed()}, not {when!r}")
        if type(pad_bytes) is not int:
            raise TypeError(f"pad_bytes is a whole number, not {pad_bytes!r}")
        if not 1 <= pad_bytes <= FLUSH_PAD_BYTES_MAX:
            raise ValueError(f"pad_bytes is from 1 to {FLUSH_PAD_BYTES_MAX}, not {pad_bytes}")
        if type(quiet_s) not in (int, float):
            raise TypeError(f"quiet_s is a number of seconds, not {quiet_s!r}")
        if not 0 < quiet_s <= FLUSH_QUIET_S_MAX:
            raise ValueError(
                f"quiet_s is above 0 and up to {FLUSH_QUIET_S_MAX:g} seconds, not {quiet_s}"
            )
        if type(pads_text) is not bool:
            raise TypeError(f"pads_text is True or False, not {pads_text!r}")
        object.__setattr__(self, "when", when)
        object.__setattr__(self, "pad_bytes", pad_bytes)
        object.__setattr__(self, "quiet_s", float(quiet_s))
        object.__setattr__(self, "pads_text", pads_text)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a FlushPolicy does not change: cannot set {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a FlushPolicy does not change: cannot delete {name}")

    def __eq__(self, other: object) -> bool:
        match other:
            case FlushPolicy():
                return self._key() == other._key()
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"FlushPolicy({shown})"

    def __reduce__(self) -> tuple[type[FlushPolicy], tuple[object, ...]]:
        return FlushPolicy, self._key()

    def _key(self) -> tuple[When, int, float, bool]:
        return self.when, self.pad_bytes, self.quiet_s, self.pads_text


class FlushCounts(NamedTuple):
    """The flushes of one response; all zero where a flush needs no padding."""

    flushes: int = 0
    """Requested by the handler or its policy while bytes were held back."""
    deferred: int = 0
    """Those of them that waited for a place where the format allows padding."""
    padded_bytes: int = 0
    """Padding that was sent."""


def policy_from(value: object) -> FlushPolicy:
    """Return a policy that is given as itself, or by the name of its `when`.

    Raises:
        TypeError: `value` is neither.
    """
    match value:
        case FlushPolicy():
            return value
        case str() if value in _WHEN:
            return FlushPolicy(value)  # type: ignore[arg-type]  # one of `_WHEN`
    raise TypeError(f"flush is {_listed()} or a FlushPolicy, not {value!r}")


def _listed() -> str:
    return ", ".join(f'"{name}"' for name in _WHEN)
