"""The runtime as a process, with a Runtime API that the test plays."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.peers import Peer, until
from tests.runtime_process import RuntimeProcess

from tailrace.wire.runtime_api import ACCEPTED_BODY

APP = """
import atexit, decimal, json, logging, os, sys, threading

logger = logging.getLogger("app")
atexit.register(lambda: print("at exit"))

def echo(event, context):
    return event

def describe(event, context):
    return {
        "aws_request_id": context.aws_request_id,
        "function_name": context.function_name,
        "function_version": context.function_version,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "log_group_name": context.log_group_name,
        "log_stream_name": context.log_stream_name,
        "tenant_id": context.tenant_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "identity": [
            context.identity.cognito_identity_id,
            context.identity.cognito_identity_pool_id,
        ],
        "client": context.client_context and [
            context.client_context.custom,
            context.client_context.env,
            context.client_context.client and context.client_context.client.app_title,
        ],
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }

def fail(event, context):
    def inner():
        raise ValueError("böom")
    inner()

def unserialisable(event, context):
    return object()

def numbers(event, context):
    return [decimal.Decimal("12"), decimal.Decimal("1.5"), 1.5, float("nan")]

def raw(event, context):
    return b"\\xff\\x00"

async def later(event, context):
    import asyncio
    await asyncio.sleep(0)
    return {"loop": id(asyncio.get_running_loop())}

def leave(event, context):
    sys.exit(event["code"])

def log(event, context):
    print("printed", end="")
    print("error", file=sys.stderr)
    logger.warning("careful: %s", event)
    thread = threading.Thread(target=logger.error, args=("in a thread",))
    thread.start()
    thread.join()
    logger.info("not shown by default")
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("caught", extra={"order": 7})

def wait(event, context):
    print("waiting", flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    package = tmp_path / "package" / "deep"
    package.mkdir(parents=True)
    (package / "module.py").write_text("def handler(event, context): return 'deep'")
    (tmp_path / "bad_syntax.py").write_text("def handler(:\n")
    (tmp_path / "bad_import.py").write_text("import no_such_module\n")
    (tmp_path / "bad_module.py").write_text("raise ValueError('at import')\n")
    (tmp_path / "leaves.py").write_text("import sys; sys.exit(9)\n")
    return tmp_path


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


# --- invocations ---------------------------------------------------------------------------------


def test_events_go_round_on_one_connection(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.echo") as runtime:
        for number in range(3):
            assert runtime.result({"n": number}, request_id=f"r{number}") == {"n": number}
        _, headers, body = runtime.serve({"text": "wörld"})

        assert headers["content-type"] == "application/json"
        assert body == b'{"text": "w\\u00f6rld"}'
        runtime.receive()
        assert runtime.end(signal.SIGTERM) == (0, "at exit\n", "")


@pytest.mark.parametrize("name", ["package.deep.module.handler", "package/deep/module.handler"])
def test_a_handler_may_be_deep_in_packages(folder: Path, peer: Peer, name: str) -> None:
    with RuntimeProcess(folder, peer, name) as runtime:
        assert runtime.result() == "deep"


def test_the_handler_may_be_named_by_the_environment(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, _HANDLER="app.echo") as runtime:
        assert runtime.result("x") == "x"


def test_the_working_directory_stands_in_for_the_task_root(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.echo", LAMBDA_TASK_ROOT="") as runtime:
        assert runtime.result("x") == "x"


def test_the_context_has_the_official_names(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.describe") as runtime:
        context = runtime.result(
            request_id="r-7",
            deadline_ms=int(time.time() * 1000) + 60_000,
            function_arn="arn:aws:lambda:eu-west-1:1:function:function",
            trace_id="Root=1-2",
            tenant_id="tenant",
            client_context=json.dumps(
                {"custom": {"ä": 1}, "env": {"b": "2"}, "client": {"app_title": "app"}}
            ),
            cognito_identity=json.dumps(
                {"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}
            ),
        )
        bare = runtime.result()

    assert 0 < context.pop("remaining_ms") <= 60_000
    assert context == {
        "aws_request_id": "r-7",
        "function_name": "function",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:eu-west-1:1:function:function",
        "memory_limit_in_mb": "128",
        "log_group_name": "/aws/lambda/function",
        "log_stream_name": "2026/11/21/[$LATEST]1",
        "tenant_id": "tenant",
        "identity": ["id", "pool"],
        "client": [{"ä": 1}, {"b": "2"}, "app"],
        "trace": "Root=1-2",
    }
    assert bare["remaining_ms"] == 0, "a deadline that has passed leaves nothing"
    assert (bare["identity"], bare["client"], bare["trace"]) == ([None, None], None, None)


def test_the_invocation_id_is_sent_back_if_it_was_given(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.echo") as runtime:
        _, headers, _ = runtime.serve(invocation_id="attempt-1")
        assert headers["lambda-runtime-invocation-id"] == "attempt-1"
        _, headers, _ = runtime.serve()
        assert "lambda-runtime-invocation-id" not in headers


@pytest.mark.parametrize("status", [410, 413, 200])
def test_the_loop_goes_on_after_such_an_answer(folder: Path, peer: Peer, status: int) -> None:
    with RuntimeProcess(folder, peer, "app.echo") as runtime:
        runtime.give("x")
        runtime.receive()
        runtime.answer(status, b'{"errorType":"x"}')

        assert runtime.result("y") == "y"


@pytest.mark.parametrize("status", [400, 403, 500])
def test_any_other_refusal_of_a_report_is_fatal(folder: Path, peer: Peer, status: int) -> None:
    with RuntimeProcess(folder, peer, "app.echo") as runtime:
        runtime.give("x")
        runtime.receive()
        runtime.answer(status, b'{"errorType":"InvalidStateTransition"}')

        code, _, errors = runtime.end()
        assert code == 1
        assert errors == (
            "tailrace.runtime: the Runtime API answered"
            f" /2018-06-01/runtime/invocation/r1/response with {status}:"
            ' {"errorType":"InvalidStateTransition"}\n'
        )


def test_a_next_that_is_refused_or_makes_no_sense_is_fatal(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.echo") as runtime:
        runtime.receive()
        runtime.answer(500, b"broken")
        code, _, errors = runtime.end()
        assert (code, "/next with 500: broken" in errors) == (1, True)
    with RuntimeProcess(folder, peer, "app.echo") as runtime:
        runtime.receive()
        runtime.answer(200, b"{}")
        code, _, errors = runtime.end()
        assert (code, "sent no lambda-runtime-aws-request-id" in errors) == (1, True)


def test_a_runtime_api_that_is_gone_ends_the_runtime(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.echo") as runtime:
        assert runtime.result("x") == "x"
        runtime.receive()
        peer.socket.close()
        assert runtime.api is not None
        runtime.api.close()

        code, _, errors = runtime.end()
        assert code == 1
        assert re.fullmatch(
            r"tailrace.runtime: no connection to 127.0.0.1:\d+: Connection refused\n", errors
        )


# --- results and errors --------------------------------------------------------------------------


def test_a_failure_is_reported_as_lambda_reports_it(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.fail") as runtime:
        kind, headers, body = runtime.serve()
        runtime.receive()
        _, out, _ = runtime.end(signal.SIGTERM)

    assert kind == "error"
    assert headers["content-type"] == "application/json"
    assert headers["lambda-runtime-function-error-type"] == "Function.ValueError"
    error = json.loads(body)
    assert list(error) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (error["errorMessage"], error["errorType"]) == ("böom", "ValueError")
    assert error["requestId"] == "r1"
    assert [
        re.sub(r".*in (\w+)\n\s*(.*)\n", r"\1: \2", entry) for entry in error["stackTrace"]
    ] == [
        "fail: inner()",
        'inner: raise ValueError("böom")',
    ]
    lines = out.splitlines()
    assert lines[:2] == ["[ERROR] ValueError: böom", "Traceback (most recent call last):"]
    assert lines[3:6:2] == ["    inner()", '    raise ValueError("böom")']


def test_what_is_not_json_has_lambdas_error_types(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.unserialisable") as runtime:
        assert runtime.error() == {
            "errorMessage": "Unable to marshal response:"
            " Object of type object is not JSON serializable",
            "errorType": "Runtime.MarshalError",
            "requestId": "r1",
            "stackTrace": [],
        }
        error = runtime.error(b"no json")
        assert error["errorType"] == "Runtime.UnmarshalError"
        assert error["errorMessage"].startswith("Unable to unmarshal input: Expecting value")
        error = runtime.error(client_context="no json")
        assert error["errorType"] == "Runtime.LambdaContextUnmarshalError"


@pytest.mark.parametrize("name", ["generator", "async_generator"])
def test_a_generator_that_is_not_decorated_is_named(folder: Path, peer: Peer, name: str) -> None:
    """The report is AWS's; the log says what is missing."""
    (folder / "bare.py").write_text(
        "def generator(event, context):\n    yield 1\n"
        "async def async_generator(event, context):\n    yield 1\n"
    )
    with RuntimeProcess(folder, peer, f"bare.{name}") as runtime:
        assert runtime.error()["errorMessage"] == (
            f"Unable to marshal response: Object of type {name} is not JSON serializable"
        )
        _, out, _ = runtime.end(signal.SIGTERM)

    assert "decorate it with @streamify_response (from tailrace.function import" in out


def test_decimals_are_numbers_and_bytes_go_out_raw(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.numbers") as runtime:
        assert runtime.serve()[2] == b"[12, 1.5, 1.5, NaN]"
    with RuntimeProcess(folder, peer, "app.raw") as runtime:
        _, headers, body = runtime.serve()
        assert (headers["content-type"], body) == ("application/unknown", b"\xff\x00")


def test_a_plain_async_handler_runs_in_the_one_loop(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.later") as runtime:
        assert runtime.result() == runtime.result()
        runtime.receive()
        assert runtime.end(signal.SIGTERM) == (0, "at exit\n", "")


CANCELLED = """
import asyncio

async def handler(event, context):
    task = asyncio.get_running_loop().create_task(asyncio.sleep(60))
    task.cancel()
    await task
"""


def test_a_cancellation_is_a_failure_and_the_loop_goes_on(folder: Path, peer: Peer) -> None:
    (folder / "cancelled.py").write_text(CANCELLED)
    with RuntimeProcess(folder, peer, "cancelled.handler") as runtime:
        for _ in range(2):
            kind, _, body = runtime.serve()
            error = json.loads(body)
            assert (kind, error["errorType"]) == ("error", "RuntimeError")
            assert error["errorMessage"] == "the handler was cancelled by its own code"
            assert error["stackTrace"][0].endswith("in handler\n    await task\n")
        runtime.receive()
        assert runtime.end(signal.SIGTERM)[0] == 0


def test_an_exit_of_the_handler_is_the_processs(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.leave") as runtime:
        runtime.give({"code": 7})

        assert runtime.end() == (7, "at exit\n", "")
        assert runtime.api is not None
        assert runtime.api.ends_with() == b"", "nothing was reported"


# --- the init phase ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("handler", "Runtime.MalformedHandlerName", "Bad handler 'handler': not enough values"),
        ("nowhere.x", "Runtime.ImportModuleError", "Unable to import module 'nowhere': No module"),
        (
            "bad_import.x",
            "Runtime.ImportModuleError",
            "Unable to import module 'bad_import': No module named 'no_such_module'",
        ),
        ("bad_syntax.x", "Runtime.UserCodeSyntaxError", "Syntax error in module 'bad_syntax': "),
        ("app.nothing", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'app'"),
        ("sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as"),
        ("bad_module.x", "ValueError", "at import"),
        (":x", "Runtime.MalformedHandlerName", "Bad handler ':x': "),
        ("app:", "Runtime.MalformedHandlerName", "Bad handler 'app:': "),
        ("app:nothing", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'app'"),
        ("app:echo.x", "Runtime.HandlerNotFound", "Handler 'echo.x' missing on module 'app'"),
    ],
)
def test_what_keeps_a_handler_from_loading_is_reported(
    folder: Path, peer: Peer, handler: str, error_type: str, message: str
) -> None:
    with RuntimeProcess(folder, peer, handler) as runtime:
        line, headers, body = runtime.receive()
        runtime.answer(202, ACCEPTED_BODY)
        code, out, _ = runtime.end()

    assert line == "POST /2018-06-01/runtime/init/error HTTP/1.1"
    error = json.loads(body)
    assert error["errorType"] == error_type
    assert error["errorMessage"].startswith(message)
    assert headers["lambda-runtime-function-error-type"] == (
        error_type if "." in error_type else "Function.ValueError"
    )
    assert code == 1
    assert f"[ERROR] {error_type}: {message}" in out


def test_an_exit_at_import_is_the_processs(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "leaves.x") as runtime:
        assert runtime.end() == (9, "", "")


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:http"])
def test_without_an_address_the_runtime_says_how_to_start_it(
    folder: Path, peer: Peer, address: str
) -> None:
    with RuntimeProcess(folder, peer, "app.echo", AWS_LAMBDA_RUNTIME_API=address) as runtime:
        code, _, errors = runtime.end()

    assert code == 2
    assert errors.startswith("usage: AWS_LAMBDA_RUNTIME_API=HOST:PORT python -m tailrace.runtime")


@pytest.mark.parametrize(
    ("arguments", "address", "code", "text"),
    [
        (["--help"], None, 0, "To run an app on this machine, use: tailrace dev main:app"),
        (["-h"], "127.0.0.1:1", 0, "usage: AWS_LAMBDA_RUNTIME_API=HOST:PORT python -m tailrace.r"),
        (
            [],
            "127.0.0.1:1",
            2,
            "tailrace.runtime: there is nothing to run: name it, as in main:app or app.handler",
        ),
        (["--port"], "127.0.0.1:1", 2, "tailrace.runtime: there is no option --port"),
        (
            ["app.echo"],
            None,
            2,
            "AWS_LAMBDA_RUNTIME_API is not set; Lambda and the emulator set it",
        ),
        (["app.echo"], "9001", 2, "AWS_LAMBDA_RUNTIME_API is not HOST:PORT: '9001'; Lambda and"),
    ],
)
def test_the_command_line_of_the_runtime(
    arguments: list[str], address: str | None, code: int, text: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "_HANDLER"}
    if address is not None:
        environment["AWS_LAMBDA_RUNTIME_API"] = address
    result = subprocess.run(
        [sys.executable, "-m", "tailrace.runtime", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert result.returncode == code
    assert text in (result.stderr if code else result.stdout)
    assert "Traceback" not in result.stderr


# --- output and signals --------------------------------------------------------------------------


def test_logs_have_lambdas_format_and_come_with_the_invocation(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(folder, peer, "app.log") as runtime:
        runtime.result({"a": 1}, request_id="r-9")
        assert runtime.process.stderr is not None
        assert runtime.process.stderr.readline() == "error\n"
        runtime.receive()
        _, out, errors = runtime.end(signal.SIGTERM)

    at = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(
        rf"printed\[WARNING\]\t{at}\tr-9\tcareful: {{'a': 1}}\n"
        rf"\[ERROR\]\t{at}\tr-9\tin a thread\n"
        rf"\[ERROR\]\t{at}\tr-9\tcaught\nTraceback \(most recent call last\):\n"
        rf"(  .*\n)+ZeroDivisionError: division by zero\n"
        r"at exit\n",
        out,
    )
    assert errors == ""


def test_logs_are_json_and_as_verbose_as_lambda_is_told(folder: Path, peer: Peer) -> None:
    with RuntimeProcess(
        folder, peer, "app.log", AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO"
    ) as runtime:
        runtime.result(request_id="r-9")
        runtime.receive()
        _, out, _ = runtime.end(signal.SIGTERM)

    entries = [json.loads(line) for line in out.removeprefix("printed").splitlines()[:-1]]
    assert [(entry["level"], entry["message"]) for entry in entries] == [
        ("WARNING", "careful: None"),
        ("ERROR", "in a thread"),
        ("INFO", "not shown by default"),
        ("ERROR", "caught"),
    ]
    last = entries[-1]
    assert last["requestId"] == "r-9"
    assert last["logger"] == "app"
    assert (last["errorType"], last["errorMessage"]) == ("ZeroDivisionError", "division by zero")
    assert last["order"] == 7
    assert last["location"].endswith("app.py:log:" + last["location"].rpartition(":")[2])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_a_waiting_handler_in_an_orderly_way(
    folder: Path, peer: Peer, number: int, code: int
) -> None:
    with RuntimeProcess(folder, peer, "app.wait") as runtime:
        runtime.give()
        assert runtime.process.stdout is not None
        assert runtime.process.stdout.readline() == "waiting\n"

        assert runtime.end(number) == (code, "at exit\n", "")


WAKEUPS = """
import os, signal

def look(event, context):
    found = signal.set_wakeup_fd(-1)
    if event == "set":
        pipe = os.pipe()
        os.set_blocking(pipe[1], False)
        signal.set_wakeup_fd(pipe[1])
        return [found, pipe[1]]
    if event == "close":
        os.close(found)
        signal_fd = os.open("/dev/null", os.O_WRONLY | os.O_NONBLOCK)
        signal.set_wakeup_fd(signal_fd)
        os.close(signal_fd)
    return found
"""


def test_the_wakeup_descriptor_of_signals_is_the_handlers(tmp_path: Path, peer: Peer) -> None:
    """Event loops set one, and some warn if they find another."""
    (tmp_path / "app.py").write_text(WAKEUPS)
    with RuntimeProcess(tmp_path, peer, "app.look") as runtime:
        found, own = runtime.result("set")
        assert found == -1
        assert runtime.result("close") == own
        assert runtime.result("look") == -1
        runtime.receive()
        assert runtime.end(signal.SIGTERM)[0] == 0


CHILD = """
import multiprocessing

def count(pipe):
    pipe.send("counting")
    sum(range(1 << 60))  # a call that sees no signals

def handler(event, context):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=count, args=(theirs,))
    child.start()
    ours.recv()
    child.terminate()
    child.join()
    return child.exitcode
"""


def test_a_process_that_a_handler_forks_is_ended_by_sigterm(tmp_path: Path, peer: Peer) -> None:
    (tmp_path / "app.py").write_text(CHILD)
    with RuntimeProcess(tmp_path, peer, "app.handler") as runtime:
        assert runtime.result() == -signal.SIGTERM
        runtime.receive()
        assert runtime.end(signal.SIGTERM)[0] == 0


STREAMS = """
import asyncio
from tailrace.function import streamify_response

@streamify_response
def generate(event, context):
    try:
        yield "one"
        print("waiting", flush=True)
        while True:
            pass
    finally:
        print("finally")

@streamify_response
async def generate_async(event, context):
    try:
        yield "one"
        print("waiting", flush=True)
        await asyncio.Event().wait()
    finally:
        print("finally")
"""


@pytest.mark.parametrize("handler", ["streams.generate", "streams.generate_async"])
def test_a_signal_breaks_an_open_callback(folder: Path, peer: Peer, handler: str) -> None:
    """It must not look complete; the handler's clean-up runs."""
    (folder / "streams.py").write_text(STREAMS)
    with Peer() as gateway, RuntimeProcess(folder, peer, handler) as runtime:
        runtime.give(gateway.event())
        callback = gateway.accept_callback()
        callback.go_on()
        callback.read_response_head()
        assert callback.read_piece() == b"one"
        assert runtime.process.stdout is not None
        assert runtime.process.stdout.readline() == "waiting\n"
        if handler == "streams.generate_async":
            # In the middle of asyncio's own work the signal would break that, too.
            process = psutil.Process(runtime.process.pid)
            until(lambda: process.status() == psutil.STATUS_SLEEPING)

        code, out, errors = runtime.end(signal.SIGTERM)

        assert callback.ends_with() is ConnectionResetError
        assert (code, out, errors) == (0, "finally\n", "")


def test_a_streaming_handler_answers_null_after_its_callback(folder: Path, peer: Peer) -> None:
    (folder / "streams.py").write_text(STREAMS.replace("while True:\n            pass", "yield 2"))
    with Peer() as gateway, RuntimeProcess(folder, peer, "streams.generate") as runtime:
        runtime.give(gateway.event())
        callback = gateway.accept_callback()
        callback.go_on()
        assert callback.read_response_head().status == 200
        assert callback.ends_with() is ConnectionResetError, "2 is no chunk"
        line, _, body = runtime.receive()
        runtime.answer(202)

        assert line.endswith("/r1/response HTTP/1.1")
        assert body == b"null"
        runtime.receive()
        code, out, _ = runtime.end(signal.SIGTERM)
        assert code == 0
        assert "[ERROR] TypeError: a chunk is str, bytes" in out


# --- beside AWS's own runtime --------------------------------------------------------------------

EVENT = {"text": "wörld", "n": [1, 2.5, None]}


@pytest.mark.parametrize(
    "handler", ["echo", "describe", "fail", "unserialisable", "numbers", "raw"]
)
def test_reports_are_those_of_awss_runtime(folder: Path, peer: Peer, handler: str) -> None:
    reports = []
    for module in ("tailrace.runtime", "awslambdaric"):
        with RuntimeProcess(folder, peer, f"app.{handler}", module=module) as runtime:
            kind, headers, body = runtime.serve(
                EVENT,
                tenant_id="tenant",
                trace_id="Root=1-2",
                invocation_id="attempt-1",
                cognito_identity='{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}',
                client_context='{"custom": {"a": 1}, "client": {"app_title": "app"}}',
            )
        own = {"content-type", "lambda-runtime-invocation-id"}
        reports.append((kind, {name: headers[name] for name in own}, body))

    assert reports[0] == reports[1]


@pytest.mark.parametrize("handler", ["app.nothing", "nowhere.x", "sys.exit", "handler"])
def test_init_errors_are_those_of_awss_runtime(folder: Path, peer: Peer, handler: str) -> None:
    reports = []
    for module in ("tailrace.runtime", "awslambdaric"):
        with RuntimeProcess(folder, peer, handler, module=module) as runtime:
            line, headers, body = runtime.receive()
            runtime.answer(202, ACCEPTED_BODY)
            code = runtime.end()[0]
        error_type = headers["lambda-runtime-function-error-type"]
        reports.append((line, error_type, json.loads(body), code))

    assert reports[0] == reports[1]


@pytest.mark.parametrize("module", ["tailrace.runtime", "awslambdaric"])
@pytest.mark.parametrize("kind", ["generate", "generate_async", "write"])
def test_streaming_handlers_run_under_either_runtime(
    folder: Path, peer: Peer, module: str, kind: str
) -> None:
    """As an ordinary handler(event, context), again and again, with and without a callback."""
    (folder / "streams.py").write_text(PAIRS)
    with (
        Peer() as gateway,
        RuntimeProcess(
            folder, peer, f"streams.{kind}", module=module, TAILRACE_RESPONSE_MODE="buffer"
        ) as runtime,
    ):
        for number in range(3):
            runtime.give(gateway.event(n=number), request_id=f"r{number}")
            _, body = gateway.accept_callback().serve()
            assert body == b"%d:%d" % (number, number + 1)
            line, _, report = runtime.receive()
            runtime.answer(202, ACCEPTED_BODY)
            assert line.endswith(f"/r{number}/response HTTP/1.1")
            assert report == b"null"

        assert runtime.result({"n": 5}) == "5:4"


PAIRS = """
import asyncio
from tailrace.function import streamify_response

class Client:
    \"\"\"A client at module level, bound to the loop of its first use.\"\"\"
    lock = asyncio.Lock()
    calls = 0

    async def call(self):
        async with self.lock:
            self.calls += 1
            waiter = asyncio.ensure_future(self.lock.acquire())
            await asyncio.sleep(0)
        await waiter
        self.lock.release()
        return self.calls

client = Client()

@streamify_response
def generate(event, context):
    yield f"{event['n']}:"
    client.calls += 1
    yield str(client.calls)

@streamify_response
async def generate_async(event, context):
    yield f"{event['n']}:"
    yield str(await client.call())

@streamify_response
async def write(event, response, context):
    await response.write(f"{event['n']}:")
    await response.write(str(await client.call()))
"""
