"""`tailrace package function`: the app, the report, the warnings, the end by a signal."""

from __future__ import annotations

import json
import os
import shlex
import signal
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.command import PATIENCE_S, environ_of
from tests.package.function.project import ANOTHER, names_in, package, packaged, write

from tailrace.package.function.code_root import is_no_handler
from tailrace.package.usual_places import app_in

HANDLER = "def handler(event, context):\n    return 1\n"
APP = "from fastapi import FastAPI\n\napp = FastAPI()\n"


def elf(machine: int) -> bytes:
    """The beginning of a file of machine code."""
    return b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + struct.pack("<H", machine)


def test_the_report_ends_with_the_command_that_makes_the_function(tmp_path: Path) -> None:
    files = {"shop/main.py": HANDLER, "requirements.txt": "idna\nboto3\n", "tests/test_a.py": ""}
    project = write(tmp_path / "my shop", files)

    done = package(project, tmp_path / "f.zip", "--app", "shop.main:handler", *ANOTHER)

    assert (done.returncode, done.stderr) == (0, "")
    report, _, command = done.stdout.partition("\nmake the function:\n")
    for words in (
        f"wrote {tmp_path}/f.zip: ",
        "unzipped with the layer: 0.",
        "MB of the 250.0 MB that a function may have",
        "  idna 3.",
        "left out: boto3 (the runtime has it)",
        "left out of the code: requirements.txt (files of dependencies)",
    ):
        assert words in report
    assert shlex.split(command.replace("\\\n", "")) == [
        *("aws", "lambda", "create-function", "--function-name", "my-shop"),
        *("--runtime", "python3.12", "--architectures", "arm64", "--handler", "shop.main.handler"),
        *("--timeout", "60", "--memory-size", "512", "--role", "arn:aws:iam::ACCOUNT:role/ROLE"),
        *("--zip-file", f"fileb://{tmp_path}/f.zip", "--layers", "ARN-OF-THE-LAYER-VERSION"),
        *("--environment", "Variables={AWS_LAMBDA_EXEC_WRAPPER=/opt/tailrace-wrapper}"),
    ]


def test_code_without_dependencies(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {"app.py": HANDLER, "tests/test_app.py": "import app\n"})

    done = package(project, tmp_path / "f.zip", "--app", "app.handler", *ANOTHER)

    assert "no dependencies: no requirements.txt, lock file or [project] names some" in done.stdout
    assert names_in(tmp_path / "f.zip") == {"app.py"}


@pytest.mark.parametrize(
    ("files", "app"),
    [
        ({"main.py": APP}, "main.app"),
        ({"src/main.py": APP, "src/other.py": ""}, "main.app"),
        ({"src/__init__.py": "", "src/main.py": APP}, "src.main.app"),
        ({"shop/main.py": APP}, "shop.main.app"),
    ],
)
def test_an_app_of_a_known_framework_is_found(
    tmp_path: Path, files: dict[str, str], app: str
) -> None:
    project = write(tmp_path / "p", files)

    done = package(project, tmp_path / "f.zip", "--json", *ANOTHER)

    assert json.loads(done.stdout)["handler"] == app
    assert f"the app is {':'.join(app.rsplit('.', 1))}; --app names another one" in done.stderr
    place = f"{app.removesuffix('.app').replace('.', '/')}.py"
    assert place in names_in(tmp_path / "f.zip")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "there is no app of a known framework in a usual file of"),
        (("--app", "mian:handler"), "did you mean main?"),
        (
            ("--app", "shop.mian:handler"),
            "there are: main, shop, shop.main; did you mean shop.main?",
        ),
        (("--app", "handler"), "'handler' is not MODULE:ATTRIBUTE, as in main:app"),
        (("--app", "main:handler", "--python", "3.15"), "allowed: 3.11, 3.12, 3.13, 3.14"),
        (("--app", "main:handler", "--python", "3.10"), "3.11 or newer"),
        (("--app", "main:handler", "--requirements", "no.txt"), "there is no file no.txt"),
        (("--app", "main:handler", "--bytecode", "true"), "name a Python, as in python3.13"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    project = write(
        tmp_path / "p", {"main.py": HANDLER, "shop/main.py": "", "shop/__init__.py": ""}
    )

    done = package(project, tmp_path / "f.zip", *ANOTHER, *options)

    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "f.zip").exists()


@pytest.mark.parametrize("named", [(), ("--app", "main:app")])
def test_a_bundled_app_is_for_our_runtime_only(tmp_path: Path, named: tuple[str, ...]) -> None:
    """Without the layer, AWS's own runtime calls it with an event."""
    files = {"main.py": f"{APP}\n\nfrom tailrace.function import asgi\n\nhandler = asgi(app)\n"}
    project = write(tmp_path / "p", files)
    options = (*ANOTHER, "--bundle")

    app = package(project, tmp_path / "f.zip", *options, *named)
    handler = package(project, tmp_path / "f.zip", *options, "--app", "main:handler")

    assert (app.returncode, handler.returncode) == (0, 0)
    assert "warning: AWS's own runtime calls handlers, and main:app is an app" in app.stderr
    assert "give --app main:handler" in app.stderr
    assert "own runtime" not in handler.stderr


def test_what_may_be_missing_is_a_warning(tmp_path: Path) -> None:
    files = {
        "main.py": "import httpx\nimport boto3\n\nfrom tailrace.function import asgi\n",
        "certifi.py": "",
        "requirements.txt": "certifi\nidna\n",
        ".env": "KEY=1",
    }
    project = write(tmp_path / "p", files)
    (project / "tool").write_bytes(elf(62))

    done = package(project, tmp_path / "f.zip", "--app", "main:handler", "--json", *ANOTHER)

    facts = json.loads(done.stdout)
    assert facts["warnings"] == [
        ".env is left out: it looks secret; set variables of the function, or --include .env",
        "main.py:1 imports httpx, which neither the code nor a requirement brings",
        "tool is for x86_64, and the function for arm64",
        "main.py defines no handler",
    ]
    assert [f"warning: {each}" for each in facts["warnings"]] == done.stderr.splitlines()


def test_a_module_of_the_code_that_hides_a_dependency_is_a_warning(tmp_path: Path) -> None:
    project = write(
        tmp_path / "p", {"app.py": HANDLER, "idna/x.py": "", "requirements.txt": "idna\n"}
    )

    facts = packaged(project, tmp_path / "f.zip", "--app", "app:handler", *ANOTHER)

    assert facts["warnings"] == ["idna of the code has the name of a module of idna"]


def test_an_extension_of_the_code_for_another_machine_is_refused(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {"app.py": HANDLER})
    name = "fast.cpython-312-x86_64-linux-gnu.so"
    (project / name).write_bytes(elf(62))
    options = ("--app", "app:handler", *ANOTHER)

    done = package(project, tmp_path / "f.zip", *options)

    assert done.returncode == 1
    assert f"{name} is for x86_64, and the function for arm64" in done.stderr
    assert f"--exclude /{name}" in done.stderr
    assert packaged(project, tmp_path / "f.zip", *options, "--exclude", f"/{name}")["files"] == 1


def test_machine_code_for_a_newer_system_is_a_warning(tmp_path: Path) -> None:
    """Such as that of a wheel which was built on a newer Linux than Lambda's."""
    project = write(tmp_path / "p", {"app.py": HANDLER})
    (project / "fast.abi3.so").write_bytes(elf(183) + b"\0GLIBC_2.17\0GLIBC_2.36\0GLIBC_2.2.5\0")
    options = ("--app", "app:handler", "--architecture", "arm64")

    new = packaged(project, tmp_path / "f.zip", *options, "--python", "3.13")
    old = packaged(project, tmp_path / "f.zip", *options, "--python", "3.11")

    remedy = "build it on an older Linux, or take another version"
    assert new["warnings"] == [f"fast.abi3.so needs glibc 2.36, and python3.13 has 2.34: {remedy}"]
    assert old["warnings"] == [f"fast.abi3.so needs glibc 2.36, and python3.11 has 2.26: {remedy}"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """The index waits with its answer until the command has ended."""
    asked, ended = threading.Event(), threading.Event()

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            ended.wait(PATIENCE_S)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    write(tmp_path / "p", {"app.py": HANDLER, "requirements.txt": "idna\n"})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as index:
        threading.Thread(target=index.serve_forever).start()
        environ = {
            "UV_DEFAULT_INDEX": f"http://127.0.0.1:{index.server_port}/simple",
            "UV_CACHE_DIR": str(tmp_path / "cache"),
            "TMPDIR": str(temporary),
        }
        arguments = ("package", "function", "p", "-o", "f.zip", "--app", "app:handler", *ANOTHER)
        command = subprocess.Popen(
            [sys.executable, "-m", "tailrace", *arguments],
            cwd=tmp_path,
            env=environ_of(environ),
            stderr=subprocess.PIPE,
        )
        assert asked.wait(PATIENCE_S)
        command.send_signal(number)
        _, errors = command.communicate(timeout=PATIENCE_S)
        ended.set()
        index.shutdown()

    assert command.returncode == 128 + number
    assert errors == b""
    assert os.listdir(temporary) == []
    assert not (tmp_path / "f.zip").exists()


@pytest.mark.parametrize("options", [("--exclude", "/app.py"), ("--exclude", "*.py")])
def test_an_archive_without_the_app_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    project = write(tmp_path / "p", {"app.py": HANDLER})

    done = package(project, tmp_path / "f.zip", "--app", "app:handler", *ANOTHER, *options)

    assert done.returncode == 2
    assert (
        "--app: app.py, where it is, is left out; put it in with --include /app.py" in done.stderr
    )
    assert not (tmp_path / "f.zip").exists()


def test_an_app_in_a_file_that_is_left_out_can_be_put_in(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {"test_app.py": HANDLER})
    options = ("--app", "test_app:handler", *ANOTHER)

    assert package(project, tmp_path / "f.zip", *options).returncode == 2
    packaged(project, tmp_path / "f.zip", *options, "--include", "/test_app.py")

    assert names_in(tmp_path / "f.zip") == {"test_app.py"}


def test_what_makes_an_app_is_no_app(tmp_path: Path) -> None:
    """As in Flask's tutorial."""
    text = "def create_app(test_config=None):\n    return 1\n"
    project = write(tmp_path / "p", {"flaskr/__init__.py": text})

    (warning,) = packaged(project, tmp_path / "f.zip", "--app", "flaskr:create_app", *ANOTHER)[
        "warnings"
    ]

    assert warning.startswith("create_app of flaskr/__init__.py cannot be called with an event")
    assert "write a module with app = create_app()" in warning


@pytest.mark.parametrize(
    ("text", "is_none"),
    [
        ("def app(event): ...", True),
        ("async def app(): ...", True),
        ("def app(event, context): ...", False),
        ("async def app(scope, receive, send): ...", False),
        ("def app(*arguments): ...", False),
        ("@streamify_response\ndef app(event): ...", False),
        ("class app:\n    def __init__(self): ...", False),
        ("app = make()", False),
    ],
)
def test_a_function_with_too_few_arguments_is_no_handler(
    tmp_path: Path, text: str, is_none: bool
) -> None:
    source = tmp_path / "app.py"
    source.write_text(text)

    assert is_no_handler(source, "app") is is_none


def test_tests_of_the_code_are_named(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {"app.py": HANDLER, "tests/test_app.py": "import pytest"})

    facts = packaged(project, tmp_path / "f.zip", "--app", "app:handler", *ANOTHER)

    assert facts["code_left_out"] == {"tests": ["tests/"]}
    assert facts["files_left_out"] == {}


def test_only_what_the_runtime_has_can_be_kept(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {"app.py": HANDLER})
    options = ("--app", "app:handler", *ANOTHER)

    done = package(project, tmp_path / "f.zip", *options, "--keep", "boto")

    assert done.returncode == 2
    assert "--keep: the runtime does not have boto" in done.stderr
    assert "allowed: boto3, botocore" in done.stderr
    packaged(project, tmp_path / "f.zip", *options, "--keep", "snapshot_restore_py")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("src/lambdas/api/main.py", "app = FastAPI()", "--app src.lambdas.api.main:app"),
        ("shop/__init__.py", "app = Flask(__name__)", "shop/__init__.py has one: name its folder"),
        ("flaskr/__init__.py", "def create_app():\n    app = Flask()", "with app = create_app()"),
        (".venv/shop/core/main.py", "app = FastAPI()", "name an app or a handler: --app MODULE"),
        ("lib/site-packages/main.py", "app = FastAPI()", "name an app or a handler: --app MODULE"),
    ],
)
def test_an_app_in_an_unusual_place_is_named(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    project = write(tmp_path / "p", {"setup.py": "", name: text})

    done = package(project, tmp_path / "f.zip", *ANOTHER)

    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app = fastapi.FastAPI()", "app"),
        ("web: Flask = Flask(__name__)", "web"),
        ("mcp = FastMCP('x')\napp = mcp.streamable_http_app()", "app"),
        ("app = FastMCP('x').http_app()", None),
        ("from flaskr import create_app\n\napp = create_app()", "app"),
        ("def create_app():\n    app = Flask(__name__)", None),
    ],
)
def test_the_app_of_a_framework_is_found(tmp_path: Path, text: str, name: str | None) -> None:
    assert app_in(write(tmp_path, {"main.py": text})) == (name and f"main:{name}")
