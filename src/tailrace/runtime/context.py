"""The context object, with the names that AWS documents for Python handlers."""

from __future__ import annotations

import json
import time

from tailrace.function.failure import Fault

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Final

    from tailrace.runtime.native_stream import NativeStream
    from tailrace.wire.runtime_api import Invocation


_W3C_FIELDS: Final = ("traceparent", "tracestate", "baggage")
_SHOWN: Final = (
    *("aws_request_id", "log_group_name", "log_stream_name", "function_name"),
    *("memory_limit_in_mb", "function_version", "invoked_function_arn", "client_context"),
    *("identity", "tenant_id"),
)


class CognitoIdentity:
    """The caller's Amazon Cognito identity; both parts are None for any other caller."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.cognito_identity_id = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId")

    def __repr__(self) -> str:
        return _shown("CognitoIdentity", self, self.__slots__)


class MobileClient:
    """The mobile app of the caller."""

    __slots__ = (
        *("installation_id", "app_title"),
        *("app_version_name", "app_version_code", "app_package_name"),
    )

    def __init__(self, fields: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self) -> str:
        return _shown("Client", self, self.__slots__)


class ClientContext:
    """The caller's X-Amz-Client-Context."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        client = fields.get("client")
        self.custom = fields.get("custom")
        self.env = fields.get("env")
        self.client = MobileClient(client) if isinstance(client, dict) else None

    def __repr__(self) -> str:
        return _shown("ClientContext", self, ("custom", "env", "client"))


class FunctionFacts:
    """What a context has from the environment, None where a variable is not set.

    Read once, when the handler has been loaded; AWS's runtime reads them for each event.
    """

    __slots__ = ("function_name", "function_version", "log_group", "log_stream", "memory_mb")

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")


class LambdaContext:
    """The context argument of one invocation. Attributes may be added, as some libraries do."""

    def __init__(
        self,
        invocation: Invocation,
        function: FunctionFacts,
        open_stream: Callable[[], NativeStream],
        write_log: Callable[[str], object],
    ) -> None:
        self.aws_request_id = invocation.request_id
        self.invoked_function_arn = invocation.function_arn
        self.tenant_id = invocation.tenant_id
        self.function_name = function.function_name
        self.function_version = function.function_version
        self.memory_limit_in_mb = function.memory_mb
        self.log_group_name = function.log_group
        self.log_stream_name = function.log_stream
        identity = _parse("Cognito Identity", invocation.cognito_identity)
        self.identity = CognitoIdentity(identity or {})
        client_context = _parse("Client Context", invocation.client_context)
        self._w3c = _trace_context(client_context)
        self.client_context = None if client_context is None else ClientContext(client_context)
        self._deadline_ms = invocation.deadline_ms
        self._open_stream = open_stream
        self._write_log = write_log

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left until Lambda ends the invocation."""
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """Return the caller's W3C trace context, empty if it has sent none."""
        return dict(self._w3c)

    def log(self, message: object) -> None:
        """Write to the log, without a line break at the end."""
        self._write_log(str(message))

    def open_response_stream(self) -> NativeStream:
        """Open the streamed response of this invocation; the SDK calls this and writes it.

        Raises:
            RuntimeError: it was opened already.
            PeerError: the Runtime API cannot be reached.
        """
        return self._open_stream()

    def __repr__(self) -> str:
        return _shown("LambdaContext", self, _SHOWN)


def _shown(name: str, value: object, attributes: Iterable[str]) -> str:
    """Return the text of an object in the form of AWS's runtime, which handlers log."""
    pairs = [f"{each}={getattr(value, each)}" for each in attributes]
    return f"{name}([{','.join(pairs)}])"


def _trace_context(client_context: dict[str, Any] | None) -> dict[str, str]:
    """Remove and return the trace context, which the platform puts into the client context."""
    fields = client_context.pop("w3c", None) if client_context is not None else None
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in _W3C_FIELDS if isinstance(fields.get(name), str)}


def _parse(name: str, text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Fault(
            "Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}"
        ) from error
    return value if isinstance(value, dict) else None
