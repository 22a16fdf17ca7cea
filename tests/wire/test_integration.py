import copy
import json
import pickle
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.errors import HeadError, PreludeError, ResponseFormatError
from tailrace.limits import HEADER_COUNT_MAX, PRELUDE_BYTES_MAX
from tailrace.wire.integration import (
    DELIMITER,
    KEYS,
    MEDIA_TYPE,
    Head,
    PreludeParser,
    encode_prelude,
    is_integration,
)

# What AWS's Node.js runtime client 4.0.2 sent for HttpResponseStream.from, recorded 2026-11.
RECORDED = (
    b'{"statusCode":201,"headers":{"Content-Type":"text/event-stream","X-A":"b"},'
    b'"cookies":["a=1; Path=/","b=2"]}\0\0\0\0\0\0\0\0one\n'
)

few = settings(max_examples=40, deadline=None)


def parse(data: bytes) -> tuple[Head, bytes]:
    parser = PreludeParser()
    head = parser.feed(data)
    assert head is not None
    parser.finish()
    return head, parser.rest


def parse_json(prelude: object) -> Head:
    return parse(json.dumps(prelude).encode() + DELIMITER)[0]


# --- heads ---------------------------------------------------------------------------------------


def test_a_head_has_defaults() -> None:
    head = Head()

    assert (head.status, head.headers, head.cookies) == (200, (), ())


def test_headers_may_be_a_mapping_with_lists_or_pairs() -> None:
    from_mapping = Head(200, {"X-A": "1", "X-B": ["2", "3"], "X-C": ("4", None), "X-D": []})
    from_pairs = Head(200, [("X-A", "1"), ("X-B", "2"), ("X-B", "3"), ("X-C", "4")])

    assert from_mapping == from_pairs
    assert from_pairs.headers == (("X-A", "1"), ("X-B", "2"), ("X-B", "3"), ("X-C", "4"))


def test_set_cookie_headers_become_cookies() -> None:
    head = Head(200, [("set-cookie", "a=1"), ("X-A", "1"), ("Set-Cookie", "b=2")], ["c=3"])

    assert head.headers == (("X-A", "1"),)
    assert head.cookies == ("a=1", "b=2", "c=3")


def test_values_lose_the_spaces_around_them_only() -> None:
    head = Head(200, {"a": " \t x\ty z \t"}, [" c=1 "])

    assert head.headers == (("a", "x\ty z"),)
    assert head.cookies == ("c=1",)


def test_numbers_and_booleans_become_their_json_text() -> None:
    headers = {"Content-Length": 5, "X-Ratio": 0.5, "X-Yes": True, "X-No": False, "X-None": None}

    assert Head(200, headers).headers == (
        ("Content-Length", "5"),
        ("X-Ratio", "0.5"),
        ("X-Yes", "true"),
        ("X-No", "false"),
    )


def test_latin_1_values_are_legal() -> None:
    assert Head(200, {"x": "caf\xe9 \x80\xff"}).headers == (("x", "caf\xe9 \x80\xff"),)


@pytest.mark.parametrize("status", [200, 204, 418, 599, "200", "599", HTTPStatus.FOUND])
def test_legal_statuses(status: int) -> None:
    head = Head(status)

    assert head.status == int(status)
    assert type(head.status) is int


@pytest.mark.parametrize(
    "status",
    [
        0,
        99,
        100,
        101,
        199,
        600,
        -200,
        200.0,
        "100",
        "0200",
        " 200",
        "2OO",
        "٢٠٠",
        "",
        True,
        None,
        [],
    ],
)
def test_illegal_statuses(status: int) -> None:
    with pytest.raises(HeadError, match=r"^illegal status .*: allowed is 200 to 599$"):
        Head(status)


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", ":status", "a\r\nb", "a\0", "é", "a\n", 5])
def test_illegal_header_names(name: str) -> None:
    with pytest.raises(HeadError, match=r"^illegal header name "):
        Head(200, [(name, "x")])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\r\nX-Evil: 1", r"U+000D at 1 of 'a\r\nX-Evil: 1'"),
        ("a\nb", r"U+000A at 1 of 'a\nb'"),
        ("\0", r"U+0000 at 0 of '\x00'"),
        ("\x1b[31m", r"U+001B at 0 of '\x1b[31m'"),
        ("a\x7f", r"U+007F at 1 of 'a\x7f'"),
        ("price €5", r"U+20AC at 6 of 'price \u20ac5'"),
        ("\ud800", r"U+D800 at 0 of '\ud800'"),
        ("\r", r"U+000D at 0 of '\r'"),
    ],
)
def test_illegal_header_values_are_named_with_the_place(value: str, shown: str) -> None:
    with pytest.raises(HeadError) as caught:
        Head(200, {"X-A": value})

    assert str(caught.value) == f"X-A: illegal character {shown}"


def test_messages_shorten_what_they_show() -> None:
    with pytest.raises(HeadError) as long_value:
        Head(200, {"X-A": "v" * 200 + "\n"})
    with pytest.raises(HeadError) as long_name:
        Head(200, {"n " * 200: "x"})

    assert str(long_value.value) == "X-A: illegal character U+000A at 200 of '" + "v" * 78 + "…"
    assert str(long_name.value) == "illegal header name '" + "n " * 39 + "…"


@pytest.mark.parametrize("name", ["Set-Cookie", "Authorization", "X-Api-Key", "x-session-id"])
def test_messages_do_not_show_credentials(name: str) -> None:
    with pytest.raises(HeadError) as caught:
        Head(200, {name: "s3cret\n;"})

    assert str(caught.value) == f"{name}: illegal character U+000A at 6"


def test_a_head_does_not_show_its_cookies() -> None:
    assert repr(Head(204, {"a": "b"}, ["s=s3cret"])) == "Head(204, (('a', 'b'),), cookies=1)"


def test_cookies_are_checked_like_values() -> None:
    with pytest.raises(HeadError) as caught:
        Head(200, cookies=["a=1", "b=s3cret\r\nX-Evil: 1"])

    assert str(caught.value) == "cookies: illegal character U+000D at 8"


@pytest.mark.parametrize("cookies", ["a=1", b"a=1", 5])
def test_cookies_are_a_list(cookies: list[str]) -> None:
    with pytest.raises(HeadError, match=r"^cookies: a list of Set-Cookie values is wanted$"):
        Head(200, cookies=cookies)


@pytest.mark.parametrize("headers", ["ab", [("a", "b", "c")], ["abc"], [5], 5])
def test_headers_are_a_mapping_or_pairs(headers: dict[str, str]) -> None:
    with pytest.raises(HeadError, match=r"^headers: a mapping or pairs of name and value"):
        Head(200, headers)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(b"x", "bytes"), ({"a": "b"}, "dict"), ([["x"]], "a list or object"), (object(), "object")],
)
def test_values_are_text(value: object, kind: str) -> None:
    with pytest.raises(HeadError) as caught:
        Head(200, {"X-A": value})

    assert str(caught.value) == f"X-A: text is wanted, not {kind}"


def test_a_number_with_more_digits_than_python_prints_is_refused() -> None:
    with pytest.raises(HeadError, match=r"^X-A: a number too long for text$"):
        Head(200, {"X-A": 10**5000})
    with pytest.raises(HeadError, match=r"^illegal status <int>: allowed is 200 to 599$"):
        Head(10**5000)


def test_the_number_of_headers_and_cookies_is_bounded() -> None:
    half = HEADER_COUNT_MAX // 2

    Head(200, [("a", "b")] * half, ["c=1"] * half)
    with pytest.raises(HeadError, match=f"^more than {HEADER_COUNT_MAX} headers and cookies$"):
        Head(200, [("a", "b")] * half, ["c=1"] * (half + 1))


def test_get_finds_the_first_value_in_any_case() -> None:
    head = Head(200, [("X-A", "1"), ("x-a", "2")])

    assert head.get("x-A") == "1"
    assert head.get("x-b") is None


def test_joined_headers_keep_the_first_spelling_and_the_order() -> None:
    head = Head(200, [("Vary", "a"), ("X-B", "1"), ("vary", "b"), ("VARY", "c")])

    assert list(head.joined_headers().items()) == [("Vary", "a, b, c"), ("X-B", "1")]


def test_a_head_does_not_change() -> None:
    head = Head(200, {"a": "b"}, ["c=1"])

    with pytest.raises(AttributeError, match="cannot set status"):
        head.status = 500
    with pytest.raises(AttributeError, match="cannot delete status"):
        del head.status
    with pytest.raises(AttributeError):
        head.other = 1  # type: ignore[attr-defined]


def test_heads_are_values() -> None:
    head = Head(200, {"a": "b"}, ["c=1"])
    same = Head(200, [("a", "b")], ("c=1",))

    assert head == same
    assert hash(head) == hash(same)
    assert head != Head(201, {"a": "b"}, ["c=1"])
    assert head != (200, (("a", "b"),), ("c=1",))
    assert copy.copy(head) == head
    assert pickle.loads(pickle.dumps(head)) == head
    match head:
        case Head(status, _, (cookie,)):
            assert (status, cookie) == (200, "c=1")
        case _:
            pytest.fail("a Head can be matched by position")


# --- the encoder ---------------------------------------------------------------------------------


def test_the_media_type() -> None:
    assert MEDIA_TYPE == "application/vnd.awslambda.http-integration-response"
    assert is_integration(MEDIA_TYPE)
    assert is_integration(MEDIA_TYPE.upper() + " ; charset=utf-8")
    assert not is_integration(MEDIA_TYPE + "x")
    assert not is_integration("")


def test_a_prelude_is_json_and_eight_nul_bytes() -> None:
    head = Head(201, {"Content-Type": "text/plain", "X-A": ["1", "2"]}, ["a=1", "b=2"])

    assert encode_prelude(head) == (
        b'{"statusCode":201,"headers":{"Content-Type":"text/plain","X-A":"1, 2"},'
        b'"cookies":["a=1","b=2"]}\0\0\0\0\0\0\0\0'
    )


def test_a_prelude_leaves_out_what_there_is_none_of() -> None:
    assert encode_prelude(Head(204)) == b'{"statusCode":204}\0\0\0\0\0\0\0\0'


def test_a_prelude_is_ascii() -> None:
    assert b'"caf\\u00e9"' in encode_prelude(Head(200, {"x": "caf\xe9"}))


def test_the_longest_prelude() -> None:
    frame = len(encode_prelude(Head(200, {"x": "-"}))) - 1
    longest = Head(200, {"x": "-" * (PRELUDE_BYTES_MAX - frame)})

    encoded = encode_prelude(longest)

    assert len(encoded) == PRELUDE_BYTES_MAX
    assert parse(encoded)[0] == longest
    with pytest.raises(PreludeError, match=f"^prelude of {PRELUDE_BYTES_MAX + 1} bytes or more"):
        encode_prelude(Head(200, {"x": "-" * (PRELUDE_BYTES_MAX - frame + 1)}))


# --- the parser ----------------------------------------------------------------------------------


def test_a_recorded_response_is_understood() -> None:
    head, rest = parse(RECORDED)

    assert head.status == 201
    assert head.headers == (("Content-Type", "text/event-stream"), ("X-A", "b"))
    assert head.cookies == ("a=1; Path=/", "b=2")
    assert rest == b"one\n"


def test_any_cut_gives_the_same() -> None:
    whole = parse(RECORDED)[0]

    for cut in range(len(RECORDED) + 1):
        parser = PreludeParser()
        head = parser.feed(RECORDED[:cut])
        if head is not None:
            body = parser.rest + RECORDED[cut:]
        else:
            head = parser.feed(RECORDED[cut:])
            body = parser.rest
        assert (head, body) == (whole, b"one\n"), cut


def test_byte_by_byte_the_head_comes_with_the_eighth_nul() -> None:
    parser = PreludeParser()
    end = RECORDED.index(DELIMITER) + len(DELIMITER)

    heads = [parser.feed(RECORDED[i : i + 1]) for i in range(end)]

    assert heads[:-1] == [None] * (end - 1)
    assert heads[-1] == parse(RECORDED)[0]
    assert parser.rest == b""
    parser.finish()


def test_a_body_may_begin_with_nul() -> None:
    assert parse(b"{}" + DELIMITER + b"\0\0x") == (Head(), b"\0\0x")


def test_everything_in_a_prelude_is_optional() -> None:
    assert parse_json({}) == Head()
    assert parse_json(dict.fromkeys(["statusCode", "headers", "multiValueHeaders", "cookies"])) == (
        Head()
    )


def test_layout_and_unknown_keys_do_not_matter() -> None:
    prelude = b' \r\n\t{ "body": [{"a": [1.5, null]}], "statusCode" : "418" } \n'

    assert parse(prelude + DELIMITER)[0] == Head(418)


def test_white_space_may_come_first_and_alone() -> None:
    parser = PreludeParser()

    assert parser.feed(b"") is None
    assert parser.feed(b" ") is None
    assert parser.feed(b"\n") is None
    assert parser.feed(b"{}" + DELIMITER) == Head()


def test_numbers_keep_their_text_and_null_is_no_header() -> None:
    prelude = (
        b'{"headers":{"Content-Length":1048576,"X-F":1.50,"X-T":true,"X-N":null,"X-B":'
        + b"9" * 5000
        + b"}}"
    )

    assert parse(prelude + DELIMITER)[0].headers == (
        ("Content-Length", "1048576"),
        ("X-F", "1.50"),
        ("X-T", "true"),
        ("X-B", "9" * 5000),
    )


def test_repeated_names_are_repeated_headers() -> None:
    head, _ = parse(b'{"headers":{"A":"1","a":"2","A":["3","4"]}}' + DELIMITER)

    assert head.headers == (("A", "1"), ("a", "2"), ("A", "3"), ("A", "4"))


def test_multi_value_headers_replace_single_ones_of_the_same_name() -> None:
    head = parse_json(
        {
            "headers": {"x-a": "1", "X-B": "2", "set-cookie": "old=1"},
            "multiValueHeaders": {"X-A": ["3", "4"], "Set-Cookie": ["a=1", "b=2"]},
            "cookies": ["c=3"],
        }
    )

    assert head.headers == (("X-B", "2"), ("X-A", "3"), ("X-A", "4"))
    assert head.cookies == ("a=1", "b=2", "c=3")


def test_a_cookie_in_two_keys_is_one_cookie() -> None:
    head = parse_json(
        {"multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "cookies": ["b=2", "c=3", "c=3"]}
    )

    assert head.cookies == ("a=1", "b=2", "c=3", "c=3")


@pytest.mark.parametrize("several", [{"Set-Cookie": ["a=1"], "X-A": ["2"]}, "no object", ["b"]])
def test_a_key_that_the_reader_does_not_know_is_told_and_not_read(several: object) -> None:
    """Not even looked into: at a Function URL it may be anything."""
    parser = PreludeParser(KEYS - {"multiValueHeaders"})
    prelude = {"headers": {"x-a": "1"}, "multiValueHeaders": several, "cookies": ["a=1"]}

    head = parser.feed(json.dumps(prelude).encode() + DELIMITER)

    assert head == Head(200, {"x-a": "1"}, ["a=1"])
    pairs = tuple(several.items()) if isinstance(several, dict) else several
    assert parser.unread == {"multiValueHeaders": pairs}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html>", "it begins with '<html>', not with a JSON object"),
        (b"[1]" + DELIMITER, r"it begins with '\[1\]\\x00"),
        (b'"text"' + DELIMITER, 'it begins with \'"text"'),
        (b"null" + DELIMITER, "it begins with 'null"),
        (b"\xef\xbb\xbf{}" + DELIMITER, r"it begins with '\\xef\\xbb\\xbf\{\}"),
        (DELIMITER, r"it begins with '\\x00"),
        (b"\n [", r"it begins with '\['"),
        (b'{"a":"\0"}', "a NUL byte inside it, at byte 6"),
        (b"{}\0\0\0\0\0\0\0x", "a NUL byte inside it, at byte 2"),
        (b"{}\0x" + DELIMITER, "a NUL byte inside it, at byte 2"),
        (b"{" + DELIMITER, "not JSON at character 1: Expecting property name"),
        (b"{} {}" + DELIMITER, "not JSON at character 3: Extra data"),
        (b'{"a":"\n"}' + DELIMITER, "not JSON at character 6: Invalid control character"),
        (b'{"a":NaN}' + DELIMITER, "NaN is not JSON"),
        (b'{"a":"\xff"}' + DELIMITER, "not UTF-8 at byte 6"),
        (b'{"a":' + b"[" * 10_000 + DELIMITER, "nested too deeply"),
        (b'{"statusCode":200,"statusCode":404}' + DELIMITER, "statusCode is there twice"),
    ],
)
def test_malformed_preludes(data: bytes, message: str) -> None:
    with pytest.raises(PreludeError, match=f"^malformed prelude: {message}"):
        PreludeParser().feed(data)


@pytest.mark.parametrize(
    ("prelude", "message"),
    [
        ({"statusCode": 99}, "illegal status '99': allowed is 200 to 599"),
        ({"statusCode": 200.0}, "illegal status '200.0': allowed is 200 to 599"),
        ({"statusCode": True}, "illegal status True: allowed is 200 to 599"),
        ({"headers": ["a"]}, "headers: an object of names and values is wanted"),
        ({"multiValueHeaders": "a"}, "multiValueHeaders: an object of names and values is wanted"),
        ({"headers": {"a": {"b": "c"}}}, "a: text is wanted, not a list or object"),
        ({"headers": {"a b": "c"}}, "illegal header name 'a b'"),
        ({"headers": {"a": "b\nc"}}, r"a: illegal character U+000A at 1 of 'b\nc'"),
        ({"cookies": "a=1"}, "cookies: a list of Set-Cookie values is wanted"),
        ({"cookies": [None]}, "cookies: text is wanted, not NoneType"),
    ],
)
def test_preludes_that_say_what_http_does_not_allow(prelude: object, message: str) -> None:
    with pytest.raises(HeadError) as caught:
        parse_json(prelude)

    assert str(caught.value) == message


def test_a_response_that_ends_too_early() -> None:
    empty = PreludeParser()
    with pytest.raises(PreludeError, match=r"^malformed prelude: the response is empty$"):
        empty.finish()

    for cut in range(1, RECORDED.index(DELIMITER) + len(DELIMITER)):
        parser = PreludeParser()
        assert parser.feed(RECORDED[:cut]) is None
        with pytest.raises(PreludeError, match=f"the response ended after {cut} bytes, before"):
            parser.finish()


def test_a_prelude_without_end_is_refused_at_the_limit() -> None:
    parser = PreludeParser()
    longest = b'{"a":"' + b"x" * (PRELUDE_BYTES_MAX - len(DELIMITER) - 6)

    assert parser.feed(longest) is None
    with pytest.raises(PreludeError, match=f"^prelude of {PRELUDE_BYTES_MAX + 1} bytes or more: "):
        parser.feed(b"x")


def test_a_long_body_is_no_long_prelude() -> None:
    body = b"x" * (2 * PRELUDE_BYTES_MAX)

    assert parse(b"{}" + DELIMITER + body) == (Head(), body)


# --- properties ----------------------------------------------------------------------------------

tokens = st.text(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    min_size=1,
    max_size=20,
)
values = st.text(
    st.characters(max_codepoint=0xFF, exclude_categories=(), exclude_characters="\x7f").filter(
        lambda char: char >= " " or char == "\t"
    ),
    max_size=40,
)
heads = st.builds(
    Head,
    st.integers(200, 599),
    st.lists(st.tuples(tokens, values), max_size=8, unique_by=lambda pair: pair[0].lower()),
    st.lists(values, max_size=4),
)


@given(heads, st.binary(max_size=50), st.data())
@few
def test_what_is_encoded_is_parsed_however_it_is_cut(
    head: Head, body: bytes, data: st.DataObject
) -> None:
    message = encode_prelude(head) + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=5)))
    pieces = [message[i:j] for i, j in zip([0, *cuts], [*cuts, len(message)], strict=True)]

    parser = PreludeParser()
    parsed = None
    received = b""
    for piece in pieces:
        if parsed is not None:
            received += piece
            continue
        parsed = parser.feed(piece)
        if parsed is not None:
            received = parser.rest

    assert parsed == head
    assert received == body


@given(st.lists(st.binary(max_size=30), max_size=4))
@few
def test_any_bytes_are_taken_or_refused(pieces: list[bytes]) -> None:
    assert_taken_or_refused([b"{", *pieces])
    assert_taken_or_refused(pieces)


@given(st.integers(0, len(RECORDED) - 1), st.integers(0, 255))
@few
def test_any_changed_byte_is_taken_or_refused(place: int, byte: int) -> None:
    assert_taken_or_refused([RECORDED[:place] + bytes([byte]) + RECORDED[place + 1 :]])


texts = st.text(max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
json_values = (
    scalars
    | st.lists(scalars, max_size=3)
    | st.dictionaries(tokens | texts, scalars | st.lists(scalars, max_size=3), max_size=3)
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "statusCode": json_values,
            "headers": json_values,
            "multiValueHeaders": json_values,
            "cookies": json_values,
        },
    )
)
@few
def test_any_json_is_taken_or_refused(prelude: dict[str, object]) -> None:
    assert_taken_or_refused([json.dumps(prelude).encode() + DELIMITER])


def assert_taken_or_refused(pieces: list[bytes]) -> None:
    parser = PreludeParser()
    try:
        for piece in pieces:
            if parser.feed(piece) is not None:
                break
        parser.finish()
    except ResponseFormatError as error:
        assert type(error) in (PreludeError, HeadError)
        assert str(error).replace("…", "").isascii()
        assert str(error).isprintable()


@pytest.mark.parametrize("place", ["pairs", "values", "cookies"])
def test_what_is_beyond_the_limit_is_not_worked_through(place: str) -> None:
    """Three million header values in a result of 6 MB took the gateway three seconds."""
    taken = 0

    class Counted(list[str]):
        def __iter__(self) -> Iterator[str]:
            nonlocal taken
            for value in super().__iter__():
                taken += 1
                yield value

    many = Counted(["1"] * 10_000)
    with pytest.raises(HeadError, match="more than 128 headers and cookies"):
        match place:
            case "pairs":
                Head(200, (("a", value) for value in many))
            case "values":
                Head(200, {"a": many})
            case _:
                Head(200, (), many)

    assert taken == HEADER_COUNT_MAX + 1


def test_what_goes_on_behind_its_object_is_refused_at_once() -> None:
    """JSON lines of a function that forgot its prelude: they may go on for minutes."""
    parser = PreludeParser()

    assert parser.feed(b'{"i":1}\n') is None
    with pytest.raises(PreludeError, match=r"'\{' follows the JSON object"):
        parser.feed(b"{")
