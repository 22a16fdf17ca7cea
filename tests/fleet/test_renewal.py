"""Workers are replaced: by a reload, after their end, and by number. Real processes."""

from __future__ import annotations

import http.client
import os
import signal
from pathlib import Path

import pytest
from tests.command import fetch
from tests.e2e.cut_function import CutLambda
from tests.fleet.gateway import ROUTES, STORY, Fleet, kill, rest_of
from tests.kits.ports import free_ports


def test_a_reload_serves_the_new_file_and_the_old_workers_end_what_they_hold(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Fleet(tmp_path, endpoint, workers=2) as fleet:
        old = fleet.pids()
        streams = [fleet.held() for _ in range(4)]
        fleet.config.write_text(ROUTES + '[gateway]\nhealth_path = "/well"\ndrain_delay_s = 0.5\n')

        fleet.reload()

        assert fleet.pids() & old, "one before still holds responses, or both do"
        new = fleet.pids() - old
        assert len(new) == 2
        assert fleet.serves()
        endpoint.release()
        assert [rest_of(stream) for stream in streams] == [STORY.body[1:]] * len(streams)
        assert fleet.wait_pids(2, without=old) == new
        fleet.signal(signal.SIGTERM)
        assert fleet.wait_exit() == 0
    fleet.wait_line("those before end what they hold, 4 open responses")
    assert endpoint.surprises == []


def test_a_reload_waits_longer_than_a_drain_which_then_cuts_what_is_left(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    """One exchange may take `total_timeout_s`; the drain of the node has its own time."""
    limits = "[gateway]\ndrain_timeout_s = 0.1\nheld_max = 2\n"
    (tmp_path / "tailrace.toml").write_text(ROUTES + limits)
    with Fleet(tmp_path, endpoint) as fleet:
        streams = [fleet.held(), fleet.held()]

        fleet.reload()  # which takes longer than a drain would

        status, text = fetch(f"{fleet.url}{fleet.target}")
        assert (status, "2 requests at a time" in text) == (503, True), "the old worker holds two"
        endpoint.release()
        assert [rest_of(stream) for stream in streams] == [STORY.body[1:]] * 2
        stream = fleet.held()
        fleet.reload()
        fleet.signal(signal.SIGTERM)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            rest_of(stream)
        assert fleet.wait_exit() == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "tailrace.toml: "),
        (ROUTES + "[gateway]\ndrain_delay_s = -1\n", "drain_delay_s"),
    ],
)
def test_a_file_with_a_mistake_changes_nothing(
    text: str | None, says: str, endpoint: CutLambda, tmp_path: Path
) -> None:
    with Fleet(tmp_path, endpoint) as fleet:
        before = fleet.pids()
        if text is None:
            fleet.config.unlink()
            os.mkfifo(fleet.config)
            fleet.reload("reload failed, and the running workers go on: .*: no regular file")
            fleet.config.unlink()
        else:
            fleet.config.write_text(text)

        fleet.reload(f"warning: reload failed, and the running workers go on: .*{says}")

        assert fleet.wait_pids(1) == before
        assert fleet.serves()
        fleet.config.write_text(ROUTES)
        fleet.reload()
        fleet.wait_pids(1, without=before)


def test_a_reload_during_a_reload_is_one_more(endpoint: CutLambda, tmp_path: Path) -> None:
    with Fleet(tmp_path, endpoint) as fleet:
        first = fleet.pids()
        fleet.signal(signal.SIGHUP)
        fleet.wait_line("reload: new workers")
        for _ in range(3):
            os.kill(fleet.process.pid, signal.SIGHUP)

        fleet.wait_lines(2, "reloaded: ")

        fleet.wait_pids(1, without=first)
        fleet.signal(signal.SIGTERM)
        assert fleet.wait_exit() == 0
    assert fleet.count("reload: new workers") == 2


def test_a_worker_that_ends_is_replaced_and_breaks_its_own_responses(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Fleet(tmp_path, endpoint) as fleet:
        (first,) = fleet.pids()
        stream = fleet.held()

        kill(first)

        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            rest_of(stream)
        fleet.wait_line("error: worker 0 .* has ended, SIGKILL; 1 open response broke off")
        fleet.wait_line("is ready in its place")
        assert fleet.serves()
        (second,) = fleet.wait_pids(1, without={first})
        kill(second)
        fleet.wait_line("2 workers have ended in a row: the next one starts in 0.5 s")
        fleet.wait_lines(2, "is ready in its place")
        assert fleet.serves()
        endpoint.release()


def test_a_worker_that_is_told_to_leave_drains_and_is_replaced(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Fleet(tmp_path, endpoint) as fleet:
        (first,) = fleet.pids()
        stream = fleet.held()

        os.kill(first, signal.SIGTERM)

        fleet.wait_line("is ready in its place")
        assert fleet.serves()
        endpoint.release()
        assert rest_of(stream) == STORY.body[1:]
        fleet.wait_pids(1, without={first})
        assert fleet.count("error") == 0


def test_signals_change_the_number_and_a_reload_keeps_it(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    with Fleet(tmp_path, endpoint) as fleet:
        first = fleet.pids()
        fleet.signal(signal.SIGTTOU)
        fleet.wait_line("no worker less: there is one")

        fleet.signal(signal.SIGTTIN)
        fleet.wait_line("one worker more: .* there are 2")
        both = fleet.wait_pids(2)
        fleet.reload("reloaded: gateway on .*, 2 workers")
        now = fleet.wait_pids(2, without=both)
        fleet.signal(signal.SIGTTOU)
        fleet.wait_line("one worker less: ")

        assert fleet.wait_pids(1) < now
        assert first < both
        assert fleet.serves()


def test_without_a_callback_port_for_them_new_workers_do_not_start(
    endpoint: CutLambda, tmp_path: Path
) -> None:
    port = free_ports(("callbacks",))["callbacks"]
    with Fleet(tmp_path, endpoint, "--callback-ports", f"{port}-{port}") as fleet:
        before = fleet.pids()
        fleet.signal(signal.SIGTTIN)
        fleet.wait_line(f"no worker was added: none of the callback ports {port}-{port} is free")

        fleet.reload(f"reload failed, .* none of the callback ports {port}-{port} is free")

        assert fleet.pids() == before
        assert fleet.serves()
