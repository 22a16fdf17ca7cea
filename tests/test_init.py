"""`tailrace init`: what it writes runs, and nothing is overwritten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.command import DevCommand, Stream, run

from tailrace.config import load

TOML = "tailrace.toml"


def test_what_it_writes_runs(tmp_path: Path) -> None:
    result = run("init", "hello there", cwd=tmp_path)

    assert result.returncode == 0
    assert result.stdout == (
        "wrote hello there/tailrace.toml and hello there/app.py\n"
        "next: cd 'hello there' && tailrace dev\n"
    )
    with (
        DevCommand(tmp_path / "hello there" / TOML) as dev,
        Stream(dev.url + "/any/path") as stream,
    ):
        assert stream.line() == "line 1\n"
        assert stream.response.getheader("content-type") == "text/plain; charset=utf-8"
        # The last line is four seconds away, and this function's exchange has not ended.
        assert not any("outcome=" in line for line in dev.lines)


def test_its_commented_settings_are_allowed_and_are_the_defaults(tmp_path: Path) -> None:
    assert run("init", cwd=tmp_path).stdout.endswith("next: tailrace dev\n")
    before = load(tmp_path / TOML)
    text = (tmp_path / TOML).read_text()
    (tmp_path / ".env").write_text("A=b\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 3 12\n")
    python.chmod(0o755)

    settings = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)
    (tmp_path / TOML).write_text(settings)

    after = load(tmp_path / TOML)
    function = after.functions["hello"]
    assert (function.python.path, function.python.version) == (str(python), (3, 12))
    assert function.environment == {"GREETING": "hello", "A": "b"}
    for name in ("path", "timeout_s", "concurrency"):
        assert getattr(function, name) == getattr(before.functions["hello"], name)
    assert after.gateway == before.gateway
    assert "\n# timeout_s = " in text and "\ntimeout_s = " in settings


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (["app.py"], "app.py is there already; name an empty folder"),
        ([TOML], "tailrace.toml is there already; name an empty folder"),
        ([TOML, "app.py"], "tailrace.toml and app.py are there already; name an empty folder"),
    ],
)
def test_nothing_is_overwritten(tmp_path: Path, there: list[str], words: str) -> None:
    for name in there:
        (tmp_path / name).write_text("mine")

    result = run("init", cwd=tmp_path)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"tailrace: nothing was written: {words}, as in tailrace init hello\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        there, "mine"
    )


def test_a_link_to_nowhere_is_there_as_well(tmp_path: Path) -> None:
    (tmp_path / "app.py").symlink_to("nowhere")

    result = run("init", cwd=tmp_path)

    assert result.stderr.startswith("tailrace: nothing was written: app.py is there already")
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = run("init", "file/below", cwd=tmp_path)

    assert result.returncode == 1
    assert result.stderr == "tailrace: file/below: Not a directory\n"


@pytest.mark.parametrize(
    ("file", "text", "app"),
    [
        ("main.py", "from fastapi import FastAPI\n\napi = FastAPI(title='x')\n", "main:api"),
        ("app.py", "import flask\napp: flask.Flask = flask.Flask(__name__)\n", "app:app"),
        ("mysite/asgi.py", "application = get_asgi_application()\n", "mysite.asgi:application"),
    ],
)
def test_an_app_needs_no_file(tmp_path: Path, file: str, text: str, app: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)

    result = run("init", cwd=tmp_path)
    start = run("dev", cwd=tmp_path)

    assert (result.returncode, start.returncode) == (1, 2)
    assert f"{app} is an app, and needs no file; run it with: tailrace dev {app};" in result.stderr
    assert f"did you mean tailrace dev {app}? Or give --config FILE" in start.stderr
    assert not (tmp_path / TOML).exists()
