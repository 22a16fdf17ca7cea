"""What the Lambda API tells of functions: ListFunctions, GetFunction and their URLs.

Shapes are those of botocore 1.44's model (lambda/2015-03-31). Environment variables are left out:
nobody's signature is checked here, and they may hold secrets.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import platform
import time
from collections.abc import Sequence
from typing import Any, Final

from tailrace.config import FunctionConfig, UrlConfig
from tailrace.emulator.api_request import ApiRequest, DocumentRequest
from tailrace.emulator.directory import Directory, parameter
from tailrace.emulator.names import ACCOUNT, VERSION, FunctionName
from tailrace.emulator.service_error import ServiceError, invalid_value, no_such_resource
from tailrace.net.server.listener import Connection, RequestHead

_LIST_ITEMS_MAX: Final = 10_000
_URL_ITEMS_MAX: Final = 50
_ITEMS_PER_PAGE_MAX: Final = 50  # Lambda API reference, "ListFunctions": MaxItems
_ARCHITECTURE: Final = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
_STARTED_S: Final = time.time()


def list_functions(
    directory: Directory, head: RequestHead, segment: str, connection: Connection
) -> ApiRequest:
    """`GET /2015-03-31/functions/`"""
    every = sorted(directory.functions)
    names, marker = _page(head, every, _LIST_ITEMS_MAX)
    listed = [
        _describe(FunctionName(name, None), directory.functions[name].config) for name in names
    ]
    return _answer(connection, {"Functions": listed, **marker})


def get_function(
    directory: Directory, head: RequestHead, segment: str, connection: Connection
) -> ApiRequest:
    """`GET /2015-03-31/functions/{FunctionName}`"""
    name, function = directory.find(head, segment)
    config = function.config
    return _answer(
        connection,
        {
            "Configuration": _describe_with_state(name, config),
            "Code": {"RepositoryType": "file", "Location": config.path.as_uri()},
            "Concurrency": {"ReservedConcurrentExecutions": config.concurrency},
        },
    )


def get_function_configuration(
    directory: Directory, head: RequestHead, segment: str, connection: Connection
) -> ApiRequest:
    """`GET /2015-03-31/functions/{FunctionName}/configuration`"""
    name, function = directory.find(head, segment)
    return _answer(connection, _describe_with_state(name, function.config))


def get_function_url_config(
    directory: Directory, head: RequestHead, segment: str, connection: Connection
) -> ApiRequest:
    """`GET /2021-10-31/functions/{FunctionName}/url`"""
    urls = _urls(directory, head, segment)
    if not urls:
        raise no_such_resource()
    return _answer(connection, urls[0])


def list_function_url_configs(
    directory: Directory, head: RequestHead, segment: str, connection: Connection
) -> ApiRequest:
    """`GET /2021-10-31/functions/{FunctionName}/urls`; there is one at the most."""
    _page(head, (), _URL_ITEMS_MAX)
    return _answer(connection, {"FunctionUrlConfigs": _urls(directory, head, segment)})


def _answer(connection: Connection, document: dict[str, Any]) -> ApiRequest:
    return DocumentRequest(connection, json.dumps(document).encode())


# --- pages ------------------------------------------------------------------------------------


def _page(
    head: RequestHead, every: Sequence[str], items_max: int
) -> tuple[Sequence[str], dict[str, str]]:
    """The names that were asked for of a sorted list, and where the next page begins, if any.

    The marker is the last name, so that functions may come and go between two pages.
    """
    marker = parameter(head, "Marker")
    left = [name for name in every if marker is None or name > _read_marker(marker)]
    size = min(_read_max_items(head, items_max), _ITEMS_PER_PAGE_MAX)
    if len(left) <= size:
        return left, {}
    names = left[:size]
    return names, {"NextMarker": base64.urlsafe_b64encode(names[-1].encode()).decode()}


def _read_marker(marker: str) -> str:
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise ServiceError(
            400, "InvalidParameterValueException", "Invalid marker.", extra={"Type": "User"}
        ) from None


def _read_max_items(head: RequestHead, items_max: int) -> int:
    text = parameter(head, "MaxItems")
    if text is None:
        return items_max
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1):
        raise invalid_value("maxItems", text, "Member must have value greater than or equal to 1")
    if int(text) > items_max:
        raise invalid_value(
            "maxItems", text, f"Member must have value less than or equal to {items_max}"
        )
    return int(text)


# --- descriptions -----------------------------------------------------------------------------


def _describe(name: FunctionName, config: FunctionConfig) -> dict[str, Any]:
    """A function's configuration, as far as there is one here."""
    if config.command is None:
        runtime, handler = "python{}.{}".format(*config.python.version), config.loaded
    else:
        runtime, handler = "provided.al2023", config.command[-1]
    return {
        "FunctionName": name.name,
        "FunctionArn": name.arn,
        "Runtime": runtime,
        "Role": f"arn:aws:iam::{ACCOUNT}:role/tailrace",
        "Handler": handler,
        "CodeSize": 0,
        "Description": "",
        "Timeout": math.ceil(config.timeout_s),
        "MemorySize": config.memory_mb,
        "LastModified": _timestamp(),
        "Version": VERSION,
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip",
        "Architectures": [_ARCHITECTURE],
        "EphemeralStorage": {"Size": 512},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name.name}"},
    }


def _describe_with_state(name: FunctionName, config: FunctionConfig) -> dict[str, Any]:
    return {**_describe(name, config), "State": "Active", "LastUpdateStatus": "Successful"}


def _urls(directory: Directory, head: RequestHead, segment: str) -> list[dict[str, Any]]:
    name, function = directory.find(head, segment)
    config = function.config.url
    address = directory.url_of(name.name)
    return [] if config is None or address is None else [_describe_url(name, config, address)]


def _describe_url(name: FunctionName, config: UrlConfig, address: str) -> dict[str, Any]:
    document = {
        "FunctionUrl": address.rstrip("/") + "/",
        "FunctionArn": name.arn,
        "AuthType": config.auth,
        "CreationTime": _timestamp(),
        "LastModifiedTime": _timestamp(),
        "InvokeMode": config.invoke_mode,
    }
    cors = config.cors
    if cors is None:
        return document
    said = {
        "AllowOrigins": list(cors.allow_origins),
        "AllowMethods": list(cors.allow_methods),
        "AllowHeaders": list(cors.allow_headers),
        "ExposeHeaders": list(cors.expose_headers),
        "AllowCredentials": cors.allow_credentials,
        "MaxAge": cors.max_age_s,
    }
    return {**document, "Cors": {key: value for key, value in said.items() if value}}


def _timestamp() -> str:
    """When this emulator began to exist, in Lambda's form."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime(_STARTED_S))
