"""The routes of the kit in powertools' resolvers, one for each front end, in a handler."""

from aws_lambda_powertools.event_handler import (
    ALBResolver,
    APIGatewayHttpResolver,
    APIGatewayRestResolver,
    Response,
)
from aws_lambda_powertools.event_handler.router import Router
from aws_lambda_powertools.shared.cookies import Cookie
from gates import BOTH_COOKIES, ERROR, count_start, starts_so_far

from tailrace.function import Request, streamify_response

count_start()
counts = {"state": 0}
router = Router()


def text_response(body):
    headers = {"x-a": "1", "content-length": "5"}
    cookies = [Cookie(name=text[0], value=text[2]) for text in BOTH_COOKIES]
    return Response(200, "text/plain", body, headers=headers, cookies=cookies)


@router.get("/text")
def text():
    return text_response("hello")


@router.head("/text")
def text_head():
    return text_response("")


@router.get("/no-content")
def no_content():
    return Response(204)


@router.get("/not-modified")
def not_modified():
    return Response(304, headers={"etag": '"1"'})


@router.get("/fails")
def fails():
    raise ValueError(ERROR)


@router.get("/starts")
def starts():
    return Response(200, "text/plain", str(starts_so_far()))


@router.get("/state")
def state():
    counts["state"] += 1
    return {"count": counts["state"], "greeting": "from the start"}


@router.post("/echo")
def echo():
    body = Request(router.current_event.raw_event).body
    return Response(200, "application/octet-stream", body)


def resolver_of(kind):
    resolver = kind()
    resolver.include_router(router)
    return resolver


HTTP, REST, ALB = map(resolver_of, (APIGatewayHttpResolver, APIGatewayRestResolver, ALBResolver))


@streamify_response
def handler(event, context):
    if "elb" in event["requestContext"]:
        return ALB.resolve(event, context)
    return (HTTP if event.get("version") == "2.0" else REST).resolve(event, context)
