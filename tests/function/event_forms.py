"""An event of a request, and the forms in which another decorator may hand it on."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from aws_lambda_powertools.utilities.data_classes import (
    APIGatewayProxyEventV2,
    LambdaFunctionUrlEvent,
)
from pydantic import BaseModel, ConfigDict, Field

from tailrace.wire.events.function_url import event_from_request


class OpenModel(BaseModel):
    model_config = ConfigDict(extra="allow")
    context: dict[str, Any] = Field(alias="requestContext")


class NestedModel(BaseModel):
    """Its inner objects are models, too."""

    class Context(BaseModel):
        http: dict[str, str]

    model_config = ConfigDict(extra="allow")
    context: Context = Field(alias="requestContext")


FORMS: list[Callable[[dict[str, Any]], Any]] = [
    dict,
    LambdaFunctionUrlEvent,
    APIGatewayProxyEventV2,
    UserDict,
    MappingProxyType,
    OpenModel.model_validate,
    NestedModel.model_validate,
    lambda event: {
        key: MappingProxyType(value) if isinstance(value, dict) else value
        for key, value in event.items()
    },
]


def request_event(method: str = "GET", **more: Any) -> dict[str, Any]:
    """An event with every key that AWS sends, as strict models want them."""
    event = event_from_request(
        method=method,
        path="/",
        query="",
        headers=[("host", "example.com")],
        body=b"",
        source_ip="127.0.0.1",
        request_id="8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11",
        time_epoch_ms=1_795_288_703_702,
        host="example.com",
    )
    return event | more
