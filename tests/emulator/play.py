"""A function that does what its event tells it: a Runtime API client by hand.

`PLAY_INIT` holds the steps of the init phase. A step is `{name: argument}`; steps that a test
waits for go through files or a gate (tests/e2e/gate.py), so that nothing depends on time.
"""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial

API = "/2018-06-01/runtime/"
JSON = {"Content-Type": "application/json"}


def post(path, body, headers=JSON):
    connection.request("POST", API + path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def begin_stream(request_id, media_type):
    connection.putrequest("POST", f"{API}invocation/{request_id}/response")
    connection.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
    connection.putheader("Trailer", "Lambda-Runtime-Function-Error-Type")
    connection.putheader("Trailer", "Lambda-Runtime-Function-Error-Body")
    if media_type is not None:
        connection.putheader("Content-Type", media_type)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()


def send_chunk(data):
    connection.send(b"%x\r\n%b\r\n" % (len(data), data))


def end_stream(trailers=b""):
    connection.send(b"0\r\n%b\r\n" % trailers)
    connection.getresponse().read()


def error_trailers(error):
    body = base64.b64encode(json.dumps(error).encode()).decode()
    return (
        f"Lambda-Runtime-Function-Error-Type: {error['errorType']}\r\n"
        f"Lambda-Runtime-Function-Error-Body: {body}\r\n"
    ).encode()


def extend(name, events, log, gate):
    """An extension: notes what it is told, and waits for a gate before it asks again."""
    own = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    base = "/2020-01-01/extension/"
    head = {"Lambda-Extension-Name": name}
    own.request("POST", base + "register", json.dumps({"events": events}), head)
    answer = own.getresponse()
    answer.read()
    head = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
    identifiers.append(head)
    registered.set()
    while True:
        own.request("GET", base + "event/next", headers=head)
        event = json.loads(own.getresponse().read())
        with open(log, "a") as file:
            print(json.dumps(event), file=file)
        if event["eventType"] == "SHUTDOWN":
            own.close()
            return
        while gate and not os.path.exists(gate):
            time.sleep(0.005)


def fail_extension(error_type, own):
    head = {**identifiers[-1], "Lambda-Extension-Function-Error-Type": error_type}
    body = json.dumps({"errorMessage": "played"})
    own.request("POST", "/2020-01-01/extension/exit/error", body, head)
    own.getresponse().read()


def fail_extension_behind(gate, error_type):
    while not os.path.exists(gate):
        time.sleep(0.005)
    fail_extension(error_type, http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"]))


def leave(note, *_):
    play([{"append": note}, {"exit": 0}])


def play(steps, request_id=None, headers=None):
    gate = None
    for step in steps:
        (name, value), *_ = step.items()
        match name:
            case "print":
                print(value, flush=True)
            case "write":
                sys.stdout.write(value)
                sys.stdout.flush()
            case "append":
                with open(value[0], "a") as file:
                    print(value[1], file=file)
            case "wait":
                while not os.path.exists(value):
                    time.sleep(0.005)
            case "environ":
                with open(value, "w") as file:
                    json.dump(dict(os.environ), file)
            case "headers":
                with open(value, "w") as file:
                    json.dump({key.lower(): text for key, text in headers.items()}, file)
            case "spawn":
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                with open(value, "w") as file:
                    file.write(str(child.pid))
            case "kill":
                os.kill(os.getpid(), value)
            case "ignore_sigterm":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            case "note_sigterm":
                signal.signal(signal.SIGTERM, partial(leave, value))
            case "once":
                if not os.path.exists(value):
                    open(value, "w").close()
                    os._exit(1)
            case "exit":
                os._exit(value)
            case "init_error":
                post("init/error", json.dumps(value))
            case "return":
                post(f"invocation/{request_id}/response", json.dumps(value))
            case "return_bytes":
                post(f"invocation/{request_id}/response", b"x" * value)
            case "return_and_exit":
                connection.putrequest("POST", f"{API}invocation/{request_id}/response")
                body = json.dumps(value).encode()
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                os._exit(0)
            case "raise":
                post(f"invocation/{request_id}/error", json.dumps(value))
            case "extend":
                threading.Thread(target=extend, args=value, daemon=True).start()
                registered.wait()
                registered.clear()
            case "fail_extension":
                fail_extension(value, connection)
            case "fail_extension_behind":
                threading.Thread(target=fail_extension_behind, args=value, daemon=True).start()
            case "count":
                threading.Thread(target=count, args=(value,), daemon=True).start()
                while not os.path.exists(value):  # its first number
                    time.sleep(0.001)
            case "break_off":
                connection.putrequest("POST", f"{API}invocation/{request_id}/response")
                connection.putheader("Content-Length", "1000")
                connection.endheaders(b"half")
                connection.close()
            case "gate":
                gate = socket.create_connection(("127.0.0.1", value))
            case "pass":
                if not gate.recv(1):
                    os._exit(1)
            case "tell":
                gate.sendall(f"{value}\n".encode())
            case "stream":
                begin_stream(request_id, value)
            case "chunk":
                send_chunk(value.encode())
            case "chunk64":
                send_chunk(base64.b64decode(value))
            case "flood":
                for number in range(value):
                    gate.sendall(f"{number}\n".encode())
                    send_chunk(number.to_bytes(4, "big") * 16_384)
            case "end":
                end_stream()
            case "end_and_exit":
                connection.send(b"0\r\n\r\n")
                os._exit(value)
            case "fail":
                end_stream(error_trailers(value))
            case "cut":
                connection.close()
            case _:
                raise ValueError(name)


def count(path):
    """Tell in a file that time goes on."""
    number = 0
    while True:
        number += 1
        with open(path + "~", "w") as file:
            file.write(str(number))
        os.rename(path + "~", path)
        time.sleep(0.002)


registered = threading.Event()
identifiers = []
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
play(json.loads(os.environ.get("PLAY_INIT", "[]")))
while True:
    connection.request("GET", API + "invocation/next")
    response = connection.getresponse()
    event = json.loads(response.read())
    wanted = event
    if isinstance(event, dict) and "requestContext" in event:  # of a Function URL
        wanted = json.loads(event["body"]) if event.get("body", "").startswith("{") else {}
    steps = [{"return": event}]
    if isinstance(wanted, dict) and "play" in wanted:
        steps = wanted["play"]
    play(steps, response.headers["Lambda-Runtime-Aws-Request-Id"], response.headers)
