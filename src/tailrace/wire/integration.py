"""Lambda's HTTP integration response: a JSON prelude, eight NUL bytes, then the body.

    {"statusCode":201,"headers":{"content-type":"text/plain"},"cookies":["a=1"]}\\0\\0\\0\\0\\0\\0\\0\\0body

Source: Lambda Developer Guide "runtimes-custom" and API Gateway Developer Guide
"response-transfer-mode-lambda", read 2026-11; layout recorded from AWS's Node.js runtime client.
Functions import this module at their cold start: hence no dataclasses, which are slow to import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring_ascii as _quote

from tailrace.errors import HeadError, PreludeError
from tailrace.limits import HEADER_COUNT_MAX, PRELUDE_BYTES_MAX

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final, NoReturn, TypeAlias, TypeGuard

    from tailrace.wire.object_scan import ObjectScan

MEDIA_TYPE: Final = "application/vnd.awslambda.http-integration-response"
DELIMITER: Final = b"\0" * 8

HeadersInput: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, Any]]"
"""A mapping of names to a value or a list of values, or pairs of name and value.

A value is text; a number or a boolean is taken as its JSON text, as Lambda's users rely on.
None is a header that is not there.
"""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_NOT_IN_A_VALUE: Final = re.compile(r"[^\t\x20-\x7e\x80-\xff]").search
_SEQUENCES: Final = (tuple, list)
_TOO_MANY: Final = f"more than {HEADER_COUNT_MAX} headers and cookies"
KEYS: Final = frozenset(("statusCode", "headers", "multiValueHeaders", "cookies"))
"""The keys of a prelude: API Gateway's. A Function URL reads fewer of them."""
_CONFIDENTIAL: Final = ("auth", "cookie", "key", "password", "secret", "session", "token")


def is_integration(content_type: str) -> bool:
    """Whether a response with this content type of a runtime starts with a prelude."""
    return content_type.partition(";")[0].strip().lower() == MEDIA_TYPE


class Head:
    """Status, headers and cookies of a response; immutable and valid once it exists.

    `headers` keeps the spelling of names, the order and repeats. Every Set-Cookie among them is
    moved to `cookies`, before those given there, so that all cookies are in one place. Spaces
    around a value are removed. Headers of framing or of one connection are not checked here.

    Raises:
        HeadError: a status outside 200 to 599 (an integration response has no 1xx), a name that is
            no token, a value with control or non-Latin-1 characters, or more than
            `HEADER_COUNT_MAX` fields.
    """

    __match_args__ = ("status", "headers", "cookies")
    __slots__ = ("cookies", "headers", "status")

    status: int
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]

    def __init__(
        self, status: int = 200, headers: HeadersInput = (), cookies: Iterable[str] = ()
    ) -> None:
        fields: list[tuple[str, str]] = []
        all_cookies: list[str] = []
        for name, value in _pairs(headers):
            text = _field_value(name, value)
            if name.lower() == "set-cookie":
                all_cookies.append(text)
            else:
                fields.append((name, text))
            if len(fields) + len(all_cookies) > HEADER_COUNT_MAX:  # a list may have millions
                raise HeadError(_TOO_MANY)
        if isinstance(cookies, (str, bytes)) or not isinstance(cookies, Iterable):
            raise HeadError("cookies: a list of Set-Cookie values is wanted")
        for cookie in cookies:
            all_cookies.append(_field_value("cookies", cookie))
            if len(fields) + len(all_cookies) > HEADER_COUNT_MAX:
                raise HeadError(_TOO_MANY)
        object.__setattr__(self, "status", legal_status(status))
        object.__setattr__(self, "headers", tuple(fields))
        object.__setattr__(self, "cookies", tuple(all_cookies))

    def get(self, name: str) -> str | None:
        """Return the first value of a header; the case of names does not matter."""
        wanted = name.lower()
        for own_name, value in self.headers:
            if own_name.lower() == wanted:
                return value
        return None

    def joined_headers(self) -> dict[str, str]:
        """Return one value for each name: repeats are joined with a comma and a space.

        The first spelling of a name stands for all.
        """
        joined: dict[str, tuple[str, str]] = {}
        for name, value in self.headers:
            key = name.lower()
            first_name, before = joined.get(key, (name, ""))
            joined[key] = (first_name, f"{before}, {value}" if key in joined else value)
        return dict(joined.values())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Head does not change: cannot set {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Head does not change: cannot delete {name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Head):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        # Without cookies, because they are credentials, and a repr may be logged.
        return f"Head({self.status}, {self.headers!r}, cookies={len(self.cookies)})"

    def __reduce__(self) -> tuple[type[Head], tuple[object, ...]]:
        return Head, self._key()

    def _key(self) -> tuple[int, tuple[tuple[str, str], ...], tuple[str, ...]]:
        return self.status, self.headers, self.cookies


def encode_prelude(head: Head) -> bytes:
    """Return the start of an integration response: the head as JSON, then eight NUL bytes.

    Repeated headers are joined with ", ": the format has one value for each name.

    Raises:
        PreludeError: it would be longer than `PRELUDE_BYTES_MAX`.
    """
    # By hand: `json.dumps` with separators makes two encoders first, which take longer than this.
    text = f'{{"statusCode":{head.status}'
    if head.headers:
        fields = [f"{_quote(key)}:{_quote(value)}" for key, value in head.joined_headers().items()]
        text += f',"headers":{{{",".join(fields)}}}'
    if head.cookies:
        text += f',"cookies":[{",".join(map(_quote, head.cookies))}]'
    encoded = f"{text}}}".encode("ascii") + DELIMITER
    if len(encoded) > PRELUDE_BYTES_MAX:
        raise prelude_too_long(len(encoded))
    return encoded


class PreludeParser:
    """Reads the head at the start of an integration response, from chunks of any size.

    `keys` are those of `KEYS` that are read; all others are ignored. Null means absent, a missing
    status is 200, and a status may be text of three digits. A name in `multiValueHeaders` has its
    values from there only.
    """

    __slots__ = (
        *("_buffer", "_has_begun", "_is_complete", "_keys"),
        *("_scan", "_scanned", "rest", "unread"),
    )

    rest: bytes
    """The first bytes of the body, received together with the end of the prelude."""
    unread: dict[str, Any]
    """Values of the keys of `KEYS` that are not read; valid with the head. Objects are tuples."""

    def __init__(self, keys: frozenset[str] = KEYS) -> None:
        self._keys = keys
        self.unread = {}
        self._buffer = b""
        self._has_begun = False  # with the brace of an object
        self._scan: ObjectScan | None = None  # of a prelude that comes in pieces
        self._scanned = 0
        self._is_complete = False
        self.rest = b""

    def feed(self, data: bytes) -> Head | None:
        """Take the next bytes; return the head once it is complete. Not to be called after that.

        Raises:
            PreludeError: this is no prelude: too long, not a JSON object in UTF-8, or with a NUL
                byte inside. Raised as soon as the bytes show it.
            HeadError: the prelude has a value that HTTP does not allow.
        """
        assert not self._is_complete, "the head was returned already"
        buffer = self._buffer = self._buffer + data
        if not self._has_begun:
            self._check_beginning()
        nul_at = buffer.find(0, self._scanned)
        json_size = len(buffer) if nul_at < 0 else nul_at
        if json_size + len(DELIMITER) > PRELUDE_BYTES_MAX:
            raise prelude_too_long(json_size + len(DELIMITER))
        # A NUL stays unscanned: the search finds it again with the next bytes.
        self._scanned = json_size
        if nul_at < 0:
            if self._scan is None:
                from tailrace.wire.object_scan import ObjectScan  # no function parses a prelude

                self._scan = ObjectScan()
            if behind := self._scan.find_behind(buffer):
                raise PreludeError(
                    f"malformed prelude: {_shown(behind)} follows the JSON object, not 8 NUL bytes"
                )
            return None
        body_at = nul_at + len(DELIMITER)
        delimiter = buffer[nul_at:body_at]
        if not DELIMITER.startswith(delimiter):
            raise PreludeError(f"malformed prelude: a NUL byte inside it, at byte {nul_at}")
        if len(delimiter) < len(DELIMITER):
            return None
        prelude = _parse_prelude(buffer[:nul_at])
        if self._keys is not KEYS:
            self.unread = {key: prelude.pop(key) for key in KEYS - self._keys if key in prelude}
        head = _head_of(prelude)
        self.rest = buffer[body_at:]
        self._is_complete = True
        self._buffer = b""
        return head

    def finish(self) -> None:
        """End the input: the response has ended.

        Raises:
            PreludeError: it ended before the prelude was complete.
        """
        if self._is_complete:
            return
        if not self._buffer:
            raise PreludeError("malformed prelude: the response is empty")
        raise PreludeError(
            f"malformed prelude: the response ended after {len(self._buffer)} bytes,"
            " before the eight NUL bytes that end the prelude"
        )

    def _check_beginning(self) -> None:
        """Refuse a start that is no object before the rest arrives, because a client waits."""
        beginning = self._buffer.lstrip(b" \t\r\n")
        if beginning and beginning[0] != ord("{"):
            shown = _shown(beginning[:16].decode("latin-1"))
            raise PreludeError(f"malformed prelude: it begins with {shown}, not with a JSON object")
        self._has_begun = bool(beginning)


def _parse_prelude(encoded: bytes) -> dict[str, Any]:
    """Return the values of `KEYS` in a prelude; objects are tuples of pairs."""
    try:
        text = encoded.decode("utf-8")
        prelude, end = _DECODER.raw_decode(text) if text.startswith("{") else ((), -1)
        if end != len(text):  # white space around it, or an error
            prelude = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise PreludeError(f"malformed prelude: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise PreludeError(
            f"malformed prelude: not JSON at character {error.pos}: {error.msg}"
        ) from None
    except RecursionError:
        raise PreludeError("malformed prelude: nested too deeply") from None
    ours: dict[str, Any] = {}
    for key, value in prelude:
        if key not in KEYS:
            continue
        if key in ours:
            raise PreludeError(f"malformed prelude: {key} is there twice")
        ours[key] = value
    return ours


def _head_of(prelude: dict[str, Any]) -> Head:
    status = prelude.get("statusCode")
    cookies = prelude.get("cookies")
    singles = _object(prelude, "headers")
    multiples = _object(prelude, "multiValueHeaders")
    return Head(
        200 if status is None else legal_status(status),
        merged_headers(singles, multiples, cookies),
        () if cookies is None else cookies,
    )


def merged_headers(
    singles: Iterable[tuple[str, Any]], multiples: Iterable[tuple[str, Any]], cookies: object
) -> list[tuple[str, Any]]:
    """Return the fields of `headers` and `multiValueHeaders` together.

    A name in the second has its values from there only. A Set-Cookie there that is in `cookies` as
    well is left out: functions that serve several kinds of callers set both.
    """
    multiples = list(multiples)
    if not multiples:
        return list(singles)
    replaced = {str(name).lower() for name, _ in multiples}
    merged = [pair for pair in singles if str(pair[0]).lower() not in replaced]
    given = {cookie for cookie in cookies if isinstance(cookie, str)} if _is_list(cookies) else ()
    for name, values in multiples:
        if given and str(name).lower() == "set-cookie" and _is_list(values):
            values = [value for value in values if not (isinstance(value, str) and value in given)]
        merged.append((name, values))
    return merged


def _is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, list | tuple)


def _object(prelude: dict[str, Any], key: str) -> tuple[tuple[str, Any], ...]:
    value = prelude.get(key)
    if value is None:
        return ()
    if not isinstance(value, tuple):
        raise HeadError(f"{key}: an object of names and values is wanted")
    return value


def _pairs(headers: HeadersInput) -> Iterator[tuple[str, Any]]:
    """Yield names, checked, and single values; a list of values is several fields."""
    pairs: Any = headers
    if type(headers) not in _SEQUENCES and isinstance(headers, (dict, Mapping)):
        pairs = headers.items()
    try:
        for name, value in pairs:
            if not (isinstance(name, str) and _TOKEN(name)):
                raise HeadError(f"illegal header name {_shown(name)}")
            if isinstance(value, _SEQUENCES):
                for single in value:
                    if single is not None:
                        yield name, single
            elif value is not None:
                yield name, value
    except (TypeError, ValueError):
        raise HeadError("headers: a mapping or pairs of name and value are wanted") from None


def _field_value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        try:
            return str(value)
        except ValueError:
            raise HeadError(f"{name}: a number too long for text") from None
    if not isinstance(value, str):
        kind = "a list or object" if isinstance(value, _SEQUENCES) else type(value).__name__
        raise HeadError(f"{name}: text is wanted, not {kind}")
    text = value.strip(" \t")
    illegal = _NOT_IN_A_VALUE(text)
    if illegal is None:
        return text
    message = f"{name}: illegal character U+{ord(illegal[0]):04X} at {illegal.start()}"
    if any(part in name.lower() for part in _CONFIDENTIAL):
        raise HeadError(message)
    raise HeadError(f"{message} of {_shown(text)}")


def legal_status(status: Any) -> int:
    """Return a status as int. Lambda accepts text of digits as well."""
    number = status
    if isinstance(status, str):
        number = int(status) if len(status) == 3 and status.isascii() and status.isdigit() else None
    if isinstance(number, int) and 200 <= number <= 599:  # a boolean is less
        return int(number)
    raise HeadError(f"illegal status {_shown(status)}: allowed is 200 to 599")


def _refuse_constant(name: str) -> NoReturn:
    raise PreludeError(f"malformed prelude: {name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=tuple,
    parse_int=str,  # numbers stay text: headers are text, and no number is too long for it
    parse_float=str,
    parse_constant=_refuse_constant,
)


def prelude_too_long(size: int) -> PreludeError:
    """Return the error of a prelude of so many bytes."""
    return PreludeError(
        f"prelude of {size} bytes or more: {PRELUDE_BYTES_MAX} are allowed, NUL bytes included"
    )


def _shown(value: object) -> str:
    """Return a value for a message: printable ASCII, at most 80 characters."""
    try:
        shown = ascii(value)
    except ValueError:  # an int with more digits than Python prints
        return f"<{type(value).__name__}>"
    return shown if len(shown) <= 80 else shown[:79] + "…"
