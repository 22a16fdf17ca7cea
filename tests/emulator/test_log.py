"""The emulator's log: lines, prefixes, colours, limits, and no secrets."""

from __future__ import annotations

import io
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tailrace import limits
from tailrace.emulator.log import EmulatorLog, EnvironmentLog, LastInit
from tailrace.wire.capability import redact

EXCHANGE = "0f8fad5b-d9cb-469f-a165-70867728950e"
SECRET = "7c9e6679f1b24c0c8d5e3f2a1b0c9d8e"
URL = f"http://127.0.0.1:8081/{EXCHANGE}/{SECRET}"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def environment_log() -> tuple[io.StringIO, EnvironmentLog]:
    stream = io.StringIO()
    return stream, EnvironmentLog(EmulatorLog(stream), "f", LastInit())


def test_lines_are_aligned_behind_the_names_of_their_functions() -> None:
    stream = io.StringIO()
    log = EmulatorLog(stream)
    log.announce("short")
    log.announce("much-longer")

    log.write("short", "one")
    log.write("much-longer", "two")

    assert stream.getvalue() == "short       | one\nmuch-longer | two\n"


def test_each_function_has_a_colour_of_its_own_on_a_terminal() -> None:
    terminal = Terminal()
    log = EmulatorLog.for_stream(terminal, {"TERM": "xterm"})

    log.write("a", "one")
    log.write("b", "two")

    assert terminal.getvalue() == "\x1b[36ma |\x1b[0m one\n\x1b[33mb |\x1b[0m two\n"


def test_there_are_no_colours_without_a_terminal_or_against_the_users_wish() -> None:
    plain = "a | one\n"
    for stream, environ in (
        (io.StringIO(), {}),
        (Terminal(), {"NO_COLOR": "1"}),
        (Terminal(), {"TERM": "dumb"}),
    ):
        EmulatorLog.for_stream(stream, environ).write("a", "one")
        assert stream.getvalue() == plain


def test_an_empty_no_color_says_nothing() -> None:
    terminal = Terminal()

    EmulatorLog.for_stream(terminal, {"NO_COLOR": ""}).write("a", "one")

    assert "\x1b[" in terminal.getvalue()


def test_output_becomes_lines_at_any_split() -> None:
    output = "eins\nzwölf\r\n\ndrei\rvier\n".encode()
    for cut in range(len(output) + 1):
        stream, log = environment_log()

        log.feed(output[:cut])
        log.feed(output[cut:])

        assert stream.getvalue() == "f | eins\nf | zwölf\nf | drei\nf | vier\n"


def test_a_line_without_end_is_written_before_a_platform_line() -> None:
    stream, log = environment_log()

    log.feed(b"no end")
    assert stream.getvalue() == ""
    log.platform("END")

    assert stream.getvalue() == "f | no end\nf | END\n"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    stream, log = environment_log()

    log.feed(b"\xff\xfe\n")

    assert stream.getvalue() == "f | \ufffd\ufffd\n"


def test_a_terminal_that_cannot_show_a_character_gets_an_escape() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")

    EmulatorLog(stream).write("f", "zwölf")

    assert raw.getvalue() == b"f | zw\\xf6lf\n"


def test_a_closed_stream_is_no_error() -> None:
    stream = io.StringIO()
    log = EmulatorLog(stream)
    stream.close()

    log.write("f", "nobody reads this")


def test_a_long_line_is_cut_and_memory_is_bounded() -> None:
    stream, log = environment_log()
    piece = b"x" * limits.LOG_LINE_BYTES_MAX

    for _ in range(3):
        log.feed(piece)
    log.feed(b"\nnext\n")

    first, second = stream.getvalue().splitlines()
    assert first == f"f | {piece.decode()} … (line cut)"
    assert second == "f | next"


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    stream, log = environment_log()

    log.feed(b"x" * limits.LOG_LINE_BYTES_MAX + b"\n")

    assert "cut" not in stream.getvalue()


def test_secrets_of_callback_urls_are_not_shown() -> None:
    stream, log = environment_log()
    escaped = URL.replace("/", "\\/")

    log.feed(f"{{'origin': '{URL}'}}\n".encode())
    log.feed(f'{{"origin": "{escaped}"}}\n'.encode())
    log.platform(f"REPORT {URL}")

    assert EXCHANGE in stream.getvalue()
    assert SECRET not in stream.getvalue()
    assert SECRET.encode() not in log.tail()


def test_a_cut_through_a_secret_does_not_show_its_half() -> None:
    padding = "x" * (limits.LOG_LINE_BYTES_MAX - len(URL) + 8)
    stream, log = environment_log()

    log.feed(f"{padding}{URL}\n".encode())

    assert EXCHANGE in stream.getvalue()
    assert SECRET[:4] not in stream.getvalue()


def test_the_tail_is_the_last_4_kb_of_one_invocation() -> None:
    _, log = environment_log()
    log.feed(b"before\n")

    log.begin_tail()
    log.feed(b"first\n")
    assert log.tail() == b"first\n"
    for n in range(1000):
        log.feed(b"line %d\n" % n)

    assert len(log.tail()) == limits.LOG_TAIL_BYTES
    assert log.tail().endswith(b"line 998\nline 999\n")


class Counting(io.StringIO):
    """A stream that counts what is done with it."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def test_many_lines_are_written_at_once() -> None:
    """One by one, those of a megabyte of short lines took the emulator three seconds."""
    stream = Counting()
    log = EnvironmentLog(EmulatorLog(stream), "f", LastInit())

    log.feed(b"begun")
    log.feed(b" here\n" + b"a\n\n" * 20_000 + b"to be continued")

    assert stream.getvalue() == "f | begun here\n" + "f | a\n" * 20_000
    assert stream.writes == 2
    assert log.tail() == (b"a\n" * 2_048)


pieces = st.sampled_from([b"\n", b"\r", b"a", b"\xff", b"\xc3", b"\xa9", URL.encode(), b"/"])


@given(st.lists(pieces, max_size=30).map(b"".join), st.lists(st.integers(0, 60), max_size=4))
def test_lines_are_the_same_however_output_is_cut(output: bytes, cuts: list[int]) -> None:
    """As if each line were written by itself."""
    stream, log = environment_log()
    places = sorted({0, *(cut for cut in cuts if cut < len(output)), len(output)})

    for start, end in pairwise(places):
        log.feed(output[start:end])
    log.flush()

    expected = [
        line
        for raw in output.split(b"\n")
        if raw
        for line in redact(raw.decode("utf-8", "replace").removesuffix("\r")).split("\r")
    ]
    assert stream.getvalue() == "".join(f"f | {line}\n" for line in expected)


def test_lines_that_are_too_long_are_cut_in_one_read_as_well() -> None:
    stream, log = environment_log()
    long = b"x" * (limits.LOG_LINE_BYTES_MAX + 7)

    log.feed(b"one\n" + long + b"\ntwo\n" + long + b"\nthree\n")

    lines = stream.getvalue().splitlines()
    assert [line[:7] for line in lines] == ["f | one", "f | xxx", "f | two", "f | xxx", "f | thr"]
    assert lines[1].endswith("x … (line cut)")
    assert len(lines[1]) < limits.LOG_LINE_BYTES_MAX + 40


# --- init phases that fail --------------------------------------------------------------------


def init_phase(
    stream: io.StringIO, last: LastInit, output: bytes, error: bytes | None
) -> tuple[str, str]:
    """What one init phase shows: while it lasts, and at its end."""
    before = stream.tell()
    log = EnvironmentLog(EmulatorLog(stream), "f", last)
    log.begin_init()
    log.feed(output)
    meanwhile = stream.getvalue()[before:]
    log.platform("START")
    log.end_init(error)
    return meanwhile, stream.getvalue()[before + len(meanwhile) :]


def test_an_init_phase_that_fails_as_the_one_before_is_not_shown_again() -> None:
    stream, last = io.StringIO(), LastInit()

    assert init_phase(stream, last, b"at 1\nlost\n", b"E") == (
        "f | at 1\nf | lost\n",
        "f | START\n",
    )
    assert init_phase(stream, last, b"at 2\nlost\n", b"E") == ("", "f | START\n")
    assert init_phase(stream, last, b"at 3\nlost\n", b"F") == (
        "",
        "f | at 3\nf | lost\nf | START\n",
    )


def test_failures_without_a_report_are_compared_by_what_they_have_printed() -> None:
    stream, last = io.StringIO(), LastInit()

    assert init_phase(stream, last, b"lost\n", b"") == ("f | lost\n", "f | START\n")
    assert init_phase(stream, last, b"lost\n", b"") == ("", "f | START\n")
    assert init_phase(stream, last, b"other\n", b"") == ("", "f | other\nf | START\n")
    assert init_phase(stream, last, b"lost\n", b"") == ("", "f | lost\nf | START\n")


def test_after_a_success_a_failure_is_shown_as_it_is_printed() -> None:
    stream, last = io.StringIO(), LastInit()
    init_phase(stream, last, b"lost\n", b"E")

    assert init_phase(stream, last, b"well\n", None) == ("", "f | well\nf | START\n")
    assert init_phase(stream, last, b"lost\n", b"E") == ("f | lost\n", "f | START\n")


def test_output_is_held_back_up_to_a_limit() -> None:
    stream, last = io.StringIO(), LastInit()
    output = b"x" * 99 + b"\n"
    count = limits.INIT_OUTPUT_BYTES_MAX // 100
    init_phase(stream, last, b"", b"E")
    log = EnvironmentLog(EmulatorLog(stream), "f", last)
    log.begin_init()
    before = stream.tell()

    for _ in range(count):
        log.feed(output)
    assert stream.tell() == before
    for _ in range(count):
        log.feed(output)

    assert stream.getvalue()[before:] == f"f | {'x' * 99}\n" * (2 * count)
    log.end_init(b"E")
    assert stream.getvalue()[before:] == f"f | {'x' * 99}\n" * (2 * count)
