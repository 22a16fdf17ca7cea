import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.errors import CapabilityError
from tailrace.wire.capability import (
    ID_PLACE,
    Capability,
    callback_url,
    mint,
    parse_path,
    path_of,
    redact,
)

RANDOM = bytes(range(32))
ID = "00010203-0405-0607-0809-0a0b0c0d0e0f"
SECRET = "101112131415161718191a1b1c1d1e1f"
URL = f"http://10.0.0.1:8081/{ID}/{SECRET}"

few = settings(max_examples=40, deadline=None)


def test_mint_spells_32_random_bytes() -> None:
    assert mint(RANDOM) == [Capability(ID, SECRET)]
    assert mint(RANDOM + bytes(32)) == [Capability(ID, SECRET), *mint(bytes(32))]


@pytest.mark.parametrize("size", [0, 16, 31, 33, 65])
def test_mint_wants_32_bytes_for_each(size: int) -> None:
    with pytest.raises(AssertionError):
        mint(bytes(size))


@pytest.mark.parametrize("base", ["http://10.0.0.1:8081", "http://10.0.0.1:8081/"])
def test_the_callback_url(base: str) -> None:
    assert callback_url(base, Capability(ID, SECRET)) == URL


def test_the_callback_url_below_https_and_ipv6() -> None:
    url = callback_url("https://[::1]:8081", Capability(ID, SECRET))

    assert url == f"https://[::1]:8081/{ID}/{SECRET}"


def test_the_path_of_a_callback_url_is_read() -> None:
    assert parse_path(f"/{ID}/{SECRET}") == Capability(ID, SECRET)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        f"{ID}/{SECRET}",
        f"/{ID}",
        f"/{ID}/",
        f"/{ID}/{SECRET}/",
        f"/{ID}/{SECRET}\n",
        f"/{ID}/{SECRET}?a=b",
        f"//{ID}/{SECRET}",
        f"/x/{ID}/{SECRET}",
        f"/{ID}/{SECRET[:-1]}",
        f"/{ID}/{SECRET}0",
        f"/{ID.upper()}/{SECRET}",
        f"/{ID}/{SECRET.upper()}",
        f"/{ID.replace('-', '')}/{SECRET}",
        f"/{ID[:-1]}g/{SECRET}",
        f"/{ID[:-1]}٠/{SECRET}",
        f"/{SECRET}/{ID}",
    ],
)
def test_other_paths_are_refused_without_being_shown(path: str) -> None:
    with pytest.raises(CapabilityError) as caught:
        parse_path(path)

    assert str(caught.value) == ("the path is not that of a callback URL: /<exchange id>/<secret>")
    assert caught.value.status == 404


def test_the_path_of_a_url_is_known() -> None:
    capability = Capability(ID, SECRET)

    assert callback_url("http://h:1", capability) == f"http://h:1{path_of(capability)}"
    assert parse_path(path_of(capability)) == capability
    assert path_of(capability)[ID_PLACE] == ID


def test_a_capability_does_not_show_its_secret() -> None:
    assert f"{Capability(ID, SECRET)}" == f"Capability({ID}, …)"


@pytest.mark.parametrize(
    "text",
    [
        URL,
        URL.upper(),
        f'POST /{ID}/{SECRET} HTTP/1.1" 200',
        json.dumps({"tailrace": {"callback": URL}, "origin": URL}),
        json.dumps({"origin": URL}).replace("/", "\\/"),
        quote(URL, safe=""),
        quote(URL, safe="").lower(),
        URL[:-5],
    ],
)
def test_redact_hides_the_secret_only(text: str) -> None:
    redacted = redact(text)

    assert SECRET[:-5] not in redacted.lower()
    assert ID in redacted.lower()
    assert redacted.count("…") == text.lower().count(ID)
    assert len(redacted) < len(text)


def test_redact_leaves_other_text() -> None:
    text = f"exchange {ID} ended, digest {SECRET}, see /{ID}/metrics"

    assert redact(text) == text
    assert redact(f"<{URL}> and {URL}.") == (
        f"<http://10.0.0.1:8081/{ID}/…> and http://10.0.0.1:8081/{ID}/…."
    )


@given(st.binary(min_size=32, max_size=32))
@few
def test_what_is_minted_is_parsed(random: bytes) -> None:
    (capability,) = mint(random)
    url = callback_url("http://h:1", capability)

    assert parse_path(url.removeprefix("http://h:1")) == capability
    assert bytes.fromhex(capability.exchange_id.replace("-", "") + capability.secret) == random


@given(st.text(max_size=80))
@few
def test_any_path_is_taken_or_refused(path: str) -> None:
    try:
        parse_path(path)
    except CapabilityError:
        pass


@given(st.integers(0, 68), st.characters())
@few
def test_any_changed_character_is_another_capability_or_none(place: int, char: str) -> None:
    path = f"/{ID}/{SECRET}"
    changed = path[:place] + char + path[place + 1 :]

    try:
        assert (parse_path(changed) == Capability(ID, SECRET)) == (changed == path)
    except CapabilityError:
        assert changed != path


OLD = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:\\?/|%2f))[0-9a-f]+", re.I
)
"""The whole of an id and a secret, as one reads it: what `redact` looks for from a hyphen on."""


@given(st.lists(st.sampled_from([ID, "/", "\\/", "%2F", "%2f", "-", "Ab0", " ", "g"])))
def test_every_secret_is_found(parts: list[str]) -> None:
    text = "".join(parts)

    assert OLD.search(redact(text)) is None
    if OLD.search(text) is None:
        assert redact(text) == text
