"""What an object is, for everything that people put behind a server or into a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flask
import pytest
import quart
from a2wsgi import ASGIMiddleware, WSGIMiddleware
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from fastapi import FastAPI
from litestar import Litestar
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.cors import CORSMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Request, Response

from tailrace.function import streamify_response
from tailrace.function.apps.detect import kind_of, why_unknown


async def asgi_function(scope: Any, receive: Any, send: Any) -> None: ...


def wsgi_function(environ: Any, start_response: Any) -> Any: ...


def handler(event: Any, context: Any) -> Any: ...


def generator(event: Any, context: Any) -> Any:
    yield


async def writer(event: Any, response: Any, context: Any) -> None: ...


def with_defaults(event: Any = None, context: Any = None) -> Any: ...


def of_anything(*args: Any, **options: Any) -> Any: ...


def with_settings(settings: Any, scope: Any, receive: Any, send: Any) -> Any: ...


def create_app() -> Any: ...


def create_configured(config: Any = None, debug: bool = False) -> Any: ...


def of_three(a: Any, b: Any, c: Any) -> Any: ...


def of_one(event: Any) -> Any: ...


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    return call


def called_without(function: Callable[[], Any]) -> Callable[..., Any]:
    """A decorator that calls a function in another way than it is called itself."""

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return function()

    return call


@Request.application
def of_request(request: Request) -> Response:
    return Response("x")


class InSlot:
    """As Sentry's ASGI middleware: the method is chosen for each instance."""

    __slots__ = ("__call__",)

    def __init__(self) -> None:
        self.__call__ = self.run

    async def run(self, scope: Any, receive: Any, send: Any) -> None: ...


class OfEnv:
    """As Falcon's app."""

    def __call__(self, env: Any, start_response: Any) -> Any: ...


class WrappedFlask(flask.Flask):
    """As under tools that replace methods and lose their signature."""

    def __call__(self, *args: Any, **options: Any) -> Any: ...


class Handler:
    def __call__(self, event: Any, context: Any) -> Any: ...

    def method(self, event: Any, context: Any) -> Any: ...


class OfEnviron:
    """PEP 3333's example of a class whose instances are iterables of one response."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (asgi_function, "asgi"),
        (FastAPI(), "asgi"),
        (Starlette(), "asgi"),
        (Starlette().router, "asgi"),
        (CORSMiddleware(Starlette()), "asgi"),
        (HTTPEndpoint, "asgi"),
        (Litestar(logging_config=None), "asgi"),
        (quart.Quart("x"), "asgi"),
        (object.__new__(ASGIHandler), "asgi"),
        (WSGIMiddleware(wsgi_function), "asgi"),
        (InSlot(), "asgi"),
        (InSlot().run, "asgi"),
        (decorated(asgi_function), "asgi"),
        (lambda scope, r, s: None, "asgi"),
        (lambda s, receive, send: None, "asgi"),
        (functools.partial(with_settings, 1), "asgi"),
        (functools.partial(FastAPI()), "asgi"),
        (wsgi_function, "wsgi"),
        (flask.Flask("x"), "wsgi"),
        (flask.Flask("x").wsgi_app, "wsgi"),
        (WrappedFlask("x"), "wsgi"),
        (ProxyFix(flask.Flask("x")), "wsgi"),
        (object.__new__(WSGIHandler), "wsgi"),
        (ASGIMiddleware(asgi_function), "wsgi"),
        (OfEnv(), "wsgi"),
        (OfEnviron, "wsgi"),
        (decorated(wsgi_function), "wsgi"),
        (of_request, "wsgi"),
        (lambda environ, start_response: [], "wsgi"),
        (lambda environ, respond: [], "wsgi"),
        (lambda _, start_response: [], "wsgi"),
        (handler, "handler"),
        (generator, "handler"),
        (writer, "handler"),
        (with_defaults, "handler"),
        (lambda event=None, x=None: None, "handler"),
        (lambda x=None, context=None: None, "handler"),
        (of_anything, "handler"),
        (decorated(handler), "handler"),
        (called_without(create_app), "handler"),
        (Handler(), "handler"),
        (Handler().method, "handler"),
        (lambda env, context: None, "handler"),
        (streamify_response(handler), "handler"),
        (streamify_response(writer), "handler"),
        (functools.partial(of_three, 1), "handler"),
        (print, "handler"),
    ],
)
def test_the_kind_of_an_object(value: object, kind: str) -> None:
    assert kind_of(value) == kind


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (FastAPI, "it is a class: name an instance of it, such as app = FastAPI()"),
        (flask.Flask, "it is a class: name an instance of it, such as app = Flask()"),
        (create_app, "it is a factory: name what it returns, such as app = create_app()"),
        (
            create_configured,
            "it is a factory: name what it returns, such as app = create_configured()",
        ),
        (flask, "it is of type module, which cannot be called"),
        (None, "it is of type NoneType, which cannot be called"),
        (
            of_three,
            "its parameters are (a, b, c), and not (event, context) of a handler,"
            " (scope, receive, send) of an ASGI app or (environ, start_response) of a WSGI app",
        ),
        (
            of_one,
            "its parameters are (event), and not (event, context) of a handler,"
            " (scope, receive, send) of an ASGI app or (environ, start_response) of a WSGI app",
        ),
    ],
)
def test_an_object_of_no_kind_has_a_reason(value: object, reason: str) -> None:
    assert kind_of(value) is None
    assert why_unknown(value) == reason


@pytest.mark.parametrize("app", [asgi_function, FastAPI(), InSlot()])
def test_an_asgi_app_is_no_handler(app: Any) -> None:
    with pytest.raises(TypeError, match=r"^this is an ASGI app, and no handler: use asgi\(app\)$"):
        streamify_response(app)


@pytest.mark.parametrize("app", [wsgi_function, flask.Flask("x"), WrappedFlask("x")])
def test_a_wsgi_app_is_no_handler(app: Any) -> None:
    with pytest.raises(TypeError, match=r"^this is a WSGI app, and no handler: use wsgi\(app\)$"):
        streamify_response(app)
