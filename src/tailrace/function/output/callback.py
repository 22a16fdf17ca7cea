"""A response that goes to the gateway's callback. Imported only for an event that has one."""

from __future__ import annotations

import json
import logging
import os

from tailrace.errors import CallbackRefusedError, PeerError
from tailrace.function.output.upload import GONE, UploadTransport
from tailrace.net.blocking.upload import open_upload, parse_url
from tailrace.wire.capability import EXCHANGE_FIELD, redact
from tailrace.wire.integration import MEDIA_TYPE

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

    from tailrace.net.blocking.answer import HttpAnswer

logger = logging.getLogger("tailrace.function")

HOSTS_VARIABLE: Final = "TAILRACE_CALLBACK_HOSTS"
_FORBIDDEN: Final = 403
_NOT_THE_GATEWAY: Final = (
    "something between here and the gateway answers in its place: end TLS there at layer 4, with no"
    " HTTP proxy"
)


def open_callback(url: str) -> UploadTransport:
    """Open the callback; return when the gateway has accepted it.

    Raises:
        CallbackRefusedError: the gateway refuses this callback or is unreachable, another server
            has answered (`status` is then 502), or its host may not be called (403). The message
            has no secret.
    """
    check_callback(url)
    base = url.rpartition("/")[0]  # the secret is the last part of the URL
    try:
        upload = open_upload(url, [("content-type", MEDIA_TYPE)])
        if upload.continue_headers.get(EXCHANGE_FIELD) != base.rpartition("/")[2]:
            upload.abort()
            raise PeerError(_NOT_THE_GATEWAY)
    except PeerError as error:
        shown = f"{error}; callback {base}/…"
        raise CallbackRefusedError(error.status, redact(shown)) from error
    return UploadTransport(upload)


def check_callback(url: str) -> None:
    """Check that `TAILRACE_CALLBACK_HOSTS` allows the host of a callback.

    Any caller can make the event, which names the host. The variable lists hosts, HOST or
    HOST:PORT, between commas or spaces; unset, it allows any, and empty, none.

    Raises:
        CallbackRefusedError: the host is not allowed, or the URL has none. The message has no
            secret.
    """
    allowed = os.environ.get(HOSTS_VARIABLE)
    if allowed is None:
        return
    # Imported here: most functions are allowed any host, and an import delays their cold start.
    from tailrace.wire.host_name import HostPort, is_listed

    try:
        parts = parse_url(url)
    except PeerError as error:
        raise CallbackRefusedError(_FORBIDDEN, f"the callback cannot be made: {error}") from error
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    called = HostPort(host.lower().removesuffix("."), parts.port)
    if not is_listed(called, allowed.replace(",", " ").split()):
        raise CallbackRefusedError(
            _FORBIDDEN,
            f"the callback goes to {host}:{parts.port}, which is not among the allowed hosts:"
            f" {HOSTS_VARIABLE} is {allowed[:200]!r}; add the host to it, on a developer's"
            " machine by callback_hosts in [emulator] of tailrace.toml",
        )


def finish_callback(transport: UploadTransport, body_bytes: int, timeout_s: float) -> None:
    """Wait for the gateway's answer, if the response is complete, and close the callback.

    An answer that reports a loss, or none within the time-out, is logged.
    """
    if transport.is_ended and transport.loss is None:
        try:
            _check_answer(transport.upload.wait_answer(timeout_s), body_bytes)
        except PeerError as error:
            logger.warning("the response may not have arrived whole: %s", redact(str(error)))
    transport.upload.close()


def _check_answer(answer: HttpAnswer, body_bytes: int) -> None:
    text = answer.body[:200].decode("utf-8", "replace").strip()
    if answer.status == GONE:
        logger.info("the client left before it had the whole response: %s", text)
    elif answer.status != 200:
        logger.warning("the gateway did not take the response: %d %s", answer.status, text)
    else:
        taken = _byte_count(answer.body)
        if taken is not None and taken < body_bytes:
            logger.warning("the gateway took %d of %d bytes of the response", taken, body_bytes)


def _byte_count(body: bytes) -> int | None:
    try:
        count = json.loads(body)["bytes"]
    except (ValueError, TypeError, KeyError):
        return None
    return count if type(count) is int else None
