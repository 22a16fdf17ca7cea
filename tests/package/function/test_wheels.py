"""The dependencies in an archive: the wheels of another machine and another Python."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from tests.package.function.project import ANOTHER, names_in, package, packaged, write

HANDLER = {"app.py": "def handler(event, context):\n    return 1\n"}
APP = ("--app", "app:handler")
MACHINES = {"arm64": ("aarch64", 183), "x86_64": ("x86_64", 62)}


@pytest.mark.parametrize("architecture", MACHINES)
@pytest.mark.parametrize(("python", "glibc"), [("3.11", 26), ("3.12", 34)])
def test_the_wheels_are_those_of_the_target(
    tmp_path: Path, architecture: str, python: str, glibc: int
) -> None:
    files = {**HANDLER, "requirements.txt": "pydantic\norjson\n"}
    output = tmp_path / "f.zip"

    facts = packaged(
        write(tmp_path / "project", files), output, *APP,
        "--architecture", architecture, "--python", python,
    )  # fmt: skip

    word, number = MACHINES[architecture]
    assert facts["runtime"] == f"python{python}"
    assert facts["architecture"] == architecture
    with zipfile.ZipFile(output) as archive:
        for name in ("orjson", "pydantic_core"):
            wheel = next(n for n in archive.namelist() if re.match(rf"{name}-.*/WHEEL", n))
            tags = re.findall(r"^Tag: (\S+)", archive.read(wheel).decode(), re.MULTILINE)
            of_python = f"cp{python.replace('.', '')}"
            assert all(tag.startswith(f"{of_python}-{of_python}-manylinux") for tag in tags), tags
            assert all(tag.endswith(word) for tag in tags), tags
            minors = [int(minor) for minor in re.findall(r"manylinux_2_(\d+)", " ".join(tags))]
            assert min(minors) <= glibc
        extensions = [n for n in archive.namelist() if n.endswith(".so")]
        assert len(extensions) >= 2
        for name in extensions:
            head = archive.read(name)[:20]
            assert head[:4] == b"\x7fELF"
            assert int.from_bytes(head[18:20], "little") == number


def test_markers_are_those_of_the_target(tmp_path: Path) -> None:
    """pip evaluates them for the Python that runs it, whatever platform it is given."""
    lines = (
        'idna; python_version == "3.12" and platform_machine == "aarch64"',
        'certifi; python_version < "3.12" or platform_machine == "x86_64"',
    )
    files = {**HANDLER, "requirements.txt": "\n".join(lines)}

    facts = packaged(write(tmp_path / "p", files), tmp_path / "f.zip", *APP, *ANOTHER)

    assert [each["name"] for each in facts["dependencies"]] == ["idna"]


def test_a_source_archive_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    files = {**HANDLER, "requirements.txt": "docopt\n"}

    done = package(write(tmp_path / "p", files), tmp_path / "f.zip", *APP, *ANOTHER)

    assert done.returncode == 1
    assert done.stdout == ""
    for words in (
        "tailrace: docopt has no wheel for arm64 and Python 3.12",
        "nothing is built from source",
        "another version of docopt; another package",
        "wheels docopt, and add the line --find-links wheels",
        "--find-links wheels to requirements.txt",
    ):
        assert words in done.stderr
    assert not (tmp_path / "f.zip").exists()


def test_a_wheel_of_your_own_is_taken(tmp_path: Path) -> None:
    """The way out that the message names."""
    files = {**HANDLER, "requirements.txt": "docopt\n--find-links wheels\n"}
    project = write(tmp_path / "p", files)
    (project / "wheels").mkdir()
    metadata = "Metadata-Version: 2.1\nName: docopt\nVersion: 0.6.2\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(project / "wheels" / "docopt-0.6.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("docopt.py", "words = 1\n")
        wheel.writestr("docopt-0.6.2.dist-info/METADATA", metadata)
        wheel.writestr("docopt-0.6.2.dist-info/WHEEL", tags)
        record = ("docopt.py", "METADATA", "WHEEL", "RECORD")
        wheel.writestr(
            "docopt-0.6.2.dist-info/RECORD",
            "".join(
                f"{'' if n == 'docopt.py' else 'docopt-0.6.2.dist-info/'}{n},,\n" for n in record
            ),
        )

    packaged(project, tmp_path / "f.zip", *APP, *ANOTHER)

    assert "docopt.py" in names_in(tmp_path / "f.zip")
    assert not any("wheels" in name for name in names_in(tmp_path / "f.zip"))
