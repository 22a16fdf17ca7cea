"""Events that other adapters have misread, as people have reported them to those."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.function import Request

ELB = {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:x"}}
GENERATED = {"domainName": "id.execute-api.us-east-1.amazonaws.com"}


def alb(**more: Any) -> dict[str, Any]:
    return {"requestContext": ELB, "httpMethod": "GET", "path": "/", "body": "", **more}


def rest(stage: str, path: str, **more: Any) -> dict[str, Any]:
    context = {"stage": stage, "path": f"/{stage}{path}", **GENERATED}
    return {"httpMethod": "GET", "path": path, "requestContext": context, **more}


def http_api(path: str, **context: Any) -> dict[str, Any]:
    whole = {"http": {"method": "GET"}, "stage": "$default", **GENERATED, **context}
    return {"version": "2.0", "rawPath": path, "rawQueryString": "", "requestContext": whole}


REPORTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Kludex/mangum 178: a query encoded twice, behind a load balancer": (
        alb(queryStringParameters={"name": "John+Smith", "x": "foo%3Dbar"}, headers={}),
        {"raw_query": "name=John+Smith&x=foo%3Dbar"},
    ),
    "adamchainz/apig-wsgi 253: the same query from API Gateway": (
        rest("s", "/", queryStringParameters={"x": "foo=bar"}),
        {"raw_query": "x=foo%3Dbar"},
    ),
    "aws/aws-lambda-web-adapter 462: multi-value headers, and no request": (
        alb(multiValueHeaders={}, multiValueQueryStringParameters={"d": ["a b", "[1]", "é"]}),
        {"raw_query": "d=a%20b&d=[1]&d=%C3%A9"},
    ),
    "Kludex/mangum 148: no multiValueQueryStringParameters, and a KeyError": (
        alb(queryStringParameters={}, headers={"host": "test.execute-api.x.amazonaws.com"}),
        {"raw_query": "", "host": "test.execute-api.x.amazonaws.com"},
    ),
    "adamchainz/apig-wsgi 155: a health check, which has one header": (
        alb(queryStringParameters={}, headers={"user-agent": "ELB-HealthChecker/2.0"}),
        {"method": "GET", "path": "/", "host": "", "client": None, "scheme": "https"},
    ),
    "CodeGenieApp/serverless-express 331: no source address behind a load balancer": (
        alb(headers={"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "http"}),
        {"client": "198.51.100.7", "scheme": "http", "port": 80},
    ),
    "slank/awsgi 41: the console's test button sends null": (
        rest("test-invoke-stage", "/", headers=None, multiValueHeaders=None, body=None),
        {"headers": {}, "body": b"", "raw_query": "", "host": GENERATED["domainName"]},
    ),
    "logandk/serverless-wsgi 191: the stage is in the path of format 2.0": (
        http_api("/dev/agents/1234", stage="dev"),
        {"root_path": "/dev", "path": "/dev/agents/1234"},
    ),
    "fastify/aws-lambda-fastify 169, honojs/hono 2156: a decoded path": (
        http_api("/RSC/@id/assets/rsf0.js#save.txt"),
        {"raw_path": "/RSC/@id/assets/rsf0.js%23save.txt", "raw_query": ""},
    ),
    "middleapi/standard-server 93: a decoded question mark": (
        http_api("/users/me?admin=true"),
        {"path": "/users/me?admin=true", "raw_path": "/users/me%3Fadmin=true", "raw_query": ""},
    ),
    "awslabs/serverless-java-container 112: what a custom domain puts in front": (
        {
            "httpMethod": "GET",
            "resource": "/{proxy+}",
            "path": "/service/prod/test",
            "pathParameters": {"proxy": "test"},
            "requestContext": {
                "path": "/service/prod/test",
                "stage": "prod",
                "domainName": "api.myservice.com",
            },
        },
        {"root_path": "/service/prod", "path": "/service/prod/test"},
    ),
    "floydspace/effect-aws 220: a proxy that is not at the root": (
        rest(
            "dev", "/user/session", resource="/user/{proxy+}", pathParameters={"proxy": "session"}
        ),
        {"root_path": "/dev", "path": "/dev/user/session"},
    ),
}


@pytest.mark.parametrize("report", REPORTS)
def test_an_event_is_read_right(report: str) -> None:
    event, expected = REPORTS[report]

    request = Request(event)

    assert {name: getattr(request, name) for name in expected} == expected
