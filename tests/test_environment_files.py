"""Real credentials and secrets: `env_file`, `${NAME}` and `aws_profile`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.emulator.harness import playing
from tests.emulator.harness import running as emulating
from tests.fakes import until
from tests.test_dev import get, running, settings_for

from tailrace.config import Config, load
from tailrace.emulator.profile import ProfileKeys, find_profile_keys
from tailrace.errors import ConfigError
from tailrace.limits import ENV_FILE_BYTES_MAX, ENVIRONMENT_BYTES_MAX
from tailrace.net.process.startup import run

SECRET = "s3cr3t-v4lu3"
FUNCTION = '[functions.f]\nhandler = "app.handler"\n'


def read(directory: Path, lines: str, env: str | None = None) -> Config:
    if env is not None:
        (directory / ".env").write_text(env, encoding="utf-8")
        lines += '\nenv_file = ".env"'
    (directory / "tailrace.toml").write_text(FUNCTION + lines)
    return load(directory / "tailrace.toml")


def variables(directory: Path, lines: str, env: str | None = None) -> dict[str, str]:
    return read(directory, lines, env).functions["f"].environment


def refusal(directory: Path, lines: str, env: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(directory, lines, env)
    message = str(caught.value)
    assert SECRET not in message
    assert message.startswith(f"{directory}/tailrace.toml: functions.f.")
    return message.removeprefix(f"{directory}/tailrace.toml: functions.f.")


# --- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("export NAME=value", "value"),
        ("  NAME = value  ", "value"),
        ("NAME=", ""),
        ("NAME=a b  c", "a b  c"),
        ("NAME=value # a comment", "value"),
        ("NAME=value#1", "value#1"),
        ("NAME=one\u2028two\x0cthree\x85four", "one\u2028two\x0cthree\x85four"),
        ("NAME=# all of it is a comment", ""),
        ("NAME='single $x ${Y} \\n # kept'", "single $x ${Y} \\n # kept"),
        ('NAME="double \\"quoted\\" \\\\ a\\nb" # a comment', 'double "quoted" \\ a\nb'),
        ("NAME=pa$$word${x}", "pa$$word${x}"),
        ("NAME=postgres://u:p@h/db?x=1", "postgres://u:p@h/db?x=1"),
        ("NAME=größe", "größe"),
        ("NAME=it's", "it's"),
    ],
)
def test_lines_of_a_file_of_variables(line: str, value: str, tmp_path: Path) -> None:
    assert variables(tmp_path, "", f"\n# first\n{line}\n") == {"NAME": value}
    assert variables(tmp_path, "", f"\ufeff{line}\r\n") == {"NAME": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"A=1\n{SECRET}\n", ".env line 2: allowed: NAME=VALUE, or an end of quotes is missing"),
        (f'NAME="{SECRET}\n', ".env line 1: allowed: NAME=VALUE, or an end of quotes is missing"),
        (f"NAME='{SECRET}' more\n", ".env line 1: allowed: NAME=VALUE, or an end of quotes is"),
        (f"1X={SECRET}", ".env line 1: allowed: NAME=VALUE"),
        (f"NAME={SECRET}\0", ".env line 1: allowed: NAME=VALUE"),
        (f"LAMBDA_TASK_ROOT={SECRET}", ".env line 1: Lambda sets LAMBDA_TASK_ROOT itself; choose"),
        ("AWS_PROFILE=dev", ".env line 1: AWS_PROFILE has no effect here; set aws_profile in the"),
        ("#" * (ENV_FILE_BYTES_MAX + 1), f".env is larger than {ENV_FILE_BYTES_MAX} bytes"),
    ],
)
def test_files_of_variables_that_are_refused(text: str, message: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, "", text).startswith(f"env_file: {tmp_path}/{message}")


def test_a_file_of_variables_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'env_file = "nowhere"') == (
        f"env_file: {tmp_path}/nowhere cannot be read: No such file or directory"
    )
    (tmp_path / "latin").write_bytes(b"A=caf\xe9")
    assert refusal(tmp_path, 'env_file = "latin"') == (
        f"env_file: {tmp_path}/latin is not UTF-8 at byte 5"
    )
    assert refusal(tmp_path, "env_file = 3") == (
        "env_file: 3 is not allowed; allowed: a file, relative to the file"
    )


def test_what_the_environment_says_goes_before_the_file(tmp_path: Path) -> None:
    assert variables(tmp_path, 'environment = { AA = "own" }', "AA=file\nBB=file") == {
        "AA": "own",
        "BB": "file",
    }


def test_all_together_have_a_size_and_credentials_do_not_count(tmp_path: Path) -> None:
    keys = f"AWS_ACCESS_KEY_ID={'k' * 50}\nAWS_SECRET_ACCESS_KEY={SECRET}\n"
    most = "x" * (ENVIRONMENT_BYTES_MAX - len("NAME"))

    assert len(variables(tmp_path, "", f"{keys}NAME={most}")) == 3
    assert f"{ENVIRONMENT_BYTES_MAX + 1} bytes; allowed: {ENVIRONMENT_BYTES_MAX}" in refusal(
        tmp_path, "", f"{keys}NAME={most}y"
    )


# --- ${NAME} -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${OUTER}", "from outside"),
        ("a${OUTER}b${INNER}c", "afrom outsidebfrom the filec"),
        ("$${OUTER}", "${OUTER}"),
        ("$$${OUTER}", "$${OUTER}"),
        ("$OUTER $ $$ {OUTER}", "$OUTER $ $$ {OUTER}"),
        ("${BOTH}", "from outside"),
        ("${NESTED}", "${OUTER}"),
    ],
)
def test_references(text: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a variable holds is not expanded again."""
    monkeypatch.setenv("OUTER", "from outside")
    monkeypatch.setenv("BOTH", "from outside")
    env = "INNER=from the file\nBOTH=from the file\nNESTED=${OUTER}"

    assert variables(tmp_path, f"environment = {{ KEY = '{text}' }}", env)["KEY"] == value


def test_a_reference_to_nothing_is_an_error(tmp_path: Path) -> None:
    assert refusal(tmp_path, f'environment = {{ KEY = "{SECRET}${{NOT_SET_HERE}}" }}') == (
        "environment.KEY: ${NOT_SET_HERE} is set neither where tailrace was started nor in"
        " env_file; set it, or write $${ for a literal ${"
    )
    for text in ("${", "${A-B}", "${}", "${A"):
        assert refusal(tmp_path, f'environment = {{ KEY = "{SECRET}{text}" }}') == (
            "environment.KEY: ${ without NAME}; write $${ for a literal ${"
        )


def test_the_documented_error_is_the_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parent.parent / "docs/how-to/real-credentials-and-secrets.md"
    toml = re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)[-1]
    (shown,) = re.findall(r"^```text\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("API_KEY", raising=False)
    Path("tailrace.toml").write_text(toml)
    Path(".env").write_text("DATABASE_PASSWORD=x")

    with pytest.raises(ConfigError) as caught:
        load("tailrace.toml")

    assert shown == f"tailrace: {caught.value}\n"


def test_a_gateway_reads_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "tailrace.toml").write_text(
        FUNCTION + 'env_file = "nowhere"\naws_profile = "nobody"\nenvironment = { KEY = "${NO}" }'
    )

    function = load(tmp_path / "tailrace.toml", runs_functions=False).functions["f"]

    assert function.environment == {"KEY": "${NO}"}


# --- nothing shows a value -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f'environment = "KEY={SECRET}"',
        f'environment = ["KEY={SECRET}"]',
        f'environment = {{ KEY = ["{SECRET}"] }}',
        f'environment = {{ AWS_SECRET_ACCESS_KEY = "{SECRET}" }}',
        f'environment = {{ K = "{SECRET}" }}',
        f'[[functions]]\nenvironment = {{ KEY = "{SECRET}" }}',
        f'[emulator]\nsecret_access_key = "{SECRET} {SECRET}"',
        f'[[routes]]\npath = "/"\nfunction = "https://user:{SECRET}@host/{SECRET} x"',
        f'[routes]\nfunction = "https://host/{SECRET}"',
        f'env_file = ["{SECRET}"]\nenvironment = {{ KEY = "${{NOT_SET_HERE}}" }}',
    ],
)
def test_no_message_shows_a_secret(text: str, tmp_path: Path) -> None:
    begin = "" if text.startswith("[[functions") else FUNCTION
    (tmp_path / "tailrace.toml").write_text(begin + text)

    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "tailrace.toml")

    if not text.startswith("env_file"):  # a value there is a path
        assert SECRET not in str(caught.value)


def test_no_record_shows_a_secret(tmp_path: Path) -> None:
    config = read(tmp_path, f'environment = {{ KEY = "{SECRET}" }}', f"OTHER={SECRET}")

    assert SECRET not in repr(config)


# --- in a process --------------------------------------------------------------------------------

HANDLER = """
import os
from tailrace.function import streamify_response

@streamify_response
def handler(event, context):
    yield os.environ["GREETING"]
"""


def test_a_changed_file_of_variables_is_taken_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tailrace")
    (tmp_path / "app.py").write_text(HANDLER)
    read(tmp_path, '\n[[routes]]\npath = "/*"\nfunction = "f"', None)
    (tmp_path / "tailrace.toml").write_text(
        FUNCTION + 'env_file = "vars/.env"\n[[routes]]\npath = "/*"\nfunction = "f"'
    )
    (tmp_path / "vars").mkdir()
    (tmp_path / "vars" / ".env").write_text("GREETING=old")

    async def story() -> None:
        async with running(settings_for(tmp_path)) as dev:
            assert await get(dev, "/") == (200, "old")

            (tmp_path / "vars" / ".env").write_text("GREETING=new")
            await until(lambda: "tailrace.toml is taken up" in caplog.text, "taken up")
            assert await get(dev, "/") == (200, "new")

            caplog.clear()
            (tmp_path / "vars" / ".env").write_text(f"GREETING={SECRET}\n{SECRET}")
            await until(lambda: "the configuration before it stays" in caplog.text, "refused")
            assert await get(dev, "/") == (200, "new")
            assert SECRET not in caplog.text

    run(story())


def variables_of_a_process(tmp_path: Path, **settings: object) -> dict[str, str]:
    shown = tmp_path / "variables"

    async def story() -> None:
        async with emulating(playing(path=tmp_path, **settings)) as emulator:
            await emulator.play({"environ": str(shown)}, {"return": 1})
            assert SECRET not in emulator.log

    run(story())
    found: dict[str, str] = json.loads(shown.read_text())
    return found


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with keys in its environment, which are not the profile's."""
    for name in ("config", "credentials"):
        (tmp_path / name).touch()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-shell")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-shell")
    (tmp_path / "config").write_text("[profile dev]\nregion = eu-west-3\n")
    (tmp_path / "credentials").write_text(
        f"[dev]\naws_access_key_id = AKID\naws_secret_access_key = {SECRET}\n"
    )
    return tmp_path


def aws(found: dict[str, str]) -> dict[str, str]:
    names = r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|REGION|DEFAULT_REGION|PROFILE)"
    return {name: value for name, value in found.items() if re.fullmatch(names, name)}


def test_a_function_gets_nothing_that_it_did_not_ask_for(profiles: Path) -> None:
    assert aws(variables_of_a_process(profiles)) == {
        "AWS_ACCESS_KEY_ID": "tailrace",
        "AWS_SECRET_ACCESS_KEY": "tailrace",
        "AWS_SESSION_TOKEN": "tailrace",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def test_a_profile_gives_its_keys_and_region(profiles: Path) -> None:
    """And no token when it has none: a dummy beside real keys would spoil them."""
    assert aws(variables_of_a_process(profiles, aws_profile="dev")) == {
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "eu-west-3",
        "AWS_DEFAULT_REGION": "eu-west-3",
    }


def test_keys_in_a_file_of_variables(profiles: Path) -> None:
    env = f"AWS_ACCESS_KEY_ID=AKID\nAWS_SECRET_ACCESS_KEY={SECRET}\n"
    environment = variables(profiles, "", env)

    assert aws(variables_of_a_process(profiles, environment=environment)) == {
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    assert "aws_profile: " in refusal(profiles, 'aws_profile = "dev"', env)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (
            "nobody",
            "aws_profile 'nobody': The config profile (nobody) could not be found; try:",
        ),
        ("empty", "aws_profile 'empty': it has no credentials"),
        ("missing", "aws_profile 'missing': FileNotFoundError: "),
        ("rubbish", "aws_profile 'rubbish': JSONDecodeError: Expecting value"),
    ],
)
def test_a_profile_without_credentials_is_named(profiles: Path, profile: str, words: str) -> None:
    with (profiles / "config").open("a") as file:
        file.write("[profile empty]\nregion = eu-west-3\n")
        file.write("[profile missing]\ncredential_process = /nowhere/program\n")
        file.write("[profile rubbish]\ncredential_process = echo rubbish\n")

    async def story() -> None:
        async with emulating(playing(path=profiles, aws_profile=profile)) as emulator:
            await emulator.service.warm()
            assert f"ERROR cannot start: Emulator.NoCredentials: {words}" in emulator.log
            answer = await emulator.play({"return": 1})
            assert json.loads(answer.body)["errorType"] == "Emulator.NoCredentials"

    run(story())


SEARCH = """
import asyncio, pathlib, sys
from tailrace.emulator.profile import find_profile_keys
from tailrace.net.process.startup import run

async def main():
    search = asyncio.ensure_future(find_profile_keys("slow"))
    while not pathlib.Path(sys.argv[1]).exists():
        await asyncio.sleep(0.01)
    search.cancel()

run(main())
"""


def test_a_program_that_gives_no_credentials_keeps_nobody_from_stopping(profiles: Path) -> None:
    """Its `credential_process` has begun, and ends when this test lets it."""
    started, gate = profiles / "started", profiles / "gate"
    os.mkfifo(gate)
    program = profiles / "keys.sh"
    program.write_text(f"touch {started}; read line < {gate}")
    with (profiles / "config").open("a") as file:
        file.write(f"[profile slow]\ncredential_process = sh {program}\n")
    try:
        subprocess.run([sys.executable, "-c", SEARCH, str(started)], check=True, timeout=30)
    finally:
        with gate.open("w"):
            pass


def test_an_invocation_that_waits_for_an_environment_ends_if_the_emulator_fails(
    profiles: Path,
) -> None:
    """Here in a search for credentials that the invocation has come in the middle of."""
    gate = profiles / "gate"
    os.mkfifo(gate)
    program = profiles / "keys.sh"
    keys = {"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": SECRET}
    program.write_text(f"read line < {gate}; echo '{json.dumps(keys)}'")
    with (profiles / "config").open("a") as file:
        file.write(f"[profile slow]\ncredential_process = sh {program}\n")

    def fail() -> str:
        raise LookupError("a fault of the emulator")

    async def story() -> None:
        function = playing(path=profiles, aws_profile="slow")
        async with emulating(function, find_gateway=fail) as emulator:
            warming = asyncio.create_task(emulator.service.warm())
            await until(lambda: emulator.service.statistics().functions["f"].starting == 1, "start")
            waiting = asyncio.create_task(emulator.play({"return": 1}))
            await until(lambda: emulator.service._functions["f"]._pool._taker is not None, "wait")

            await asyncio.to_thread(gate.write_text, "go\n")

            assert json.loads((await waiting).body)["errorType"] == "Sandbox.Failure"
            await warming

    run(story())


def test_a_process_whose_keys_expire_is_replaced(profiles: Path) -> None:
    """Here by a program of the user's own, as for a session: `credential_process`."""
    program = profiles / "keys.sh"
    with (profiles / "config").open("a") as file:
        file.write(f"[profile session]\ncredential_process = sh {program}\n")

    def write_keys(name: str, *, minutes: int) -> None:
        end = datetime.now(UTC) + timedelta(minutes=minutes)
        keys = {
            "Version": 1,
            "AccessKeyId": name,
            "SecretAccessKey": SECRET,
            "SessionToken": f"token of {name}",
            "Expiration": end.isoformat(),
        }
        program.write_text(f"echo '{json.dumps(keys)}'")

    async def story() -> None:
        async with emulating(playing(path=profiles, aws_profile="session")) as emulator:

            async def key() -> str:
                shown = profiles / "variables"
                await emulator.play({"environ": str(shown)}, {"return": 1})
                return str(json.loads(shown.read_text())["AWS_ACCESS_KEY_ID"])

            write_keys("first", minutes=60)
            assert await key() == "first"
            await until(lambda: emulator.service.statistics().functions["f"].idle == 1, "idle")
            write_keys("second", minutes=60)
            assert await key() == "first"  # they are good for an hour

        async with emulating(playing(path=profiles, aws_profile="session")) as emulator:
            write_keys("dying", minutes=0)
            await emulator.service.warm()
            assert "aws_profile 'session': Credentials were refreshed, but" in emulator.log

    run(story())


def test_keys_of_a_session_are_old_a_minute_before_their_end(profiles: Path) -> None:
    async def story() -> None:
        for seconds, are_old in ((3600, False), (70, False), (50, True)):
            end = datetime.now(UTC) + timedelta(seconds=seconds)
            with (profiles / "config").open("a") as file:
                file.write(f"[profile s{seconds}]\ncredential_process = cat {profiles}/{seconds}\n")
            (profiles / str(seconds)).write_text(
                json.dumps(
                    {
                        "Version": 1,
                        "AccessKeyId": "AKID",
                        "SecretAccessKey": SECRET,
                        "SessionToken": "token",
                        "Expiration": end.isoformat(),
                    }
                )
            )
            keys = await find_profile_keys(f"s{seconds}")
            assert keys.variables["AWS_SESSION_TOKEN"] == "token"
            assert keys.are_old is are_old

    run(story())


def test_a_process_with_old_keys_gets_no_more_invocations(
    profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here all keys are old at once: each invocation has a process of its own."""

    async def story() -> None:
        function = playing(path=profiles, aws_profile="dev")
        async with emulating(function) as emulator:
            await emulator.service.warm()
            (pid,) = emulator.service.pids()
            await emulator.play({"return": 1})
            assert emulator.service.pids() == [pid]
            await until(lambda: emulator.service.statistics().functions["f"].idle == 1, "idle")

            monkeypatch.setattr(ProfileKeys, "are_old", True)
            await emulator.play({"return": 1})
            await until(lambda: pid not in emulator.service.pids(), "the old process has ended")

    run(story())
