"""A function that does what its event tells it: a Runtime API client of forty lines.

`PLAY_INIT` holds the steps of the init phase. A step is `{name: argument}`; steps that a test
waits for go through files, so that nothing depends on time.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time

API = "/2018-06-01/runtime/"
JSON = {"Content-Type": "application/json"}


def post(path, body, headers=JSON):
    connection.request("POST", API + path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def play(steps, request_id=None, headers=None):
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
            case "break_off":
                connection.putrequest("POST", f"{API}invocation/{request_id}/response")
                connection.putheader("Content-Length", "1000")
                connection.endheaders(b"half")
                connection.close()
            case _:
                raise ValueError(name)


connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
play(json.loads(os.environ.get("PLAY_INIT", "[]")))
while True:
    connection.request("GET", API + "invocation/next")
    response = connection.getresponse()
    event = json.loads(response.read())
    steps = [{"return": event}]
    if isinstance(event, dict) and "play" in event:
        steps = event["play"]
    play(steps, response.headers["Lambda-Runtime-Aws-Request-Id"], response.headers)
