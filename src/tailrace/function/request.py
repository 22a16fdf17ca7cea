"""The HTTP request in an event, in the same form for every front end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from tailrace.wire.events.fields import context_of, fields_of, text_in
from tailrace.wire.events.shapes import find_shape

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    from tailrace.function.body import FormFields

_PORTS: Final = {"https": 443, "http": 80}


class Headers(Mapping[str, str]):
    """The header fields of a request. The case of names does not matter.

    A name that is repeated has one value here, joined with a comma; `get_all` has each of them.
    """

    __slots__ = ("_values", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs: Final = tuple([(name.lower(), value) for name, value in pairs])
        """Names in lower case, and values, in order; a repeated name has several."""
        values = dict(self.pairs)
        self._values = values if len(values) == len(self.pairs) else _joined(self.pairs)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({list(self._values)})"  # without values, among which are credentials

    def get_all(self, name: str) -> list[str]:
        """Return every value of a name; an empty list if it is absent."""
        wanted = name.lower()
        return [value for own_name, value in self.pairs if own_name == wanted]


class Request:
    """The HTTP request in an event.

    A part that the event lacks is empty. Each is read when it is first used.

    Raises:
        TypeError: the event is no HTTP request, or of a front end whose events are not read.
    """

    def __init__(self, event: Any) -> None:
        self.event: Final = event
        """The event itself."""
        fields = fields_of(event)
        self._context = context_of(fields)
        shape = find_shape(fields, self._context)
        codec = None if shape is None else shape.codec
        if codec is None:
            kind = "no HTTP request" if shape is None else f"one of {shape.front_end}"
            raise TypeError(
                f"the event is {kind}: Request reads those of Function URLs, of API Gateway's"
                " HTTP and REST APIs, and of Application Load Balancers"
            )
        self._reader = codec.reader(fields, self._context)

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return self._reader.method

    @cached_property
    def raw_path(self) -> str:
        """The path, percent-encoded, without the query; it begins with `root_path`."""
        return self._reader.raw_path or "/"

    @cached_property
    def path(self) -> str:
        """The path, decoded as UTF-8; it begins with `root_path`. Other bytes become U+FFFD."""
        raw_path = self.raw_path
        if "%" not in raw_path:
            return raw_path
        from urllib.parse import unquote  # here: its import takes milliseconds, and few paths do

        return unquote(raw_path)

    @cached_property
    def root_path(self) -> str:
        """The path at which the front end serves the function, such as `/STAGE`, or empty."""
        return self._reader.root_path

    @cached_property
    def raw_query(self) -> str:
        """The query, percent-encoded, without the question mark."""
        return self._reader.query

    @cached_property
    def headers(self) -> Headers:
        """The header fields. All cookies are one field."""
        return Headers(self._reader.header_pairs)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies by name, as sent. Of several with one name the first counts.

        A browser sends the one with the longest path first (RFC 6265, section 5.4).
        """
        cookies: dict[str, str] = {}
        for cookie in self.headers.get("cookie", "").split(";"):
            name, equals, value = cookie.partition("=")
            if equals:
                cookies.setdefault(name.strip(), value.strip())
        return cookies

    @cached_property
    def body(self) -> bytes:
        """The body.

        Raises:
            ValueError: it should be base64, and is not.
        """
        return self._reader.body

    def text(self) -> str:
        """Return the body as text, in the charset of its content type, or else in UTF-8.

        Raises:
            ValueError: the charset is unknown, or the body is not in it.
        """
        from tailrace.function.body import text_of  # here and below: few handlers need it

        return text_of(self.body, self._content_type)

    def json(self) -> Any:
        """Return the value of the body, which is JSON, whatever its content type.

        Raises:
            ValueError: it is empty, or no JSON.
        """
        from tailrace.function.body import json_of

        return json_of(self.body)

    def form(self) -> FormFields:
        """Return the fields of the body, a form: URL-encoded, or multipart with files.

        Raises:
            ValueError: the content type is not that of a form, the body is malformed, or it has
                more than `FORM_FIELDS_MAX` fields and files.
        """
        from tailrace.function.body import form_of

        return form_of(self.body, self._content_type)

    @property
    def client(self) -> str | None:
        """The client's address, without a port, as the front end has seen it."""
        return self._reader.source_ip or None

    @property
    def scheme(self) -> str:
        """`http` or `https`, from the header `x-forwarded-proto`; without it, `https`."""
        scheme = self._forwarded("x-forwarded-proto").lower()
        return scheme if scheme in _PORTS else "https"

    @property
    def host(self) -> str:
        """The host of the header `host`, without a port, or else the front end's name."""
        return self._host[0] or text_in(self._context, "domainName")

    @property
    def port(self) -> int:
        """The port: of `x-forwarded-port`, or of the header `host`, or that of the scheme."""
        for text in (self._forwarded("x-forwarded-port"), self._host[1]):
            if text.isascii() and text.isdigit() and len(text) <= len("65535"):
                return int(text)
        return _PORTS[self.scheme]

    @property
    def http_version(self) -> str:
        """The version of HTTP that the client speaks, such as `1.1`."""
        return self._reader.protocol.removeprefix("HTTP/") or "1.1"

    def __repr__(self) -> str:
        return f"Request({self.method} {self.raw_path})"  # without the query: it may have tokens

    @property
    def _content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def _host(self) -> tuple[str, str]:
        host = self.headers.get("host", "")
        name, colon, port = host.rpartition(":")
        return (name, port) if colon and "]" not in port else (host, "")

    def _forwarded(self, name: str) -> str:
        """Return the first value of a list: that of the client's own connection."""
        return self.headers.get(name, "").partition(",")[0].strip()


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    # A comma would become part of a cookie's value (RFC 9113, section 8.2.3).
    return {name: ("; " if name == "cookie" else ",").join(each) for name, each in values.items()}
