"""The shapes of API Gateway's HTTP APIs: payload format 2.0, and 1.0. Their answers are buffered.

An HTTP API decodes the path before it sends the event, in both formats; what was sent as `%2F` is a
slash. A stage other than `$default` is the first segment of the path, with a custom domain as well.

Source: API Gateway Developer Guide "http-api-develop-integrations-lambda" (read 2026-11), and
events that others recorded on AWS in 2026.
"""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.wire.events import EventCodec, function_url, rest
from tailrace.wire.events.fields import text_in
from tailrace.wire.events.percent import encode_path

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final


class HttpApiReader(function_url.FunctionUrlReader):
    """Reads the request in an event of payload format 2.0."""

    __slots__ = ()

    @property
    def raw_path(self) -> str:
        """The path, encoded again."""
        return encode_path(text_in(self._fields, "rawPath"))

    @property
    def root_path(self) -> str:
        """The stage as a path, if it has a name; else empty."""
        return _root_path(text_in(self._fields, "rawPath"), self._context)


class HttpApi1Reader(rest.RestReader):
    """Reads the request in an event of payload format 1.0."""

    __slots__ = ()

    @property
    def raw_path(self) -> str:
        """The path, encoded again."""
        return encode_path(text_in(self._fields, "path"))

    @property
    def root_path(self) -> str:
        """The stage as a path, if it has a name; else empty."""
        return _root_path(text_in(self._fields, "path"), self._context)


HTTP_API: Final = EventCodec(HttpApiReader, function_url.result)
HTTP_API_1: Final = EventCodec(HttpApi1Reader, rest.result)


def _root_path(path: str, context: Mapping[str, Any]) -> str:
    root = f"/{text_in(context, 'stage')}"
    return root if root != "/" and (path == root or path.startswith(f"{root}/")) else ""
