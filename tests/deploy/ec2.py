"""What EC2 has around a machine: its metadata (IMDSv2), S3, and the API of Auto Scaling.

    python -m tests.deploy.ec2 BUCKETS

An object is a file in the folder BUCKETS. Calls of Auto Scaling are printed, one a line.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

METADATA = ("169.254.169.254", 80)
AWS = ("127.0.0.1", 9100)
GROUP = "gateways"
INSTANCE = "i-0123456789abcdef0"
ROLE = "/latest/meta-data/iam/security-credentials/"
TEXTS = {
    "/latest/meta-data/instance-id": INSTANCE,
    "/latest/meta-data/local-ipv4": "10.0.0.7",
    "/latest/meta-data/tags/instance/aws:autoscaling:groupName": GROUP,
    ROLE: "gateway",
    f"{ROLE}gateway": json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "secret",
            "Token": "session",
            "LastUpdated": "2026-11-30T00:00:00Z",
            "Expiration": "2099-01-01T00:00:00Z",
        }
    ),
}
TOKEN = "token-of-the-session"


class Handler(BaseHTTPRequestHandler):
    """Answers for each of the three."""

    protocol_version = "HTTP/1.1"
    buckets: Path

    def do_PUT(self) -> None:
        assert self.path == "/latest/api/token"
        self._answer(200, TOKEN.encode(), ("x-aws-ec2-metadata-token-ttl-seconds", "60"))

    def do_GET(self) -> None:
        if self.path.startswith("/latest/"):
            is_known = self.headers["x-aws-ec2-metadata-token"] == TOKEN
            text = TEXTS.get(self.path)
            self._answer(
                401 if not is_known else 404 if text is None else 200, (text or "").encode()
            )
            return
        file = self.buckets / self.path.lstrip("/")
        if "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/" not in self.headers["authorization"]:
            self._answer(403, b"")
        elif not file.is_file():
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._send(file.read_bytes())

    do_HEAD = do_GET

    def _send(self, data: bytes) -> None:
        given = self.headers["range"]
        first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", given).groups() if given else ("0", "")
        part = data[int(first) : int(last) + 1 if last else len(data)]
        place = ("content-range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        stamp = ("last-modified", "Mon, 30 Nov 2026 00:00:00 GMT")
        places = [place] if given else []
        self._answer(206 if given else 200, part, ("etag", '"e"'), stamp, *places)

    def do_POST(self) -> None:
        fields = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        print(json.dumps(fields), flush=True)
        action = fields["Action"]
        namespace = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
        result = f"<{action}Result/><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
        self._answer(
            200, f'<{action}Response xmlns="{namespace}">{result}</{action}Response>'.encode()
        )

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *unused: object) -> None: ...


def main() -> None:
    Handler.buckets = Path(sys.argv[1])
    servers = [ThreadingHTTPServer(address, Handler) for address in (METADATA, AWS)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    print("ready", flush=True)


if __name__ == "__main__":
    main()
