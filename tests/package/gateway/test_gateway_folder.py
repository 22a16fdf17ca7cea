"""`tailrace package gateway`: what is in the folder, and that it is installed without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.chain import Chain, GatewayCommand, running
from tests.e2e.client import Client
from tests.package.gateway.index import PackageIndex

ROOT = Path(__file__).parents[3]
HERE = ("x86_64", f"3.{sys.version_info.minor}")
ELF_MACHINES = {"x86_64": 62, "arm64": 183}
CLOSED = "http://127.0.0.1:9/simple"
NETLESS = {
    "PATH": os.environ["PATH"],
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_INDEX_URL": CLOSED,
    "PIP_NO_CACHE_DIR": "1",
}
APP = """
from gate import Gate
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    with Gate(event) as gate:
        for text in ("one", "two", "three"):
            gate.wait()
            yield text
"""


def package_gateway(
    output: Path, architecture: str, python: str, *more: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command; the versions are those of the other tests."""
    words = ["-o", str(output), "--architecture", architecture, "--python", python, *more]
    return subprocess.run(
        [sys.executable, "-m", "tailrace", "package", "gateway", *words],
        env={**os.environ, "UV_CONSTRAINT": str(ROOT / "constraints.txt"), **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels for the Python that runs the tests."""
    folder = tmp_path_factory.mktemp("made") / "wheels"
    done = package_gateway(folder, *HERE)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with what the folder has, and no index."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", place], env=NETLESS, check=True)
    python = place / "bin" / "python"
    words = ("install", "--no-index", "--find-links", ".", "--require-hashes")
    subprocess.run(
        [python, "-I", "-m", "pip", *words, "-r", "requirements.txt"],
        cwd=folder,
        env=NETLESS,
        check=True,
    )
    return python


class InstalledGateway(GatewayCommand):
    """The gateway of another environment."""

    def __init__(self, chain: Chain, python: Path) -> None:
        super().__init__(chain)
        # -I: neither the folder of the tests nor PYTHONPATH.
        self._arguments = [str(python), "-I", *self._arguments[1:]]


def test_the_installed_gateway_streams(installed: Path, tmp_path: Path) -> None:
    with (
        running(tmp_path, {"app.py": APP}, {"app": "app.handler"}) as chain,
        InstalledGateway(chain, installed) as gateway,
    ):
        gate = chain.gate()
        with closing(Client(gateway.url)) as client:
            client.ask(f"/app/?gate={gate.port}", headers=[("host", "localhost")])
            for number, text in enumerate((b"one", b"two", b"three")):
                gate.open()
                if number == 0:
                    assert client.head().status == 200
                assert client.body(len(text)) == text
            assert client.rest() == b""


def test_requirements_by_name_are_installed_as_well(folder: Path, installed: Path) -> None:
    words = ("install", "--dry-run", "--force-reinstall", "--no-index", "--find-links", str(folder))
    done = subprocess.run(
        [installed, "-I", "-m", "pip", *words, "tailrace[gateway]"],
        env=NETLESS,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {path.name.partition("-")[0].replace("_", "-") for path in folder.glob("*.whl")}
    would = re.findall(r"([\w-]+)-\d\S*", done.stdout.partition("Would install ")[2])
    assert set(would) == names


def test_an_installation_from_a_wheel_makes_the_same_wheel(
    folder: Path, installed: Path, tmp_path: Path
) -> None:
    """Without sources beside it, and with bytecode among its files."""
    code = """
import sys
from pathlib import Path
from tailrace.package.archive import write_archive
from tailrace.package.own_wheel import own_wheel
name, entries = own_wheel()
write_archive(Path(sys.argv[1]) / name, entries)
"""
    subprocess.run([installed, "-I", "-c", code, tmp_path], env=NETLESS, check=True)

    (again,) = tmp_path.iterdir()
    assert again.read_bytes() == (folder / again.name).read_bytes()


def test_the_wheel_of_this_installation_has_all_of_it(folder: Path) -> None:
    (path,) = folder.glob("tailrace-*.whl")
    with zipfile.ZipFile(path) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    (record,) = [name for name in files if name.endswith("/RECORD")]
    rows = [line.split(",") for line in files[record].decode().splitlines()]

    package = ROOT / "src" / "tailrace"
    sources = {f"tailrace/{each.relative_to(package)}" for each in package.rglob("*.py")}
    assert sources <= files.keys()
    assert "tailrace/package/files/tailrace-wrapper" in files
    assert not [name for name in files if "__pycache__" in name or name.endswith(".pyc")]
    assert [name for name, _, _ in rows if name not in files] == []
    assert len(rows) == len(files)
    for name, digest, size in rows:
        if name != record:
            expected = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest())
            assert digest == f"sha256={expected.decode().rstrip('=')}"
            assert int(size) == len(files[name])
    folder_name = record.partition("/")[0]
    assert (ROOT / "LICENSE").read_bytes() == files[f"{folder_name}/licenses/LICENSE"]
    assert b"tailrace = tailrace.cli:main" in files[f"{folder_name}/entry_points.txt"]
    places = [str(ROOT).encode(), str(Path.home()).encode(), sys.prefix.encode()]
    assert not [name for name, data in files.items() if any(place in data for place in places)]


def test_the_wheels_are_for_the_named_machine(tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    done = package_gateway(folder, "arm64", "3.13", "--json")
    facts = json.loads(done.stdout)

    names = [wheel["name"] for wheel in facts["wheels"]]
    assert names == sorted(path.name for path in folder.glob("*.whl"))
    assert facts["bytes"] == sum(path.stat().st_size for path in folder.glob("*.whl"))
    assert facts["platform"] == "aarch64-manylinux_2_34"
    compiled = [name for name in names if not name.endswith("-none-any.whl")]
    assert {name.partition("-")[0] for name in compiled} == {"httptools", "msgspec", "uvloop"}
    for name in compiled:
        assert re.fullmatch(r".*-(cp313-cp313|cp3\d+-abi3)-[\w.]*linux[\w.]*_aarch64\.whl", name)
        with zipfile.ZipFile(folder / name) as wheel:
            modules = [each for each in wheel.namelist() if each.endswith(".so")]
            machines = {struct.unpack_from("<H", wheel.read(each), 18)[0] for each in modules}
        assert machines == {ELF_MACHINES["arm64"]}


def test_two_runs_make_the_same_folder(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "another place"
    done = package_gateway(other, *HERE)
    assert done.returncode == 0, done.stderr

    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {path.name: path.read_bytes() for path in other.iterdir()} == files
    assert str(folder).encode() not in files["requirements.txt"]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=other, check=True)


@pytest.fixture
def index(folder: Path) -> Iterator[PackageIndex]:
    with PackageIndex(folder) as index:
        yield index


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_the_configured_index_is_the_only_one(
    folder: Path, index: PackageIndex, tmp_path: Path, name: str
) -> None:
    """With credentials in its address, for uv and for pip."""
    tools = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "PIP_FIND_LINKS": ""}
    caches = {"UV_CACHE_DIR": str(tmp_path / "uv"), "PIP_NO_CACHE_DIR": "1"}
    done = package_gateway(tmp_path / "own", *HERE, **tools, **caches, **{name: index.url})
    assert done.returncode == 0, done.stderr

    for path in folder.iterdir():
        assert (tmp_path / "own" / path.name).read_bytes() == path.read_bytes()
    assert index.programs == {"pip", "uv"}
    assert index.refused == 0


def test_an_older_folder_is_replaced_as_a_whole(index: PackageIndex, tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    old = b"from another run"
    (folder / "old-1-py3-none-any.whl").write_bytes(old)
    line = f"{hashlib.sha256(old).hexdigest()}  old-1-py3-none-any.whl\n"
    (folder / "SHA256SUMS").write_text(line)

    failed = package_gateway(folder, "x86_64", "3.99", UV_DEFAULT_INDEX=index.url)
    kept = sorted(path.name for path in folder.iterdir())
    done = package_gateway(folder, *HERE, UV_DEFAULT_INDEX=index.url)

    assert failed.returncode == 1
    assert kept == ["SHA256SUMS", "old-1-py3-none-any.whl"]
    assert done.returncode == 0, done.stderr
    assert not (folder / "old-1-py3-none-any.whl").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["wheels"]


def test_a_folder_with_anything_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")

    done = package_gateway(folder, *HERE, UV_DEFAULT_INDEX=CLOSED)

    assert done.returncode == 1
    assert "holds mine.txt, which no earlier run has made: name another" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("python", "environment", "words"),
    [
        ("3.99", {}, "Wheels are required for `httptools`"),
        ("3.13", {"UV_DEFAULT_INDEX": CLOSED, "UV_HTTP_RETRIES": "0"}, "Connection refused"),
        ("3.13", {"PIP_INDEX_URL": CLOSED, "UV_HTTP_RETRIES": "0"}, "Connection refused"),
    ],
    ids=["no wheel", "uv's index", "pip's index"],
)
def test_what_cannot_be_chosen_has_a_reason_and_a_remedy(
    tmp_path: Path, python: str, environment: dict[str, str], words: str
) -> None:
    caches = {"UV_CACHE_DIR": str(tmp_path / "cache")} if environment else {}
    done = package_gateway(tmp_path / "wheels", "arm64", python, **environment, **caches)

    assert done.returncode == 1
    assert done.stderr.startswith(f"tailrace: the wheels for arm64 with Python {python} cannot be")
    assert words in done.stderr
    assert "PIP_INDEX_URL" in done.stderr.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def test_a_command_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    """While the index does not answer."""
    output = tmp_path / "wheels"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/simple"
        words = ["-o", str(output), "--architecture", "arm64", "--python", "3.13"]
        process = subprocess.Popen(
            [sys.executable, "-m", "tailrace", "package", "gateway", *words],
            env={**os.environ, "UV_DEFAULT_INDEX": url, "UV_CACHE_DIR": str(tmp_path / "cache")},
        )
        connection, _ = listener.accept()
        with connection:
            process.terminate()
            assert process.wait(30) == 143
            connection.settimeout(30)
            while connection.recv(65_536):  # until uv has ended as well
                pass
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_steps_are_shown_on_a_terminal_and_removed(tmp_path: Path) -> None:
    ours, its = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        words = ["-o", str(tmp_path / "wheels"), "--architecture", "arm64", "--python", "3.99"]
        done = subprocess.run(
            [sys.executable, "-m", "tailrace", "package", "gateway", *words],
            env={**os.environ, "TERM": "xterm"},
            stderr=its,
            timeout=110,
            check=False,
        )
        os.close(its)
        shown = b""
        try:
            while piece := terminal.read(65_536):
                shown += piece
        except OSError:
            pass  # the other side is closed

    step, clear, rest = shown.partition("…\r\x1b[K".encode())
    assert done.returncode == 1
    assert step.decode().endswith("choosing the wheels for arm64 with Python 3.99 ")
    assert clear
    assert rest.startswith(b"tailrace: the wheels for arm64")


@pytest.mark.parametrize("python", ["3.10", "3", "3.13.1", "4.0", "python3.13"])
def test_a_version_that_is_none_is_a_usage_error(tmp_path: Path, python: str) -> None:
    done = package_gateway(tmp_path / "wheels", "arm64", python)

    assert done.returncode == 2
    assert "is no version such as 3.13; 3.11 or newer" in done.stderr
