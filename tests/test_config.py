import os
import re
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.config import (
    Address,
    Config,
    CorsConfig,
    EmulatorConfig,
    FunctionConfig,
    GatewayConfig,
    HoldBackConfig,
    RouteConfig,
    UrlConfig,
    load,
    parse_address,
    parse_advertise,
)
from tailrace.errors import ConfigError
from tailrace.limits import ENVIRONMENT_BYTES_MAX

FUNCTION_KEYS = (
    "handler, app, command, python, path, timeout_s, memory_mb, concurrency, environment, env_file,"
    " aws_profile, retries, event_age_s, url, destinations, hold_back"
)


FUNCTION_TABLE = "write [functions.NAME], with a name of its own, before each function"
ROUTES_TABLE = "write [[routes]], in two pairs of brackets, before each route"


@pytest.fixture(autouse=True)
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are named relative to the working directory: messages then spell them so."""
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Config:
    Path("tailrace.toml").write_text(text, encoding="utf-8")
    return load("tailrace.toml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    message = str(caught.value)
    assert message.startswith("tailrace.toml: ")
    return message.removeprefix("tailrace.toml: ")


def function(line: str) -> str:
    return f'[functions.lines]\nhandler = "app.lines"\n{line}'


def route(lines: str) -> str:
    return f'[functions.lines]\nhandler = "app.lines"\n[[routes]]\n{lines}'


# --- what a file may say -------------------------------------------------------------------------


def test_a_file_that_says_everything(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()

    config = read(
        """
        [functions.lines]
        handler = "app.lines"
        path = "app"
        timeout_s = 2.5
        memory_mb = 512
        concurrency = 3
        environment = { GREETING = "hello", EMPTY = "" }
        retries = 0
        event_age_s = 60

        [functions.node-1]
        command = ["node", "lines.mjs"]

        [[routes]]
        path = "/lines"
        function = "lines"
        concurrency = 7

        [[routes]]
        path = "/node/*"
        host = "Example.com"
        function = "node-1"

        [emulator]
        retry_delay_scale = 0.01

        [gateway]
        health_path = "/healthz"
        first_byte_timeout_s = 3
        function_idle_timeout_s = 4.5
        client_stall_timeout_s = 5
        total_timeout_s = 6
        drain_delay_s = 1.5
        drain_timeout_s = 0
        trusted_hops = 2
        """
    )

    assert config == Config(
        path=tmp_path / "tailrace.toml",
        functions={
            "lines": FunctionConfig(
                name="lines",
                handler="app.lines",
                path=tmp_path / "app",
                timeout_s=2.5,
                memory_mb=512,
                concurrency=3,
                environment={"GREETING": "hello", "EMPTY": ""},
                retries=0,
                event_age_s=60.0,
            ),
            "node-1": FunctionConfig(name="node-1", command=("node", "lines.mjs"), path=tmp_path),
        },
        routes=(
            RouteConfig(path="/lines", function="lines", concurrency=7),
            RouteConfig(path="/node/*", host="Example.com", function="node-1"),
        ),
        emulator=EmulatorConfig(retry_delay_scale=0.01),
        gateway=GatewayConfig(
            health_path="/healthz",
            first_byte_timeout_s=3.0,
            function_idle_timeout_s=4.5,
            client_stall_timeout_s=5.0,
            total_timeout_s=6.0,
            drain_delay_s=1.5,
            drain_timeout_s=0.0,
            trusted_hops=2,
        ),
    )


def test_an_empty_file_has_the_defaults(tmp_path: Path) -> None:
    config = read("")

    assert config == Config(path=tmp_path / "tailrace.toml", functions={}, routes=())
    assert config.emulator.retry_delay_scale == 1.0
    assert config.gateway == GatewayConfig(
        health_path="/_tailrace/health",
        first_byte_timeout_s=30.0,
        function_idle_timeout_s=60.0,
        client_stall_timeout_s=60.0,
        total_timeout_s=900.0,
        drain_timeout_s=300.0,
        trusted_hops=0,
    )


def test_a_function_has_the_defaults(tmp_path: Path) -> None:
    (lines,) = read(function("")).functions.values()

    assert lines == FunctionConfig(
        name="lines",
        handler="app.lines",
        command=None,
        path=tmp_path,
        timeout_s=30.0,
        memory_mb=128,
        concurrency=10,
        environment={},
        retries=2,
        event_age_s=21_600.0,
    )
    assert read(route('path = "/*"\nfunction = "lines"')).routes[0].concurrency == 1000


def test_directories_are_relative_to_the_file(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "project" / "app").mkdir(parents=True)
    file = tmp_path / "project" / "tailrace.toml"
    file.write_text('[functions.a]\nhandler = "a.b"\npath = "app"\n', encoding="utf-8")

    for name in (file, "project/tailrace.toml", Path("project/../project/tailrace.toml")):
        config = load(name)
        assert config.path == file
        assert config.functions["a"].path == tmp_path / "project" / "app"


@pytest.mark.parametrize("handler", ["a.b", "src/app.handler", "pkg.mod.obj", "größe.f"])
def test_handlers(handler: str) -> None:
    config = read(f'[functions.a]\nhandler = "{handler}"')

    assert config.functions["a"].handler == handler


@pytest.mark.parametrize(
    "path", ["/", "/*", "/a", "/a/", "/a/*", "/a/b.c/d", "/a%20b", "/~", "/v1/x:y"]
)
def test_route_paths(path: str) -> None:
    config = read(route(f'path = "{path}"\nfunction = "lines"'))

    assert config.routes[0].path == path


@pytest.mark.parametrize("host", ["localhost", "EXAMPLE.com", "127.0.0.1", "[::1]", "a_b-c"])
def test_route_hosts(host: str) -> None:
    config = read(route(f'path = "/"\nhost = "{host}"\nfunction = "lines"'))

    assert config.routes[0].host == host


def test_routes_without_functions_are_those_of_a_gateway_alone() -> None:
    """In production the functions are in the cloud, and the file does not know them."""
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f:prod"

    assert read(f'[[routes]]\npath = "/*"\nfunction = "{arn}"').routes[0].function == arn


def test_the_same_path_may_have_a_route_for_each_host() -> None:
    config = read(
        route('path = "/*"\nfunction = "lines"\n[[routes]]\npath = "/*"\nfunction = "lines"\n')
        + 'host = "a"\n[[routes]]\npath = "/*"\nfunction = "lines"\nhost = "b"'
    )

    assert [one.host for one in config.routes] == [None, "a", "b"]


def test_a_record_does_not_show_the_environment() -> None:
    config = read(function('environment = { PASSWORD = "s3cret" }'))

    assert config.functions["lines"].environment == {"PASSWORD": "s3cret"}
    assert "s3cret" not in repr(config)


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[function.lines]",
            "function: unknown key; did you mean functions? "
            "allowed: functions, routes, emulator, gateway",
        ),
        (
            "[[rout]]",
            "rout: unknown key; did you mean routes? allowed: functions, routes, emulator, gateway",
        ),
        (
            function("timeout = 3"),
            "functions.lines.timeout: unknown key; did you mean timeout_s? "
            f"allowed: {FUNCTION_KEYS}",
        ),
        (
            function("env = 3"),
            f"functions.lines.env: unknown key; did you mean environment? allowed: {FUNCTION_KEYS}",
        ),
        (
            function("name = 'x'"),
            "functions.lines.name: unknown key; "
            "the name of a function stands in the table's own: [functions.NAME]",
        ),
        (
            function('"a b\\n" = 3'),
            f"functions.lines.'a b\\n': unknown key; allowed: {FUNCTION_KEYS}",
        ),
        (
            route('path = "/"\nfunction = "lines"\nhots = "a"'),
            "routes[0].hots: unknown key; did you mean host? "
            "allowed: path, host, function, transport, concurrency",
        ),
        (
            "[emulator]\nretry_scale = 1",
            "emulator.retry_scale: unknown key; did you mean retry_delay_scale? "
            "allowed: retry_delay_scale, freeze, access_key_id, secret_access_key, "
            "allowed_hosts, allowed_origins, callback_hosts",
        ),
        (
            "[gateway]\nfirst_byte_timeout = 1",
            "gateway.first_byte_timeout: unknown key; did you mean first_byte_timeout_s? "
            "allowed: " + ", ".join(GatewayConfig.__dataclass_fields__),
        ),
    ],
)
def test_unknown_keys(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("functions = 3", f"functions: 3 is not allowed; {FUNCTION_TABLE}"),
        ("functions.lines = 3", f"functions.lines: 3 is not allowed; {FUNCTION_TABLE}"),
        (
            "[[functions]]\nname = 'f'",
            "functions: an array is not allowed; " + FUNCTION_TABLE,
        ),
        ("routes = 3", f"routes: 3 is not allowed; {ROUTES_TABLE}"),
        ("[routes]", "routes: a table is not allowed; " + ROUTES_TABLE),
        ("routes = [3]", "routes[0]: 3 is not allowed; allowed: a table"),
        ("emulator = 3", "emulator: 3 is not allowed; allowed: a table"),
        ("[[gateway]]", "gateway: an array is not allowed; allowed: a table"),
        (
            "[functions.a]\nhandler = 3",
            'functions.a.handler: 3 is not allowed; allowed: "module.attribute" '
            "of a Python handler",
        ),
        (
            "[functions.a]\nhandler = 'app'",
            "functions.a.handler: 'app' is not allowed; did you mean \"app.handler\"? "
            'allowed: "module.attribute" '
            "of a Python handler",
        ),
        (
            "[functions.a]\nhandler = 'app.'",
            "functions.a.handler: 'app.' is not allowed; allowed: \"module.attribute\" "
            "of a Python handler",
        ),
        (
            "[functions.a]\ncommand = 'node a.mjs'",
            "functions.a.command: 'node a.mjs' is not allowed; "
            'did you mean ["node", "a.mjs"]? allowed: a list of texts: '
            "a program and its arguments",
        ),
        (
            "[functions.a]\ncommand = []",
            "functions.a.command: [] is not allowed; allowed: a list of texts: "
            "a program and its arguments",
        ),
        (
            "[functions.a]\ncommand = ['node', 3]",
            "functions.a.command: ['node', 3] is not allowed; allowed: a list of texts: "
            "a program and its arguments",
        ),
        (
            "[functions.a]\ncommand = ['a\\u0000b']".replace("'", '"'),
            "functions.a.command: ['a\\x00b'] is not allowed; allowed: a list of texts: "
            "a program and its arguments",
        ),
        (
            function("timeout_s = '3'"),
            "functions.lines.timeout_s: '3' is not allowed; did you mean 3? "
            "allowed: seconds: more than 0, at most 900",
        ),
        (
            function("timeout_s = 0"),
            "functions.lines.timeout_s: 0 is not allowed; "
            "allowed: seconds: more than 0, at most 900",
        ),
        (
            function("timeout_s = nan"),
            "functions.lines.timeout_s: nan is not allowed; "
            "allowed: seconds: more than 0, at most 900",
        ),
        (
            function("timeout_s = 901"),
            "functions.lines.timeout_s: 901 is not allowed; "
            "allowed: seconds: more than 0, at most 900",
        ),
        (
            function("memory_mb = 127"),
            "functions.lines.memory_mb: 127 is not allowed; "
            "allowed: a whole number from 128 to 10240",
        ),
        (
            function("memory_mb = 128.5"),
            "functions.lines.memory_mb: 128.5 is not allowed; "
            "allowed: a whole number from 128 to 10240",
        ),
        (
            function("concurrency = true"),
            "functions.lines.concurrency: True is not allowed; "
            "allowed: a whole number from 0 to 1000",
        ),
        (
            function("retries = 3"),
            "functions.lines.retries: 3 is not allowed; allowed: a whole number from 0 to 2",
        ),
        (
            function("event_age_s = inf"),
            "functions.lines.event_age_s: inf is not allowed; "
            "allowed: seconds: more than 0, at most 21600",
        ),
        (
            function("memory_mb = 1979-05-27"),
            "functions.lines.memory_mb: datetime.date(1979, 5, 27) is not allowed; "
            "allowed: a whole number from 128 to 10240",
        ),
        (
            function("memory_mb = 0x" + "f" * 5000),
            "functions.lines.memory_mb: the number is not allowed; "
            "allowed: a whole number from 128 to 10240",
        ),
        (
            function("handler_ = '" + "x" * 100 + "'").replace("handler_", "timeout_s"),
            "functions.lines.timeout_s: '" + "x" * 78 + "… is not allowed; "
            "allowed: seconds: more than 0, at most 900",
        ),
        (
            "[emulator]\nretry_delay_scale = -1",
            "emulator.retry_delay_scale: -1 is not allowed; allowed: a factor from 0 to 10",
        ),
        (
            "[gateway]\nhealth_path = 'health'",
            "gateway.health_path: 'health' is not allowed; allowed: a path that begins with '/'",
        ),
        (
            "[gateway]\ntotal_timeout_s = 0",
            "gateway.total_timeout_s: 0 is not allowed; "
            "allowed: seconds: more than 0, at most 86400",
        ),
        (
            "[gateway]\ndrain_timeout_s = -1",
            "gateway.drain_timeout_s: -1 is not allowed; allowed: seconds from 0 to 86400",
        ),
        (
            "[gateway]\ntrusted_hops = 17",
            "gateway.trusted_hops: 17 is not allowed; allowed: a whole number from 0 to 16",
        ),
    ],
)
def test_wrong_types_and_ranges(text: str, message: str) -> None:
    assert refusal(text) == message


def test_a_function_has_a_handler_or_an_app_or_a_command() -> None:
    assert refusal("[functions.a]") == (
        "functions.a: none of them is there; allowed: exactly one of handler, app, command"
    )
    assert refusal('[functions.a]\nhandler = "a.b"\ncommand = ["c"]') == (
        "functions.a: handler and command are there; allowed: exactly one of handler, app, command"
    )
    assert refusal('[functions.a]\nhandler = "a.b"\napp = "a:b"').startswith(
        "functions.a: handler and app are there;"
    )


@pytest.mark.parametrize(
    "app", ["main:app", "my.pkg.asgi:application", "main:api.inner", "größe:f"]
)
def test_apps(app: str) -> None:
    function = read(f'[functions.a]\napp = "{app}"').functions["a"]

    assert (function.app, function.handler, function.loaded) == (app, None, app)


@pytest.mark.parametrize("name", ["", "a.b", "a b", "é", "a" * 65])
def test_function_names(name: str) -> None:
    assert refusal(f'[functions."{name}"]\nhandler = "a.b"') == (
        f"functions.'{name}': illegal name; allowed: letters, digits, '-' and '_', at most 64"
    )


@pytest.mark.parametrize("path", ["nowhere", "tailrace.toml", "/nowhere", "x" * 5000])
def test_a_path_is_a_directory(path: str, tmp_path: Path) -> None:
    message = refusal(function(f'path = "{path}"'))

    assert message.startswith("functions.lines.path: ")
    assert message.endswith(" is not a directory; allowed: a directory, relative to the file")


def test_a_path_with_a_nul_or_in_a_loop_is_no_directory(tmp_path: Path) -> None:
    os.symlink("loop", tmp_path / "loop")

    for path in ("loop", "a\\u0000b"):
        assert "is not a directory" in refusal(function(f'path = "{path}"'))
    assert refusal(function("path = 3")) == (
        "functions.lines.path: 3 is not allowed; allowed: a directory, relative to the file"
    )


@pytest.mark.parametrize("name", ["_A", "1A", "A", "A-B", "A B", "", "É"])
def test_environment_names_that_lambda_does_not_take(name: str) -> None:
    assert refusal(function(f'[functions.lines.environment]\n"{name}" = "s3cret"')) == (
        f"functions.lines.environment.'{name}': illegal name; "
        "allowed: a letter, then letters, digits and '_', at least two"
    )


@pytest.mark.parametrize(
    "name",
    [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_EXECUTION_ENV",
        "LAMBDA_TASK_ROOT",
    ],
)
def test_environment_names_that_lambda_sets(name: str) -> None:
    hint = "choose another"
    if name in ("AWS_REGION", "AWS_ACCESS_KEY_ID"):
        hint = "set aws_profile, or put it into a file and name that in env_file"
    assert refusal(function(f'environment.{name} = "s3cret"')) == (
        f"functions.lines.environment.{name}: Lambda sets this name itself; {hint}"
    )


def test_other_names_that_begin_like_those_of_aws_are_free() -> None:
    """The wrapper script of Lambda Web Adapter is chosen by such a name."""
    config = read(function('environment.AWS_LAMBDA_EXEC_WRAPPER = "/opt/bootstrap"'))

    assert "AWS_LAMBDA_EXEC_WRAPPER" in config.functions["lines"].environment


@pytest.mark.parametrize("value", ["8080", "true", '"s3cret\\u0000"', '["s3cret"]'])
def test_environment_values_are_text_and_never_shown(value: str) -> None:
    assert refusal(function(f"environment.PORT = {value}")) == (
        "functions.lines.environment.PORT: not allowed; allowed: text in quotes, without NUL"
    )
    assert refusal(function("environment = 3")) == (
        "functions.lines.environment: 3 is not allowed; allowed: a table"
    )


def test_the_environment_has_a_size() -> None:
    fits = "é" * (ENVIRONMENT_BYTES_MAX // 2 - 1)

    read(function(f'environment.AB = "{fits}"'))
    assert refusal(function(f'environment.AB = "{fits}-"')) == (
        f"functions.lines.environment: {ENVIRONMENT_BYTES_MAX + 1} bytes; "
        f"allowed: {ENVIRONMENT_BYTES_MAX} for all together"
    )


@pytest.mark.parametrize(
    "path",
    ["", "lines", "*", "/a*", "/*/a", "/a/**", "/a?b", "/a#b", "/a b", "/a\\n", "/\\u0000", "/é"],
)
def test_route_paths_that_are_none(path: str) -> None:
    message = refusal(route(f'path = "{path}"\nfunction = "lines"'))

    assert message.startswith("routes[0].path: ")
    assert " is not allowed;" in message
    assert message.endswith(
        ' allowed: "/exact", "/prefix/*" or "/*", percent-encoded as in a request'
    )


@pytest.mark.parametrize("host", ["", "a:80", "http://a", "a/b", "*.a", "a b", "::1", "a\\n"])
def test_route_hosts_that_are_none(host: str) -> None:
    message = refusal(route(f'path = "/"\nhost = "{host}"\nfunction = "lines"'))

    assert message.startswith("routes[0].host: ")
    assert message.endswith(" is not allowed; allowed: a host name without a port")


def test_a_route_names_a_function_of_the_file() -> None:
    assert refusal(route('path = "/"\nfunction = "line"')) == (
        "routes[0].function: there is no function 'line'; did you mean lines? allowed: lines"
    )
    assert refusal(route('path = "/"\nfunction = "zzz"')) == (
        "routes[0].function: there is no function 'zzz'; allowed: lines"
    )
    assert refusal(route('path = "/"')) == (
        "routes[0].function: missing; allowed: "
        "a function's name or ARN, or the http(s) URL that invokes it"
    )
    assert refusal("[[routes]]\nfunction = ''\npath = '/'") == (
        "routes[0].function: '' is not allowed; allowed: "
        "a function's name or ARN, or the http(s) URL that invokes it"
    )


@pytest.mark.parametrize(
    "name",
    [
        "arn:aws:lambda:eu-central-1:123456789012:function:lines",
        "arn:aws:lambda:eu-central-1:123456789012:function:lines:live",
        "123456789012:function:lines",
        "lines:live",
        "lines",
    ],
)
def test_a_route_may_name_a_function_of_the_file_as_it_is_deployed(name: str) -> None:
    (found,) = read(route(f'path = "/"\nfunction = "{name}"')).routes

    assert (found.function, found.function_name) == (name, "lines")
    assert "did you mean lines?" in refusal(
        route(f'path = "/"\nfunction = "{name.replace("lines", "line")}"')
    )


def test_a_gateway_needs_nothing_of_what_its_functions_need(tmp_path: Path) -> None:
    """The file of a laptop serves on a machine that has none of the functions' folders."""
    text = function('path = "elsewhere"') + '\n[[routes]]\npath = "/*"\nfunction = "lines"\n'
    Path("tailrace.toml").write_text(text)

    found = load("tailrace.toml", runs_functions=False)

    assert [route.function for route in found.routes] == ["lines"]
    with pytest.raises(ConfigError, match="is not a directory"):
        load("tailrace.toml")


def test_routes_are_not_repeated() -> None:
    text = route('path = "/a/*"\nhost = "A.com"\nfunction = "lines"\n')

    assert refusal(text + '[[routes]]\npath = "/a/*"\nhost = "a.COM"\nfunction = "lines"') == (
        "routes[1]: /a/* has a route already: routes[0]"
    )


def test_mistakes_of_toml_have_a_line() -> None:
    assert refusal("[functions.a]\nhandler = app.lines\n") == (
        "not TOML: Invalid value (at line 2, column 11); text stands in quotes"
    )
    assert refusal("[emulator]\n[emulator]\n") == (
        "not TOML: Cannot declare ('emulator',) twice (at line 2, column 10)"
    )


def test_files_that_toml_does_not_take() -> None:
    Path("latin.toml").write_bytes(b"# caf\xe9\n")

    with pytest.raises(ConfigError, match=r"^latin\.toml: not UTF-8 at byte 5$"):
        load("latin.toml")
    assert refusal("a = " + "[" * 100_000).startswith("not TOML: ")
    assert refusal("a = " + "9" * 5000).startswith("not TOML: ")


def test_a_file_of_another_format_is_named() -> None:
    Path("tailrace.yaml").write_text("functions:\n  f: 1\n")

    with pytest.raises(ConfigError, match=r"not TOML: .*; the configuration is a TOML file"):
        load("tailrace.yaml")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^nowhere\.toml: cannot be read: No such file"):
        load("nowhere.toml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load(tmp_path)
    (tmp_path / "tailrace.toml").touch()
    with pytest.raises(ConfigError, match=r"Is a directory; did you mean .*/tailrace\.toml\?$"):
        load(tmp_path)


texts = st.text(max_size=6)
scalars = (
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | texts
    | st.sampled_from(["lines", "/a/*", "a.b"])
)
tables = st.dictionaries(
    st.sampled_from(
        [
            *FUNCTION_KEYS.split(", "),
            *("host", "function", "retry_delay_scale", "trusted_hops", "name"),
        ]
    )
    | texts,
    scalars | st.lists(scalars, max_size=2) | st.dictionaries(texts, scalars, max_size=2),
    max_size=4,
)


def toml(value: object) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{toml(k)}={toml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ",".join(map(toml, value)) + "]"
        case str():
            return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
        case bool():
            return str(value).lower()
    return str(value)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "functions": st.dictionaries(st.just("lines") | texts, tables, max_size=2),
            "routes": st.lists(tables, max_size=2),
            "emulator": tables,
            "gateway": tables | scalars,
        },
    )
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_file_is_taken_or_refused(root: dict[str, object]) -> None:
    try:
        read("\n".join(f"{key} = {toml(value)}" for key, value in root.items()))
    except ConfigError as error:
        assert str(error).startswith("tailrace.toml: ")


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
        ("localhost:65535", Address("localhost", 65535)),
        ("[::1]:80", Address("::1", 80)),
        ("[0:0:0:0:0:0:0:1]:80", Address("::1", 80)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


def test_an_address_is_spelled_with_brackets_where_needed() -> None:
    assert f"{Address('::1', 80)}" == "[::1]:80"
    assert f"{Address('localhost', 80)}" == "localhost:80"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        (":80", "':80' is no address; did you mean 127.0.0.1:80? allowed: HOST:PORT"),
        ("a:", "'a:' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        ("a:b", "'a:b' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        ("a:-1", "'a:-1' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        ("::1:80", "'::1:80' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        ("a b:80", "'a b:80' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        ("http://a:80", "'http://a:80' is no address; did you mean a:80? allowed: HOST:PORT"),
        ("http://a:80/", "'http://a:80/' is no address; did you mean a:80? allowed: HOST:PORT"),
        ("http://a/b", "'http://a/b' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        ("a:80\n", "'a:80\\n' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        ("localhost", "'localhost' has no port; allowed: HOST:PORT"),
        ("8080", "'8080' is no address; did you mean 127.0.0.1:8080? allowed: HOST:PORT"),
        ("a:65536", "port 65536 is not allowed; allowed: 0 to 65535"),
        ("[::g]:80", "'[::g]:80' is no address; allowed: HOST:PORT, IPv6 in brackets"),
        ("[1:2]:80", "no IPv6 address: At least 3 parts expected in '1:2'"),
    ],
)
def test_addresses_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text, name="--listen")

    assert str(caught.value) == f"--listen: {message}"


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("10.0.0.1", "http://10.0.0.1:8081"),
        ("10.0.0.1:9", "http://10.0.0.1:9"),
        ("http://gateway.internal", "http://gateway.internal:8081"),
        ("http://gateway.internal:80/", "http://gateway.internal:80"),
        ("https://gateway.internal", "https://gateway.internal:443"),
        ("https://gateway.internal:8443", "https://gateway.internal:8443"),
        ("[fd00::1]", "http://[fd00::1]:8081"),
        ("https://[fd00::1]:9", "https://[fd00::1]:9"),
    ],
)
def test_advertised_addresses(text: str, base: str) -> None:
    assert parse_advertise(text, 8081) == base


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no address; allowed: [https://]HOST[:PORT], IPv6 in brackets"),
        ("ftp://a", "'ftp://a' is neither http nor https; allowed: [https://]HOST[:PORT]"),
        ("https://", "'' is no address; allowed: [https://]HOST[:PORT], IPv6 in brackets"),
        ("https://a/b", "'a/b' is no address; allowed: [https://]HOST[:PORT], IPv6 in brackets"),
        ("a@b", "'a@b' is no address; allowed: [https://]HOST[:PORT], IPv6 in brackets"),
        ("0.0.0.0", "functions cannot call 0.0.0.0; name an address of this machine"),
        ("http://[::]:80", "functions cannot call ::; name an address of this machine"),
        ("a:0", "functions cannot call port 0; allowed: [https://]HOST[:PORT]"),
        ("a:70000", "port 70000 is not allowed; allowed: 0 to 65535"),
    ],
)
def test_advertised_addresses_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_advertise(text, 8081)

    assert str(caught.value) == f"--advertise: {message}"


@given(st.text(max_size=20))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for parse in (parse_address, lambda one: parse_advertise(one, 1)):
        try:
            parse(text)
        except ConfigError as error:
            assert str(error).isprintable()


def test_a_route_may_name_a_url_that_invokes() -> None:
    found = read(route('path = "/"\nfunction = "https://faas.example/run?x=1"')).routes[0]

    assert found.invoke_url == found.function == "https://faas.example/run?x=1"
    assert read(route('path = "/"\nfunction = "lines"')).routes[0].invoke_url is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https:///run?key=secret", "'' is no address"),
        ("http://a:b@/run?key=secret", "'' is no address"),
        ("http://faas:99999/run?key=secret", "port 99999 is not allowed"),
        ("http://faas:0/run?key=secret", "nobody can be reached at port 0"),
        ("http://[::g]/", "'[::g]' is no address"),
    ],
)
def test_a_url_that_cannot_be_asked_is_refused(url: str, said: str) -> None:
    refused = refusal(route(f'path = "/"\nfunction = "{url}"'))

    assert refused.startswith("routes[0].function: ")
    assert said in refused
    assert "secret" not in refused


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("/users/{id}", "/users/*"),
        ("/users/{id}/posts", "/users/*"),
        ("/users/:id", "/users/*"),
        ("/users/<id>", "/users/*"),
        ("/users/x{id}", "/users/*"),
        ("/{proxy+}", "/*"),
        ("/users/*/posts", "/users/*"),
        ("/users/**", "/users/*"),
        ("/users*", "/*"),
        ("*", "/*"),
        ("", "/"),
        ("users", "/users"),
        ("/users?x=1", "/users"),
        ("https://example.com/users", "/users"),
        ("/größe", "/gr%C3%B6%C3%9Fe"),
        ("/a b", "/a%20b"),
    ],
)
def test_a_path_that_is_a_pattern_elsewhere(given: str, meant: str) -> None:
    """None of these is taken literally, which would answer every request with 404."""
    text = 'path = "{}"\nfunction = "lines"'

    assert f'is not allowed; did you mean "{meant}"? allowed: ' in refusal(
        route(text.format(given))
    )
    assert read(route(text.format(meant))).routes[0].path == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("app.py", "app.handler"),
        ("app:handler", "app.handler"),
        ("app.py:handler", "app.handler"),
        ("./app.py", "app.handler"),
        ("./app.py:main", "app.main"),
        ("src/app:main", "src/app.main"),
        ("app.handler()", "app.handler"),
        ("app", "app.handler"),
        ("handler", "app.handler"),
        (".app.handler", None),
        ("a b", None),
        ("", None),
    ],
)
def test_a_handler_as_others_spell_it(given: str, meant: str | None) -> None:
    text = '[functions.a]\nhandler = "{}"'
    guess = "" if meant is None else f' did you mean "{meant}"?'

    assert refusal(text.format(given)).startswith(
        f"functions.a.handler: '{given}' is not allowed;{guess} allowed: "
    )
    assert meant is None or read(text.format(meant)).functions["a"].handler == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("main.app", "main:app"),
        ("main.py", "main:app"),
        ("./main.py:api", "main:api"),
        ("src/main.py:app", "src.main:app"),
        ("mysite.asgi.application", "mysite.asgi:application"),
        ("main:app()", "main:app"),
        ("main:", "main:app"),
        ("main", "main:app"),
        ("a b", None),
        (":app", None),
        ("", None),
    ],
)
def test_an_app_as_others_spell_it(given: str, meant: str | None) -> None:
    text = '[functions.a]\napp = "{}"'
    guess = "" if meant is None else f' did you mean "{meant}"?'

    assert refusal(text.format(given)).startswith(
        f"functions.a.app: '{given}' is not allowed;{guess} allowed: \"module:attribute\" of an"
    )
    assert meant is None or read(text.format(meant)).functions["a"].app == meant


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ('url = { invoke_mode = "response_stream" }', '"RESPONSE_STREAM"'),
        ('url = { invoke_mode = "stream" }', '"RESPONSE_STREAM"'),
        ('url = { auth = "IAM" }', '"AWS_IAM"'),
        ('url = { auth = "none" }', '"NONE"'),
        ('url = { decode_gzip = "true" }', "true"),
        ('memory_mb = "512"', "512"),
        ('timeout_s = "1.5"', "1.5"),
    ],
)
def test_a_value_in_other_words(line: str, meant: str) -> None:
    assert f"is not allowed; did you mean {meant}? allowed: " in refusal(function(line))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 8080", "port: unknown key; an address is given on the command line: --listen"),
        ("[gateway]\nlisten = 'x'", "gateway.listen: unknown key; an address is given on the"),
        ("[gateway]\nadvertise = 'x'", "gateway.advertise: unknown key; it is the option --adv"),
        ("[emulator]\nport = 3", "emulator.port: unknown key; an address is given on the comm"),
        (
            route('path = "/"\nfunction = "lines"\nmethod = "GET"'),
            "routes[0].method: unknown key; a route takes every method, and the event names it",
        ),
        (function('runtime = "python3.12"'), "functions.lines.runtime: unknown key; python is t"),
    ],
)
def test_what_is_set_elsewhere(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


def test_transports_of_routes() -> None:
    found = read(route('path = "/"\nfunction = "lines"\ntransport = "response-stream"')).routes[0]

    assert found.transport == "response-stream"
    assert refusal(route('path = "/"\nfunction = "lines"\ntransport = "stream"')) == (
        "routes[0].transport: 'stream' is not allowed; "
        'did you mean "response-stream"? allowed: "callback" or "response-stream"'
    )
    url = 'path = "/"\nfunction = "http://a/b"\ntransport = "response-stream"'
    assert refusal(route(url)) == (
        'routes[0].transport: what a URL invokes calls back; allowed here: "callback"'
    )


def test_function_urls() -> None:
    assert read(function("")).functions["lines"].url is None
    assert read(function("[functions.lines.url]")).functions["lines"].url == UrlConfig()
    text = """
        [functions.lines.url]
        invoke_mode = "RESPONSE_STREAM"
        auth = "AWS_IAM"
        listen = "127.0.0.1:9100"
        abort_on_error = true
        [functions.lines.url.cors]
        allow_origins = ["https://a.example", "*"]
        allow_methods = ["GET", "*"]
        allow_headers = ["x-a"]
        expose_headers = ["*"]
        allow_credentials = true
        max_age_s = 86400
    """
    assert read(function(text)).functions["lines"].url == UrlConfig(
        invoke_mode="RESPONSE_STREAM",
        auth="AWS_IAM",
        listen=Address("127.0.0.1", 9100),
        abort_on_error=True,
        cors=CorsConfig(
            allow_origins=("https://a.example", "*"),
            allow_methods=("GET", "*"),
            allow_headers=("x-a",),
            expose_headers=("*",),
            allow_credentials=True,
            max_age_s=86400,
        ),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url = 1", "functions.lines.url: 1 is not allowed; allowed: a table"),
        (
            "url = {invoke = 1}",
            "functions.lines.url.invoke: unknown key; did you mean invoke_mode?",
        ),
        ('url = {invoke_mode = "S"}', "functions.lines.url.invoke_mode: 'S' is not allowed"),
        ('url = {auth = "IAM"}', "functions.lines.url.auth: 'IAM' is not allowed"),
        ("url = {listen = 1}", "functions.lines.url.listen: 1 is not allowed; allowed:"),
        ('url = {listen = "a"}', "functions.lines.url.listen: 'a' has no port"),
        ("url = {abort_on_error = 1}", "functions.lines.url.abort_on_error: 1 is not allowed"),
        ("url = {cors = 1}", "functions.lines.url.cors: 1 is not allowed; allowed: a table"),
        (
            'url = {cors = {allow_methods = ["OPTIONS"]}}',
            "functions.lines.url.cors.allow_methods: ['OPTIONS'] is not allowed",
        ),
        ("url = {cors = {max_age_s = -1}}", "functions.lines.url.cors.max_age_s: -1 is not"),
    ],
)
def test_function_urls_that_are_none(text: str, message: str) -> None:
    assert refusal(function(text)).startswith(message)


def test_destinations(tmp_path: Path) -> None:
    found = read(
        function('destinations = {on_success = "file:a/b.jsonl", on_failure = "function:lines"}')
    )

    destinations = found.functions["lines"].destinations
    assert destinations.on_success == f"file:{tmp_path.resolve()}/a/b.jsonl"
    assert destinations.on_failure == "function:lines"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('on_success = "x"', '\'x\' is not allowed; allowed: "file:PATH" or "function:NAME"'),
        ('on_success = "function:line"', "there is no function 'line'; did you mean lines?"),
    ],
)
def test_destinations_that_are_none(text: str, message: str) -> None:
    answer = refusal(function(f"destinations = {{{text}}}"))

    assert answer.startswith("functions.lines.destinations.on_success: " + message)


def hold_back(line: str) -> HoldBackConfig | None:
    return read(function(line)).functions["lines"].hold_back


def test_nothing_is_held_back_unless_asked() -> None:
    assert hold_back("") is None
    assert hold_back('hold_back = "off"') is None


def test_hold_back_as_lambda_does() -> None:
    expected = HoldBackConfig(
        first_writes=3, threshold_bytes=100_000, hold_s=None, withhold_joined=False, shaping=True
    )

    assert hold_back('hold_back = "lambda"') == expected
    assert hold_back("hold_back = {}") == expected


def test_hold_back_of_ones_own() -> None:
    written = """
        [functions.lines.hold_back]
        first_writes = 0
        threshold_bytes = 15_000
        hold_s = 0.25
        withhold_joined = true
        shaping = false
    """

    assert hold_back(written) == HoldBackConfig(
        first_writes=0, threshold_bytes=15_000, hold_s=0.25, withhold_joined=True, shaping=False
    )


def test_the_hold_backs_that_the_docs_advise_can_be_had() -> None:
    page = Path(__file__).parents[1] / "docs" / "reference" / "function-urls.md"
    advised = re.findall(r"`(\{ \w+ = .*? \})`", page.read_text(encoding="utf-8"))

    assert len(advised) == 7
    for table in advised:
        assert hold_back(f"hold_back = {table}") != HoldBackConfig()


@pytest.mark.parametrize(("name", "expected"), [("lambda", HoldBackConfig()), ("off", None)])
def test_whoever_loads_a_file_may_say_how_all_are_held_back(
    name: Literal["lambda", "off"], expected: HoldBackConfig | None
) -> None:
    entry = '[functions.{}]\nhandler = "app.lines"\n{}\n'
    config = read(
        entry.format("plain", "")
        + entry.format("named", 'hold_back = "lambda"')
        + entry.format("own", "hold_back = { first_writes = 9 }")
    )

    given = load("tailrace.toml", hold_back=name)

    held = {key: function.hold_back for key, function in given.functions.items()}
    assert held == dict.fromkeys(["plain", "named", "own"], expected)
    assert [function.hold_back for function in config.functions.values()] == [
        None,
        HoldBackConfig(),
        HoldBackConfig(first_writes=9),
    ]


HOLD_BACK = "functions.lines.hold_back"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"aws"', ': \'aws\' is not allowed; allowed: "off", "lambda" or a table'),
        ("true", ': True is not allowed; allowed: "off", "lambda" or a table'),
        ("[]", ': [] is not allowed; allowed: "off", "lambda" or a table'),
        (
            "{ threshold = 1 }",
            ".threshold: unknown key; did you mean threshold_bytes?"
            " allowed: first_writes, threshold_bytes, hold_s, withhold_joined, shaping",
        ),
        (
            "{ first_writes = -1 }",
            ".first_writes: -1 is not allowed; allowed: a whole number from 0 to 1000",
        ),
        (
            "{ first_writes = 1001 }",
            ".first_writes: 1001 is not allowed; allowed: a whole number from 0 to 1000",
        ),
        (
            "{ threshold_bytes = 0 }",
            ".threshold_bytes: 0 is not allowed; allowed: a whole number from 1 to 6291456",
        ),
        (
            "{ hold_s = 0 }",
            ".hold_s: 0 is not allowed; allowed: seconds: more than 0, at most 900",
        ),
        (
            "{ hold_s = nan }",
            ".hold_s: nan is not allowed; allowed: seconds: more than 0, at most 900",
        ),
        (
            '{ shaping = "no" }',
            ".shaping: 'no' is not allowed; allowed: true or false",
        ),
    ],
)
def test_hold_backs_that_are_none(text: str, message: str) -> None:
    assert refusal(function(f"hold_back = {text}")) == HOLD_BACK + message


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://a.example", "http://[::1]:3000", "http://a_b.local:8080",
     "chrome-extension://abcdef", "safari-web-extension://0A-1B"],
)  # fmt: skip
def test_allowed_origins_as_browsers_send_them(origin: str) -> None:
    config = read(f'[emulator]\nallowed_origins = ["{origin}"]')

    assert config.emulator.allowed_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    ["https://a.example/", "https://a.example/x", "https://A.example", "HTTPS://a.example",
     "https://a.example:443", "http://a.example:80", "a.example", "https://u@a.example",
     "https://*.example", "https://a.example\\n", "http://größe.example", ""],
)  # fmt: skip
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    """It would be compared with every origin and allow none."""
    message = refusal(f'[emulator]\nallowed_origins = ["{origin}"]')

    assert message.startswith("emulator.allowed_origins: ")
    assert 'such as "https://example.com" (lower case, no path, no usual port)' in message


def test_a_mistake_has_fields() -> None:
    """The message is made of them; nothing needs to take it apart."""
    with pytest.raises(ConfigError) as caught:
        read(function("timeout = 3"))

    error = caught.value
    assert error.where == "tailrace.toml: functions.lines.timeout"
    assert (error.problem, error.meant, error.allowed) == (
        "unknown key",
        "timeout_s",
        FUNCTION_KEYS,
    )
    assert str(error) == f"{error.where}: unknown key; did you mean timeout_s? allowed: " + (
        FUNCTION_KEYS
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("it is wrong"), "it is wrong"),
        (ConfigError("it is wrong", where="--x"), "--x: it is wrong"),
        (ConfigError("no", where="--x", allowed="yes"), "--x: no; allowed: yes"),
        (ConfigError("no", meant="yes"), "no; did you mean yes?"),
        (ConfigError("no", meant="a", allowed="a, b"), "no; did you mean a? allowed: a, b"),
    ],
)
def test_the_message_of_a_mistake(error: ConfigError, message: str) -> None:
    assert str(error) == message


def test_routes_of_many_hosts_are_told_apart_by_their_hashes() -> None:
    """They are keys of a dict; with equal hashes each look-up would compare them all."""
    routes = [RouteConfig(path="/*", host=f"{at}.example", function="f") for at in range(50)]

    assert len({hash(route) for route in routes}) == 50
