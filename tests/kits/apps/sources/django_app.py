"""The app of the kit in Django: one file of settings and views, for ASGI and for WSGI."""

import os

import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from gates import (
    BOTH_COOKIES,
    ERROR,
    count_start,
    half,
    half_async,
    left,
    left_async,
    starts_so_far,
    three_parts,
    three_parts_async,
)

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests only",
    MIDDLEWARE=[
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
    },
)
django.setup()
count_start()
counts = {"state": 0}
IS_ASYNC = os.environ.get("KIT_INTERFACE") == "asgi"


def streamed(parts, status=200):
    return StreamingHttpResponse(parts, status=status, content_type="text/plain; charset=utf-8")


def with_cookies(response):
    response.headers["x-a"] = "1"
    for cookie in BOTH_COOKIES:
        name, value = cookie.partition(";")[0].split("=")
        response.set_cookie(name, value)
    return response


def stream(request):
    parts = three_parts_async if IS_ASYNC else three_parts
    return with_cookies(streamed(parts(request.GET["gate"]), 201))


def sync_stream(request):
    """Under ASGI Django reads a sync iterator as a whole before it sends anything."""
    return with_cookies(streamed(three_parts(request.GET["gate"]), 201))


def text(request):
    return with_cookies(HttpResponse("hello", content_type="text/plain; charset=utf-8"))


def no_content(request):
    return HttpResponse(status=204)


def not_modified(request):
    return HttpResponse(status=304, headers={"etag": '"1"'})


def fails(request):
    raise ValueError(ERROR)


def fails_late(request):
    return streamed((half_async if IS_ASYNC else half)(request.GET["gate"]))


def leaves(request):
    return streamed((left_async if IS_ASYNC else left)(request.GET["gate"]))


def starts(request):
    return HttpResponse(str(starts_so_far()), content_type="text/plain")


def state(request):
    counts["state"] += 1
    return JsonResponse({"count": counts["state"], "greeting": "from the start"})


def echo(request):
    return HttpResponse(request.body, content_type=request.headers["content-type"])


def form(request):
    return JsonResponse({"name": request.POST["name"], "color": request.POST.getlist("color")})


def seen(request, rest):
    return JsonResponse(
        {
            "rest": rest,
            "query": [[name, value] for name, values in request.GET.lists() for value in values],
            "client": request.META["REMOTE_ADDR"],
            "url": request.build_absolute_uri(request.path),
            "cookies": request.COOKIES,
            "header": request.headers.get("x-word"),
        }
    )


urlpatterns = [
    *(
        path(view.__name__.replace("_", "-"), view)
        for view in (
            *(stream, sync_stream, text, no_content, not_modified, fails, fails_late, leaves),
            *(starts, state, echo, form),
        )
    ),
    path("seen/<path:rest>", seen),
]

if IS_ASYNC:
    from django.core.handlers.asgi import ASGIHandler

    app = ASGIHandler()
else:
    from django.core.handlers.wsgi import WSGIHandler

    app = WSGIHandler()
