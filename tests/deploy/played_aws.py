"""AWS as the helper sees it: Auto Scaling's and EC2's APIs, and CloudFormation's bucket, by HTTP.

What was asked is kept; what is answered is scripted. Where nothing is scripted, the group is as the
calls have left it: at most one refresh is in progress.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Fields = dict[str, str]

ERROR = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    "</Error><RequestId>r</RequestId></ErrorResponse>"
)
EC2_ERROR = (
    "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    "<RequestID>r</RequestID></Response>"
)
EC2_VERSION = "2016-11-15"
LISTS = {"com.amazonaws.global.cloudfront.origin-facing": "pl-3b927c52"}


class PlayedAws:
    """`calls` are the API's, in order; `answers` are the bodies that the bucket took."""

    def __init__(self) -> None:
        self.is_silent = threading.Event()
        """Calls get no answer."""
        self.is_over = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.is_silent.clear()
        self.calls: list[tuple[str, Fields]] = []
        self.answers: list[dict[str, Any]] = []
        self.puts: list[dict[str, str]] = []
        """The headers of every PUT."""
        self.refreshing: str | None = None
        """The refresh in progress."""
        self.errors: list[tuple[str, int, str, str]] = []
        """For the next calls of an action: its name, the status, a code and a message."""
        self.statuses: list[int] = []
        """Of the next PUTs; 0 closes the connection."""
        self.cancelling = 0
        """How many starts a cancellation outlasts."""
        self._started = 0

    def __enter__(self) -> Self:
        played = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                fields = {name: each[0] for name, each in parse_qs(body.decode()).items()}
                if played.is_silent.is_set():
                    played.is_over.wait()
                    self.close_connection = True
                else:
                    self._answer(*played.call(fields))

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                played.puts.append({name.lower(): text for name, text in self.headers.items()})
                status = played.statuses.pop(0) if played.statuses else 200
                if status == 200:
                    assert urlsplit(self.path).query == "X-Amz-Signature=secret"
                    assert len(body) <= 4096
                    played.answers.append(json.loads(body))
                if status:
                    self._answer(status, "")
                else:
                    self.close_connection = True

            def _answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.response_url = f"{self.url}/arn%3Aaws%3Acloudformation/x%7Cy?X-Amz-Signature=secret"
        return self

    def __exit__(self, *exception: object) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def actions(self) -> list[str]:
        """The names of the calls so far."""
        return [name for name, _ in self.calls]

    def call(self, fields: Fields) -> tuple[int, str]:
        """The status and the body that answer one call."""
        action = fields["Action"]
        self.calls.append((action, fields))
        error = EC2_ERROR if fields["Version"] == EC2_VERSION else ERROR
        if self.errors and self.errors[0][0] == action:
            _, status, code, message = self.errors.pop(0)
            return status, error.format(code=code, message=message)
        actions: dict[str, Callable[[Fields], tuple[int, str]]] = {
            "StartInstanceRefresh": self._start,
            "CancelInstanceRefresh": self._cancel,
            "DescribeManagedPrefixLists": self._describe,
        }
        return actions[action](fields)

    def _start(self, fields: Fields) -> tuple[int, str]:
        if self.refreshing is not None and self.cancelling:
            self.cancelling -= 1
            self.refreshing = self.refreshing if self.cancelling else None
        if self.refreshing is not None:
            message = "An Instance Refresh is already in progress and blocks the execution of this"
            return 400, ERROR.format(code="InstanceRefreshInProgress", message=message)
        self._started += 1
        self.refreshing = f"refresh-{self._started}"
        return 200, _result("StartInstanceRefresh", self.refreshing)

    def _cancel(self, fields: Fields) -> tuple[int, str]:
        if self.refreshing is None:
            message = "No in progress or pending Instance Refresh found"
            return 400, ERROR.format(code="ActiveInstanceRefreshNotFound", message=message)
        cancelled, self.cancelling = self.refreshing, self.cancelling or 1
        return 200, _result("CancelInstanceRefresh", cancelled)

    def _describe(self, fields: Fields) -> tuple[int, str]:
        assert fields["Filter.1.Name"] == "prefix-list-name"
        found = LISTS.get(fields["Filter.1.Value.1"])
        item = f"<item><prefixListId>{found}</prefixListId></item>" if found else ""
        return 200, (
            "<DescribeManagedPrefixListsResponse><requestId>r</requestId>"
            f"<prefixListSet>{item}</prefixListSet></DescribeManagedPrefixListsResponse>"
        )


def _result(action: str, refresh: str) -> str:
    return (
        f"<{action}Response><{action}Result><InstanceRefreshId>{refresh}</InstanceRefreshId>"
        f"</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    )
