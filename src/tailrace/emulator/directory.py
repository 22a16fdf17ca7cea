"""Where the Lambda API finds functions and their URLs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.names import FunctionName, parse_name
from tailrace.emulator.service_error import function_not_found
from tailrace.net.server.listener import RequestHead


@dataclass(frozen=True, slots=True)
class Directory:
    """The functions that are served now, by name, and the address of each one's URL, if any."""

    functions: Mapping[str, EmulatedFunction]
    url_of: Callable[[str], str | None]

    def find(
        self, head: RequestHead, segment: str, *, version: str | None = None
    ) -> tuple[FunctionName, EmulatedFunction]:
        """The function that a path segment and the `Qualifier` parameter name.

        `version` is what an error calls a function that was named without one.

        Raises:
            ServiceError: the name is malformed, or there is no such function.
        """
        name = parse_name(segment, parameter(head, "Qualifier"))
        function = self.functions.get(name.name)
        if function is None:
            raise function_not_found(FunctionName(name.name, name.qualifier or version).arn)
        return name, function


def parameter(head: RequestHead, name: str) -> str | None:
    """The first value of a query parameter."""
    values = parse_qs(head.query, keep_blank_values=True).get(name)
    return values[0] if values else None
