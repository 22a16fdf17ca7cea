"""Errors of the Invoke API: what Lambda itself refuses, as opposed to errors of a function.

Names, statuses and the spelling of the message key are those of Lambda's API model (botocore
1.44, lambda/2015-03-31); texts are as recorded against AWS by LocalStack's snapshot tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

_KEY_OF_MESSAGE: Final = {  # else "message"
    "AccessDeniedException": "Message",
    "ResourceNotFoundException": "Message",
}


class ServiceError(Exception):
    """A refusal: HTTP status, Lambda's name for it, and further keys of its JSON body."""

    def __init__(
        self,
        status: int,
        error_type: str,
        message: str,
        *,
        extra: Mapping[str, str] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers by which SDKs recognise the error."""
        headers = [
            (b"content-type", b"application/json"),
            (b"x-amzn-ErrorType", self.error_type.encode()),
        ]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after_s))
        return headers

    def body(self) -> bytes:
        """The JSON body, without spaces, as Lambda writes it."""
        key = _KEY_OF_MESSAGE.get(self.error_type, "message")
        return json.dumps({**self.extra, key: str(self)}, separators=(",", ":")).encode()


def function_not_found(arn: str) -> ServiceError:
    """There is no such function."""
    return ServiceError(
        404,
        "ResourceNotFoundException",
        f"Function not found: {arn}",
        extra={"Type": "User"},
    )


def no_such_resource() -> ServiceError:
    """The function has nothing of the kind, such as a URL."""
    return ServiceError(
        404,
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
        extra={"Type": "User"},
    )


def too_many_requests(reason: str) -> ServiceError:
    """All environments are busy, or the queue is full."""
    return ServiceError(
        429,
        "TooManyRequestsException",
        "Rate Exceeded.",
        extra={"Reason": reason, "Type": "User"},
        retry_after_s=1,
    )


def busy() -> ServiceError:
    """All environments of a function are busy."""
    return too_many_requests("ReservedFunctionConcurrentInvocationLimitExceeded")


def forbidden_at_url() -> ServiceError:
    """A Function URL's answer to a request that is not signed (recorded 2025-11)."""
    return ServiceError(
        403,
        "AccessDeniedException",
        "Forbidden. For troubleshooting Function URL authorization issues, see:"
        " https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html",
    )


def invalid_value(what: str, value: str, constraint: str) -> ServiceError:
    """A parameter's value is not what the API's model allows."""
    return ServiceError(
        400,
        "ValidationException",
        f"1 validation error detected: Value '{value[:100]}' at '{what}' "
        f"failed to satisfy constraint: {constraint}",
    )
