"""The documentation: examples are run, tables agree with the code, links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import click
import pytest
from docs.drawn import machines
from tests.browser import Chromium
from tests.event_shapes import EVENTS, Sent
from tests.fakes import FakeLambda
from tests.kits.ports import free_port
from tests.walk import (
    PATH,
    ROOT,
    TIMEOUT_S,
    Block,
    Walk,
    block,
    blocks,
    console_commands,
    walk_through,
)

from tailrace import config, function, limits
from tailrace.cli.entry import whole_command_line
from tailrace.config import Address, RouteConfig
from tailrace.errors import ConfigError
from tailrace.gateway import response_head
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.invoke import LambdaInvoker
from tailrace.gateway.routes import Router
from tailrace.gateway.service import Gateway
from tailrace.gateway.settings import GatewaySettings
from tailrace.gateway.transports.choice import Transports
from tailrace.net.process.startup import run
from tailrace.wire.events import rest

COMMANDS = whole_command_line()
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ANY = Address("127.0.0.1", 0)


# --- the gateway's formats -------------------------------------------------------------------


def run_gateway(story: Callable[[Gateway, FakeLambda], Awaitable[None]]) -> None:
    """Run a story against a gateway whose events are recorded."""

    async def main() -> None:
        endpoint = FakeLambda()
        await endpoint.start()
        invoker = LambdaInvoker(AwsEndpoint(endpoint.url, "us-east-1", is_loopback=True))
        routes = Router([RouteConfig(path="/*", function="documented")])
        settings = GatewaySettings(listen=ANY, callback_listen=ANY)
        gateway = Gateway(settings, Transports(callback=invoker), routes.match)
        await gateway.start()
        try:
            await asyncio.wait_for(story(gateway, endpoint), TIMEOUT_S)
        finally:
            await gateway.stop()
            await endpoint.stop()

    run(main())


async def curl(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "curl", "-sSN", "--max-time", str(TIMEOUT_S), *arguments, stdout=subprocess.PIPE
    )


DOCUMENTED_ID = "8f5b6a0e-5d0e-4f1c-9a53-0e3a2b6f1c11"
DOCUMENTED_SECRET = "9d2c4b7a1e8f4c6db0a3f5e7c1d29b84"
ANY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_the_event_is_the_documented_one() -> None:
    documented = json.loads(
        next(b.text for b in blocks("docs/reference/event.md") if "json" in b.info)
    )

    async def story(gateway: Gateway, endpoint: FakeLambda) -> None:
        request = documented["headers"]
        client = await curl(
            "--user-agent", request["user-agent"], "--header", "host: example.com",
            "--header", "content-type: application/json", "--cookie", request["cookie"],
            "--data", documented["body"], f"{gateway.public_url}{documented['url']}",
        )  # fmt: skip
        event = (await endpoint.invocation()).event
        client.terminate()
        await client.wait()

        exchange_id = event["requestId"]
        assert event["origin"].startswith(f"{gateway.callback_url}/{exchange_id}/")
        assert normalised(event) == normalised(documented)

    def normalised(event: dict[str, Any]) -> Any:
        """Without what differs from one request to the next."""
        context = event["requestContext"]
        assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
        assert event["headers"]["x-amzn-trace-id"].endswith(
            "-" + event["requestId"].replace("-", "")[:24]
        )
        text = json.dumps(event | {"requestContext": context | {"time": "", "timeEpoch": 0}})
        text = re.sub(r"http://127\.0\.0\.1:\d+/[-0-9a-f]{36}/[0-9a-f]{32}", "CALLBACK", text)
        text = re.sub(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", "TRACE", text)
        return json.loads(ANY_ID.sub("ID", text))

    run_gateway(story)


def callback_conversations() -> Iterator[list[Block]]:
    """The raw exchanges of the callback page: each begins with a callback's head."""
    conversation: list[Block] = []
    for step in blocks("docs/reference/callback.md"):
        if step.info[0] != "http":
            continue
        if step.text.startswith("POST ") and conversation:
            yield conversation
            conversation = []
        conversation.append(step)
    yield conversation


@pytest.mark.parametrize("conversation", list(callback_conversations()))
def test_the_bytes_of_a_callback_are_the_documented_ones(conversation: list[Block]) -> None:
    async def story(gateway: Gateway, endpoint: FakeLambda) -> None:
        client = await asyncio.open_connection(*gateway.public_url[7:].split(":"))
        client[1].write(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n")
        event = (await endpoint.invocation()).event
        address, exchange_id, secret = event["origin"].removeprefix("http://").split("/")
        function = await asyncio.open_connection(*address.split(":"))

        try:
            for step in conversation:
                if step.info[1] == "function":
                    text = step.text.replace(DOCUMENTED_ID, exchange_id)
                    function[1].write(wire_bytes(text.replace(DOCUMENTED_SECRET, secret)))
                    continue
                reader = (client if step.info[1] == "client" else function)[0]
                expected = wire_bytes(step.text.replace(DOCUMENTED_ID, exchange_id))
                received = await reader.readexactly(len(expected))
                assert without_date(received) == without_date(expected)
        finally:
            for _, writer in (client, function):
                writer.close()
                await writer.wait_closed()

    run_gateway(story)


def wire_bytes(text: str) -> bytes:
    """The bytes that a block stands for."""
    lines = text.encode().replace(b"\\0", b"\0").split(b"\n")
    *complete, last = [line.replace(b"\\n", b"\n") for line in lines]
    assert not last
    message = b"".join(line + b"\r\n" for line in complete)
    # The JSON that ends an answer has no line end of its own.
    return message.removesuffix(b"\r\n") if message.endswith(b"}\n\r\n") else message


def without_date(message: bytes) -> bytes:
    return re.sub(rb"(date: )[^\r]+", rb"\1...", message)


# --- pages that are walked through -----------------------------------------------------------

WEB_APP_SECTIONS = ("FastAPI", "Flask", "Django", "An MCP server", "On Lambda")
WALKS = [
    "docs/tutorial.md",
    "docs/tutorial-progress.md",
    "docs/how-to/any-language.md",
    *(f"docs/how-to/bring-your-web-app.md#{section}" for section in WEB_APP_SECTIONS),
    "docs/how-to/node-on-the-emulator.md",
    "docs/how-to/point-boto3-at-the-emulator.md",
    "docs/how-to/stop-when-the-client-leaves.md",
    "docs/how-to/stream-events.md",
    "docs/how-to/stream-llm-tokens.md",
    "docs/topics/costs.md",
    "docs/topics/which-path.md",
]


@pytest.mark.parametrize("name", WALKS)
def test_a_page_can_be_walked_through(name: str, tmp_path: Path) -> None:
    walk_through(name, tmp_path)


def test_the_page_of_tokens_shows_them_and_says_when_the_model_fails(tmp_path: Path) -> None:
    page = blocks("docs/how-to/stream-llm-tokens.md")
    script = next(step.text for step in page if "EventSource(" in step.text)
    walk = Walk(tmp_path)
    try:
        for step in page:
            if step.info[0] in ("python", "toml"):
                walk.do(step)
        walk.do(Block(("console",), "$ tailrace dev\n…\n", 0))
        with Chromium() as browser:
            browser.call("Page.navigate", url=f"{walk.public_url}/_tailrace/health")
            browser.wait_until("document.readyState === 'complete'")
            for prompt, end in (("hello", "about it "), ("crash", "(the model is not available)")):
                ask = f"ask('{prompt}', (text) => window.seen.push(text))"
                browser.evaluate(f"window.seen = []; {script}; {ask}; 0")
                browser.wait_until(f"window.seen.join('').endsWith('{end}')")
                assert browser.evaluate("window.seen.slice(0, 2)") == ["You ", "said "]
    finally:
        walk.stop()


def test_the_page_of_events_follows_them_to_their_end(tmp_path: Path) -> None:
    page = blocks("docs/how-to/stream-events.md")
    script = next(step.text for step in page if "EventSource(" in step.text)
    walk = Walk(tmp_path)
    try:
        for step in page[:2]:
            walk.do(step)
        walk.do(Block(("console",), "$ tailrace dev\n…\n", 0))
        with Chromium() as browser:
            browser.call("Page.navigate", url=f"{walk.public_url}/_tailrace/health")
            browser.wait_until("document.readyState === 'complete'")
            browser.evaluate(f"window.seen = []; {script}; follow((text) => seen.push(text)); 0")
            browser.wait_until("seen.at(-1) === 'that is all'")
            seen = ["taken", "packed", "shipped", "delivered", "that is all"]
            assert browser.evaluate("seen") == seen
    finally:
        walk.stop()


# --- examples that stand alone -----------------------------------------------------------------


def all_blocks(language: str) -> list[Any]:
    """Every block of a language in every document, named by its place."""
    return [
        pytest.param(each.text, id=f"{path.relative_to(ROOT)}:{each.line}")
        for path in DOCUMENTS
        for each in blocks(str(path.relative_to(ROOT)))
        if each.info[0] == language
    ]


@pytest.mark.parametrize("source", all_blocks("python"))
def test_python_is_legal(source: str) -> None:
    if re.search(
        r"^(import (anthropic|app|aws_cdk|boto3|openai)"
        r"|from (database|main|mcp|model|mysite) import)",
        source,
        re.MULTILINE,
    ):
        return  # it needs what its page has set up, and is run there
    exec(compile(source, "documented", "exec"), {"__name__": __name__})


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/deploy-to-aws.md"])
def test_the_infrastructure_of_a_page_is_that_of_the_example(page: str) -> None:
    example = (ROOT / "examples/deploy/app.py").read_text()
    code = example[example.index("import aws_cdk") :]

    assert any(each.text.removeprefix("# app.py\n") == code for each in blocks(page))


@pytest.mark.parametrize("source", all_blocks("toml"))
def test_toml_is_a_configuration(source: str, tmp_path: Path) -> None:
    for directory in re.findall(r'^path = "(\w+)"', source, re.MULTILINE):
        (tmp_path / directory).mkdir()
    (tmp_path / "tailrace.toml").write_text(source)

    # What functions need is not here: their files of variables, and what a shell has exported.
    is_complete = "env_file" not in source and "${" not in source
    config.load(tmp_path / "tailrace.toml", runs_functions=is_complete)


@pytest.mark.parametrize("source", all_blocks("sh"))
def test_commands_are_legal(source: str, tmp_path: Path) -> None:
    subprocess.run(["sh", "-n"], input=source.encode(), check=True)
    for line in re.findall(r"^(?:ExecStart=\S*/)?(tailrace .*)$", source, re.MULTILINE):
        assert_legal(COMMANDS, shlex.split(line))


def assert_legal(command: click.Command, words: list[str]) -> None:
    """Parse the words of a command line, those of its subcommands included."""
    name, *arguments = words
    if isinstance(command, click.Group):
        assert_legal(command.commands[arguments[0]], arguments)
    else:
        command.make_context(name, arguments)


def test_the_first_function_of_the_readme_streams() -> None:
    namespace: dict[str, Any] = {}
    exec(block("README.md", "python").text, namespace)

    assert namespace["handler"]({}, None) == "line 1\nline 2\nline 3\n"


def test_a_mistake_is_reported_as_documented(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tailrace.toml").write_text('[functions.lines]\nhandler = "app.handler"\ntimeout = 3\n')

    with pytest.raises(ConfigError) as error:
        config.load("tailrace.toml")

    assert str(error.value) + "\n" == block("docs/reference/settings.md", "text").text


def test_health_is_as_documented() -> None:
    ((command, shown),) = console_commands(block("docs/how-to/run-the-gateway.md", "console").text)

    async def story(gateway: Gateway, endpoint: FakeLambda) -> None:
        url = command.split()[-1].replace("http://127.0.0.1:8080", gateway.public_url)
        client = await curl(url)
        output, _ = await client.communicate()
        measured = re.compile(r'"late_us": [0-9]+')
        assert measured.sub("", output.decode()) == measured.sub("", shown)

    run_gateway(story)


def test_the_function_for_node_calls_back(tmp_path: Path) -> None:
    (tmp_path / "app.mjs").write_text(block("docs/how-to/any-language.md", "js").text)
    call = "import('./app.mjs').then((app) => app.handler(JSON.parse(process.argv[1])))"

    async def story(gateway: Gateway, endpoint: FakeLambda) -> None:
        client = await curl(gateway.public_url)
        event = json.dumps((await endpoint.invocation()).event)
        node = await asyncio.create_subprocess_exec("node", "-e", call, event, cwd=tmp_path)
        output, _ = await client.communicate()
        assert await node.wait() == 0
        assert output == b"line 1\nline 2\nline 3\n"

    run_gateway(story)


def test_the_nginx_configuration_streams(tmp_path: Path) -> None:
    """Each piece is at the client before the function sends the next one."""

    async def story(gateway: Gateway, endpoint: FakeLambda) -> None:
        port = free_port()
        server = block("docs/how-to/behind-a-proxy.md", "nginx").text
        server = server.replace("127.0.0.1:8080", gateway.public_url.removeprefix("http://"))
        server = server.replace("listen 80;", f"listen 127.0.0.1:{port};")
        (tmp_path / "nginx.conf").write_text(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;\n"
            f"events {{}}\nhttp {{ access_log off;\n{server}}}\n"
        )
        nginx = await asyncio.create_subprocess_exec(
            shutil.which("nginx", path=f"{PATH}:/usr/sbin:/sbin") or "nginx",
            "-p", str(tmp_path), "-c", "nginx.conf", stderr=subprocess.DEVNULL,
        )  # fmt: skip
        writers = []
        try:
            client = await connected("127.0.0.1", port)
            writers.append(client[1])
            client[1].write(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n")
            event = (await endpoint.invocation()).event
            address, path = event["origin"].removeprefix("http://").split("/", 1)
            function = await connected(*address.split(":"))
            writers.append(function[1])
            function[1].write(
                f"POST /{path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
            )
            for piece in (b"one\n", b"two\n", b"six\n"):
                function[1].write(b"4\r\n" + piece + b"\r\n")
                await client[0].readuntil(piece)
            function[1].write(b"0\r\n\r\n")
            await client[0].readuntil(b"0\r\n\r\n")
        finally:
            for writer in writers:
                writer.close()
                await writer.wait_closed()
            nginx.terminate()
            await nginx.wait()

    run_gateway(story)


async def connected(
    host: str, port: str | int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as soon as somebody listens; the caller's time-out bounds it."""
    while True:
        try:
            return await asyncio.open_connection(host, port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)


# --- tables that agree with the code -----------------------------------------------------------


def rows(name: str, section: str) -> list[list[str]]:
    """The rows of the first table in a section."""
    text = (ROOT / name).read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [line.strip("|").split(" | ") for line in lines[2:]]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]


def test_generated_parts_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "check"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, f"{done.stdout}run: python docs/generate.py\n{done.stderr}"


@pytest.mark.parametrize(
    ("section", "record"),
    [
        ("`[functions.NAME]`", config.FunctionConfig),
        ("`[functions.NAME.url]`", config.UrlConfig),
        ("`[functions.NAME.url.cors]`", config.CorsConfig),
        ("`[functions.NAME.destinations]`", config.DestinationsConfig),
        ("`[functions.NAME.hold_back]`", config.HoldBackConfig),
        ("`[[routes]]`", config.RouteConfig),
        ("`[gateway]`", config.GatewayConfig),
        ("`[emulator]`", config.EmulatorConfig),
    ],
)
def test_every_setting_is_documented(section: str, record: type[Any]) -> None:
    page = "docs/reference/settings.md"
    hints = get_type_hints(record, include_extras=True)
    expected = {
        field.name: [shown_default(field), hints[field.name].__metadata__[0].description]
        for field in dataclasses.fields(record)
        if field.name != "name"  # of a function: it is in the table's own name
    }

    documented = {
        key.strip("`"): [default, allowed] for key, _, default, allowed, _ in rows(page, section)
    }

    assert documented == expected


def shown_default(field: dataclasses.Field[Any]) -> str:
    """A default as the page has it: the way it is written in TOML."""
    if field.name == "path" and field.type == FUNCTION_PATH:
        return '`"."`'  # the default of the reader, which makes it absolute
    if field.default_factory is not dataclasses.MISSING:
        return f"`{json.dumps(field.default_factory())}`"
    if field.default is dataclasses.MISSING:
        return "**required**"
    is_table = field.default is None or dataclasses.is_dataclass(field.default)
    return "none" if is_table else f"`{json.dumps(field.default)}`"


FUNCTION_PATH = config.FunctionConfig.__annotations__["path"]


@pytest.mark.parametrize("command", sorted(COMMANDS.commands))
def test_every_option_is_documented(command: str) -> None:
    context = COMMANDS.commands[command].make_context(command, [], resilient_parsing=True)
    expected = {}
    for parameter in context.command.params:
        record = parameter.get_help_record(context)
        assert record is not None
        name, text = record
        default = re.search(r"\[default: ([^\]]*)\]", text)
        expected[" ".join(name.split())] = default[1].strip() if default else "none"

    documented = {
        row[0].strip("`"): row[1].replace("`", "")
        for row in rows("docs/reference/cli.md", f"`tailrace {command}`")
    }

    assert documented == expected


def test_the_unit_waits_longer_than_a_drain_takes() -> None:
    unit = block("docs/how-to/run-the-gateway.md", "ini").text
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)

    assert int(seconds) > limits.DRAIN_TIMEOUT_S + limits.DRAIN_DELAY_S


@pytest.mark.parametrize("shape", ["function-url", "rest", "alb", "alb-multi-value"])
def test_the_documented_answer_to_an_event_is_given(shape: str) -> None:
    answers = {b.info[1]: json.loads(b.text) for b in blocks("docs/reference/events.md")}

    @function.streamify_response
    def handler(event: Any, context: Any) -> Iterator[Any]:
        yield DOCUMENTED_HEAD
        yield "hello"

    assert handler(EVENTS[shape](Sent()), None) == answers[shape]


def test_the_documented_prelude_of_a_rest_api_is_written() -> None:
    answers = {b.info[1]: json.loads(b.text) for b in blocks("docs/reference/events.md")}

    encoded = rest.prelude(DOCUMENTED_HEAD)

    assert json.loads(encoded.removesuffix(bytes(8))) == answers["rest-prelude"]


DOCUMENTED_HEAD = function.Head(
    201,
    [("content-type", "text/plain"), ("vary", "accept"), ("vary", "cookie")],
    ["a=1", "b=2; HttpOnly"],
)


def sdk_example(heading: str) -> Callable[[Any, Any], Any]:
    """The handler of the first example below a heading of the SDK's reference."""
    page = (ROOT / "docs/reference/sdk.md").read_text()
    section = page.partition(f"\n## `{heading}`\n")[2].partition("\n## ")[0]
    namespace: dict[str, Any] = {}
    exec(section.partition("```python\n")[2].partition("```")[0], namespace)
    handler: Callable[[Any, Any], Any] = namespace["handler"]
    return handler


@pytest.mark.parametrize("shape", EVENTS)
def test_the_example_of_a_request_serves_every_front_end(shape: str) -> None:
    handler = sdk_example("Request")
    sent = Sent("POST", "/a%20b", headers=(("cookie", "name=Ann"),), body=b'{"question": "why so"}')

    def answered(sent: Sent) -> tuple[int, str]:
        result = handler(EVENTS[shape](sent), None)
        return result["statusCode"], result["body"]

    path = "/live/a b" if shape == "rest" else "/a b"
    assert answered(sent) == (*(200, f"Ann at 203.0.113.9, who came to {path}:\nwhy?\nso?\n"),)
    assert answered(dataclasses.replace(sent, method="GET")) == (405, "")
    for body in (b"{", b"{}", b"[]"):
        status, text = answered(dataclasses.replace(sent, body=body))
        assert (status, text.partition(":")[0]) == (400, "send JSON with a question")


def test_the_example_of_annotations_runs() -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 5)

    assert sdk_example("Context")(EVENTS["function-url"](Sent(path="/a")), context)["body"] == (
        "/a, 5 ms left\n"
    )


def test_every_public_name_of_the_sdk_is_documented() -> None:
    page = (ROOT / "docs/reference/sdk.md").read_text()
    headings = set(re.findall(r"^## `(\w+)`$", page, re.MULTILINE))

    assert headings == set(function.__all__)
    for method in vars(function.ResponseStream):
        assert method.startswith("_") or re.search(rf"`(await )?{method}[(`]", page), method


def test_headers_of_a_callback_are_documented() -> None:
    page = (ROOT / "docs/reference/callback.md").read_text()
    (paragraph,) = re.findall(r"^`accept`[^.]*?$\n\n", page, re.MULTILINE | re.DOTALL)

    documented = re.findall(r"`([\w-]+)\*?`", paragraph)

    prefixes = [prefix.decode() for prefix in vars(response_head)["_OF_REQUESTS_PREFIXES"]]
    assert documented == sorted({*vars(response_head)["_OF_REQUESTS"], *prefixes})


def test_outcomes_in_the_log_are_documented() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text()
    (row,) = re.findall(r"^\| `outcome` .*$", page, re.MULTILINE)
    possible = set(re.findall(r"`Close` \(([\w-]+)\)", machines.commands()))
    possible = (possible - {"idle-deadline"}) | {
        f"{name}-deadline" for name in ("first-byte", "idle", "stall", "total")
    }
    possible.add("stream-broken")  # as `callback-broken`, of the other transport

    assert set(re.findall(r"`([\w-]+)`", row)) - {"outcome"} == possible


def functions_of(source: Path) -> set[str]:
    """Functions and methods that a module defines."""
    found = set()
    for node in ast.parse(source.read_text()).body:
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                found.add(name)
            case ast.ClassDef(body=body):
                found |= {
                    f"{node.name}.{each.name}"
                    for each in body
                    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                }
    return found


def names_of(source: Path) -> set[str]:
    """Functions, classes, methods and constants that a module defines."""
    found = functions_of(source)
    for node in ast.parse(source.read_text()).body:
        match node:
            case ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]):
                found.add(name)
            case ast.ClassDef(name):
                found.add(name)
    return found


PACKAGE = ROOT / "src" / "tailrace"


def test_the_life_of_a_response_names_real_functions() -> None:
    page = (ROOT / "docs/topics/life-of-a-response.md").read_text()
    named = re.findall(r"^\| `([\w/]+\.py)` \| `([\w.]+)` \|", page, re.MULTILINE)

    assert len(named) > 30
    for module, name in named:
        assert name in functions_of(PACKAGE / module), f"{module}: {name}"
    everything = set().union(*(functions_of(module) for module in PACKAGE.rglob("*.py")))
    assert set(re.findall(r"`([A-Z]\w+\.\w+)`", page)) <= everything


def named_places(page: str) -> Iterator[tuple[Path, str]]:
    """The files of the source and tests that a page names, each with a name in it."""
    text = (ROOT / page).read_text()
    for file, name in re.findall(r"`([\w/]+\.py)` (?:\| )?`([\w.]+)`", text):
        yield ROOT / file if file.startswith("tests/") else PACKAGE / file, name


@pytest.mark.parametrize(
    ("page", "count_min"), [("docs/reference/glossary.md", 25), ("docs/topics/where-do-i.md", 15)]
)
def test_places_that_are_named_exist(page: str, count_min: int) -> None:
    found = list(named_places(page))

    assert len(found) >= count_min
    for file, name in found:
        assert name in names_of(file), f"{file}: {name}"


def test_failures_name_tests_that_exist() -> None:
    page = (ROOT / "docs/topics/failures.md").read_text()
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", page)

    assert len(named) > 100
    assert page.count("\n| ") <= len(named) + 2 * page.count("| test |")  # each row names one
    for module, name in named:
        assert name in functions_of(ROOT / "tests" / module), f"{module}::{name}"


def test_each_question_of_a_contributor_has_an_answer() -> None:
    page = (ROOT / "docs/topics/where-do-i.md").read_text()
    questions = page.split("\n## … ")[1:]

    assert len(questions) == 11
    for question in questions:
        assert re.search(r"^\| `[\w/]+\.py` \| `", question, re.MULTILINE), question


def test_the_figure_names_functions_of_the_page() -> None:
    page = (ROOT / "docs/topics/life-of-a-response.md").read_text()
    figure = (ROOT / "docs/figures/life.svg").read_text()

    for name in re.findall(r'<text class="code"[^>]*>([\w.]+)</text>', figure):
        assert f"`{name.removeprefix('invocation.')}`" in page, name


def test_modules_that_are_named_exist() -> None:
    for path in DOCUMENTS:
        for name in re.findall(
            r"`((?:cli|function|runtime|gateway|emulator|wire|net)/[\w/]+\.py)`", path.read_text()
        ):
            assert (PACKAGE / name).exists(), f"{path.name}: {name}"


# --- links, words ------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        goal = (path.parent / name).resolve() if name else path
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal), target


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text()

    for path in (ROOT / "docs").rglob("*.md"):
        name = str(path.relative_to(ROOT / "docs"))
        assert name == "index.md" or f"({name})" in index, name


FOREIGN = re.compile(
    r"/(?:root|home|Users|work|tmp)/|index-url|registry\.npmjs|files\.pythonhosted"
    r"|deb\.debian|(?<!example)\.internal\b(?<!gateway\.internal)|\bissue #|\bTODO\b",
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_of_one_machine_is_in_the_text(path: Path) -> None:
    found = FOREIGN.search(path.read_text())

    assert found is None, found
