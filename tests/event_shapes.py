"""One request as the event of every front end, as AWS's guides describe them.

EVENTS      writers by the shape's name; each takes a `Sent`
DOCUMENTED  the guides' own examples, by the same names
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from tailrace.wire.events.function_url import event_from_request

DOCUMENTED: dict[str, dict[str, Any]] = {
    name: vector["event"]
    for name, vector in json.loads(
        (Path(__file__).parent / "vectors/events.json").read_text()
    ).items()
}


@dataclass(frozen=True)
class Sent:
    """A request, as a client has sent it."""

    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    host: str = "abc123.execute-api.us-east-1.amazonaws.com"
    client: str = "203.0.113.9"
    forwarded: tuple[tuple[str, str], ...] = field(
        default=(("x-forwarded-port", "443"), ("x-forwarded-proto", "https"))
    )

    @property
    def fields(self) -> list[tuple[str, str]]:
        return [
            ("host", self.host),
            ("x-forwarded-for", self.client),
            *self.forwarded,
            *self.headers,
        ]


def function_url(sent: Sent) -> dict[str, Any]:
    return event_from_request(
        method=sent.method,
        path=sent.path,
        query=sent.query,
        headers=sent.fields,
        body=sent.body,
        source_ip=sent.client,
        request_id="8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11",
        time_epoch_ms=1_795_288_703_702,
        host=sent.host,
    )


def http_api_2(sent: Sent, stage: str = "$default") -> dict[str, Any]:
    """The path is decoded, the cookies are no header, and the stage is part of the path."""
    event = function_url(sent)
    del event["headers"]["x-forwarded-for"]
    event["headers"].pop("cookie", None)
    path = unquote(sent.path) if stage == "$default" else f"/{stage}{unquote(sent.path)}"
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"] |= {"accountId": "123456789012", "stage": stage}
    return event


def rest(sent: Sent, stage: str = "live", base: str | None = None) -> dict[str, Any]:
    """`base`: the domain is custom, with this base path, which may be empty."""
    whole = f"/{stage}{sent.path}" if base is None else base + sent.path
    fields = [("Host" if name == "host" else name, value) for name, value in sent.fields]
    return {
        "resource": "/{proxy+}",
        "path": sent.path if base is None else whole,
        "httpMethod": sent.method,
        "headers": dict(fields),
        "multiValueHeaders": grouped(fields),
        "queryStringParameters": dict(pairs(sent.query)) or None,
        "multiValueQueryStringParameters": grouped(pairs(sent.query)) or None,
        "pathParameters": {"proxy": sent.path.strip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": sent.host,
            "domainPrefix": "abc123",
            "httpMethod": sent.method,
            "identity": {"sourceIp": sent.client, "userAgent": None},
            "path": whole,
            "protocol": "HTTP/1.1",
            "requestId": "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0",
            "resourcePath": "/{proxy+}",
            "stage": stage,
        },
        **body_of(sent.body),
    }


def http_api_1(sent: Sent, stage: str = "$default") -> dict[str, Any]:
    event = {"version": "1.0", **rest(sent, stage)}
    path = unquote(sent.path) if stage == "$default" else f"/{stage}{unquote(sent.path)}"
    event["path"] = event["requestContext"]["path"] = path
    event["pathParameters"] = {"proxy": unquote(sent.path).strip("/")}
    return event


def alb(sent: Sent) -> dict[str, Any]:
    return alb_event(sent) | {
        "queryStringParameters": dict(raw_pairs(sent.query)),
        "headers": dict(sent.fields),
    }


def alb_multi_value(sent: Sent) -> dict[str, Any]:
    return alb_event(sent) | {
        "multiValueQueryStringParameters": grouped(raw_pairs(sent.query)),
        "multiValueHeaders": grouped(sent.fields),
    }


def alb_event(sent: Sent) -> dict[str, Any]:
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x:1:x"}},
        "httpMethod": sent.method,
        "path": sent.path,
        **body_of(sent.body),
    }


EVENTS: dict[str, Callable[[Sent], dict[str, Any]]] = {
    "function-url": lambda sent: function_url(
        replace(sent, host="abc123.lambda-url.us-east-1.on.aws")
    ),
    "http-api-2": http_api_2,
    "http-api-1": http_api_1,
    "rest": rest,
    "alb": alb,
    "alb-multi-value": alb_multi_value,
}


def pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def raw_pairs(query: str) -> list[tuple[str, str]]:
    pieces = [piece.partition("=") for piece in query.split("&") if piece]
    return [(name, value) for name, _, value in pieces]


def grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def body_of(body: bytes) -> dict[str, Any]:
    try:
        return {"body": body.decode() or None, "isBase64Encoded": False}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
