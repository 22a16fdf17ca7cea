"""AWS's APIs as moto plays them, in a process of its own: its warnings are no errors there."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from tests.deploy.assembly import Assembly, Resource, Template

ACCOUNT, REGION = "123456789012", "us-east-1"
BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
"""Of the CDK's bootstrap stack, as templates name it."""


class Cloud:
    """Clients of a moto server, and stacks made there."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def variables(self) -> dict[str, str]:
        """With which the commands of AWS's tools use this account, and none of the machine's."""
        return {
            # A name, not an address: moto takes the first part of the host for a bucket.
            "AWS_ENDPOINT_URL": self.url.replace("127.0.0.1", "localhost"),
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="id",
            aws_secret_access_key="secret",
        )

    def bootstrap(self) -> None:
        """What `cdk bootstrap` makes, as far as a template refers to it."""
        name = "/cdk-bootstrap/hnb659fds/version"
        self.client("ssm").put_parameter(Name=name, Value="30", Type="String")
        self.client("s3").create_bucket(Bucket=BUCKET)

    def put_assets(self, assembly: Assembly, stack: str) -> list[str]:
        """Put a stack's assets under the keys that its template names; return the keys."""
        described = json.loads((assembly.folder / f"{stack}.assets.json").read_text())["files"]
        keys = []
        for asset in described.values():
            (destination,) = asset["destinations"].values()
            body = _bytes_of(assembly.folder / asset["source"]["path"])
            keys.append(destination["objectKey"])
            self.client("s3").put_object(Bucket=BUCKET, Key=keys[-1], Body=body)
        return keys

    def deploy(
        self, verb: str, stack: str, template: Template, resources: Mapping[str, Resource]
    ) -> None:
        """Create or update a stack of these resources, without the outputs of their template."""
        body = json.dumps({"Parameters": template.body["Parameters"], "Resources": resources})
        self.client("s3").put_object(Bucket=BUCKET, Key=f"{stack}.json", Body=body)
        # Larger than what CloudFormation takes in the request itself.
        url = f"https://s3.amazonaws.com/{BUCKET}/{stack}.json"
        call = getattr(self.client("cloudformation"), f"{verb}_stack")
        call(StackName=stack, TemplateURL=url, Capabilities=["CAPABILITY_IAM"])

    def made(self, stack: str) -> dict[str, str]:
        """The physical ids of a stack's resources, by logical id."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages.paginate(StackName=stack)
            for each in page["StackResourceSummaries"]
            if each["LogicalResourceId"]
        }


def _bytes_of(path: Path) -> bytes:
    if path.is_file():
        return path.read_bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for each in sorted(path.rglob("*")):
            zipped.write(each, each.relative_to(path))
    return archive.getvalue()


_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
"""


@contextmanager
def moto_cloud(log: Path) -> Iterator[Cloud]:
    """Run a moto server on a free port of this machine; it ends with its standard input."""
    with (
        log.open("w") as messages,
        subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
        ) as server,
    ):
        assert server.stdin is not None and server.stdout is not None
        try:
            yield Cloud(server.stdout.readline().strip())
        finally:
            server.stdin.close()
