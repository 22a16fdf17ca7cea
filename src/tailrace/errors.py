"""Every exception that tailrace raises on purpose.

TailraceError                      source, retryable, status
├── ConfigError                    tailrace.toml, an option or the environment is wrong
├── HttpError                      a peer's HTTP message is refused; `status` is the answer
├── ResponseFormatError            a function's response cannot be understood
│   ├── PreludeError               the integration response's prelude
│   ├── HeadError                  an illegal status, header or cookie
│   ├── FrameError                 frames of a response stream that are malformed or lack their end
│   └── ResultError                a buffered result
├── EventStreamError               a streamed answer of the Lambda API is corrupt or incomplete
├── CapabilityError                a callback URL is malformed
├── InvokeError                    the Lambda API did not accept an invocation
│   ├── ThrottledError             the API or the account is at its limit; try again later
│   ├── PayloadTooLargeError       the event is larger than Lambda's limit
│   ├── FunctionUnavailableError   no such function, or no permission to invoke it
│   ├── EndpointError              the endpoint is unreachable, or its answer is malformed
│   └── InvokeTimeoutError         the endpoint did not answer in time
├── RuntimeApiError                the Runtime API sent an illegal answer
├── PeerError                      a peer is unreachable, or its answer malformed or incomplete
│   └── AnsweredEarlyError         a peer answered before the request was complete
├── CallbackRefusedError           the gateway refuses this callback (403 to 410)
├── ClientDisconnected             the client has left; seen by a handler at its next write
│   └── AsgiDisconnected           the same, for `send` of an ASGI app: an OSError as well
├── FlushError                     no padding may be added to this response
├── ModelStreamError               the stream of a language model has an error, or no end
├── ProbeError                     a URL cannot be measured
├── PackageError                   a package cannot be made
└── ResponseTooLargeError          a buffered response is over Lambda's limit
"""

from __future__ import annotations

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import ClassVar, Literal

    Source = Literal["client", "function", "gateway", "cloud", "operator"]
    PeerFault = Literal["not-http", "cut-short", "overdue", "other"]


class TailraceError(Exception):
    """The root of all errors that tailrace raises on purpose.

    `source` is the side of the cause, `retryable` whether the same call may succeed later, `status`
    the HTTP status of the answer to a client.
    """

    source: ClassVar[Source] = "gateway"
    retryable: ClassVar[bool] = False
    status: int = 500


class ConfigError(TailraceError):
    """The configuration is wrong: names file, key, what is allowed and the nearest name.

    `where` is the file and key, or the option; `problem` what is wrong there; `meant` a probable
    replacement; `allowed` what is allowed. The message is composed of these.
    """

    source: ClassVar[Source] = "operator"

    def __init__(
        self,
        problem: str,
        *,
        where: str = "",
        meant: str | None = None,
        allowed: str | None = None,
    ) -> None:
        text = f"{where}: {problem}" if where else problem
        if meant is not None or allowed is not None:
            text += ";"
        if meant is not None:
            text += f" did you mean {meant}?"
        if allowed is not None:
            text += f" allowed: {allowed}"
        super().__init__(text)
        self.where = where
        self.problem = problem
        self.meant = meant
        self.allowed = allowed


class HttpError(TailraceError):
    """An HTTP message of a peer is refused; `status` is that of the answer.

    `retry_after_s` is for the answer's `Retry-After`, if the same request may succeed later.
    """

    source: ClassVar[Source] = "client"

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class ResponseFormatError(TailraceError):
    """The response of a function cannot be understood."""

    source: ClassVar[Source] = "function"
    status = 502


class PreludeError(ResponseFormatError):
    """The prelude of an integration response is missing, too long or not valid JSON."""


class HeadError(ResponseFormatError):
    """A status, header or cookie that HTTP does not allow."""


class FrameError(ResponseFormatError):
    """The frames of a response stream are malformed, or their end is missing."""


class ResultError(ResponseFormatError):
    """The buffered result of a function is not a legal response."""


class EventStreamError(TailraceError):
    """A streamed answer of the Lambda API is corrupt, incomplete or over a limit."""

    source: ClassVar[Source] = "cloud"
    status = 502


class CapabilityError(TailraceError):
    """A callback URL or path is malformed."""

    source: ClassVar[Source] = "function"
    status = 404


class InvokeError(TailraceError):
    """The Lambda API did not accept an invocation.

    The message is for the client; `note`, if any, is more detail for the operator. `request_id` is
    that of Lambda's answer. `retry_after_s` is the time after which the same request may succeed.
    """

    source: ClassVar[Source] = "cloud"
    status = 502
    note: str | None = None
    request_id: str | None = None
    retry_after_s: int | None = None


class ThrottledError(InvokeError):
    """The API or the account is at its limit."""

    retryable = True
    status = 503

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PayloadTooLargeError(InvokeError):
    """The event is larger than the limit of an asynchronous invocation."""

    source: ClassVar[Source] = "client"
    status = 413


class FunctionUnavailableError(InvokeError):
    """There is no such function, or no permission to invoke it."""


class EndpointError(InvokeError):
    """The Lambda endpoint is unreachable, or its answer is malformed."""

    retryable = True


class InvokeTimeoutError(InvokeError):
    """The Lambda endpoint did not answer in time."""

    retryable = True
    status = 504


class RuntimeApiError(TailraceError):
    """The Runtime API sent an illegal answer; a runtime then exits."""

    source: ClassVar[Source] = "cloud"


class PeerError(TailraceError):
    """A peer is unreachable or silent, or its answer is incomplete or malformed.

    `fault` is the kind of the failure: "not-http", the bytes are no HTTP answer; "cut-short", the
    connection ended before the answer was complete; "overdue", the answer took too long.
    """

    status = 502

    def __init__(self, message: str, fault: PeerFault = "other") -> None:
        super().__init__(message)
        self.fault = fault


class AnsweredEarlyError(PeerError):
    """A peer answered before the request was complete, and reads no more of it.

    `status` is that of the answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class CallbackRefusedError(TailraceError):
    """The gateway refuses this callback; the handler must not run, or must stop.

    `status` is 403 (its host is not one that may be called), 404 (unknown exchange or wrong
    secret), 409 (another callback has it) or 410 (the client has left, or a deadline has passed).
    """

    source: ClassVar[Source] = "client"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClientDisconnected(TailraceError):
    """The client has left, or the gateway has ended the exchange; further output is discarded."""

    source: ClassVar[Source] = "client"


class AsgiDisconnected(ClientDisconnected, OSError):
    """What `send` of an ASGI app raises, once, when the client has left."""


class FlushError(TailraceError):
    """A natively streamed response cannot be flushed, because no padding may be added to it.

    What was written leaves when Lambda sends it, and the handler can continue.
    """

    source: ClassVar[Source] = "function"


class ModelStreamError(TailraceError):
    """The stream of a language model reports an error, or ends before its text is complete.

    Errors that an SDK raises are its own.
    """

    source: ClassVar[Source] = "cloud"
    retryable: ClassVar[bool] = True
    status = 502


class ProbeError(TailraceError):
    """A URL cannot be measured; the message has the reason and a remedy."""

    source: ClassVar[Source] = "operator"


class PackageError(TailraceError):
    """A package cannot be made; the message has the reason and a remedy."""

    source: ClassVar[Source] = "operator"


class ResponseTooLargeError(TailraceError):
    """A buffered response is over the limit of Lambda, or of the front end that wants it."""

    source: ClassVar[Source] = "function"
    status = 502
