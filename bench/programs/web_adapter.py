"""Stands for the AWS Lambda Web Adapter: a Runtime API client before a web server, on loopback.

As the adapter, it asks the server for "/" every 10 ms until it answers, then gets the event, sends
the request to the server, and streams its response to the Runtime API. It serves one event, and
decodes nothing that it can pass on: the chunks of the server's body are those of the answer.

`web_adapter.py PORT`; AWS_LAMBDA_RUNTIME_API has the address of the Runtime API.
"""

import json
import os
import socket
import sys
import time

READINESS_INTERVAL_S = 0.01
READ_BYTES = 65536
API = "/2018-06-01/runtime/invocation/"
HEAD_END = b"\r\n\r\n"


def main(port: int) -> None:
    """Serve one event."""
    while not is_ready(port):
        time.sleep(READINESS_INTERVAL_S)
    host, _, api_port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    with socket.create_connection((host, int(api_port))) as api:
        api.sendall(f"GET {API}next HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        head, body = read_head(api)
        fields = fields_of(head)
        while len(body) < int(fields["content-length"]):
            body += api.recv(READ_BYTES)
        stream(json.loads(body), port, api, fields["lambda-runtime-aws-request-id"])


def is_ready(port: int) -> bool:
    """Whether the server answers."""
    try:
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            return 100 <= int(read_head(server)[0].split()[1]) < 500
    except OSError:
        return False


def stream(event: dict, port: int, api: socket.socket, request_id: str) -> None:
    """Send the request to the server, and its response to the Runtime API."""
    lines = [f"GET {event['rawPath']}?{event['rawQueryString']} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in event["headers"].items()]
    with socket.create_connection(("127.0.0.1", port)) as server:
        server.sendall("\r\n".join((*lines, "", "")).encode())
        head, body = read_head(server)
        fields = fields_of(head)
        assert fields.pop("transfer-encoding") == "chunked"
        prelude = json.dumps({"statusCode": int(head.split()[1]), "headers": fields}).encode()
        prelude += bytes(8)
        api.sendall(
            f"POST {API}{request_id}/response HTTP/1.1\r\nhost: localhost\r\n"
            "content-type: application/vnd.awslambda.http-integration-response\r\n"
            "lambda-runtime-function-response-mode: streaming\r\n"
            f"transfer-encoding: chunked\r\n\r\n{len(prelude):x}\r\n".encode()
            + prelude
            + b"\r\n"
            + body
        )
        while not body.endswith(b"0\r\n\r\n"):
            body = server.recv(READ_BYTES)
            api.sendall(body)
    api.recv(READ_BYTES)


def read_head(peer: socket.socket) -> tuple[bytes, bytes]:
    """Return the head of a message, and what has come behind it."""
    data = b""
    while HEAD_END not in data:
        more = peer.recv(READ_BYTES)
        if not more:
            raise ConnectionError("the peer has left")
        data += more
    head, _, rest = data.partition(HEAD_END)
    return head, rest


def fields_of(head: bytes) -> dict[str, str]:
    """Return the fields of a head, with names in lower case."""
    pairs = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.lower(): value for name, _, value in pairs}


if __name__ == "__main__":
    main(int(sys.argv[1]))
