"""The handlers of the conformance kit, each a shape that a response may have.

This one source is what every path serves; nothing in it knows of paths. A handler that writes in
steps waits at a gate before each of them. Copied beside `gate.py` (see tests/e2e/gate.py).
"""

import base64

from gate import Gate, query

from tailrace.function import Head, HttpResponseStream, streamify_response

HEAD = Head(201, {"content-type": "text/plain; charset=utf-8", "x-a": "1"}, cookies=["a=1; Path=/"])
CHUNKS = ("one\n", "two\n", "three")
ERROR = "the secret words of an error"


def handler(event, context):
    """Runs the handler that the query names."""
    return SHAPES[query(event)["shape"]](event, context)


# --- one response, said in every way ---------------------------------------------------------


@streamify_response
def sync_generator(event, context):
    with Gate(event) as gate:
        gate.wait()
        yield HEAD
        for chunk in CHUNKS:
            gate.wait()
            yield chunk
        gate.wait()


@streamify_response
async def async_generator(event, context):
    with Gate(event) as gate:
        await gate.wait_async()
        yield HEAD
        for chunk in CHUNKS:
            await gate.wait_async()
            yield chunk
        await gate.wait_async()


@streamify_response
async def response_parameter(event, response, context):
    with Gate(event) as gate:
        response.set_head(HEAD)
        await gate.wait_async()
        await response.flush()
        for chunk in CHUNKS:
            await gate.wait_async()
            await response.write(chunk)
        await gate.wait_async()


@streamify_response
async def like_node(event, response, context):
    metadata = {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain; charset=utf-8", "X-A": 1},
        "cookies": ["a=1; Path=/"],
    }
    response = HttpResponseStream.from_(response, metadata)
    with Gate(event) as gate:
        await gate.wait_async()
        await response.flush()
        for chunk in CHUNKS:
            await gate.wait_async()
            await response.write(chunk)
        await gate.wait_async()
        await response.end()


@streamify_response
def returns_generator(event, context):
    return sync_generator.__wrapped__(event, context)


@streamify_response
async def returns_async_generator(event, context):
    return async_generator.__wrapped__(event, context)


@streamify_response
def returns_iterator(event, context):
    return iter([HEAD, *CHUNKS])


@streamify_response
def returns_envelope(event, context):
    return {
        "statusCode": 201,
        "headers": {"content-type": "text/plain; charset=utf-8", "x-a": "1"},
        "cookies": ["a=1; Path=/"],
        "body": "".join(CHUNKS),
    }


# --- plain results ---------------------------------------------------------------------------


@streamify_response
def returns_base64(event, context):
    return {
        "statusCode": 200,
        "headers": {"content-type": "image/png"},
        "body": base64.b64encode(bytes(range(256))).decode(),
        "isBase64Encoded": True,
    }


@streamify_response
def returns_object(event, context):
    return {"answer": [42, "ü"]}


@streamify_response
def returns_text(event, context):
    return "wörter"


@streamify_response
def returns_bytes(event, context):
    return bytes(range(256))


@streamify_response
def returns_nothing(event, context):
    return None


# --- heads -----------------------------------------------------------------------------------


@streamify_response
def head_only(event, context):
    yield Head(302, {"location": "/elsewhere"}, cookies=["to=there"])


@streamify_response
def no_head(event, context):
    yield "text without a head"


@streamify_response
def nothing(event, context):
    return
    yield


@streamify_response
def many_cookies(event, context):
    cookies = [f"c{number}={number}; Path=/, x" for number in range(40)]
    yield Head(200, [("Set-Cookie", "in=header"), ("content-type", "text/plain")], cookies)
    yield "cookies"


@streamify_response
def repeated_headers(event, context):
    link = [("Link", "</a>; rel=preload"), ("link", "</b>; rel=preload")]
    yield Head(200, [*link, ("X-Twice", ["one", "two, three"]), ("content-type", "text/plain")])
    yield "headers"


@streamify_response
def odd_values(event, context):
    yield Head(200, {"content-type": "text/plain", "x-name": "Müller", "x-empty": "", "X-N": 7})
    yield "values"


@streamify_response
def large_head(event, context):
    yield Head(200, {"content-type": "text/plain", "x-large": "a" * 17_000})
    yield "large"


@streamify_response
def announced_length(event, context):
    yield Head(200, {"content-type": "text/plain", "content-length": "5"})
    yield "he"
    yield "llo"


# --- bodies ----------------------------------------------------------------------------------


def body_of(event):
    body = event.get("body", "")
    return base64.b64decode(body) if event["isBase64Encoded"] else body.encode()


@streamify_response
def echo(event, context):
    http, headers = event["requestContext"]["http"], event["headers"]
    said = {"x-method": http["method"], "x-header": headers["x-header"]}
    yield Head(200, {"content-type": headers["content-type"], **said}, cookies=event["cookies"])
    yield body_of(event)


@streamify_response
async def echo_text(event, response, context):
    response.set_head(Head(200, {"content-type": event["headers"]["content-type"]}))
    await response.write(body_of(event).decode())


@streamify_response
def binary(event, context):
    yield Head(200, {"content-type": "application/octet-stream"})
    everything = bytes(range(256)) * 2
    for start in range(0, len(everything), 7):
        yield everything[start : start + 7]


@streamify_response
def nul_bytes(event, context):
    yield Head(200, {"content-type": "application/octet-stream"})
    yield b"\0" * 8
    yield b'{"statusCode":500}' + b"\0" * 16


@streamify_response
def unicode_text(event, context):
    yield from ("wörter ", "слова ", "言葉 ", "🎉")


@streamify_response
def many_chunks(event, context):
    yield Head(200, {"content-type": "text/plain"})
    for number in range(3000):
        yield f"{number}\n"


@streamify_response
def large(event, context):
    yield Head(200, {"content-type": "application/octet-stream"})
    for number in range(24):
        yield number.to_bytes(8, "big") * 8192


@streamify_response
async def large_at_once(event, response, context):
    response.set_head(Head(200, {"content-type": "application/octet-stream"}))
    await response.write(b"0123456789abcdef" * 98_304)


# --- responses without a body ----------------------------------------------------------------


@streamify_response
def no_content(event, context):
    yield Head(204, {"x-a": "1"})
    yield "never sent"


@streamify_response
def not_modified(event, context):
    yield Head(304, {"etag": '"7"'})
    yield "never sent"


@streamify_response
def asked_for_head(event, context):
    yield Head(
        200, {"content-type": "text/plain", "x-method": event["requestContext"]["http"]["method"]}
    )
    yield "as for GET"


# --- the end, and failures -------------------------------------------------------------------


@streamify_response
async def works_on(event, response, context):
    with Gate(event) as gate:
        response.set_head(HEAD)
        await response.write("".join(CHUNKS))
        await response.end()
        gate.tell("works on")
        await gate.wait_async()
        gate.tell("has ended")


@streamify_response
def works_on_behind_a_head(event, context):
    """Its response is complete with the head; the generator is closed, and cleans up."""
    with Gate(event) as gate:
        try:
            yield Head(204, {"x-a": "1"})
        finally:
            gate.tell("works on")
            gate.wait()
            gate.tell("has ended")


@streamify_response
async def fails_behind_its_end(event, response, context):
    response.set_head(HEAD)
    await response.write("".join(CHUNKS))
    await response.end()
    raise ValueError(ERROR)


@streamify_response
def fails_at_once(event, context):
    raise ValueError(ERROR)
    yield


@streamify_response
async def fails_behind_its_head(event, response, context):
    """Said, not sent: nothing of the head has gone out."""
    response.set_head(HEAD)
    raise ValueError(ERROR)


@streamify_response
def plainly_fails(event, context):
    raise ValueError(ERROR)


@streamify_response
def illegal_head(event, context):
    yield Head(200, {"x-evil": f"{ERROR}\r\nset-cookie: evil=1"})


@streamify_response
def fails_late(event, context):
    yield HEAD
    yield "half"
    raise ValueError(ERROR)


@streamify_response
async def fails_late_async(event, response, context):
    response.set_head(HEAD)
    await response.write("half")
    raise ValueError(ERROR)


SHAPES = {name: value for name, value in globals().items() if hasattr(value, "__wrapped__")}
