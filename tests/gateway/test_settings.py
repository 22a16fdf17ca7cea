"""From a file and the command line to a gateway's settings."""

from __future__ import annotations

import dataclasses

import pytest

from tailrace.config import Address, GatewayConfig
from tailrace.errors import ConfigError
from tailrace.gateway.settings import settings_from

PUBLIC = Address("127.0.0.1", 1)
CALLBACK = Address("127.0.0.1", 2)


def test_every_setting_arrives() -> None:
    config = GatewayConfig(
        health_path="/up",
        first_byte_timeout_s=1,
        function_idle_timeout_s=2,
        client_stall_timeout_s=3,
        total_timeout_s=4,
        drain_delay_s=7,
        drain_timeout_s=5,
        trusted_hops=6,
        uploads_max=7,
        held_max=8,
        late_s_max=9,
        scheme_header="x-scheme",
        keep_alive_timeout_s=10,
    )
    changed = {
        field.name
        for field in dataclasses.fields(GatewayConfig)
        if getattr(config, field.name) != field.default
    }

    settings = settings_from(
        config, listen=PUBLIC, callback_listen=CALLBACK, advertise="https://x:1"
    )

    assert changed == {field.name for field in dataclasses.fields(GatewayConfig)}
    assert settings.listen == PUBLIC
    assert settings.callback_listen == CALLBACK
    assert settings.advertise == "https://x:1"
    assert settings.config == config
    assert settings.held_max == 8


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_functions_must_be_told_an_address_that_they_can_call(host: str) -> None:
    everywhere = Address(host, 8081)

    with pytest.raises(ConfigError, match="--advertise: missing; --callback-listen"):
        settings_from(GatewayConfig(), listen=PUBLIC, callback_listen=everywhere, advertise=None)
    assert (
        settings_from(
            GatewayConfig(), listen=everywhere, callback_listen=CALLBACK, advertise=None
        ).advertise
        is None
    )
