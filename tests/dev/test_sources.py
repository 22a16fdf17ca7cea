"""What counts as a function's code, and what as a change of it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.probe.readings import SECONDS, timed

from tailrace import __version__, limits
from tailrace.cli.logs import JsonLineFormatter
from tailrace.config import Config, DestinationsConfig, FunctionConfig
from tailrace.dev.sources import Sources
from tailrace.probe.plot import draw

OLD_NS = 1_700_000_000_000_000_000
"""Long before any step of a clock."""


def sources_of(path: Path, **settings: DestinationsConfig) -> Sources:
    """The sources of one function, `f`."""
    sources = Sources()
    function = FunctionConfig(name="f", handler="app.handler", path=path, **settings)
    sources.apply(Config(path=path / "tailrace.toml", functions={"f": function}))
    return sources


def json_line(logger: str, message: str) -> str:
    """A line of the log with `--log-format json`."""
    return JsonLineFormatter().format(logging.makeLogRecord({"name": logger, "msg": message}))


def names(paths: set[Path]) -> list[str]:
    return sorted(path.name for path in paths)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A file of a function in `tmp_path`."""
    path = tmp_path / "app.py"
    path.write_text("one")
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda code: code.write_text("three"),
        lambda code: os.utime(code),
        lambda code: code.unlink(),
        lambda code: code.with_name("more.py").write_text(""),
        lambda code: code.with_name("data.json").write_text("{}"),
        lambda code: os.replace(copy_of(code), code),
    ],
    ids=["written", "touched", "removed", "another", "data", "replaced"],
)
def test_a_change_is_seen_once(change: Callable[[Path], object], code: Path) -> None:
    sources = sources_of(code.parent)
    assert sources.take_changes("f") == set()

    change(code)

    assert len(sources.take_changes("f")) == 1
    assert sources.take_changes("f") == set()


def copy_of(code: Path) -> Path:
    """A file with the same content and times."""
    copy = code.with_name("copy")
    copy.write_bytes(code.read_bytes())
    times = code.stat()
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    return copy


def test_a_change_within_a_tick_of_the_clock_is_seen(code: Path) -> None:
    """Same size, same time, same file: as two quick saves leave it."""
    sources = sources_of(code.parent)
    times = code.stat()

    code.write_text("two")
    os.utime(code, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert names(sources.take_changes("f")) == ["app.py"]
    assert sources.take_changes("f") == set()


def test_content_is_read_only_while_the_clock_cannot_tell(code: Path) -> None:
    sources = sources_of(code.parent)
    os.utime(code, ns=(OLD_NS, OLD_NS))
    assert names(sources.take_changes("f")) == ["app.py"]

    os.chmod(code, 0)  # for root, too, it would be read
    code.unlink()
    os.mkfifo(code)  # reading this one would not end
    os.utime(code, ns=(OLD_NS, OLD_NS))

    assert names(sources.take_changes("f")) == ["app.py"]
    assert sources.take_changes("f") == set()


TEMPORARY = [
    "4913", ".app.py.swp", ".app.py.swo", ".app.py.swx", "app.py~",  # vim
    ".#app.py", "#app.py#", "flycheck_app.py", "app_flymake.py",  # Emacs
    "local.db", "local.sqlite3", "local.sqlite", "local.db-journal", "local.db-wal",
    "app.py___jb_tmp___", "app.py___jb_old___", "app.py___jb_bak___",  # JetBrains
    ".goutputstream-A1B2C3", ".app.py.kate-swp", ".~lock.data.csv#", ".nfs000000000001",
    "app.pyc", "dev.log", ".DS_Store", ".coverage", ".coverage.host.1.X", "coverage.xml",
    "__pycache__/app.cpython-311.pyc", "__pycache__/x", ".pytest_cache/v/cache/lastfailed",
    ".mypy_cache/x.json", ".ruff_cache/x", ".hypothesis/x", "htmlcov/index.html", ".tox/x",
    ".git/index", ".git/objects/ab/cd", ".hg/x", ".idea/workspace.xml", ".vscode/settings.json",
    "node_modules/x/index.js", ".venv/x", "deeper/__pycache__/x", "deeper/4913",
    "env/pyvenv.cfg", "env/lib/x.py",
]  # fmt: skip


def test_what_editors_and_tools_leave_is_no_change(code: Path) -> None:
    root = code.parent
    (root / "deeper").mkdir()
    sources = sources_of(root)

    for name in TEMPORARY:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")

    assert sources.take_changes("f") == set()
    for name in TEMPORARY:
        if not name.startswith("env/"):  # only a look into the folder tells
            assert not sources.is_source(root / name), name
    assert sources.changed_by({root / name for name in TEMPORARY}) == {}


@pytest.mark.parametrize("name", ["49130", "app.py", "Swap.swift", "~x", "a#b.py", "log.py", "git"])
def test_what_looks_like_it_is_a_change(name: str, code: Path) -> None:
    sources = sources_of(code.parent)

    (code.parent / name).write_text("new")

    assert sources.is_source(code.parent / name)
    assert names(sources.take_changes("f")) == [name]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_of_the_probe_is_no_change(suffix: str, code: Path) -> None:
    sources = sources_of(code.parent)
    picture = code.parent / f"late.{suffix}"

    picture.write_bytes(b"")  # it begins with nothing
    assert sources.take_changes("f") == set()
    draw([timed([(s, s + 0.003) for s in SECONDS])], picture)

    assert not sources.is_source(picture)
    assert sources.take_changes("f") == set()
    picture.write_text("<svg/>")  # not of the probe
    assert sources.is_source(picture)
    assert names(sources.take_changes("f")) == [picture.name]


@pytest.mark.parametrize(
    "start",
    [
        f"\n  tailrace {__version__}  tailrace.toml\n",
        json_line("tailrace.dev", "dev on http://127.0.0.1:8080"),
    ],
)
def test_a_copy_of_our_output_is_no_change(start: str, code: Path) -> None:
    """As `tailrace dev 2>&1 | tee output` makes one, also with something before it."""
    sources = sources_of(code.parent)
    output = code.parent / "output"

    for text in ("", "$ make\n" + start, "$ make\n" + start + "one | a line\n"):
        output.write_text(text)
        assert bool(sources.take_changes("f")) == (text == "")
        assert sources.is_source(output) == (text == "")

    output.write_text("tailrace is a word of it")
    assert names(sources.take_changes("f")) == [output.name]


def test_what_is_written_by_us_is_no_change(code: Path) -> None:
    """Our own output, records of destinations, and the configuration, which has its own watch."""
    root = code.parent
    sources = sources_of(root, destinations=DestinationsConfig(on_failure=f"file:{root}/failed"))

    for name in ("failed", "tailrace.toml"):
        (root / name).write_text("x")
        assert not sources.is_source(root / name)
    script = (
        "import sys; from tests.dev.test_sources import *\n"
        f"root = Path({str(root)!r}); sources = sources_of(root); print('more', flush=True)\n"
        "assert sources.take_changes('f') == set()\n"
        "assert not sources.is_source(root / 'output')"
    )
    with (root / "output").open("w") as output:
        subprocess.run([sys.executable, "-c", script], stdout=output, check=True)

    assert names(sources.take_changes("f")) == ["output"]  # it is not ours


def test_too_many_files_are_not_compared(
    code: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "SOURCE_FILES_MAX", 3)
    for number in range(3):
        (code.parent / f"{number}.py").write_text("")

    sources = sources_of(code.parent)

    assert "has more than 3 files: a request right after a save may still run" in caplog.text
    assert sources.uncompared == {"f"}
    code.write_text("two")
    assert sources.take_changes("f") == set()
    assert sources.changed_by({code}) == {"f": {code}}
    assert sources.changed_by({code.parent.parent / "x"}) == {}


def test_files_may_become_too_many(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOURCE_FILES_MAX", 1)
    sources = sources_of(code.parent)

    code.with_name("more.py").write_text("")

    assert sources.take_changes("f") == {code.parent}
    assert sources.take_changes("f") == set()


def test_functions_come_and_go(code: Path, tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    one = FunctionConfig(name="one", handler="app.handler", path=tmp_path)
    config = Config(path=tmp_path / "tailrace.toml", functions={"one": one})

    sources.apply(config)
    code.write_text("two")

    assert sources.changed_by({code}) == {"one": {code}}
    sources.apply(config)
    code.write_text("three")
    sources.apply(config)  # the same function: a change before it is not forgotten
    assert sources.take_changes("one") == {code}
    assert sources.take_changes("f") == set()


def test_a_change_that_python_does_not_see_is_imported(tmp_path: Path) -> None:
    """Of the same size and in the same second, so that the compiled module looks current."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def imported(name: str) -> str:
        command = [sys.executable, "-c", f"import {name}; print({name}.x)"]
        return subprocess.check_output(command, cwd=tmp_path, env=environ, text=True).strip()

    for name in ("app", "other"):
        (tmp_path / f"{name}.py").write_text("x = 1")
    sources = sources_of(tmp_path)
    status = (tmp_path / "app.py").stat()
    assert [imported("app"), imported("other")] == ["1", "1"]
    (tmp_path / "app.py").write_text("x = 2")
    os.utime(tmp_path / "app.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert imported("app") == "1", "what Python does by itself"

    assert names(sources.take_changes("f")) == ["app.py"]

    assert imported("app") == "2"
    assert len(list((tmp_path / "__pycache__").glob("other.*.pyc"))) == 1
