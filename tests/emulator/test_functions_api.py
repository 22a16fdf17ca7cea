"""What the Lambda API tells of functions, as boto3 reads it."""

from __future__ import annotations

import asyncio
import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
import uvloop
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.emulator.harness import Harness, playing, request, running

from tailrace.config import CorsConfig, FunctionConfig, UrlConfig

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


@functools.cache
def session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
    )


def asking(story: Callable[[Harness, Any], Any], *functions: FunctionConfig) -> None:
    """Run a story with an emulator, and with a function that calls boto3's client in a thread."""

    async def run() -> None:
        async with running(*functions) as emulator:
            client = session().client(
                "lambda",
                endpoint_url=emulator.service.url,
                config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
            )

            async def ask(operation: str, **arguments: Any) -> dict[str, Any]:
                answer = await asyncio.to_thread(getattr(client, operation), **arguments)
                assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
                return answer  # type: ignore[no-any-return]

            try:
                await story(emulator, ask)
            finally:
                client.close()

    uvloop.run(run())


async def refusal(asked: Any) -> tuple[int, str, str]:
    """Status, name and message of the error that a call raises."""
    with pytest.raises(ClientError) as caught:
        await asked
    response = caught.value.response
    error = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def assert_modelled(document: dict[str, Any], shape_name: str) -> None:
    """Every key is one that the API's model has, with a value of its type."""
    model = botocore.session.get_session().get_service_model("lambda")
    members = model.shape_for(shape_name).members
    kinds = {"string": str, "integer": int, "long": int, "structure": dict, "list": list}
    for key, value in document.items():
        assert isinstance(value, kinds[members[key].type_name]), key
        if getattr(members[key], "enum", None):
            assert value in members[key].enum, key


def test_functions_are_listed(tmp_path: Path) -> None:
    async def story(emulator: Harness, ask: Any) -> None:
        answer = await ask("list_functions")

        assert set(answer) == {"Functions"}
        assert [function["FunctionName"] for function in answer["Functions"]] == ["a", "b", "c"]
        for function in answer["Functions"]:
            assert_modelled(function, "FunctionConfiguration")
        assert (await ask("list_functions", FunctionVersion="ALL")) == answer

    asking(story, *(playing(name, path=tmp_path) for name in "bac"))


def test_a_list_is_read_page_by_page(tmp_path: Path) -> None:
    names = [f"f{number:03}" for number in range(120)]

    async def story(emulator: Harness, ask: Any) -> None:
        found, marker, sizes = [], {}, []
        while True:
            page = await ask("list_functions", **marker)
            found += [function["FunctionName"] for function in page["Functions"]]
            sizes.append(len(page["Functions"]))
            if "NextMarker" not in page:
                break
            marker = {"Marker": page["NextMarker"]}
        assert (found, sizes) == (names, [50, 50, 20])

        page = await ask("list_functions", MaxItems=3)
        assert len(page["Functions"]) == 3
        page = await ask("list_functions", MaxItems=2, Marker=page["NextMarker"])
        assert [function["FunctionName"] for function in page["Functions"]] == ["f003", "f004"]
        page = await ask("list_functions", MaxItems=10_000)
        assert len(page["Functions"]) == 50

    asking(story, *(playing(name, path=tmp_path) for name in names))


@pytest.mark.parametrize(
    ("query", "error_type"),
    [
        ("MaxItems=0", "ValidationException"),
        ("MaxItems=10001", "ValidationException"),
        ("MaxItems=x", "ValidationException"),
        ("MaxItems=", "ValidationException"),
        ("MaxItems=-1", "ValidationException"),
        ("MaxItems=%C2%B2", "ValidationException"),
        ("Marker=%FF", "InvalidParameterValueException"),
        ("Marker=__8%3D", "InvalidParameterValueException"),
        ("Marker=a", "InvalidParameterValueException"),
    ],
)
def test_pages_that_there_cannot_be(tmp_path: Path, query: str, error_type: str) -> None:
    async def story(emulator: Harness, ask: Any) -> None:
        answer = await request(emulator.port, "GET", f"/2015-03-31/functions/?{query}")

        assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, error_type)
        path = f"/2021-10-31/functions/f/urls?{query}"
        answer = await request(emulator.port, "GET", path)
        is_seen = query.startswith("MaxItems")
        assert answer.status == (400 if is_seen else 200)

    asking(story, playing(path=tmp_path))


def test_a_function_is_described(tmp_path: Path) -> None:
    function = FunctionConfig(
        name="f",
        handler="app.handler",
        path=tmp_path,
        timeout_s=2.5,
        memory_mb=512,
        concurrency=7,
        environment={"KEY": "secret"},
    )

    async def story(emulator: Harness, ask: Any) -> None:
        answer = await ask("get_function", FunctionName="f")

        assert set(answer) == {"Configuration", "Code", "Concurrency"}
        assert answer["Code"] == {"RepositoryType": "file", "Location": tmp_path.as_uri()}
        assert answer["Concurrency"] == {"ReservedConcurrentExecutions": 7}
        described = answer["Configuration"]
        assert_modelled(described, "FunctionConfiguration")
        modified = described.pop("LastModified")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000", modified)
        assert described.pop("Architectures") in (["x86_64"], ["arm64"])
        assert described == {
            "FunctionName": "f",
            "FunctionArn": f"{ARN}f",
            "Runtime": f"python3.{sys.version_info.minor}",
            "Role": "arn:aws:iam::000000000000:role/tailrace",
            "Handler": "app.handler",
            "CodeSize": 0,
            "Description": "",
            "Timeout": 3,
            "MemorySize": 512,
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "PackageType": "Zip",
            "EphemeralStorage": {"Size": 512},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
            "State": "Active",
            "LastUpdateStatus": "Successful",
        }
        configuration = await ask("get_function_configuration", FunctionName="f")
        assert configuration == answer["Configuration"] | {
            "LastModified": modified,
            "Architectures": configuration["Architectures"],
        }

    asking(story, function)


def test_a_command_is_a_runtime_of_its_own(tmp_path: Path) -> None:
    command = ("node", "runtime.mjs", "app.handler")

    async def story(emulator: Harness, ask: Any) -> None:
        described = await ask("get_function_configuration", FunctionName="f")

        assert (described["Runtime"], described["Handler"]) == ("provided.al2023", "app.handler")

    asking(story, FunctionConfig(name="f", command=command, path=tmp_path))


def test_a_function_is_found_by_any_of_its_names(tmp_path: Path) -> None:
    async def story(emulator: Harness, ask: Any) -> None:
        for name, qualifier, arn in (
            (f"{ARN}f", None, f"{ARN}f"),
            ("f:prod", None, f"{ARN}f:prod"),
            ("f", "prod", f"{ARN}f:prod"),
        ):
            arguments = {} if qualifier is None else {"Qualifier": qualifier}
            described = await ask("get_function_configuration", FunctionName=name, **arguments)
            assert described["FunctionArn"] == arn

    asking(story, playing(path=tmp_path))


@pytest.mark.parametrize(
    "operation",
    [
        "get_function",
        "get_function_configuration",
        "get_function_url_config",
        "list_function_url_configs",
    ],
)
def test_a_function_that_there_is_not(tmp_path: Path, operation: str) -> None:
    async def story(emulator: Harness, ask: Any) -> None:
        assert await refusal(ask(operation, FunctionName="nope")) == (
            404,
            "ResourceNotFoundException",
            f"Function not found: {ARN}nope",
        )

    asking(story, playing(path=tmp_path))


def test_boto3_waits_for_a_function(tmp_path: Path) -> None:
    async def story(emulator: Harness, ask: Any) -> None:
        client = session().client("lambda", endpoint_url=emulator.service.url)
        for waiter in ("function_exists", "function_active_v2", "function_updated_v2"):
            await asyncio.to_thread(client.get_waiter(waiter).wait, FunctionName="f")
        client.close()

    asking(story, playing(path=tmp_path))


# --- function URLs ----------------------------------------------------------------------------


def test_a_url_is_described(tmp_path: Path) -> None:
    cors = CorsConfig(
        allow_origins=("https://example.com",),
        allow_methods=("GET", "POST"),
        allow_headers=("x-a",),
        expose_headers=("x-b",),
        allow_credentials=True,
        max_age_s=60,
    )
    url = UrlConfig(invoke_mode="RESPONSE_STREAM", auth="AWS_IAM", cors=cors)

    async def story(emulator: Harness, ask: Any) -> None:
        answer = await ask("get_function_url_config", FunctionName="f")

        assert_modelled(answer, "GetFunctionUrlConfigResponse")
        assert answer.pop("CreationTime") == answer.pop("LastModifiedTime")
        assert answer == {
            "FunctionUrl": emulator.service.function_urls["f"].rstrip("/") + "/",
            "FunctionArn": f"{ARN}f",
            "AuthType": "AWS_IAM",
            "InvokeMode": "RESPONSE_STREAM",
            "Cors": {
                "AllowOrigins": ["https://example.com"],
                "AllowMethods": ["GET", "POST"],
                "AllowHeaders": ["x-a"],
                "ExposeHeaders": ["x-b"],
                "AllowCredentials": True,
                "MaxAge": 60,
            },
        }
        listed = await ask("list_function_url_configs", FunctionName="f")
        (described,) = listed["FunctionUrlConfigs"]
        assert set(listed) == {"FunctionUrlConfigs"}
        assert described["FunctionUrl"] == answer["FunctionUrl"]

    asking(story, playing(path=tmp_path, url=url))


def test_a_plain_url_has_no_cors(tmp_path: Path) -> None:
    async def story(emulator: Harness, ask: Any) -> None:
        answer = await ask("get_function_url_config", FunctionName="f")

        assert (answer["AuthType"], answer["InvokeMode"]) == ("NONE", "BUFFERED")
        assert "Cors" not in answer

    asking(story, playing(path=tmp_path, url=UrlConfig()))


def test_a_function_without_a_url(tmp_path: Path) -> None:
    async def story(emulator: Harness, ask: Any) -> None:
        assert await refusal(ask("get_function_url_config", FunctionName="f")) == (
            404,
            "ResourceNotFoundException",
            "The resource you requested does not exist.",
        )
        listed = await ask("list_function_url_configs", FunctionName="f")
        assert listed == {"FunctionUrlConfigs": []}

    asking(story, playing(path=tmp_path))
