"""Where our adapter differs from Mangum's, each time by design.

Nothing else may differ, and a row that explains nothing is an error, too.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote

MISSING: Final = "(missing)"
"""Stands for a field that one side does not have."""


class Fields(dict[str, Any]):
    """A scope with the request's body, or a result."""

    def __missing__(self, name: str) -> str:
        return MISSING


class Pair(NamedTuple):
    """What both adapters make of one event, or of one response."""

    name: str
    shape: str
    """As in `tailrace.wire.events.shapes`."""
    event: dict[str, Any]
    theirs: Fields
    ours: Fields


class MangumDifference(NamedTuple):
    """One field that differs."""

    field: str
    shapes: tuple[str, ...]
    """Beginnings of their names; "" is all of them."""
    explains: Callable[[Pair], bool]
    """Whether this is the difference, from both values."""
    reason: str


ALL: Final = ("",)
HTTP_API: Final = "API Gateway's HTTP API with payload format 2.0"
HTTP_API_1: Final = "API Gateway's HTTP API with payload format 1.0"
FUNCTION_URL: Final = "a Function URL"
REST: Final = "API Gateway's REST API"
ALB: Final = "an Application Load Balancer"
V1: Final = (REST, HTTP_API_1)
V2: Final = (HTTP_API, FUNCTION_URL)


def headers_of(scope: dict[str, Any]) -> dict[bytes, list[bytes]]:
    """Return the values of each header."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        values.setdefault(name, []).append(value)
    return values


def own_headers_of(pair: Pair) -> dict[bytes, list[bytes]]:
    """Return the values of each header of ours, without the length that theirs does not have."""
    ours, theirs = headers_of(pair.ours), headers_of(pair.theirs)
    if b"content-length" not in theirs and ours.get(b"content-length") == [
        b"%d" % len(pair.ours["(body)"])
    ]:
        del ours[b"content-length"]
    return ours


def has_length(pair: Pair) -> bool:
    """Whether ours has the body's length in addition, and nothing else differs."""
    return own_headers_of(pair) == headers_of(pair.theirs) != headers_of(pair.ours)


def context_of(pair: Pair) -> dict[str, Any]:
    """Return the event's `requestContext`."""
    context: dict[str, Any] = pair.event["requestContext"]
    return context


def has_port_of_scheme(pair: Pair) -> bool:
    """Whether only the port differs: theirs is 80, ours 443, and the scheme is https."""
    host = pair.theirs["server"][0]
    both = (pair.theirs["server"], pair.ours["server"])
    return both == ((host, 80), (host, 443)) and pair.ours["scheme"] == "https"


def has_no_host(pair: Pair) -> bool:
    """Whether the request has no Host field, and ours has the name of the API, or none."""
    name = context_of(pair).get("domainName")
    is_named = pair.ours["server"] == (None if name is None else (name, 443))
    return pair.theirs["server"][0] == "mangum" and is_named


def has_single_values(pair: Pair) -> bool:
    """Whether theirs has the values of each name joined, and both have the same."""
    joined = {name: b", ".join(values) for name, values in own_headers_of(pair).items()}
    return joined == dict(pair.theirs["headers"])


def has_one_cookie_field(pair: Pair) -> bool:
    """Whether theirs has several Cookie fields, and ours has them joined."""
    theirs = headers_of(pair.theirs)
    cookies = theirs.get(b"cookie", [])
    return len(cookies) > 1 and (
        theirs | {b"cookie": [b"; ".join(cookies)]} == own_headers_of(pair)
    )


def has_mount(pair: Pair) -> bool:
    """Whether ours has a `root_path` that is in front of its path, and theirs has none.

    It is API Gateway's stage, which theirs leaves out of the path of a REST API, or the base path
    of a custom domain.
    """
    root, path = pair.ours["root_path"], pair.ours["path"]
    urls_path = context_of(pair).get("path", path)
    has_paths = pair.theirs["path"] in (path, path.removeprefix(root))
    return unquote(urls_path) == path and root != "" == pair.theirs["root_path"] and has_paths


def has_same_parameters(pair: Pair) -> bool:
    """Whether both queries have the same parameters, decoded."""
    queries = (side["query_string"].decode("ascii") for side in (pair.theirs, pair.ours))
    theirs, ours = (parse_qsl(query, keep_blank_values=True) for query in queries)
    return theirs == ours


def is_of_two_formats(pair: Pair) -> bool:
    """Whether an event of payload format 1.0 has the `requestContext.http` of 2.0."""
    return pair.event.get("version") == "1.0" and "http" in context_of(pair)


def has_text_for_a_list(pair: Pair) -> bool:
    """Whether a parameter of an event with lists has a text in the place of a list."""
    several = pair.event.get("multiValueQueryStringParameters") or {}
    return any(isinstance(values, str) for values in several.values())


SCOPES: Final = (
    MangumDifference(
        "asgi",
        ALL,
        lambda pair: pair.ours["asgi"] == {"version": "3.0", "spec_version": "2.3"},
        "The version that uvicorn has, too: with it Starlette notices that a client has left.",
    ),
    MangumDifference(
        "raw_path",
        ALL,
        lambda pair: (
            pair.theirs["raw_path"] is None
            and unquote(pair.ours["raw_path"].decode("ascii")) == pair.ours["path"]
        ),
        "Theirs is always None.",
    ),
    MangumDifference(
        "extensions",
        ALL,
        lambda pair: (
            pair.theirs["extensions"] == MISSING
            and pair.ours["extensions"].keys() <= {"tailrace.way", "tailrace.flush"}
        ),
        "Ours are what the response's way can do.",
    ),
    MangumDifference(
        "state",
        ALL,
        lambda pair: pair.theirs["state"] == MISSING and pair.ours["state"] == {},
        "Theirs is there only if the lifespan is run.",
    ),
    MangumDifference(
        "client",
        V1,
        lambda pair: pair.theirs["client"] == (None, 0) and pair.ours["client"] is None,
        "The event has no address, and an ASGI scope without one has None.",
    ),
    MangumDifference(
        "headers",
        V1,
        has_single_values,
        "An event with multiValueHeaders distinguishes several fields from one.",
    ),
    MangumDifference(
        "headers",
        ALL,
        has_length,
        "The body is whole. Without its length Django reads no multipart form under ASGI.",
    ),
    MangumDifference("headers", (ALB,), has_one_cookie_field, "HTTP/1.1 has one Cookie field."),
    MangumDifference(
        "path", (REST,), has_mount, "ASGI's path is that of the URL, with `root_path` in front."
    ),
    MangumDifference(
        "root_path",
        (*V1, HTTP_API),
        has_mount,
        "URLs that the app makes of it lead to the app.",
    ),
    MangumDifference(
        "query_string",
        (*V1, ALB),
        has_same_parameters,
        "A space is %20 if the event does not say how it was sent; a load balancer does say it.",
    ),
    MangumDifference(
        "query_string",
        (HTTP_API_1,),
        has_text_for_a_list,
        "A member of an event that has a wrong type is left out. API Gateway sends no such event.",
    ),
    *(
        MangumDifference(
            field,
            (HTTP_API,),
            is_of_two_formats,
            "API Gateway sends no such event; ours is read as one of format 2.0.",
        )
        for field in ("client", "headers", "method")
    ),
    MangumDifference("server", ALL, has_port_of_scheme, "The port of https is 443."),
    MangumDifference(
        "server", (*V1, *V2), has_no_host, "Without a Host field it is the API's own name."
    ),
)


def body_of(result: dict[str, Any]) -> bytes:
    """Return the body of a result."""
    body: str = result["body"]
    return base64.b64decode(body) if result["isBase64Encoded"] else body.encode()


def is_text(body: bytes) -> bool:
    """Whether a body is UTF-8 without NUL."""
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


def has_same_body(pair: Pair) -> bool:
    """Whether the client gets the same bytes, and ours is base64 where they are no text."""
    body = body_of(pair.ours)
    return body_of(pair.theirs) == body and pair.ours["isBase64Encoded"] is not is_text(body)


def has_spelled_names(pair: Pair) -> bool:
    """Whether names differ in nothing but capitals, and theirs have none."""
    keys = [key for key in ("headers", "multiValueHeaders") if key in pair.ours]
    lower = [{name.lower(): value for name, value in pair.ours[key].items()} for key in keys]
    return lower == [pair.theirs[key] for key in keys]


def has_no_invented_type(pair: Pair) -> bool:
    """Whether theirs has a content type that the app has not given, and nothing else differs."""
    return pair.theirs["headers"] == {**pair.ours["headers"], "content-type": "application/json"}


def has_joined_values(pair: Pair) -> bool:
    """Whether repeated fields are joined with a comma and a space, and theirs with a comma."""
    ours = {name: value.replace(", ", ",") for name, value in pair.ours["headers"].items()}
    return pair.theirs["headers"] == ours


def has_one_spelling(pair: Pair) -> bool:
    """Whether repeated fields are joined, and theirs have names that differ in capitals."""
    values: dict[str, list[str]] = {}
    for name, value in pair.theirs["headers"].items():
        values.setdefault(name.lower(), []).append(value)
    return pair.ours["headers"] == {name: ", ".join(every) for name, every in values.items()}


def has_cookie_in_list(pair: Pair) -> bool:
    """Whether the only cookie is in multiValueHeaders, and theirs in headers."""
    headers = dict(pair.theirs["headers"])
    moved = {"set-cookie": [headers.pop("set-cookie", "")]}
    return (headers, moved) == (pair.ours["headers"], pair.ours["multiValueHeaders"])


RESULTS: Final = (
    MangumDifference(
        "multiValueHeaders",
        V1,
        lambda pair: (
            pair.theirs["multiValueHeaders"] == {} and pair.ours["multiValueHeaders"] == MISSING
        ),
        "An empty object is left out.",
    ),
    MangumDifference("headers", V1, has_cookie_in_list, "One cookie is no special case."),
    MangumDifference("multiValueHeaders", V1, has_cookie_in_list, "The same."),
    MangumDifference(
        "headers", ALL, has_spelled_names, "Names are spelled as the app spells them."
    ),
    MangumDifference("multiValueHeaders", ALL, has_spelled_names, "The same."),
    MangumDifference(
        "headers", V2, has_no_invented_type, "A response has the content type that the app gives."
    ),
    MangumDifference("headers", V2, has_joined_values, "As streamed responses have it."),
    MangumDifference(
        "headers",
        (ALB,),
        has_one_spelling,
        "Only cookies cannot be joined: RFC 9110, section 5.3.",
    ),
    MangumDifference(
        "statusDescription",
        (ALB,),
        lambda pair: (
            pair.theirs["statusDescription"] == MISSING
            and pair.ours["statusDescription"].split()[0] == str(pair.ours["statusCode"])
        ),
        "Elastic Load Balancing's guide has it in every result.",
    ),
    MangumDifference(
        "body", ALL, has_same_body, "It is base64 if it is no text, whatever its content type is."
    ),
    MangumDifference("isBase64Encoded", ALL, has_same_body, "The same."),
)
