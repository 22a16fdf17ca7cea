"""An EC2 instance in an Auto Scaling group: its metadata service and the API, played by the test.

Every request is checked: the token of the metadata (IMDSv2), the signature of the API's calls.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from tailrace.wire.sigv4 import (
    canonical_path,
    canonical_request,
    is_signature,
    parse_authorization,
    parse_credential,
    sign,
)

INSTANCE, GROUP, HOOK, REGION = "i-0a1b2c3d4e5f60718", "gateways", "drain", "eu-central-1"
KEY_ID, SECRET, SESSION = "ASIATEST", "test-secret", "test-session-token"
BEAT, COMPLETE = "RecordLifecycleActionHeartbeat", "CompleteLifecycleAction"
NO_ACTION = f"No active Lifecycle Action found with instance ID {INSTANCE}"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the API: its parameters, and the note that the test had made before it."""

    name: str
    fields: Mapping[str, str]
    content_type: str
    note: str
    was_taken: bool


@dataclass(slots=True)
class Error:
    """An answer that is no success; a status of 0 is silence."""

    status: int
    code: str = ""
    message: str = ""

    def xml(self) -> str:
        return (
            '<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">\n  <Error>\n'
            f"    <Type>Sender</Type>\n    <Code>{self.code}</Code>\n"
            f"    <Message>{self.message}</Message>\n  </Error>\n"
            "  <RequestId>6f8c1c1e</RequestId>\n</ErrorResponse>\n"
        )


THROTTLED = Error(400, "Throttling", "Rate exceeded")
DENIED = Error(
    403,
    "AccessDenied",
    f"User: arn:aws:sts::1:assumed-role/r/{INSTANCE} is not authorized to perform: autoscaling:"
    "RecordLifecycleActionHeartbeat",
)


@dataclass
class Instance:
    """The instance, while it is entered. The test changes its fields at any time."""

    state: str | None = "InService"
    """The target lifecycle state; None: 404."""
    notice: str | None = None
    """The Spot notice."""
    has_tags: bool = True
    metadata_status: int | None = None
    """What the metadata service answers to everything; 0 is silence."""
    action: Literal["none", "held", "over"] = "none"
    """The lifecycle action: before it has begun, while the instance waits in the hook, after."""
    errors: dict[str, list[Error]] = field(default_factory=lambda: {BEAT: [], COMPLETE: []})
    """Answers to the next such calls, one by one."""
    every: Error | None = None
    """The answer to all calls."""
    note: str = ""
    calls: list[Call] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """What the metadata service was asked for."""
    tokens: int = 0
    gives_tokens: bool = True
    surprises: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._is_over = threading.Event()
        self._metadata = _serve(self._on_metadata, self._is_over, self.surprises)
        self._api = _serve(self._on_call, self._is_over, self.surprises)
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        for server in (self._metadata, self._api):
            server.shutdown()
            server.server_close()

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a process on the instance; the region is in the metadata alone."""
        return {
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self._metadata.url,
            "AWS_ENDPOINT_URL_AUTO_SCALING": self._api.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": SESSION,
        }

    def terminate(self) -> None:
        """The group ends the instance, which waits in the hook."""
        self.action = "held"
        self.state = "Terminated"

    def count(self, name: str, *, was_taken: bool = True) -> int:
        """How many such calls there were."""
        return sum(call.name == name and call.was_taken == was_taken for call in self.calls)

    def expire_tokens(self) -> None:
        """As after their time, or after a move of the machine."""
        self.tokens += 1

    # --- the servers ---------------------------------------------------------------------------

    def _on_metadata(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        if self.metadata_status is not None:
            return self.metadata_status, ""
        if (method, path) == ("PUT", "/latest/api/token"):
            if not self.gives_tokens:
                return 503, ""
            assert 1 <= int(headers["x-aws-ec2-metadata-token-ttl-seconds"]) <= 21_600
            return 200, f"t0ken{self.tokens}=="
        assert method == "GET" and path.startswith("/latest/meta-data/"), path
        if headers.get("x-aws-ec2-metadata-token") != f"t0ken{self.tokens}==":
            return 401, ""
        item = path.removeprefix("/latest/meta-data/")
        self.asked.append(item)
        text = {
            "autoscaling/target-lifecycle-state": self.state,
            "spot/instance-action": self.notice,
            "instance-id": INSTANCE,
            "placement/region": REGION,
            "tags/instance/aws:autoscaling:groupName": GROUP if self.has_tags else None,
        }.get(item)
        return (404, "<html>") if text is None else (200, text)

    def _on_call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        assert (method, path) == ("POST", "/")
        _check_signature(headers, body)
        fields = dict(parse_qsl(body.decode(), strict_parsing=True))
        name = fields["Action"]
        assert fields["InstanceId"] == INSTANCE and fields["Version"] == "2011-01-01"
        error = self.every or (self.errors[name].pop(0) if self.errors[name] else None)
        if error is None and self.action != "held":
            error = Error(400, "ValidationError", NO_ACTION)
        if error is None and name == COMPLETE:
            self.action = "over"
        content_type = headers["content-type"]
        self.calls.append(Call(name, fields, content_type, self.note, error is None))
        if error is not None:
            return error.status, error.xml()
        return 200, f"<{name}Response><{name}Result/></{name}Response>"


def notice(action: str = "terminate") -> str:
    """As the user guide shows it."""
    return json.dumps({"action": action, "time": "2026-11-28T08:22:00Z"})


def _check_signature(headers: Mapping[str, str], body: bytes) -> None:
    given = parse_authorization(headers["authorization"])
    assert given is not None
    credential = parse_credential(given["Credential"])
    assert credential is not None
    assert (credential.key_id, credential.region) == (KEY_ID, REGION)
    assert credential.service == "autoscaling" and headers["x-amz-security-token"] == SESSION
    names = given["SignedHeaders"].split(";")
    assert {"host", "content-type", "x-amz-date", "x-amz-security-token"} <= set(names)
    canonical, _ = canonical_request(
        "POST",
        canonical_path("/"),
        "",
        [(name, headers[name]) for name in names],
        hashlib.sha256(body).hexdigest(),
    )
    expected = sign(canonical, headers["x-amz-date"], credential.scope, SECRET)
    assert is_signature(given["Signature"], expected)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that a process has left in mid-answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


Serve = Callable[[str, str, Mapping[str, str], bytes], tuple[int, str]]


def _serve(answer: Serve, is_over: threading.Event, surprises: list[str]) -> _Server:
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                with lock:
                    status, text = answer(self.command, self.path, headers, body)
            except AssertionError as error:
                surprises.append(f"{self.command} {self.path}: {error}")
                status, text = 500, ""
            if not status:
                is_over.wait(30)
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST = _do

        def log_message(self, *arguments: Any) -> None: ...

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
