"""How-tos for AWS: what can be run here is run, the rest is checked or marked."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.aws_account import AwsAccount
from tests.command import Command, Stream
from tests.command import run as command_run
from tests.dockerfile import Image
from tests.kits.managed.command import managed_command, provided_command
from tests.kits.ports import free_port
from tests.package.function.relocatable import LIBRARY, relocatable
from tests.walk import AWS, ROOT, SAM, UNTRIED, Block, blocks, walk_through

from tailrace.package.layer import VARIABLES

CONTAINERS = "docs/how-to/deploy-as-a-container.md"
LAYER = "docs/how-to/deploy-with-the-layer.md"
OS_ONLY = "docs/how-to/deploy-on-provided-al2023.md"
ARCHITECTURE = "x86_64" if platform.machine() == "x86_64" else "arm64"
PYTHON = f"3.{sys.version_info[1]}"
HERE = f"--architecture {ARCHITECTURE} --python {PYTHON}"
PAGES: dict[str, Mapping[str, str]] = {
    CONTAINERS: {"--architecture arm64 --python 3.13": HERE},
    "docs/how-to/deploy-to-aws.md": {
        # What has just been synthesized, not once more.
        "cdk bootstrap": "cdk bootstrap --app cdk.out",
        "cdk deploy": "cdk deploy --app cdk.out",
    },
    "docs/how-to/operate-on-aws.md": {},
    LAYER: {"--architecture arm64 --python 3.13": HERE},
    OS_ONLY: {"--architecture arm64 --python 3.14": HERE, "cpython-3.14.*": f"cpython-{PYTHON}.*"},
    "docs/how-to/deploy-with-sam.md": {},
    "docs/how-to/managed-python-runtime.md": {},
}
"""The pages, and what they do another way here: what they make is run below."""
HOW_TOS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/how-to").glob("*.md"))
HADOLINT = Path(sys.executable).with_name("hadolint")
MARK = "\n**Not tried on AWS.** "
OF_AWS = re.compile(r"^(?:\$ )?(?:\w+=\$\()?(aws|docker|sam|cdk)\b", re.MULTILINE)
"""The beginning of a command that needs AWS or Docker."""


class Projects:
    """The folders of readers who have followed a page; each page is followed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._followed: dict[str, Path] = {}

    def of(self, page: str) -> Path:
        """Follow the page unless it was, and return the folder of its project."""
        if page not in self._followed:
            folder = self._folder / Path(page).stem
            folder.mkdir()
            if page == OS_ONLY:
                install_python(folder / "interpreters" / f"cpython-{PYTHON}.0-here")
            self._followed[page] = walk_through(page, folder, PAGES[page])
        return self._followed[page]


def install_python(folder: Path) -> None:
    """What `uv python install` downloads: with the variables of its build, which zoneinfo reads."""
    library = relocatable(folder) / LIBRARY
    for path in (Path(sys.base_prefix) / LIBRARY).glob("_sysconfigdata_*.py"):
        text = path.read_text().replace(sys.base_prefix, str(folder))
        (library / path.name).write_text(text)


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    return Projects(tmp_path_factory.mktemp("projects"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_walked_through(name: str, projects: Projects) -> None:
    projects.of(name)


def commands_of(step: Block) -> Iterator[str]:
    """The programs that the commands of a block need, of AWS and Docker."""
    if step.info[0] in ("sh", "console"):
        yield from OF_AWS.findall(step.text)


@pytest.mark.parametrize("name", HOW_TOS)
def test_each_command_for_aws_is_run_or_checked_or_marked(name: str) -> None:
    """A block of `aws` is checked by its page's walk, one of a console is run by it."""
    first_untried = None
    for step in blocks(name):
        programs = set(commands_of(step))
        if step.info in (AWS, UNTRIED):
            first_untried = first_untried or step.line
            assert step.info == UNTRIED or programs == {"aws"}, f"line {step.line}"
        elif programs:
            assert step.info == ("console",), f"line {step.line}: {programs} is not marked"
    if first_untried is not None:
        assert name in PAGES, "it is not walked through"
        text = (ROOT / name).read_text()
        assert MARK in text
        assert text.count("\n", 0, text.index(MARK)) < first_untried


# --- SAM ---------------------------------------------------------------------------------------

TEMPLATE = ROOT / "examples/sam/template.yaml"
TRANSFORM = """
import json, sys
from types import SimpleNamespace
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

template = yaml_parse(sys.stdin.read())
for resource in template["Resources"].values():
    for name in {"CodeUri", "ContentUri"} & set(resource["Properties"]):
        resource["Properties"][name] = f"s3://bucket/{resource['Properties'][name]}"
policies = SimpleNamespace(load=lambda: {name: f"arn:aws:iam::aws:policy/{name}" for name in [
    "AWSLambdaBasicExecutionRole"]})
json.dump(transform(template, {}, policies), sys.stdout)
"""
"""The way of a template: `sam deploy` puts the archives into S3, CloudFormation transforms it."""


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """What CloudFormation makes of the template, by SAM's own code."""
    done = subprocess.run(
        [str(SAM / "python"), "-c", TRANSFORM],
        input=TEMPLATE.read_text(),
        env={"AWS_DEFAULT_REGION": "eu-central-1", "PATH": str(SAM)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    resources: dict[str, Any] = json.loads(done.stdout)
    return resources


def lint(template: dict[str, Any], path: Path) -> str:
    """What cfn-lint says of a template of CloudFormation."""
    path.write_text(json.dumps(template))
    command = [str(SAM / "cfn-lint"), "--regions", "eu-central-1", "--template", str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout


@pytest.mark.parametrize("file", ["main.py", "requirements.txt", "template.yaml"])
def test_the_example_for_sam_is_the_documented_one(file: str) -> None:
    title = f"# {file}\n"
    (documented,) = (
        step.text for step in blocks("docs/how-to/deploy-with-sam.md") if title in step.text
    )

    assert (TEMPLATE.parent / file).read_text() == documented.removeprefix(title)


def test_sam_makes_a_public_url_that_streams_and_a_layer_that_is_used(
    template: dict[str, Any], tmp_path: Path
) -> None:
    """`sam validate` takes any value for the invoke mode, and does not know the permissions."""
    assert lint(template, tmp_path / "template.json") == ""
    by_type: dict[str, list[Any]] = {}
    for resource in template["Resources"].values():
        by_type.setdefault(resource["Type"], []).append(resource["Properties"])
    (url,) = by_type["AWS::Lambda::Url"]
    assert (url["InvokeMode"], url["AuthType"]) == ("RESPONSE_STREAM", "NONE")
    permissions = {each["Action"]: each for each in by_type["AWS::Lambda::Permission"]}
    assert permissions["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    assert permissions["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    (function,) = by_type["AWS::Lambda::Function"]
    (layer,) = [
        name
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::Lambda::LayerVersion"
    ]
    assert function["Layers"] == [{"Ref": layer}]


def test_a_wrong_value_in_the_template_is_found(template: dict[str, Any], tmp_path: Path) -> None:
    wrong = json.loads(json.dumps(template).replace("RESPONSE_STREAM", "RESPONSE_STREAMS"))

    assert "'RESPONSE_STREAMS' is not one of" in lint(wrong, tmp_path / "template.json")


# --- the check of `aws` commands ---------------------------------------------------------------


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccount]:
    folder = tmp_path_factory.mktemp("account")
    account = AwsAccount(folder / "aws", folder, "main.app")
    account.start()
    yield account
    account.stop()


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("lambda get-function --name lines", "arguments are required: --function-name"),
        ("lambda create-function-url --function-name lines", "Invalid choice"),
        (
            "lambda create-function-url-config --function-name lines --auth-type NONE"
            " --invoke-mode STREAM",
            "STREAM is none of BUFFERED, RESPONSE_STREAM",
        ),
        ("lambda delete-function --function-name 'two words'", "two words is not of the form"),
        ("lambda get-function --function-name nobody", "GetFunction has not arrived"),
        ("--version", "no request was made"),
    ],
)
def test_a_mistake_in_a_command_is_found(account: AwsAccount, command: str, fault: str) -> None:
    """The emulator has a function `lines` alone."""
    with pytest.raises(AssertionError, match=re.escape(fault)):
        account.run(f"aws {command}", dict(os.environ))


def test_the_command_that_publishes_the_layer_is_right(account: AwsAccount, tmp_path: Path) -> None:
    done = command_run("package", "layer", "-o", str(tmp_path / "layer.zip"), "--json")
    assert done.returncode == 0, done.stderr

    account.run(shlex.join(json.loads(done.stdout)["publish_layer_version"]), dict(os.environ))


# --- containers --------------------------------------------------------------------------------

KEYS = {"AWS_ACCESS_KEY_ID": "dummy", "AWS_SECRET_ACCESS_KEY": "dummy"}


def dockerfiles() -> list[Any]:
    """Those of all pages."""
    return [
        pytest.param(step.text, id=f"{name}:{step.line}")
        for name in HOW_TOS
        for step in blocks(name)
        if step.info[0] == "dockerfile"
    ]


@pytest.mark.parametrize("text", dockerfiles())
def test_a_dockerfile_is_linted(text: str) -> None:
    done = subprocess.run(
        [HADOLINT, "--no-color", "-"], input=text, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def unzipped(archive: Path, folder: Path) -> Path:
    """Unpack an archive as Lambda does."""
    subprocess.run(["unzip", "-q", str(archive), "-d", str(folder)], check=True)
    return folder


def function_config(
    directory: Path, folder: Path, command: Iterable[str], environment: Mapping[str, str] = {}
) -> Path:
    """A configuration of the emulator with one function and its URL, which streams."""
    config = directory / "tailrace.toml"
    config.write_text(
        f"[functions.lines]\npath = {json.dumps(str(folder))}\n"
        f"command = {json.dumps([*command])}\n[functions.lines.environment]\n"
        + "".join(f"{name} = {json.dumps(text)}\n" for name, text in environment.items())
        + '[functions.lines.url]\ninvoke_mode = "RESPONSE_STREAM"\n'
    )
    return config


def assert_streams(
    folder: Path, command: Iterable[str], gates: Path, environment: Mapping[str, str] = {}
) -> None:
    """A function in a folder streams: each line is at the client before the next one can be made.

    The pauses of the documented app become gates.
    """
    main = folder / "main.py"
    pause = "await asyncio.sleep(0.5)"
    assert pause in main.read_text()
    gate = (
        f"while not __import__('os').path.exists(f'{gates}/{{number}}'): await asyncio.sleep(0.01)"
    )
    main.write_text(main.read_text().replace(pause, gate))
    config = function_config(gates, folder, command, environment)
    with Command(["emulator", "--config", str(config), "--listen", "127.0.0.1:0"]) as emulator:
        url = emulator.wait_line(r"Function URL (http://\S+)")[1]
        with Stream(f"{url}lines") as stream:
            for number in range(1, 4):
                assert stream.line() == f"line {number}\n", "\n".join(emulator.lines)
                (gates / str(number)).touch()
            assert stream.line() == ""


def test_the_image_of_a_function_streams(projects: Projects, tmp_path: Path) -> None:
    """Its process stands under the emulator, as it would stand in an environment of Lambda."""
    context = projects.of(CONTAINERS)
    image = Image((context / "Dockerfile").read_text(), context, tmp_path / "image")
    program, *arguments = image.commands["ENTRYPOINT"] + image.commands["CMD"]
    path = shutil.which(program, path=image.environ["PATH"])
    assert path is not None

    assert_streams(image.directory, [path, *arguments], tmp_path)


def test_the_image_of_the_gateway_serves_and_ends(projects: Projects, tmp_path: Path) -> None:
    context = projects.of(CONTAINERS)
    image = Image((context / "gateway.Dockerfile").read_text(), context, tmp_path / "image")
    port = free_port()

    def real(words: list[str]) -> list[str]:
        text = json.dumps(words)
        return json.loads(text.replace(":8080", f":{port}").replace("0.0.0.0:8081", "127.0.0.1:0"))

    command = real(image.commands["ENTRYPOINT"] + image.commands["CMD"])
    variables = {**image.environ, "AWS_DEFAULT_REGION": "eu-central-1", **KEYS}
    with (tmp_path / "log").open("wb") as log:
        gateway = subprocess.Popen(command, env=variables, stderr=log)
    try:
        check = real(image.commands["HEALTHCHECK"])
        deadline_s = time.monotonic() + 20
        while subprocess.run(check, env=variables, capture_output=True, check=False).returncode:
            assert gateway.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline_s, (tmp_path / "log").read_text()
    finally:
        gateway.terminate()
        code = gateway.wait(20)
    assert code == 0, (tmp_path / "log").read_text()
    done = subprocess.run(check, env=variables, capture_output=True, check=False)
    assert done.returncode != 0  # a check that sees the end


# --- archives ----------------------------------------------------------------------------------


def test_the_archives_for_the_managed_runtime_stream(projects: Projects, tmp_path: Path) -> None:
    """In the imitation of that runtime, with the variable that the page's function has."""
    project = projects.of(LAYER)
    task = unzipped(project / "function.zip", tmp_path / "task")
    opt = unzipped(project / "layer.zip", tmp_path / "opt")
    (variable,) = re.findall(r"'Variables=\{(\w+)=([\w/-]+)\}'", (ROOT / LAYER).read_text())

    command = managed_command(task, opt, handler="main.app")
    assert_streams(task, command, tmp_path, dict([variable]))


def test_the_companion_of_the_probe_is_in_the_layer(projects: Projects, tmp_path: Path) -> None:
    """With any archive: `curl` can ask it, and `tailrace probe` knows it by its header."""
    project = projects.of(LAYER)
    task = unzipped(project / "function.zip", tmp_path / "task")
    opt = unzipped(project / "layer.zip", tmp_path / "opt")
    command = managed_command(task, opt, handler="tailrace.probe.handler")
    config = function_config(tmp_path, task, command, VARIABLES)

    with Command(["emulator", "--config", str(config), "--listen", "127.0.0.1:0"]) as emulator:
        url = emulator.wait_line(r"Function URL (http://\S+)")[1]
        with Stream(f"{url}?count=2&interval_ms=1") as stream:
            assert stream.status == 200
            assert stream.response.headers["tailrace-probe"].startswith("v=1; ")
            assert len(stream.read().splitlines()) == 2


def test_the_archive_for_an_os_only_runtime_streams(projects: Projects, tmp_path: Path) -> None:
    task = unzipped(projects.of(OS_ONLY) / "function.zip", tmp_path / "task")
    opt = tmp_path / "opt"
    opt.mkdir()

    assert_streams(task, provided_command(task, opt, handler="main.app"), tmp_path)
