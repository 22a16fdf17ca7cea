"""The app of the kit in Quart."""

from gates import (
    BOTH_COOKIES,
    ERROR,
    count_start,
    finish_later_async,
    half_async,
    left_async,
    starts_so_far,
    three_parts_async,
)
from quart import Quart, Response, jsonify, make_response, request

app = Quart(__name__)


@app.before_serving
async def start():
    count_start()
    app.config["COUNT"] = 0
    app.config["GREETING"] = "from the start"


async def streamed(parts, status=200):
    response = await make_response(parts, status, {"content-type": "text/plain; charset=utf-8"})
    response.timeout = None  # of a whole response, by default a minute
    return response


def with_cookies(response):
    response.headers["x-a"] = "1"
    for cookie in BOTH_COOKIES:
        response.headers.add("set-cookie", cookie)
    return response


def port():
    return request.args["gate"]


@app.get("/stream")
async def stream():
    return with_cookies(await streamed(three_parts_async(port()), 201))


@app.get("/text")
async def text():
    return with_cookies(Response("hello", content_type="text/plain; charset=utf-8"))


@app.get("/no-content")
async def no_content():
    return "", 204


@app.get("/not-modified")
async def not_modified():
    return "", 304, {"etag": '"1"'}


@app.get("/fails")
async def fails():
    raise ValueError(ERROR)


@app.get("/fails-late")
async def fails_late():
    return await streamed(half_async(port()))


@app.get("/leaves")
async def leaves():
    return await streamed(left_async(port()))


@app.get("/background")
async def background():
    app.add_background_task(finish_later_async, port())
    return "done"


@app.get("/starts")
async def starts():
    return str(starts_so_far())


@app.get("/state")
async def state():
    app.config["COUNT"] += 1
    return jsonify(count=app.config["COUNT"], greeting=app.config["GREETING"])


@app.post("/echo")
async def echo():
    return Response(await request.get_data(), content_type=request.headers["content-type"])


@app.post("/form")
async def form():
    fields = await request.form
    return jsonify(name=fields["name"], color=fields.getlist("color"))


@app.get("/seen/<path:rest>")
async def seen(rest):
    return jsonify(
        rest=rest,
        query=list(request.args.items(multi=True)),
        client=request.remote_addr,
        url=request.base_url,
        cookies=request.cookies,
        header=request.headers.get("x-word"),
    )
