"""`tailrace gateway` as a parent: start, output, signals, drain, exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack

from tailrace.cli.ending import end, flush_log
from tailrace.cli.logs import LogSettings
from tailrace.cli.metrics import MetricLines
from tailrace.cli.terminal import Terminal
from tailrace.fleet.activation import passed_sockets
from tailrace.fleet.admin import Admin, bind_admin
from tailrace.fleet.handover import ParentState
from tailrace.fleet.notify import Notifier
from tailrace.fleet.parent import Parent
from tailrace.fleet.settings import FleetSettings
from tailrace.fleet.spawning import own_command
from tailrace.fleet.worker import StartFailedError
from tailrace.gateway.observe.emf import MetricsSettings
from tailrace.net.process.descriptors import shares_of, warn_of_descriptors
from tailrace.net.process.signals import StopSignals
from tailrace.net.process.startup import freeze_loaded, set_up
from tailrace.net.tasks import TaskSet

logger = logging.getLogger("tailrace.gateway")


async def serve_fleet(
    settings: FleetSettings,
    log_settings: LogSettings,
    metrics: MetricsSettings | None,
    state: ParentState | None = None,
) -> int:
    """Run the parent of a gateway's workers until it is stopped; return the exit code.

    With a `state` this process has been the parent before, and becomes it again; or it tries
    whether it could.
    """
    Terminal(sys.stderr, os.environ).take_log(settings=log_settings)
    descriptors = set_up()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or else nobody learns how a worker ended
    if state is None:
        parent = _first_parent(settings)
    else:
        parent = Parent.from_state(settings, own_command(), state)
        if state.is_trial:
            return 0
    lines = MetricLines(metrics, parent.gauges, parent.due)
    parent.on_drained = lines.stop
    others = {
        signal.SIGHUP: parent.ask_reload,
        signal.SIGTTIN: parent.ask_more,
        signal.SIGTTOU: parent.ask_less,
    }
    with StopSignals(others) as signals:
        parent.is_stopping = signals.first.is_set
        try:
            has_started = True
            if state is not None:
                await parent.resume(state)
            else:
                has_started = await _has_started(parent, signals.first)
            async with AsyncExitStack() as stack:
                drain, lifecycle = parent.drain, None
                if settings.lifecycle_hook is not None:
                    from tailrace.fleet.lifecycle import Lifecycle  # botocore: 20 MB

                    lifecycle = Lifecycle(
                        parent, settings.lifecycle_hook, settings.lifecycle_heartbeat_s, os.environ
                    )
                    drain = (await stack.enter_async_context(lifecycle)).drain
                if has_started:
                    freeze_loaded()
                    lines.start()
                    admin = await stack.enter_async_context(Admin(parent, parent.kept, lifecycle))
                    if state is None:
                        held = settings.workers * shares_of(descriptors).held
                        warn_of_descriptors(descriptors, settings.held_max, held)
                        where = f", admin on {admin}" if admin.sockets else ""
                        logger.info("%s%s", parent.summary(), where)
                return await end(signals, drain, lambda: parent.held, logger.info)
        except StartFailedError as error:
            print(f"tailrace: {error}", file=sys.stderr)  # noqa: T201 - as every command's
            return error.code
        finally:
            await parent.stop()
            lines.stop()
            await parent.close()
            flush_log()


async def _has_started(parent: Parent, stopped: asyncio.Event) -> bool:
    """Start, until it is stopped: workers that are ready by then are left to a drain.

    Raises:
        StartFailedError: a worker does not start.
        OSError: an address cannot be used.
    """

    async def start() -> Exception | None:
        try:
            await parent.start()
        except Exception as error:
            return error
        return None

    tasks = TaskSet()
    starting = tasks.spawn(start(), "start")
    stopping = tasks.spawn(stopped.wait(), "signal during the start")
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    is_done = starting.done()
    await tasks.cancel_all()
    if is_done and (error := starting.result()) is not None:
        raise error
    return is_done


def _first_parent(settings: FleetSettings) -> Parent:
    """Return a parent that has not started, with what a service manager has passed."""
    notifier = Notifier.from_environ(os.environ, os.getpid())
    public = passed_sockets(os.environ, os.getpid())
    if public is not None:
        logger.info("clients reach the sockets of LISTEN_FDS; --listen is not used")
    parent = Parent(settings, own_command(), public, notifier)
    parent.kept += bind_admin(settings.admin_listen)
    return parent
