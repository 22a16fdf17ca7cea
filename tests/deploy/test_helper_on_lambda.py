"""The helper in AWS's own Python runtime, on the emulator, with moto's EC2."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

from tests.deploy.moto_cloud import moto_cloud
from tests.deploy.played_aws import PlayedAws
from tests.deploy.test_helper import STACK, prefix_list, refresh
from tests.managed.served import ManagedFunction, serving_managed
from tests.peers import until

from tailrace.deploy.helper import resources


def test_the_helper_runs_in_the_managed_runtime(tmp_path: Path) -> None:
    """Its time limit needs the main thread; what it logs is in the function's log."""
    (tmp_path / "no layer").mkdir()
    with PlayedAws() as aws, moto_cloud(tmp_path / "moto.log") as cloud:
        helper = ManagedFunction(
            files={"index.py": (resources.CODE / "index.py").read_text()},
            opt=tmp_path / "no layer",
            handler=resources.HANDLER,
            variables={"AWS_ENDPOINT_URL": aws.url, "AWS_ENDPOINT_URL_EC2": cloud.url},
        )
        with serving_managed(tmp_path, {"helper": helper}) as chain:
            for event in (prefix_list("Create"), refresh("Update", "2", old="1")):
                connection = http.client.HTTPConnection(urlsplit(chain.emulator_url).netloc)
                body = json.dumps({**STACK, "ResponseURL": aws.response_url, **event})
                connection.request("POST", "/2015-03-31/functions/helper/invocations", body)
                response = connection.getresponse()
                assert (response.status, response.read()) == (200, b"null")
                connection.close()
            # The emulator reads what a function prints apart from what it answers.
            wanted = "Update GatewayRefresh1A2B (gateways): SUCCESS"
            until(lambda: wanted in chain.output, "the line of the second event")
            assert "Signature" not in chain.output
        found, refreshed = aws.answers
        assert (found["Status"], found["Data"]) == (
            "SUCCESS",
            {"PrefixListId": found["PhysicalResourceId"]},
        )
        assert found["PhysicalResourceId"].startswith("pl-")
        assert (refreshed["Status"], refreshed["PhysicalResourceId"]) == ("SUCCESS", "gateways")
        assert aws.refreshing == "refresh-1"
