"""Ends of characters, whatever the pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailrace.function.flush.charset import Utf8Check, open_character


@given(text=st.text(), cut=st.integers(0, 50))
def test_a_character_is_open_until_its_last_byte(text: str, cut: int) -> None:
    head = text.encode()[:cut]
    whole = head.decode(errors="ignore").encode()

    assert open_character(b"", head) == head[len(whole) :]
    first, second = head[: cut // 2], head[cut // 2 :]
    assert open_character(open_character(b"", first), second) == head[len(whole) :]


def test_bytes_that_are_no_character_leave_nothing_open() -> None:
    assert open_character(b"", b"a\x80") == b""
    assert open_character(b"", b"\x80\x80\x80\x80") == b""
    assert open_character(b"\xe2", b"a") == b""
    assert open_character(b"\xe2\x82", b"") == b"\xe2\x82"


@given(data=st.binary(max_size=20), cut=st.integers(0, 20))
def test_what_is_no_utf8_is_refused(data: bytes, cut: int) -> None:
    check = Utf8Check()

    accepts = check.accepts(data[:cut]) and check.accepts(data[cut:])

    try:
        data.decode()
    except UnicodeDecodeError as error:
        is_cut_short = error.reason == "unexpected end of data"
        assert accepts == (is_cut_short and b"\x1b" not in data)
    else:
        assert accepts == (b"\x1b" not in data)
