"""Pictures: what they show, by the words and lines of the SVG, and that nothing upsets them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.transforms import Bbox, BboxTransformFrom
from tests.probe.readings import SECONDS, timed, untimed

from tailrace.errors import ConfigError
from tailrace.probe.lettering import cut, width_of, wrapped
from tailrace.probe.plot import compose, draw, picture_format
from tailrace.probe.record import Reading

ON_TIME = timed([(s, s + 0.003) for s in SECONDS])
HELD = timed(list(zip(SECONDS, (2.0, 2.0, 3.0, 4.0), strict=True)))
BLUE, ORANGE = "#0072b2", "#d55e00"


def words_of(path: Path) -> list[str]:
    """The texts of a picture: the library keeps each as a comment beside its shapes."""
    found = re.findall(r"<!-- (.*?) -->", path.read_text(), re.DOTALL)
    return [line for text in found for line in text.split("\n")]


def lines_of(path: Path, colour: str) -> int:
    """How many lines of a colour lead from one axis to the other, or mark an arrival."""
    return len(re.findall(rf'<path d="M [^"]*L [^"]*"[^>]*stroke: {colour}', path.read_text()))


def drawn(directory: Path, *readings: Reading, **options: list[str]) -> Path:
    path = directory / "picture.svg"
    draw(readings, path, **options)
    ElementTree.parse(path)
    return path


def test_a_line_for_each_chunk_late_ones_in_another_colour(tmp_path: Path) -> None:
    path = drawn(tmp_path, HELD)
    assert (lines_of(path, BLUE), lines_of(path, ORANGE)) == (0, 4)

    path = drawn(tmp_path, ON_TIME)
    assert (lines_of(path, BLUE), lines_of(path, ORANGE)) == (4, 0)


def test_lateness_and_numbers_are_written_beside_the_lines(tmp_path: Path) -> None:
    words = words_of(drawn(tmp_path, HELD))

    assert {"written", "arrived", "1", "2", "3", "4", "end", "4 s"} <= set(words)
    assert {"1 and 2", "up to 2.0 s late"} <= set(words)
    assert words.count("1.0 s late") == 2
    assert "clock known to ±1 ms" in words


def test_each_response_has_its_title_and_its_headline(tmp_path: Path) -> None:
    words = words_of(drawn(tmp_path, HELD, ON_TIME, names=["Function URL"]))

    assert "Function URL" in words
    assert "example.com/lines, no padding" in words
    assert "all 4 chunks arrive within 4 ms of being written" in words


def test_without_times_of_writing_there_are_marks_of_arrival(tmp_path: Path) -> None:
    path = drawn(tmp_path, untimed([0.5, 0.5, 1.0, 1.5]))

    words = words_of(path)
    assert lines_of(path, BLUE) == 4
    assert "written" not in words
    assert {"1 and 2", "3", "4"} <= set(words)


def test_a_broken_response_is_marked(tmp_path: Path) -> None:
    reading = timed([(0.0, 0.0), (1.0, 1.0)], ended_s=2.0, broken="the connection was reset")
    words = words_of(drawn(tmp_path, reading))

    assert "broken off" in words
    assert any(line.endswith("broken off after 2.0 s: the connection was reset") for line in words)
    assert "end" not in words


def test_what_the_clocks_leave_open_is_a_band(tmp_path: Path) -> None:
    pairs = [(s, s + 0.4) for s in SECONDS]
    bands = '<g id="FillBetweenPolyCollection_1"', '<g id="PolyCollection_1"'

    def has_band(reading: Reading) -> bool:
        text = drawn(tmp_path, reading).read_text()
        return any(band in text for band in bands)

    assert has_band(timed(pairs, uncertainty_s=0.3))
    assert not has_band(timed(pairs, uncertainty_s=0.001))  # narrower than a line


@pytest.mark.parametrize("suffix", ["svg", "png"])
@pytest.mark.parametrize(
    "reading",
    [
        timed([]),
        untimed([]),
        timed([(0.0, 0.1)]),
        timed([(0.0, 0.0)]),
        timed([(-0.2, 0.1), (0.3, 0.2)]),  # a bad clock
        timed([(n / 50, n / 50 + 0.2) for n in range(500)], uncertainty_s=0.1),
        untimed([n / 50 for n in range(500)]),
        timed([(s, s + 7200.0) for s in SECONDS]),
        timed([(s / 1e6, s / 1e6) for s in SECONDS]),
    ],
)
def test_anything_can_be_drawn(tmp_path: Path, reading: Reading, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    draw([reading, HELD], path)

    assert path.stat().st_size > 2_000


@pytest.mark.parametrize(
    ("pause_s", "numbers"), [(1.0, ["1", "2", "3"]), (0.1, ["1", "10", "20"]), (0.001, ["1"])]
)
def test_numbers_that_have_no_room_are_left_out_evenly(
    tmp_path: Path, pause_s: float, numbers: list[str]
) -> None:
    count = 20
    times = [n * pause_s for n in range(count)]
    words = words_of(drawn(tmp_path, timed([(s, s) for s in times], ended_s=20.0)))

    assert [word for word in words if word.isdigit()][: len(numbers)] == numbers


def test_many_chunks_have_no_labels_and_thin_lines(tmp_path: Path) -> None:
    path = drawn(tmp_path, timed([(n / 50, n / 50 + 0.2) for n in range(500)]))

    assert "17" not in words_of(path)
    assert lines_of(path, ORANGE) == 500
    assert path.stat().st_size < 500_000


@pytest.mark.parametrize(
    "reading",
    [
        timed([(n / 500, n / 500 + 0.2) for n in range(10_000)], uncertainty_s=0.1),
        untimed([n / 500 for n in range(10_000)]),
    ],
)
def test_very_many_chunks_are_an_image_within_the_picture(tmp_path: Path, reading: Reading) -> None:
    path = drawn(tmp_path, reading)

    assert "<image " in path.read_text()
    assert path.stat().st_size < 700_000


def test_a_png_is_large_enough_to_read(tmp_path: Path) -> None:
    draw([HELD], tmp_path / "picture.png")

    height, width, _ = imread(tmp_path / "picture.png").shape
    assert width == 1440
    assert height > 400


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_readings_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    one, other = tmp_path / f"one.{suffix}", tmp_path / f"other.{suffix}"
    draw([HELD, ON_TIME], one)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none"}):
        draw([HELD, ON_TIME], other)  # whatever its user likes

    assert one.read_bytes() == other.read_bytes()


def test_dollars_are_no_formulas(tmp_path: Path) -> None:
    reading = untimed([1.0], url="https://example.com/$a$/$\\frac")

    assert "example.com/$a$/$\\frac" in words_of(drawn(tmp_path, reading))


@pytest.mark.parametrize("name", ["picture.jpg", "picture", "picture.svg.gz"])
def test_other_formats_are_refused_in_clear_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"picture\S*: a picture's name ends in \.svg or \.png"):
        draw([HELD], tmp_path / name)
    assert not (tmp_path / name).exists()


def test_formats_are_known_by_their_suffix_in_any_case() -> None:
    assert picture_format(Path("a.SVG")) == "svg"
    assert picture_format(Path("a.b.png")) == "png"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none/a\.svg: cannot be written: No such file"):
        draw([HELD], tmp_path / "none" / "a.svg")


def test_nothing_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no response"):
        draw([], tmp_path / "a.svg")


def test_no_window_is_ever_needed() -> None:
    program = (
        "import sys, tailrace.probe.plot\n"
        "assert not {'matplotlib.pyplot', 'tkinter'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# --- where words stand --------------------------------------------------------------------------


def places_of(readings: Sequence[Reading], names: Sequence[str]) -> list[tuple[str, Bbox]]:
    """The words of a picture and where they stand, as parts of its width and height."""
    with style.context("default"):
        figure = compose(readings, names)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        (axes,) = figure.axes
        to_parts = BboxTransformFrom(figure.bbox)
        return [
            (text.get_text(), text.get_window_extent(renderer).transformed(to_parts))
            for text in axes.texts
        ]


HALVES = [n / 2 for n in range(10)]
HELD_HALVES = timed(list(zip(HALVES, [1.0, 1.0, *HALVES[3:9], 4.501, 4.501], strict=True)))
"""As the quick start draws it: two groups, and the others late by one pause each."""
NO_SPACES = "x" * 400
LONG = "the peer closed the connection before the last chunk of the body had come " * 8
EXTREMES = {
    "the quick start": [HELD_HALVES, timed([(s, s + 0.001) for s in HALVES])],
    "the published experiment": [HELD, ON_TIME],
    "three groups and others": [
        timed(
            [(0, 2.2), (1, 2.2), (2, 2.3), (3, 5.2), (4, 5.2), (5, 8.6), (6, 8.6), (7, 8.7)],
            uncertainty_s=0.02,
        )
    ],
    "nothing arrived": [timed([]), untimed([])],
    "one chunk": [timed([(0.0, 0.1)]), untimed([0.1])],
    "broken at once": [timed([(0.0, 0.0)], ended_s=1e-9, broken="reset")],
    "broken, in many words": [timed([(0.0, 0.0), (1.0, 1.0)], ended_s=2.0, broken=LONG)],
    "broken, in one word": [timed([(0.0, 0.0), (1.0, 3.0)], ended_s=3.0, broken=NO_SPACES)],
    "broken between labels": [
        timed([(0, 0.4), (1, 1.4), (2, 2.4)], ended_s=2.41, broken="the connection was reset")
    ],
    "a clock that is not known": [timed([(-3.0, 0.1), (0.3, 0.2)], uncertainty_s=86_400.0)],
    "two hours late": [timed([(s, s + 7200.0) for s in SECONDS]), HELD],
    "days": [timed([(s * 1e6, s * 1e6 + 5e5) for s in SECONDS])],
    "microseconds": [timed([(s / 1e6, s / 1e6) for s in SECONDS])],
    "sixty late ones": [timed([(n / 4, n / 4 + 0.6) for n in range(60)])],
    "thousands": [timed([(n / 50, n / 50 + 0.2) for n in range(5_000)])],
    "thousands without times": [untimed([n / 50 for n in range(5_000)])],
    "all in one place": [timed([(0.0, 5.0)] * 60), untimed([5.0] * 60)],
    "many responses": [HELD_HALVES, ON_TIME, untimed([0.5, 1.0])] * 5,
}


@pytest.mark.parametrize(
    ("case", "name"),
    [
        *((case, "response") for case in EXTREMES),
        *(("the quick start", name) for name in ("wide " * 80, NO_SPACES, "$x^2_$ <&>")),
    ],
)
def test_words_stand_within_the_picture_and_beside_each_other(case: str, name: str) -> None:
    readings = EXTREMES[case]
    names = [name] * len(readings)

    places = places_of(readings, names)

    for words, place in places:
        assert 0 <= place.x0 < place.x1 <= 1 and 0 <= place.y0 < place.y1 <= 1, (words, place)
    for i, (words, place) in enumerate(places):
        for other, its_place in places[i + 1 :]:
            assert not place.overlaps(its_place), (words, other)


def test_a_headline_stands_there_whole_in_two_lines_if_need_be() -> None:
    words = [words for words, _ in places_of(EXTREMES["the quick start"], ["a", "b"])]
    assert (
        "chunks 1 and 2 arrive together, up to 1.0 s late; 9 and 10 together, up to 501 ms late;"
        " the others up to 500 ms late"
    ) in words

    words = [words for words, _ in places_of(EXTREMES["three groups and others"], ["a"])]
    begin = words.index(
        "chunks 1 and 2 arrive together, up to 2.2 s late; 4 and 5 together, up to 2.2 s late;"
        " 6 and 7 together, up to 3.6 s late;"
    )
    assert words[begin + 1] == "the others up to 1.7 s late"


def test_each_late_arrival_has_its_words_in_narrow_form_if_need_be() -> None:
    """In the wide form every second one, and the last, would have no room."""
    words = [words for words, _ in places_of(EXTREMES["the quick start"], ["a", "b"])]

    assert "1 and 2\n≤ 1.0 s\nlate" in words
    assert words.count("500 ms\nlate") == 6
    assert "9 and 10\n≤ 501 ms\nlate" in words

    words = [words for words, _ in places_of(EXTREMES["three groups and others"], ["a"])]
    assert "6 and 7\nup to 3.6 s late" in words  # no more of them have room in narrow form


def test_words_are_cut_where_they_must_be() -> None:
    assert cut("short", 10, 1.0) == "short"
    assert cut("x" * 99, 10, 1.0) == "x" * 10 + "…"
    assert width_of("x" * 10 + "…", 10) <= 1.0 < width_of("x" * 11 + "…", 10)
    assert cut("i" * 100_000, 10, 1.0) == "i" * 22 + "…"
    assert cut("i" * 26, 10, 1.0) == "i" * 22 + "…"
    assert wrapped("", 10, 1.0, 2) == [""]
    assert wrapped("word " * 20_000, 10, 1.0, 2) == ["word word", "word word…"]
    assert wrapped("one two three four five six", 10, 0.7, 2) == ["one two", "three fo…"]
