"""Flask, Django and Werkzeug as WSGI apps, over every way that a response takes."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from wsgiref.validate import validator

import flask
import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from tests.peers import Callback, Peer, Running
from tests.runtime_api import RuntimeLoop
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.testapp import test_app as werkzeug_page

from tailrace.function import Head, wsgi

CONTEXT = SimpleNamespace(aws_request_id="request-1")
Handler = Callable[[Any, Any], Any]


def event_of(method: str = "GET", raw_path: str = "/", **more: Any) -> dict[str, Any]:
    """An event without a callback."""
    headers = {"host": "example.com", **more.pop("headers", {})}
    context = {"http": {"method": method, "path": "/", "sourceIp": "192.0.2.1"}}
    return {
        "version": "2.0",
        "rawPath": raw_path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": context,
        **more,
    }


def opened(peer: Peer, handler: Handler, event: dict[str, Any]) -> tuple[Running, Callback]:
    call = Running(handler, {**event, "tailrace": peer.event()["tailrace"]}, CONTEXT)
    callback = peer.accept_callback()
    callback.go_on()
    return call, callback


def answer(peer: Peer, handler: Handler, event: dict[str, Any]) -> tuple[Head, bytes]:
    """The one response that all three paths have."""
    call, callback = opened(peer, handler, event)
    head, body = callback.serve()
    assert call.result() is None
    with RuntimeLoop(peer, handler) as runtime:
        stream = runtime.stream(event)
        assert undated(stream.read_response_head()) == undated(head)
        assert stream.read_body() == (body, {})
        stream.accept_response()
        runtime.expect_next()
    result = handler(event, CONTEXT)
    returned = Head(result["statusCode"], result["headers"], result.get("cookies", ()))
    assert undated(returned) == undated(head)
    if event["requestContext"]["http"]["method"] != "HEAD" and not result["isBase64Encoded"]:
        assert result["body"].encode() == body
    return head, body


def undated(head: Head) -> Head:
    """A head without the time at which it was made."""
    pairs = [pair for pair in head.headers if pair[0] != "Date"]
    return Head(head.status, pairs, head.cookies)


# --- Flask ---------------------------------------------------------------------------------------


class FlaskApp:
    """An app that makes each part of a stream when the test lets it."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.log: list[str] = []
        self.app = flask.Flask("app")
        self.app.secret_key = "secret"
        self.app.add_url_rule("/stream", view_func=self.stream)
        self.app.add_url_rule("/login", view_func=self.login, methods=["POST"])
        self.app.add_url_rule("/files/<path:name>", view_func=self.file)
        self.app.add_url_rule("/early", view_func=self.early)
        self.app.add_url_rule("/late", view_func=self.late)

    def stream(self) -> flask.Response:
        def lines() -> Iterator[str]:
            try:
                for word in flask.request.args.getlist("word"):
                    assert self.gate.acquire(timeout=10)
                    yield f"{word}\n"
            finally:
                self.log.append("finally")

        response = flask.Response(flask.stream_with_context(lines()), mimetype="text/plain")
        response.call_on_close(lambda: self.log.append("closed"))
        return response

    def login(self) -> flask.Response:
        flask.session["user"] = flask.request.form["user"]
        response = flask.jsonify(
            size=len(flask.request.files["photo"].read()),
            url=flask.url_for("stream", _external=True),
            ip=flask.request.remote_addr,
            event=flask.request.environ["aws.event"]["version"],
        )
        response.set_cookie("theme", "dark")
        return response

    def file(self, name: str) -> flask.Response:
        return flask.send_file(
            io.BytesIO(b"0123456789"), "text/plain", conditional=True, etag="e", download_name=name
        )

    def early(self) -> str:
        raise ValueError("boom")

    def late(self) -> flask.Response:
        def lines() -> Iterator[str]:
            yield "one"
            raise ValueError("boom")

        response = flask.Response(lines())
        response.call_on_close(lambda: self.log.append("closed"))
        return response


STREAM = event_of(raw_path="/stream", rawQueryString="word=zw%C3%B6lf&word=b")


def test_a_flask_stream_has_its_context_and_is_closed(peer: Peer) -> None:
    app = FlaskApp()
    call, callback = opened(peer, wsgi(app.app), STREAM)

    app.gate.release()
    head = callback.read_response_head()
    assert callback.read_piece() == "zwölf\n".encode()
    app.gate.release()
    assert callback.read_piece() == b"b\n"
    assert callback.read_piece() == b""
    callback.finish(b"x" * 9)

    assert call.result() is None
    assert head == Head(200, {"Content-Type": "text/plain; charset=utf-8"})
    assert app.log == ["finally", "closed"]


def test_a_client_that_leaves_closes_a_flask_stream(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    app = FlaskApp()
    call, callback = opened(peer, wsgi(app.app), STREAM)

    app.gate.release()
    callback.read_response_head()
    callback.read_piece()
    callback.answer(410)
    callback.close()
    app.gate.release()

    assert call.result() is None
    assert app.log == ["finally", "closed"]
    assert capsys.readouterr().out == ""


def test_a_flask_form_with_a_file_and_a_session(peer: Peer) -> None:
    """The session's cookie and the app's own are two fields."""
    boundary = "----boundary"
    body = "".join(
        f"--{boundary}\r\nContent-Disposition: form-data; name={field}\r\n\r\n{text}\r\n"
        for field, text in [("user", "ada"), ("photo; filename=p.png", "12345")]
    )
    event = event_of(
        "POST",
        "/login",
        body=f"{body}--{boundary}--\r\n",
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
    )

    head, data = answer(peer, wsgi(FlaskApp().app), event)

    assert flask.json.loads(data) == {
        "size": 5,
        "url": "https://example.com/stream",
        "ip": "192.0.2.1",
        "event": "2.0",
    }
    assert [cookie.partition("=")[0] for cookie in head.cookies] == ["theme", "session"]


@pytest.mark.parametrize(
    ("method", "headers", "status", "body"),
    [
        ("GET", {}, 200, b"0123456789"),
        ("GET", {"range": "bytes=2-4"}, 206, b"234"),
        ("GET", {"if-none-match": '"e"'}, 304, b""),
        ("HEAD", {}, 200, b""),
    ],
)
def test_flask_sends_files(
    peer: Peer, method: str, headers: dict[str, str], status: int, body: bytes
) -> None:
    event = event_of(method, "/files/caf%C3%A9%20x", headers=headers)

    head, data = answer(peer, wsgi(FlaskApp().app), event)

    assert (head.status, data) == (status, body)
    assert head.get("etag") == '"e"'
    if status == 200:
        assert head.get("content-length") == "10"
    if status != 304:
        assert "caf%C3%A9%20x" in (head.get("content-disposition") or "")


def test_flask_answers_a_failure_itself_while_it_can(peer: Peer) -> None:
    app = FlaskApp()
    app.app.logger.disabled = True

    head, data = answer(peer, wsgi(app.app), event_of(raw_path="/early"))

    assert (head.status, b"<h1>Internal Server Error</h1>" in data) == (500, True)


def test_a_flask_stream_that_fails_is_broken_off_and_closed(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    app = FlaskApp()
    call, callback = opened(peer, wsgi(app.app), event_of(raw_path="/late"))

    callback.read_response_head()
    assert callback.read_piece() == b"one"
    assert callback.ends_with() is ConnectionResetError
    call.result()
    assert app.log == ["closed"]
    assert capsys.readouterr().out.startswith("[ERROR] ValueError: boom\nTraceback")


# --- Django --------------------------------------------------------------------------------------

if not settings.configured:
    settings.configure(SECRET_KEY="secret", ALLOWED_HOSTS=["*"])

gate = threading.Semaphore(0)


def django_stream(request: HttpRequest, word: str) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        for number in range(2):
            assert gate.acquire(timeout=10)
            yield f"{word}{number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def django_form(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(f"{request.POST['a']} {request.build_absolute_uri()}", status=201)
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


urlpatterns = [path("stream/<str:word>", django_stream), path("form", django_form)]


@pytest.fixture
def django_app() -> Iterator[WSGIHandler]:
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[], ALLOWED_HOSTS=["*"]):
        yield WSGIHandler()


def test_a_django_stream_leaves_as_it_is_made_and_finishes_behind_its_end(
    peer: Peer, django_app: WSGIHandler
) -> None:
    finished = threading.Semaphore(0)

    def finish(**unused: object) -> None:
        assert finished.acquire(timeout=10)

    request_finished.connect(finish)
    try:
        event = event_of(raw_path="/stream/%C3%A5")
        call, callback = opened(peer, wsgi(django_app), event)
        gate.release()
        assert callback.read_response_head().get("content-type") == "text/plain"
        assert callback.read_piece() == "å0\n".encode()
        gate.release()
        assert callback.read_body() == "å1\n".encode()
        finished.release()
        callback.finish(b"x" * 8)
        assert call.result() is None
    finally:
        request_finished.disconnect(finish)


def test_a_django_form(peer: Peer, django_app: WSGIHandler) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "x-forwarded-proto": "https"}
    event = event_of("POST", "/form", body="a=%C3%A5", headers=headers, rawQueryString="q=1")

    head, body = answer(peer, wsgi(django_app), event)

    assert (head.status, body.decode()) == (201, "å https://example.com/form?q=1")
    assert [cookie.partition(";")[0] for cookie in head.cookies] == ["a=1", "b=2"]


# --- Werkzeug ------------------------------------------------------------------------------------


def test_werkzeugs_page_shows_the_environ() -> None:
    result = wsgi(validator(werkzeug_page))(event_of(raw_path="/x%20y"), CONTEXT)

    assert "<title>WSGI Information</title>" in result["body"]
    assert "&#39;/x y&#39;" in result["body"]


def test_middleware_of_werkzeug_mounts_and_reads_forwarded_fields(peer: Peer) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        names = ("SCRIPT_NAME", "PATH_INFO", "wsgi.url_scheme", "HTTP_HOST", "REMOTE_ADDR")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [" ".join(environ[name] for name in names).encode()]

    mounted = ProxyFix(DispatcherMiddleware(validator(app), {"/api": validator(app)}), x_host=1)
    headers = {
        "x-forwarded-for": "198.51.100.7",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "www.example.com",
    }

    _, body = answer(peer, wsgi(mounted), event_of(raw_path="/api/v1", headers=headers))

    assert body == b"/api /v1 http www.example.com 198.51.100.7"
