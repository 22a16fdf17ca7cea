"""What our runtime prints and logs, beside AWS's: the same handlers run under both."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from tests.peers import Peer
from tests.runtime_process import RuntimeProcess

MODULES: Final = ("tailrace.runtime", "awslambdaric")

APP = """
import asyncio, contextlib, io, logging, os, sys, threading, time, warnings

logger = logging.getLogger("app")
NOTICE = 25
logging.addLevelName(NOTICE, "NOTICE")

class Unprintable:
    def __str__(self):
        raise LookupError("no text")
    __repr__ = __str__

class Reject(logging.Filter):
    def filter(self, record):
        raise LookupError("a filter's")

def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    thread.join()

def all_levels():
    for level in (5, 10, 15, 20, NOTICE, 30, 40, 50, 70):
        logger.log(level, "level %d", level)
    logging.error("root")

def exceptions():
    try:
        1 / 0
    except ZeroDivisionError as error:
        logger.exception("caught %s", "it")
        logger.error("given", exc_info=error)
        logger.warning("the stack", stack_info=False)
    logger.error("no exc_info", exc_info=None)

def extras():
    logger.warning("extra", extra={"order": 7, "none": None, "object": object, "when": (1, 2)})
    logger.warning({"a": "dict", "b": [1]})
    logger.warning({"a": "dict"}, {"with": "arguments"})
    logger.warning("%(a)s", {"a": "named"})
    logger.warning("wörld \\u65e5 \\u2028 %s", "\\x00")
    logger.warning("two\\nlines\\n")
    logger.warning("")
    logger.warning(17)
    logger.warning(None)

def own_handlers():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(aws_request_id)s %(message)s"))
    logger.addHandler(handler)
    logger.warning("twice")
    logger.removeHandler(handler)
    print(stream.getvalue(), end="")

def own_formatter_is_utc():
    record = logging.makeLogRecord({"created": 0, "msg": "x"})
    print(logging.Formatter("%(asctime)s", "%d %H:%M").format(record))

def mistake_in_own_handler():
    handler = logging.StreamHandler(io.StringIO())
    logger.addHandler(handler)
    logger.propagate = False
    try:
        logger.error("ERROR:", "an argument too many")
    finally:
        logger.propagate = True
        logger.removeHandler(handler)

def basic_config():
    logging.basicConfig(level="DEBUG", format="own %(message)s")
    logger.debug("debug")
    logging.basicConfig(level="WARNING", format="own %(message)s", force=False)

def redirected():
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        print("caught")
        logger.warning("logged")
    print(len(stream.getvalue()) > 0)

def prints():
    print("a", "b", sep="-", end="")
    print()
    print("wörld \\u65e5")
    sys.stdout.write("written\\n")
    sys.stdout.writelines(["x\\n", "y\\n"])
    print("err", file=sys.stderr)
    sys.stderr.write("half")
    sys.stderr.write(" line\\n")
    sys.stdout.buffer.write(b"raw\\n")
    sys.stdout.flush()
    os.write(1, b"descriptor\\n")
    print(sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.errors, sys.stdout.fileno())

def root_handler():
    (handler,) = logging.getLogger().handlers
    name = type(handler).__name__.removesuffix("WithFrameType")
    print(name, handler.level, logging.getLogger().level)

def record_attributes():
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    logging.getLogger().addHandler(handler)
    logger.warning("seen")
    logging.getLogger().removeHandler(handler)
    print(seen[0].aws_request_id, seen[0].tenant_id, seen[0].levelname)

def filter_fails():
    reject = Reject()
    logger.addFilter(reject)
    try:
        logger.error("x")
    finally:
        logger.removeFilter(reject)

def partial():
    print("no end of line", end="")

async def waits():
    logger.warning("in a coroutine")

CASES = {
    "levels": all_levels,
    "exceptions": exceptions,
    "extras": extras,
    "own handlers": own_handlers,
    "own formatters": own_formatter_is_utc,
    "basicConfig": basic_config,
    "redirected": redirected,
    "prints": prints,
    "root handler": root_handler,
    "attributes": record_attributes,
    "an argument too many": lambda: logging.error("ERROR:", ValueError("x")),
    "an argument too few": lambda: logging.error("%s %s", 1),
    "a wrong format": lambda: logging.error("%d", "x"),
    "a key that is missing": lambda: logging.error("%(b)s", {"a": 1}),
    "an argument without text": lambda: logging.error("%s", Unprintable()),
    "a message without text": lambda: logging.error(Unprintable()),
    "a lone surrogate": lambda: logging.error("\\ud800"),
    "a key of the record": lambda: logging.error("x", extra={"message": 1}),
    "an extra without text": lambda: logging.error("x", extra={"a": Unprintable()}),
    "below the level": lambda: logger.debug("ERROR:", 1),
    "a mistake in a thread": lambda: in_thread(logging.error, "ERROR:", 1),
    "in a thread": lambda: in_thread(logging.error, "fine %d", 1),
    "a mistake of an own handler": mistake_in_own_handler,
    "a filter that fails": filter_fails,
    "exc_info outside except": lambda: logging.error("x", exc_info=True),
    "logging.exception outside": lambda: logging.exception("x"),
    "printing a surrogate": lambda: print("\\ud800"),
    "printing without text": lambda: print(Unprintable()),
    "surrogates to stderr": lambda: print("\\ud800", file=sys.stderr),
    "a warning": lambda: warnings.warn("careful", UserWarning, stacklevel=1),
    "a coroutine": lambda: asyncio.run(waits()),
    "half a line": partial,
    "context.log": lambda: None,
    "an error": lambda: (_ for _ in ()).throw(ValueError("böom\\n  two")),
}

def handler(event, context):
    if event == "mark":
        for fd in (1, 2, int(os.environ.get("MARKED_FD", 2))):
            os.write(fd, b"\\n=====\\n")
        return None
    if event == "context.log":
        context.log("as it is")
        context.log(7)
        return None
    return CASES[event]()

def killed(event, context):
    print("half", end=" ")
    sys.stderr.write("half of it")
    logger.warning("logged")
    os.kill(os.getpid(), 9)
"""
MARK: Final = "\n=====\n"
INVOCATION: Final[dict[str, Any]] = {"request_id": "r-7", "tenant_id": "tenant"}
CASES: Final = [line.split('"')[1] for line in APP.splitlines() if line.startswith('    "')]


MODES: Final[dict[str, dict[str, str]]] = {
    "text": {},
    "text with a level": {"AWS_LAMBDA_LOG_LEVEL": "DEBUG"},
    "trace": {"AWS_LAMBDA_LOG_LEVEL": "TRACE"},
    "trace in lower case": {"AWS_LAMBDA_LOG_LEVEL": "trace"},
    "no level at all": {"AWS_LAMBDA_LOG_LEVEL": "notset"},
    "json": {"AWS_LAMBDA_LOG_FORMAT": "JSON"},
    "json with a level": {"AWS_LAMBDA_LOG_FORMAT": "json", "AWS_LAMBDA_LOG_LEVEL": "error"},
}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3}Z|Z|,\d{3})")
_OWN_FRAME: Final = re.compile(
    r'[ \xa0]{2}File "[^"]*/(?:tailrace|awslambdaric)/[^\r\n]*[\r\n](?:[ \xa0]{4}[^\r\n]*[\r\n]?)+'
)
_ENTRY: Final = re.compile(r"(?<!\n)(?=\[[A-Z]+\]\t)")


class Outcome(NamedTuple):
    """What one invocation has left."""

    report: Any
    out: list[Any]
    errors: str
    frames: list[tuple[str, Any]]


def outcomes(folder: Path, module: str, *, is_framed: bool, **settings: str) -> dict[str, Outcome]:
    """Run all cases in one process, with a mark in all outputs behind each."""
    reader, writer = os.pipe()
    try:
        frames_fd = {"_LAMBDA_TELEMETRY_LOG_FD": str(writer)} if is_framed else {}
        with (
            Peer() as peer,
            RuntimeProcess(
                folder,
                peer,
                "app.handler",
                module=module,
                is_strict=False,
                pass_fds=(writer,),
                MARKED_FD=str(writer),
                AWS_EXECUTION_ENV="AWS_Lambda_python3.11",
                PYTHONIOENCODING="utf-8:strict",
                PYTHONPATH=os.pathsep.join(sys.path),
                **frames_fd,
                **settings,
            ) as runtime,
        ):
            reports = []
            for case in CASES:
                reports.append(_report(*runtime.serve(case, **INVOCATION)))
                assert runtime.result("mark", **INVOCATION) is None
            runtime.receive()
            _, out, errors = runtime.end(signal.SIGTERM)
        os.close(writer)
        with open(reader, "rb", closefd=False) as file:
            frames = file.read()
    finally:
        os.close(reader)
    pieces = zip(
        CASES,
        reports,
        out.split(MARK)[:-1],
        errors.split(MARK)[:-1],
        frames.split(MARK.encode())[:-1],
        strict=True,
    )
    return {
        case: Outcome(report, _lines(_plain(out)), _plain(errors), _frames(frames))
        for case, report, out, errors, frames in pieces
    }


def _report(kind: str, headers: dict[str, str], body: bytes) -> Any:
    report = json.loads(body)
    if kind == "error":
        report["stackTrace"] = _user_frames(report["stackTrace"])
    return kind, report


def _lines(out: str) -> list[Any]:
    """Read entries that are JSON; begin each other one on a line of its own.

    AWS's runtime ends no line behind a traceback, and escapes JSON of errors up to Python 3.11.
    """
    return [_entry(line) for line in _ENTRY.sub("\n", out).rstrip("\n").split("\n")]


def _entry(line: str) -> Any:
    if not line.startswith("{"):
        return line
    entry = json.loads(line)
    if "stackTrace" in entry:
        entry["stackTrace"] = _user_frames(entry["stackTrace"])
    return list(entry.items())  # in their order


def _user_frames(trace: list[str]) -> list[str]:
    return [frame for frame in trace if not _OWN_FRAME.match(frame)]


def _plain(text: str) -> str:
    """Leave out times, and the runtimes' own frames of tracebacks."""
    text, count = _OWN_FRAME.subn("", _TIME.sub("TIME", text))
    return text.rstrip("\n") if count else text


def _frames(data: bytes) -> list[tuple[str, Any]]:
    """Kinds and texts of frames: 4 bytes of kind, 4 of length, 8 of time in microseconds."""
    frames = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        assert abs(int.from_bytes(data[8:16], "big") / 1e6 - time.time()) < 3600
        frames.append((data[:4].hex(), _entry(_plain(data[16 : 16 + size].decode()))))
        data = data[16 + size :]
    return frames


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize("is_framed", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_output_and_reports_are_those_of_awss_runtime(
    folder: Path, mode: str, is_framed: bool
) -> None:
    ours, theirs = (
        outcomes(folder, module, is_framed=is_framed, **MODES[mode]) for module in MODULES
    )

    for case in CASES:
        assert (case, ours[case]) == (case, theirs[case])


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("an argument too many", "TypeError"),
        ("a wrong format", "TypeError"),
        ("a key that is missing", "KeyError"),
        ("an argument without text", "LookupError"),
        ("a lone surrogate", "UnicodeEncodeError"),
        ("printing a surrogate", "UnicodeEncodeError"),
    ],
)
def test_a_mistake_in_a_logging_call_fails_the_invocation(
    folder: Path, case: str, error: str
) -> None:
    with (
        Peer() as peer,
        RuntimeProcess(folder, peer, "app.handler", PYTHONIOENCODING="utf-8:strict") as runtime,
    ):
        assert runtime.error(case)["errorType"] == error
        assert runtime.result("in a thread") is None  # the environment goes on


@pytest.mark.parametrize("module", MODULES)
def test_what_was_printed_before_the_process_is_killed_is_out(folder: Path, module: str) -> None:
    with Peer() as peer, RuntimeProcess(folder, peer, "app.killed", module=module) as runtime:
        runtime.give()
        code, out, errors = runtime.end()

    assert code == -signal.SIGKILL
    assert out.startswith("half [WARNING]\t")
    assert errors == "half of it"


def test_streams_that_a_handler_has_closed_do_not_end_the_runtime(folder: Path) -> None:
    (folder / "closes.py").write_text(
        "import sys\n"
        "def handler(event, context):\n"
        "    if event == 'none':\n        sys.stdout = None\n"
        "    else:\n        sys.stdout.close()\n"
    )
    for event in ("none", "closed"):
        with Peer() as peer, RuntimeProcess(folder, peer, "closes.handler") as runtime:
            assert runtime.result(event) is None
            assert runtime.result(event if event == "none" else "none") is None
