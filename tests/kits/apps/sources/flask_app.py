"""The app of the kit in Flask."""

from flask import Flask, Response, jsonify, request, session, stream_with_context
from gates import (
    BOTH_COOKIES,
    ERROR,
    Gate,
    count_start,
    half,
    left,
    starts_so_far,
    three_parts,
)

app = Flask(__name__)
app.secret_key = "for tests only"
count_start()
counts = {"state": 0}


def streamed(parts, status=200):
    return Response(parts, status, content_type="text/plain; charset=utf-8")


def with_cookies(response):
    response.headers["x-a"] = "1"
    for cookie in BOTH_COOKIES:
        response.headers.add("set-cookie", cookie)
    return response


def port():
    return request.args["gate"]


@app.get("/stream")
def stream():
    return with_cookies(streamed(three_parts(port()), 201))


@app.get("/text")
def text():
    return with_cookies(Response("hello", content_type="text/plain; charset=utf-8"))


@app.get("/no-content")
def no_content():
    return "", 204


@app.get("/not-modified")
def not_modified():
    return "", 304, {"etag": '"1"'}


@app.get("/fails")
def fails():
    raise ValueError(ERROR)


@app.get("/fails-late")
def fails_late():
    return streamed(half(port()))


@app.get("/leaves")
def leaves():
    return streamed(left(port()))


@app.get("/starts")
def starts():
    return str(starts_so_far())


@app.get("/state")
def state():
    counts["state"] += 1
    return jsonify(count=counts["state"], greeting="from the start")


@app.post("/echo")
def echo():
    return Response(request.get_data(), content_type=request.headers["content-type"])


@app.post("/form")
def form():
    return jsonify(name=request.form["name"], color=request.form.getlist("color"))


@app.get("/seen/<path:rest>")
def seen(rest):
    return jsonify(
        rest=rest,
        query=list(request.args.items(multi=True)),
        client=request.remote_addr,
        url=request.base_url,
        cookies=request.cookies,
        header=request.headers.get("x-word"),
    )


@app.get("/session")
def visits():
    session["visits"] = session.get("visits", 0) + 1
    return with_cookies(Response(str(session["visits"])))


@app.get("/with-context")
def with_context():
    """A stream that uses the request. Flask tears it down behind the view and behind the stream."""
    gate = Gate(port())
    request.environ["kit.gate"] = gate

    @stream_with_context
    def parts():
        yield request.path
        gate.wait()
        yield request.args["word"]

    return streamed(parts())


@app.teardown_request
def tear_down(error):
    if (gate := request.environ.get("kit.gate")) is not None:
        gate.tell("torn down")
