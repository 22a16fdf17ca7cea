"""`tailrace gateway` as a parent: start, output, signals, drain, exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys

from tailrace.cli.ending import end, flush_log
from tailrace.cli.logs import LogSettings
from tailrace.cli.terminal import Terminal
from tailrace.fleet.admin import Admin, bind_admin
from tailrace.fleet.parent import Parent
from tailrace.fleet.settings import FleetSettings
from tailrace.fleet.spawning import own_command
from tailrace.fleet.worker import StartFailedError
from tailrace.net.process.signals import StopSignals
from tailrace.net.process.startup import freeze_loaded, set_up

logger = logging.getLogger("tailrace.gateway")


async def serve_fleet(settings: FleetSettings, log_settings: LogSettings) -> int:
    """Run the parent of a gateway's workers until it is stopped; return the exit code."""
    Terminal(sys.stderr, os.environ).take_log(settings=log_settings)
    set_up()
    admin_sockets = bind_admin(settings.admin_listen)
    parent = Parent(settings, own_command())
    others = {
        signal.SIGHUP: parent.ask_reload,
        signal.SIGTTIN: parent.ask_more,
        signal.SIGTTOU: parent.ask_less,
    }
    with StopSignals(others) as signals:
        try:
            await parent.start()
        except StartFailedError as error:
            print(f"tailrace: {error}", file=sys.stderr)  # noqa: T201 - as every command's errors
            return error.code
        freeze_loaded()
        try:
            async with Admin(parent, admin_sockets) as admin:
                where = f", admin on {admin}" if admin.sockets else ""
                logger.info("%s%s", parent.summary(), where)
                return await end(signals, parent.drain, lambda: parent.held, logger.info)
        finally:
            await parent.close()
            flush_log()
