"""The body of a request as text, as JSON, and as the fields of a form."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.event_shapes import EVENTS, Sent
from urllib3.filepost import encode_multipart_formdata

from tailrace.function import FormFields, FormFile, Request
from tailrace.limits import FORM_FIELDS_MAX, FORM_PART_HEAD_BYTES_MAX

BOUNDED = 'multipart/form-data; boundary="b b"'


def request(body: bytes, content_type: str = "", shape: str = "function-url") -> Request:
    headers = (("content-type", content_type),) if content_type else ()
    return Request(EVENTS[shape](Sent(method="POST", headers=headers, body=body)))


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("ä".encode(), "", "ä"),
        ("ä".encode(), "text/plain; charset=UTF-8", "ä"),
        (b"\xe4", 'text/plain; a=b; Charset="latin-1"', "ä"),
        (b"", "text/plain; charset=utf-8", ""),
        (b"x", "text/plain; charset", "x"),
    ],
)
def test_text_is_in_the_charset_of_its_content_type(
    body: bytes, content_type: str, text: str
) -> None:
    assert request(body, content_type).text() == text


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"a\xff", "", "the body is not utf-8 at byte 1"),
        (b"a", "text/plain; charset=klingon", "the body's charset is unknown: 'klingon'"),
        (b"a", "text/plain; charset=base64", "the body's charset is unknown: 'base64'"),
    ],
)
def test_what_is_no_text_is_an_error(body: bytes, content_type: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        request(body, content_type).text()


@pytest.mark.parametrize(
    "charset",
    [
        "punycode",
        "idna",
        "unicode_escape",
        "undefined",
        "utf-7",
        "no\0ne",
        "\ud800",
        "utf-8\n",
        "",
        "x" * 999,
    ],
)
def test_no_codec_is_asked_for_what_is_no_charset_of_text(charset: str) -> None:
    """Some take quadratic time, some raise other errors, and unknown names are kept for ever."""
    event = {
        "requestContext": {"http": {}},
        "headers": {"content-type": f'text/plain; charset="{charset}"'},
        "body": "a-b",
    }

    with pytest.raises(
        ValueError, match=f"^the body's charset is unknown: {re.escape(repr(charset[:40]))}$"
    ):
        Request(event).text()


@pytest.mark.parametrize(
    "charset",
    [
        *("utf-8", "UTF8", "utf-16", "utf-16le", "us-ascii", "ASCII", "ISO-8859-1", "iso-8859-15"),
        *(
            "windows-1252",
            "cp1250",
            "KOI8-R",
            "Shift_JIS",
            "euc-jp",
            "ISO-2022-JP",
            "GBK",
            "gb18030",
        ),
        *("Big5", "EUC-KR", "macintosh", "cp866"),
    ],
)
def test_charsets_of_the_web_are_read(charset: str) -> None:
    text = request("text".encode(charset), f"text/plain; charset={charset}").text()

    assert text == "text"


# --- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", EVENTS)
def test_json_is_read_whatever_its_content_type(shape: str) -> None:
    assert request(b'{"a": [1, "\xc3\xa4"]}', shape=shape).json() == {"a": [1, "ä"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty, not JSON"),
        (b"{", "the body is not JSON at character 1: Expecting property name"),
        (b'"\xff"', "the body is not JSON: not utf-8 at 1"),
        (b"[" * 100_000, "the body is JSON that is nested too deeply"),
    ],
)
def test_what_is_no_json_is_an_error(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        request(body).json()


# --- forms ---------------------------------------------------------------------------------------

URL_ENCODED = "application/x-www-form-urlencoded; charset=UTF-8"


def test_a_url_encoded_form_is_its_fields() -> None:
    form = request(b"a=1&b=%C3%A4+%26&a=2&c=&d", URL_ENCODED).form()

    assert form.pairs == (("a", "1"), ("b", "ä &"), ("a", "2"), ("c", ""), ("d", ""))
    assert dict(form) == {"a": "1", "b": "ä &", "c": "", "d": ""}
    assert (form.get_all("a"), form.get_all("x"), form.get("x")) == (["1", "2"], [], None)
    assert (len(form), form.files) == (4, ())


def test_the_repr_of_a_form_shows_no_passwords() -> None:
    assert repr(FormFields([("password", "secret")])) == "FormFields(['password'])"


MULTIPART = b"\r\n".join(
    [
        b"a preamble",
        b"--b b",
        b'Content-Disposition: form-data; name="a"',
        b"",
        b"1",
        b"--b b  ",
        b'content-disposition: form-data; filename="x%22\\"y.txt"; name="f%0D%0Ag"',
        b"content-type: text/plain",
        b"",
        b"line 1\r\n--b line 2\r\n",
        b"--b b",
        b'Content-Disposition: form-data; name="none"; filename=""',
        b"Content-Type: application/octet-stream",
        b"",
        b"",
        b"--b b",
        b"Content-Type: text/plain; charset=latin-1",
        b"Content-Disposition: form-data; name=a",
        b"",
        b"\xe4",
        b"--b b--",
        b"an epilogue",
    ]
)


def test_a_multipart_form_is_its_fields_and_files() -> None:
    form = request(MULTIPART, BOUNDED).form()

    assert form.pairs == (("a", "1"), ("a", "ä"))
    assert form.files == (
        FormFile("f\r\ng", 'x""y.txt', "text/plain", b"line 1\r\n--b line 2\r\n"),
    )


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"{}", "application/json", "the body is application/json: a form is application/x-www-"),
        (b"", "", "the body is of no content type: a form is application/x-www-form-urlencoded or"),
        (b"", "multipart/form-data", "the form has no boundary in its content type"),
        (b"x", BOUNDED, "the form is malformed: its boundary is not in it"),
        (b"--b b\r\n\r\n\r\n--b b--", BOUNDED, "the form is malformed: a part has no name"),
        (b"--b b\r\nx: y\r\n--b b--", BOUNDED, "the form is malformed: a part has no head"),
        (b"--b bc\r\n\r\n\r\n--b b--", BOUNDED, "the form is malformed: a part has no head"),
        (MULTIPART[: MULTIPART.rindex(b"--b b--")], BOUNDED, "the form is malformed: its end is"),
        (MULTIPART[:60], BOUNDED, "the form is malformed: a part has no head"),
        (
            b'--b b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b b--',
            *(BOUNDED, "the body is not utf-8 at byte 0"),
        ),
        (
            b"--b b\r\nx: %b\r\n\r\n\r\n--b b--" % bytes(FORM_PART_HEAD_BYTES_MAX),
            *(BOUNDED, f"the form has a part whose head is over {FORM_PART_HEAD_BYTES_MAX} bytes"),
        ),
    ],
)
def test_what_is_no_form_is_an_error(body: bytes, content_type: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        request(body, content_type).form()


def url_encoded(count: int) -> tuple[bytes, str]:
    return b"&".join([b"a=1"] * count), URL_ENCODED


def multipart(count: int) -> tuple[bytes, str]:
    return encode_multipart_formdata([("a", "1")] * count)


@pytest.mark.parametrize("encode", [url_encoded, multipart])
def test_a_form_has_a_limited_number_of_fields(encode: Any) -> None:
    """Each takes a hundred times its size in memory."""
    assert len(request(*encode(FORM_FIELDS_MAX)).form().pairs) == FORM_FIELDS_MAX

    with pytest.raises(ValueError, match=f"more than {FORM_FIELDS_MAX} fields and files"):
        request(*encode(FORM_FIELDS_MAX + 1)).form()


NAMES = st.text("abcä \"'%;=", min_size=1, max_size=5)


@given(
    st.lists(st.tuples(NAMES, st.text(max_size=10)), max_size=4),
    st.lists(st.tuples(NAMES, NAMES, st.binary(max_size=20)), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_what_another_program_has_encoded_comes_back(
    fields: list[tuple[str, str]], files: list[tuple[str, str, bytes]]
) -> None:
    encoded: list[Any] = [*fields]
    encoded += [(name, (filename, body, "image/png")) for name, filename, body in files]

    form = request(*encode_multipart_formdata(encoded)).form()

    assert form.pairs == tuple((_as_read(name), value) for name, value in fields)
    assert form.files == tuple(
        FormFile(_as_read(name), _as_read(filename), "image/png", body)
        for name, filename, body in files
    )


def _as_read(name: str) -> str:
    """Three characters cannot be told from their encodings, as in every browser."""
    return name.replace("%22", '"').replace("%0A", "\n").replace("%0D", "\r")
