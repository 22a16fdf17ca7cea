"""A runtime as a process, ours or AWS's, with a Runtime API that the test plays."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.peers import WAIT_S, Peer, PeerConnection

from tailrace.wire.runtime_api import ACCEPTED_BODY, Invocation, next_headers


class RuntimeProcess:
    """A runtime and its Runtime API; a strict one takes warnings for errors.

    `command` is the program and its arguments in place of `python -m MODULE ARGUMENTS`.
    """

    def __init__(
        self,
        folder: Path,
        peer: Peer,
        *arguments: str,
        module: str = "tailrace.runtime",
        command: tuple[str, ...] | None = None,
        is_strict: bool = True,
        pass_fds: tuple[int, ...] = (),
        **environment: str,
    ) -> None:
        self.peer = peer
        strict = ["-X", "dev", "-W", "error"] if is_strict and module == "tailrace.runtime" else []
        self.process = subprocess.Popen(
            command or [sys.executable, *strict, "-m", module, *arguments],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{peer.port}",
                "LAMBDA_TASK_ROOT": str(folder),
                "AWS_LAMBDA_FUNCTION_NAME": "function",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function",
                "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]1",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            text=True,
        )
        self.api: PeerConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.process.kill()
        self.process.communicate()

    def receive(self) -> tuple[str, dict[str, str], bytes]:
        """The next request of the runtime."""
        if self.api is None:
            self.api = self.peer.accept()
        return self.api.read_message()

    def give(self, event: Any = None, **invocation: Any) -> None:
        """Answer a request for the next event."""
        assert self.receive()[0] == "GET /2018-06-01/runtime/invocation/next HTTP/1.1"
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        fields = {"request_id": "r1", "deadline_ms": 1, "function_arn": "arn:f", **invocation}
        headers = next_headers(Invocation(**fields, event=body))
        self.answer(200, body, *(f"{name}: {value}" for name, value in headers))

    def answer(self, status: int, body: bytes = b"", *headers: str) -> None:
        assert self.api is not None
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
        self.api.send("\r\n".join(head).encode("latin-1") + body)

    def serve(self, event: Any = None, **invocation: Any) -> tuple[str, dict[str, str], bytes]:
        """Give an event and accept what the runtime reports: kind, headers, body."""
        self.give(event, **invocation)
        line, headers, body = self.receive()
        request_id = invocation.get("request_id", "r1")
        match = re.fullmatch(
            rf"POST /2018-06-01/runtime/invocation/{request_id}/(\w+) HTTP/1.1", line
        )
        assert match is not None, line
        self.answer(202, ACCEPTED_BODY)
        return match[1], headers, body

    def result(self, event: Any = None, **invocation: Any) -> Any:
        """The result of a successful invocation."""
        kind, _, body = self.serve(event, **invocation)
        assert kind == "response", body
        return json.loads(body)

    def error(self, event: Any = None, **invocation: Any) -> Any:
        """The error of a failed invocation."""
        kind, _, body = self.serve(event, **invocation)
        assert kind == "error", body
        return json.loads(body)

    def end(self, signal_number: int | None = None) -> tuple[int, str, str]:
        """Wait for the process's end; exit code, stdout and stderr."""
        if signal_number is not None:
            self.process.send_signal(signal_number)
        out, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out, errors
