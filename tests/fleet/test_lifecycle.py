"""The end of an EC2 instance: a drain, heartbeats while streams run, and the hook's completion.

The test plays the instance's metadata and the Auto Scaling API; the gateway is the real process.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.serialize import create_serializer
from botocore.session import Session
from tests.command import Stream, fetch, run, wait_refused
from tests.e2e.cut_function import CutLambda
from tests.fleet.instance import (
    BEAT,
    COMPLETE,
    DENIED,
    GROUP,
    HOOK,
    INSTANCE,
    NO_ACTION,
    THROTTLED,
    Instance,
    notice,
)
from tests.fleet.node import STORY, Node
from tests.fleet.test_activation import Activated
from tests.fleet.test_drain_order import health_of
from tests.peers import until

STREAMS = 50


@pytest.fixture
def instance() -> Iterator[Instance]:
    with Instance() as instance:
        yield instance
    assert instance.surprises == []


def node_on(
    instance: Instance, cwd: Path, endpoint: CutLambda, *more: str, hook: str = HOOK
) -> Node:
    """A gateway with two workers on the instance."""
    options = ("--lifecycle-hook", hook, "--lifecycle-heartbeat", "1", *more)
    return Node(cwd, endpoint, *options, environ=instance.environ)


def lifecycle_of(node: Node) -> Any:
    return node.statistics()["node"]["lifecycle"]


def rest_of(streams: list[Stream]) -> list[bytes]:
    rest = [stream.read() for stream in streams]
    for stream in streams:
        stream.close()
    return rest


def test_streams_end_whole_and_the_hook_is_completed_after_the_last_byte(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    with node_on(instance, tmp_path, endpoint, "--drain-delay", "2") as node:
        streams = [node.hold() for _ in range(STREAMS)]
        assert health_of(node) == 200
        instance.terminate()
        node.wait_line(f"drain: this instance is to be terminated, {STREAMS} open responses")
        until(lambda: health_of(node) == 503, "the public health path to be 503")
        admin = node.ask("GET", "/health")
        until(lambda: lifecycle_of(node)["heartbeats"] >= 3, "heartbeats while streams run")
        wait_refused(node.url)
        before = lifecycle_of(node)
        instance.note = "released"
        endpoint.release()

        assert rest_of(streams) == [STORY.body[1:]] * STREAMS
        node.wait_line(
            rf"lifecycle hook {GROUP}/{HOOK} completed after \d+ heartbeats: everything has ended"
        )
        after = node.statistics()["node"]
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 0
    assert (admin.status, admin.json()["status"]) == (503, "draining")
    assert (before["target_state"], before["hook"]) == ("Terminated", None)
    assert instance.count(BEAT) >= 3
    assert (after["status"], after["lifecycle"]["hook"]) == ("drained", "completed")
    completions = [call for call in instance.calls if call.name == COMPLETE]
    assert [(call.note, call.was_taken) for call in completions] == [("released", True)]
    assert instance.calls[-1] is completions[0]


def test_calls_are_those_that_botocore_makes(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    model = Session().get_service_model("autoscaling")
    parameters = {
        "LifecycleHookName": HOOK,
        "AutoScalingGroupName": "a group/with more",
        "InstanceId": INSTANCE,
    }
    with node_on(instance, tmp_path, endpoint, hook=f"a group/with more/{HOOK}") as node:
        instance.terminate()
        node.wait_line("lifecycle hook a group/with more/drain completed")
    for call in instance.calls:
        more = {"LifecycleActionResult": "CONTINUE"} if call.name == COMPLETE else {}
        operation = model.operation_model(call.name)
        request = create_serializer("query").serialize_to_request({**parameters, **more}, operation)
        assert dict(call.fields) == request["body"]
        assert call.content_type == request["headers"]["Content-Type"]
        assert urlencode(request["body"])  # as it would be sent
    assert {call.name for call in instance.calls} == {BEAT, COMPLETE}


def test_a_signal_first_waits_for_the_hook_if_the_instance_is_to_end(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    with node_on(instance, tmp_path, endpoint) as node, node.hold() as stream:
        node.signal(signal.SIGTERM)
        wait_refused(node.url)
        instance.terminate()
        until(lambda: instance.count(BEAT) >= 1, "a heartbeat in the drain of the signal")
        assert instance.count(COMPLETE) == 0
        endpoint.release()

        assert stream.read() == STORY.body[1:]
        assert node.wait_exit() == 0
    assert instance.count(COMPLETE) == 1


def test_a_restart_completes_no_hook(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    instance.action = "held"  # a completion would be taken
    with node_on(instance, tmp_path, endpoint) as node, node.hold() as stream:
        node.signal(signal.SIGTERM)
        wait_refused(node.url)
        endpoint.release()

        assert stream.read() == STORY.body[1:]
        assert node.wait_exit() == 0
    assert instance.count(COMPLETE) == 0


def test_metadata_that_cannot_be_read_end_nothing_and_are_read_again(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    instance.metadata_status = 0
    with node_on(instance, tmp_path, endpoint) as node, node.hold() as stream:
        node.wait_line("SIGTERM alone begins a drain: no answer within 1 s")
        assert node.ask("GET", "/health").status == 200
        assert lifecycle_of(node)["target_state"] is None
        instance.metadata_status = None
        node.wait_line("metadata is read again: target lifecycle state InService")
        instance.terminate()
        until(lambda: instance.count(BEAT) >= 1, "a heartbeat")
        endpoint.release()

        assert stream.read() == STORY.body[1:]
        node.wait_line("lifecycle hook .* completed")
        assert node.count("cannot be seen") == 1


def test_a_throttled_api_is_called_again(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    with node_on(instance, tmp_path, endpoint) as node, node.hold() as stream:
        until(lambda: len(instance.calls) == 1, "the heartbeat that tries the permission")
        instance.errors[BEAT] += [THROTTLED] * 2
        instance.errors[COMPLETE] += [THROTTLED] * 2
        instance.terminate()
        node.wait_line("lifecycle hook .*: Throttling: Rate exceeded; it is tried again")
        node.wait_line("heartbeats are taken")
        endpoint.release()

        assert stream.read() == STORY.body[1:]
        node.wait_line("lifecycle hook .* completed")
        assert node.count("Throttling") == 2  # one row of refusals is one warning
    refused = [call.name for call in instance.calls if not call.was_taken]
    assert refused == [BEAT] * 3 + [COMPLETE] * 2  # the first one before the hook had begun


def test_a_hook_that_is_over_is_left_and_the_streams_end(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    with node_on(instance, tmp_path, endpoint) as node, node.hold() as stream:
        instance.terminate()
        until(lambda: lifecycle_of(node)["heartbeats"] >= 1, "a heartbeat")
        instance.action = "over"
        node.wait_line(f"is over already, and the instance ends with 1 open response.*{NO_ACTION}")
        count = len(instance.calls)
        endpoint.release()

        assert stream.read() == STORY.body[1:]
        until(lambda: node.ask("GET", "/health").json()["status"] == "drained", "the drain")
        assert lifecycle_of(node)["hook"] == "over"
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 0
    assert len(instance.calls) == count
    assert instance.count(COMPLETE) == instance.count(COMPLETE, was_taken=False) == 0


def test_a_hook_that_has_not_begun_is_completed_when_it_has(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    """The load balancer still deregisters the instance, and nothing is open."""
    with node_on(instance, tmp_path, endpoint) as node:
        instance.state = "Terminated"
        until(lambda: instance.count(COMPLETE, was_taken=False) >= 2, "attempts")
        node.wait_line(rf"lifecycle hook .* has not begun yet \(ValidationError: {NO_ACTION}\)")
        assert node.count("has not begun yet") == 1
        instance.action = "held"
        node.wait_line("lifecycle hook .* completed after 0 heartbeats")


def test_a_missing_permission_is_named_at_the_start_and_harms_no_stream(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    instance.every = DENIED
    with node_on(instance, tmp_path, endpoint) as node, node.hold() as stream:
        node.wait_line(
            "AccessDenied: User: .*; allow the machine's role"
            " autoscaling:RecordLifecycleActionHeartbeat and autoscaling:CompleteLifecycleAction"
        )
        instance.terminate()
        until(lambda: instance.count(BEAT, was_taken=False) >= 3, "further attempts")
        node.signal(signal.SIGTERM)
        node.wait_line("waiting for 1 open response to end")
        endpoint.release()

        assert stream.read() == STORY.body[1:]
        until(lambda: instance.count(COMPLETE, was_taken=False) >= 1, "a completion")
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 143
        assert node.count("AccessDenied") == 1
        node.wait_line("was not completed: the instance waits until the hook's time-out is over")


def test_without_tags_in_the_metadata_the_group_must_be_named(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    instance.has_tags = False
    with node_on(instance, tmp_path, endpoint) as node:
        node.wait_line("InstanceMetadataTags=enabled .* or give --lifecycle-hook GROUP/HOOK")
        instance.terminate()
        instance.has_tags = True  # switched on meanwhile
        node.wait_line("lifecycle hook gateways/drain completed")


def test_a_drain_on_request_leads_to_the_completion_as_well(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    with node_on(instance, tmp_path, endpoint) as node:
        node.ask("POST", "/drain")
        node.wait_line("drained: everything has ended")
        assert instance.count(COMPLETE) == 0
        instance.terminate()
        node.wait_line("lifecycle hook .* completed")


def test_a_drain_that_was_cut_completes_the_hook(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    with node_on(instance, tmp_path, endpoint, "--drain-timeout", "0.1") as node:
        stream = node.hold()
        instance.terminate()
        node.wait_line("lifecycle hook .* completed after .*: some responses were cut off")
        endpoint.release()
        stream.close()
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 1


def test_the_watch_goes_on_after_a_reload(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    with node_on(instance, tmp_path, endpoint) as node:
        node.signal(signal.SIGHUP)
        node.wait_line("the parent is its new code")
        instance.terminate()
        node.wait_line("drain: this instance is to be terminated")
        node.wait_line("lifecycle hook .* completed")


def test_a_gateway_that_starts_on_an_instance_that_ends_completes_the_hook(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    """A service manager has started it again."""
    instance.terminate()
    with node_on(instance, tmp_path, endpoint) as node:
        node.wait_line("lifecycle hook .* completed")
        assert node.ask("GET", "/health").json()["status"] == "drained"


def test_a_spot_notice_begins_the_drain_and_calls_no_hook(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    instance.action = "held"
    with node_on(instance, tmp_path, endpoint) as node, node.hold() as stream:
        until(lambda: len(instance.calls) == 1, "the heartbeat that tries the permission")
        instance.notice = notice()
        node.wait_line(
            "drain: EC2 interrupts this Spot instance: 'terminate' at '2026-11-28T08:22:00Z',"
            " 1 open response"
        )
        endpoint.release()
        assert stream.read() == STORY.body[1:]
        until(lambda: node.ask("GET", "/health").json()["status"] == "drained", "the drain")
    assert len(instance.calls) == 1


def test_a_socket_that_a_service_manager_holds_is_served_to_its_end(
    instance: Instance, endpoint: CutLambda, tmp_path: Path
) -> None:
    """No later start serves what waits in its queue: the machine ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as held:
        more = ("--lifecycle-hook", HOOK)
        with Activated(tmp_path, endpoint, held, *more, environ=instance.environ) as fleet:
            workers = fleet.workers()
            for worker in workers:
                worker.suspend()
            clients = [socket.create_connection(("127.0.0.1", fleet.port), 20) for _ in range(40)]
            for client in clients:
                client.sendall(f"GET {fleet.target} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            instance.terminate()
            fleet.wait_line("drain: this instance is to be terminated")
            until(lambda: fetch(f"{fleet.admin}/health")[0] == 503, "the drain to begin")
            for worker in workers:
                worker.resume()

            assert [client.recv(12) for client in clients] == [b"HTTP/1.1 200"] * len(clients)
            for client in clients:
                client.close()
            fleet.wait_line("lifecycle hook .* completed")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--lifecycle-hook", "a:b/c"), "'a:b/c' names no lifecycle hook; allowed: [GROUP/]HOOK"),
        (("--lifecycle-hook", "/c"), "'/c' names no lifecycle hook"),
        (("--lifecycle-hook", "c", "--workers", "0"), "watches no instance; leave it out"),
        (("--lifecycle-heartbeat", "5"), "--lifecycle-heartbeat: belongs to --lifecycle-hook"),
        (("--lifecycle-hook", "c"), "which AWS_EC2_METADATA_DISABLED forbids; unset that variable"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(options: tuple[str, ...], words: str) -> None:
    ran = run("gateway", "--function", "f", *options)

    assert ran.returncode == 2
    assert words in ran.stderr
