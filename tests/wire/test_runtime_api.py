import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.errors import RuntimeApiError
from tailrace.wire import runtime_api
from tailrace.wire.runtime_api import (
    Invocation,
    api_error_body,
    error_body,
    error_path,
    next_headers,
    parse_answer_path,
    parse_next,
    response_path,
)

ID = "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
TRACE = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"

few = settings(max_examples=40, deadline=None)


def test_the_headers_of_an_event() -> None:
    headers = next_headers(Invocation(ID, 1795283233000, ARN))

    assert headers == [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", ID),
        ("lambda-runtime-deadline-ms", "1795283233000"),
        ("lambda-runtime-invoked-function-arn", ARN),
    ]


def test_optional_headers_are_there_only_when_said() -> None:
    invocation = Invocation(
        ID,
        1795283233000,
        ARN,
        trace_id=TRACE,
        client_context='{"custom":{}}',
        cognito_identity='{"cognitoIdentityId":"a","cognitoIdentityPoolId":"b"}',
        tenant_id="tenant",
        invocation_id="attempt-1",
    )

    assert next_headers(invocation)[4:] == [
        ("lambda-runtime-trace-id", TRACE),
        ("lambda-runtime-client-context", '{"custom":{}}'),
        (
            "lambda-runtime-cognito-identity",
            '{"cognitoIdentityId":"a","cognitoIdentityPoolId":"b"}',
        ),
        ("lambda-runtime-aws-tenant-id", "tenant"),
        ("lambda-runtime-invocation-id", "attempt-1"),
    ]


def test_json_of_the_caller_cannot_break_a_header() -> None:
    """The client context is what a caller sent: laid out in lines, or worse."""
    context = '{\r\n\t"name": "café €"\n}\r\nX-Evil: 1\0\x7f '

    ((_, value),) = next_headers(Invocation(ID, 1, ARN, client_context=context))[4:]

    assert value.encode("latin-1").decode("utf-8") == '{   "name": "café €" }  X-Evil: 1'


def test_an_event_is_read() -> None:
    headers = {
        "content-type": "application/json",
        "lambda-runtime-aws-request-id": ID,
        "lambda-runtime-deadline-ms": "1795283233000",
        "lambda-runtime-invoked-function-arn": ARN,
        "lambda-runtime-trace-id": TRACE,
        "lambda-runtime-client-context": '{"name":"caf\xc3\xa9"}',
        "lambda-runtime-cognito-identity": "{}",
        "lambda-runtime-aws-tenant-id": "tenant",
        "lambda-runtime-invocation-id": "attempt-1",
        "content-length": "9",
    }

    assert parse_next(headers, b'{"a": 42}') == Invocation(
        request_id=ID,
        deadline_ms=1795283233000,
        function_arn=ARN,
        trace_id=TRACE,
        client_context='{"name":"café"}',
        cognito_identity="{}",
        tenant_id="tenant",
        invocation_id="attempt-1",
        event=b'{"a": 42}',
    )


def test_only_request_id_and_deadline_must_be_said() -> None:
    headers = {"lambda-runtime-aws-request-id": ID, "lambda-runtime-deadline-ms": "5"}

    assert parse_next(headers, b"{}") == Invocation(ID, 5, "")


@pytest.mark.parametrize("deadline", ["", "soon", "-5", "1.5", " 5", "٥", "9" * 19])
def test_events_without_a_legal_deadline_are_refused(deadline: str) -> None:
    headers = {"lambda-runtime-aws-request-id": ID, "lambda-runtime-deadline-ms": deadline}

    with pytest.raises(RuntimeApiError, match="no legal lambda-runtime-deadline-ms: "):
        parse_next(headers, b"{}")


def test_events_without_a_request_id_are_refused() -> None:
    with pytest.raises(RuntimeApiError, match="sent no lambda-runtime-aws-request-id"):
        parse_next({"lambda-runtime-deadline-ms": "5"}, b"{}")


def test_paths() -> None:
    assert runtime_api.NEXT_PATH == "/2018-06-01/runtime/invocation/next"
    assert runtime_api.INIT_ERROR_PATH == "/2018-06-01/runtime/init/error"
    assert runtime_api.PING_PATH == "/2018-06-01/ping"
    assert response_path(ID) == f"/2018-06-01/runtime/invocation/{ID}/response"
    assert error_path(ID) == f"/2018-06-01/runtime/invocation/{ID}/error"


def test_answer_paths_are_read() -> None:
    assert parse_answer_path(response_path(ID)) == (ID, "response")
    assert parse_answer_path(error_path(ID)) == (ID, "error")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        runtime_api.NEXT_PATH,
        runtime_api.INIT_ERROR_PATH,
        "/2018-06-01/runtime/invocation//response",
        f"/2018-06-01/runtime/invocation/{ID}",
        f"/2018-06-01/runtime/invocation/{ID}/",
        f"/2018-06-01/runtime/invocation/{ID}/response/",
        f"/2018-06-01/runtime/invocation/{ID}/other",
        f"/2015-03-31/runtime/invocation/{ID}/response",
    ],
)
def test_other_paths_are_no_answer_paths(path: str) -> None:
    assert parse_answer_path(path) is None


def test_an_error_beyond_ascii_is_utf_8_unless_it_cannot_be() -> None:
    assert "caf\xe9".encode() in error_body("E", "caf\xe9", None, is_ascii=False)
    assert b"caf\\u00e9 \\ud800" in error_body("E", "caf\xe9 \ud800", None, is_ascii=False)


def test_an_error_of_a_handler() -> None:
    body = error_body("ValueError", "no such line", ['  File "a.py"…\n', "\ud800"], ID)

    assert body.isascii()
    assert json.loads(body) == {
        "errorMessage": "no such line",
        "errorType": "ValueError",
        "requestId": ID,
        "stackTrace": ['  File "a.py"…\n', "\ud800"],
    }


def test_an_error_of_the_init_phase_has_an_empty_request_id() -> None:
    assert json.loads(error_body("Runtime.ImportModuleError", "m", [], ""))["requestId"] == ""


def test_an_error_that_lambda_reports_itself() -> None:
    body = error_body("Runtime.ExitError", "RequestId: 1 Error: Runtime exited", None)

    assert json.loads(body) == {
        "errorMessage": "RequestId: 1 Error: Runtime exited",
        "errorType": "Runtime.ExitError",
    }


def test_a_refusal_of_the_runtime_api() -> None:
    assert api_error_body("InvalidRequestID", "Invalid request ID") == (
        b'{"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}\n'
    )
    assert runtime_api.ACCEPTED_BODY == b'{"status":"OK"}\n'


plain = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
json_texts = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3).map(
    lambda value: json.dumps(value, ensure_ascii=False).replace("\x7f", "")
)


@given(
    st.builds(
        Invocation,
        plain,
        st.integers(0, 10**15),
        plain,
        st.none() | plain,
        st.none() | json_texts,
        st.none() | json_texts,
        st.none() | plain,
        st.none() | plain,
        st.binary(max_size=20),
    )
)
@few
def test_what_is_sent_is_read(invocation: Invocation) -> None:
    headers = next_headers(invocation)

    assert all(char >= " " for _, value in headers for char in value)
    assert parse_next(dict(headers), invocation.event) == invocation


@given(
    st.dictionaries(
        st.sampled_from(
            [name for name, _ in next_headers(Invocation("", 0, "", "", "", "", "", ""))]
        ),
        st.text(max_size=20),
    )
)
@few
def test_any_headers_are_taken_or_refused(headers: dict[str, Any]) -> None:
    try:
        parse_next(headers, b"")
    except RuntimeApiError as error:
        assert str(error).isprintable()
