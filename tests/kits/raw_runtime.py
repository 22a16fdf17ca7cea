"""A function without a runtime client: it sends the bytes of a script, and nothing of its own.

`scripts.json` has the scripts by name; the query of an event names one. A script is

    {"type": media type or null, "pieces": [each one chunk, in Latin-1], "end": how it ends,
     "whole": true for a result instead of a stream}

and ends "clean", with an "error" in its trailers, is "cut", or the process "exits" or "hangs". It
waits before that end if the query names a gate (see tests/e2e/gate.py). An event that has a
callback is answered there, with the same bytes.
"""

import base64
import http.client
import json
import os
import socket
import sys
import time
from urllib.parse import parse_qs, urlsplit

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PATH = "/2018-06-01/runtime/invocation/"
ERROR = {"errorMessage": "the secret words of an error", "errorType": "RawError"}


def wait_at(gate):
    with socket.create_connection(("127.0.0.1", int(gate))) as sock:
        sock.recv(1)


def fields_of(script):
    fields = [("transfer-encoding", "chunked")]
    if script["type"] is not None:
        fields.append(("content-type", script["type"]))
    return fields


def send(host, port, path, fields, script):
    """Send a script as the body of a POST; return what is answered, if anything."""
    with socket.create_connection((host, port), timeout=20) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"POST {path} HTTP/1.1", f"host: {host}:{port}"]
        lines += [f"{name}: {value}" for name, value in fields]
        try:
            sock.sendall("\r\n".join([*lines, "", ""]).encode())
            for piece in script["pieces"]:
                data = piece.encode("latin-1")
                if data:
                    sock.sendall(b"%x\r\n%b\r\n" % (len(data), data))
            if script["gate"] is not None:
                wait_at(script["gate"])
            match script["end"]:
                case "clean":
                    sock.sendall(b"0\r\n\r\n")
                case "error":
                    body = base64.b64encode(json.dumps(ERROR).encode()).decode()
                    trailers = (
                        "lambda-runtime-function-error-type: Raw.Error\r\n"
                        f"lambda-runtime-function-error-body: {body}\r\n"
                    )
                    sock.sendall(f"0\r\n{trailers}\r\n".encode())
                case "cut":
                    return
                case "exits":
                    os._exit(3)
                case "hangs":
                    time.sleep(600)
            sock.recv(65_536)
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered early, as a callback may be


def respond(request_id, script):
    host, _, port = API.rpartition(":")
    streaming = ("lambda-runtime-function-response-mode", "streaming")
    trailers = [("trailer", f"lambda-runtime-function-error-{name}") for name in ("type", "body")]
    fields = fields_of(script)
    if not script.get("whole"):
        fields += [streaming, *trailers]
    send(host, int(port), f"{PATH}{request_id}/response", fields, script)


def call_back(url, script):
    parts = urlsplit(url)
    send(parts.hostname, parts.port, parts.path, fields_of(script), script)


def main():
    with open("scripts.json") as file:
        scripts = json.load(file)
    connection = http.client.HTTPConnection(API)
    while True:
        connection.request("GET", f"{PATH}next")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 403:  # it came before the end of a response that was cut
            time.sleep(0.01)
            continue
        event = json.loads(body)
        request_id = answer.headers["lambda-runtime-aws-request-id"]
        asked = parse_qs(event["rawQueryString"])
        script = scripts[asked["script"][0]] | {"gate": asked.get("gate", [None])[0]}
        callback = event.get("tailrace", {}).get("callback")
        if callback is None:
            respond(request_id, script)
            continue
        call_back(callback, script)
        connection.request("POST", f"{PATH}{request_id}/response", "null")
        connection.getresponse().read()


if __name__ == "__main__":
    sys.exit(main())
