"""A server that too many come to, and senders that take too long."""

from __future__ import annotations

import pytest
from tests.fakes import until
from tests.net.stage import BOTH, GET, Stage, played, post


@played(loops=BOTH, body_timeout_s=10.0, body_total_timeout_s=40.0)
async def test_a_dribbled_body_has_a_deadline_for_all_of_it(stage: Stage) -> None:
    peer, request = await stage.exchange(post(1_000_000))

    for count in range(1, 40):
        stage.clock.advance(1)
        await peer.send(b"x")
        await until(lambda count=count: len(request.body) == count)
    assert request.events == ["body"]
    stage.clock.advance(2)

    assert (await peer.read_response()).status == 408
    assert request.events == ["body", "gone"]


def test_connections_cut_at_the_limit_are_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    @played(is_quiet=False, connections=1)
    async def story(stage: Stage) -> None:
        await stage.exchange(GET)
        for _ in range(3):
            assert (await (await stage.peer()).read_to_end())[1] == "reset"
        await until(lambda: stage.open_count == 1)
        assert not stage.failures

    story()

    messages = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert messages == ["stage listener: 1 connections cut, over the limit of 1"]
