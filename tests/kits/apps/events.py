"""Events by shape: what each front end of Lambda makes of a request.

Written from AWS's documentation, independently of `tailrace.wire.events`: API Gateway Developer
Guide, "AWS Lambda proxy integrations for HTTP APIs" (formats 1.0 and 2.0) and "Input format of a
Lambda function for proxy integration" (REST API); Elastic Load Balancing, "Lambda functions as
targets" (read 2026-11).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote

CLIENT: Final = "203.0.113.9"
"""The address of the client in these events."""
STAGE: Final = "/prod"
"""Where a REST API's own URLs have their mount point."""


class AppRequest(NamedTuple):
    """What a client sends."""

    method: str = "GET"
    path: str = "/"
    """Percent-encoded."""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def target(self) -> str:
        """The path with the query."""
        return f"{self.path}?{self.query}" if self.query else self.path


def http_api_2(request: AppRequest) -> dict[str, Any]:
    """Of an HTTP API, format 2.0: repeated fields joined, cookies in a list of their own."""
    fields = _fields(request)
    cookies = [value for name, value in fields if name == "cookie"]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": {n: ",".join(v) for n, v in _lists(fields).items() if n != "cookie"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "api.test",
            "http": {
                "method": request.method,
                "path": unquote(request.path),
                "protocol": "HTTP/1.1",
                "sourceIp": CLIENT,
                "userAgent": "tests",
            },
            "requestId": "id",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        **_body(request),
    }
    if cookies:
        event["cookies"] = "; ".join(cookies).split("; ")
    return event


def http_api_1(request: AppRequest) -> dict[str, Any]:
    """Of an HTTP API, format 1.0: fields once with their last value, and once with all."""
    event = _proxy(request, request.path)
    return {"version": "1.0", **event}


def rest_api(request: AppRequest) -> dict[str, Any]:
    """Of a REST API at its own URL, which begins with the stage."""
    return _proxy(request, STAGE + request.path)


def _proxy(request: AppRequest, url_path: str) -> dict[str, Any]:
    fields = _lists(_fields(request))
    query = _lists(parse_qsl(request.query, keep_blank_values=True))
    return {
        "resource": "/{proxy+}",
        "path": unquote(request.path),
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in fields.items()},
        "multiValueHeaders": fields,
        "queryStringParameters": {n: v[-1] for n, v in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": unquote(request.path[1:])},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "api.test",
            "httpMethod": request.method,
            "identity": {"sourceIp": CLIENT, "userAgent": "tests"},
            "path": unquote(url_path),
            "protocol": "HTTP/1.1",
            "requestId": "id",
            "requestTime": "12/Mar/2020:19:03:58 +0000",
            "requestTimeEpoch": 1583348638390,
            "resourcePath": "/{proxy+}",
            "stage": STAGE[1:],
        },
        **_body(request),
    }


def alb(request: AppRequest) -> dict[str, Any]:
    """Of a load balancer: the last value of each field; the query is still encoded."""
    fields = _lists([*_fields(request), ("x-forwarded-for", CLIENT)])
    query = _lists(_encoded_query(request.query))
    return {
        **_balanced(request),
        "queryStringParameters": {name: values[-1] for name, values in query.items()},
        "headers": {name: values[-1] for name, values in fields.items()},
    }


def alb_multi(request: AppRequest) -> dict[str, Any]:
    """Of a load balancer whose target group has multi-value headers."""
    fields = _lists([*_fields(request), ("x-forwarded-for", CLIENT)])
    return {
        **_balanced(request),
        "multiValueQueryStringParameters": _lists(_encoded_query(request.query)),
        "multiValueHeaders": fields,
    }


def _balanced(request: AppRequest) -> dict[str, Any]:
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/functions/49e9d65c"
    return {
        "requestContext": {"elb": {"targetGroupArn": arn}},
        "httpMethod": request.method,
        "path": request.path,
        **_body(request),
    }


def _body(request: AppRequest) -> dict[str, Any]:
    if not request.body:
        return {"body": None, "isBase64Encoded": False}
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}


def _fields(request: AppRequest) -> list[tuple[str, str]]:
    """The client's header fields, and those that every front end adds."""
    front_end = [("x-forwarded-port", "443"), ("x-forwarded-proto", "https")]
    return [("host", "api.test"), *request.headers, *front_end]


def _encoded_query(query: str) -> list[tuple[str, str]]:
    return [piece.partition("=")[::2] for piece in query.split("&") if piece]


def _lists(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists


WRITERS: Final[dict[str, Callable[[AppRequest], dict[str, Any]]]] = {
    "http-api-2": http_api_2,
    "http-api-1": http_api_1,
    "rest": rest_api,
    "alb": alb,
    "alb-multi": alb_multi,
}
