"""Archives and Lambda's limits of size."""

from __future__ import annotations

import random
from pathlib import Path

from tests.package.function.project import ANOTHER, package, packaged, write

HANDLER = {"app.py": "def handler(event, context):\n    return 1\n"}
APP = ("--app", "app:handler")


def test_a_function_that_is_too_large_is_refused(tmp_path: Path) -> None:
    project = write(tmp_path / "p", {**HANDLER, "requirements.txt": "idna\ncertifi\n"})
    output = tmp_path / "f.zip"
    output.write_bytes(b"before")
    with (project / "model.bin").open("wb") as file:
        file.truncate(250 * 1024 * 1024)

    done = package(project, output, *APP, *ANOTHER)

    assert done.returncode == 1
    assert "unzipped with 0.5 MB of the layer, and Lambda's limit is 250.0 MB" in done.stderr
    assert "nothing was written" in done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines() if line.startswith("  ")] == [
        "model.bin",
        "idna",
        "certifi",
        "app.py",
    ]
    assert "--exclude GLOB" in done.stderr
    assert output.read_bytes() == b"before"
    assert package(project, output, *APP, *ANOTHER, "--exclude", "model.bin").returncode == 0


def test_an_archive_that_is_too_large_for_the_api_goes_through_s3(tmp_path: Path) -> None:
    project = write(tmp_path / "p", HANDLER)
    (project / "model.bin").write_bytes(random.Random(1).randbytes(51 * 1024 * 1024))

    facts = packaged(project, tmp_path / "f.zip", *APP, *ANOTHER)
    text = package(project, tmp_path / "f.zip", *APP, *ANOTHER).stdout

    assert facts["needs_s3"]
    assert "--zip-file" not in facts["create_function"]
    assert "S3Bucket=BUCKET,S3Key=f.zip" in facts["create_function"]
    assert f"aws s3 cp {tmp_path}/f.zip s3://BUCKET/f.zip" in text


def test_the_layer_counts(tmp_path: Path) -> None:
    project = write(tmp_path / "p", HANDLER)
    with (project / "model.bin").open("wb") as file:
        file.truncate(250 * 1024 * 1024 - 100_000)
    options = (*APP, *ANOTHER)

    assert package(project, tmp_path / "f.zip", *options).returncode == 1
