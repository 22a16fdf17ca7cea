"""The life of a server process: start, output, signals, drain, exit code.

The first SIGINT or SIGTERM starts the drain; the second one aborts open responses.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from tailrace.cli.banner import dev_banner, python_lines, url_lines
from tailrace.cli.ending import end, flush_log
from tailrace.cli.logs import LogSettings, function_line
from tailrace.cli.terminal import Terminal
from tailrace.config import Address, Config, DevOptions, RouteConfig
from tailrace.gateway.routes import Router
from tailrace.net.client.pool import Origin
from tailrace.net.ports import refuse_unusable
from tailrace.net.process.counts_due import CountsDue
from tailrace.net.process.descriptors import warn_of_descriptors
from tailrace.net.process.signals import StopSignals
from tailrace.net.process.startup import freeze_loaded, set_up
from tailrace.net.tasks import TaskSet

if TYPE_CHECKING:  # the emulator's extra is enough for `tailrace emulator`, and so on
    from tailrace.fleet.membership import Membership
    from tailrace.gateway.aws.endpoint import AwsEndpoint
    from tailrace.gateway.observe.emf import MetricsSettings
    from tailrace.gateway.settings import GatewaySettings

logger = logging.getLogger(__name__)


async def serve_dev(options: DevOptions, log_settings: LogSettings) -> int:
    """Run `tailrace dev` until it is stopped; return the exit code."""
    from tailrace.dev import Dev
    from tailrace.emulator.log import EmulatorLog

    terminal = Terminal(sys.stderr, os.environ)
    encode = function_line if log_settings.is_json else None
    log = EmulatorLog.for_stream(sys.stderr, os.environ, encode=encode)
    log.announce("gateway")
    terminal.take_log(log.write, log_settings)
    set_up()
    dev = Dev(options, log)
    with StopSignals() as signals:
        await dev.start()
        freeze_loaded()
        try:
            await dev.watch()
            report = logging.getLogger("tailrace.dev").info
            if log_settings.is_json:
                report("dev on %s, Lambda on %s", dev.public_url, dev.emulator_url)
                for line in python_lines(dev.config.functions):
                    report("Python %s", line)
            else:
                terminal.write(dev_banner(dev, terminal))
            dev.warm()
            return await end(signals, dev.drain, lambda: dev.held, report)
        finally:
            await dev.stop()


async def serve_gateway(
    settings: GatewaySettings,
    routes: tuple[RouteConfig, ...],
    endpoint: AwsEndpoint | None,
    log_settings: LogSettings,
    metrics: MetricsSettings | None,
    member: Membership | None,
) -> int:
    """Run a gateway in this process until it is stopped; return the exit code.

    Without an endpoint, each route must invoke a URL. A member is a worker: it serves on sockets of
    its parent, and takes its orders; metrics are its parent's.
    """
    from tailrace.cli.exchange_log import ExchangeLog
    from tailrace.cli.metrics import MetricLines
    from tailrace.gateway.service import Gateway
    from tailrace.gateway.transports.choice import Transports

    terminal = Terminal(sys.stderr, os.environ)
    terminal.take_log(settings=log_settings)
    descriptors = set_up()
    origins = {Origin.of(route.invoke_url) for route in routes if route.invoke_url is not None}
    transports, match = Transports.at(endpoint, len(origins)), Router(routes).match
    log = ExchangeLog(terminal, log_settings)
    invokes_at = endpoint.url if endpoint is not None else "URLs"
    if member is not None:
        from tailrace.cli.worker import serve_worker

        return await serve_worker(member, settings, transports, match, log, invokes_at)
    refuse_unusable("--listen", *settings.listen)
    refuse_unusable("--callback-listen", *settings.callback_listen)
    gateway = Gateway(settings, transports, match, log=log)
    warn_of_descriptors(descriptors, settings.held_max, gateway.settings.held_max)
    lines = MetricLines(metrics, gateway.gauges, CountsDue(gateway.counts))
    with StopSignals() as signals:
        await gateway.start()
        freeze_loaded()
        lines.start()
        try:
            logger.info(
                "gateway on %s, called back at %s%s, invokes at %s",
                gateway.public_url,
                gateway.callback_url,
                f" ({source})" if (source := settings.advertise_source) else "",
                invokes_at,
            )
            return await end(
                signals, gateway.drain, lambda: gateway.statistics()["held"], logger.info
            )
        finally:
            await gateway.stop()
            lines.stop()
            flush_log()


async def serve_emulator(config: Config, listen: Address, log_settings: LogSettings) -> int:
    """Run `tailrace emulator` until it is stopped; return the exit code."""
    from tailrace.emulator.log import EmulatorLog
    from tailrace.emulator.service import Emulator

    Terminal(sys.stderr, os.environ).take_log(settings=log_settings)
    refuse_unusable("--listen", *listen)
    set_up()
    encode = function_line if log_settings.is_json else None
    log = EmulatorLog.for_stream(sys.stderr, os.environ, encode=encode)
    emulator = Emulator(config, log=log, host=listen.host, port=listen.port)
    tasks = TaskSet()
    with StopSignals() as signals:
        await emulator.start()
        freeze_loaded()
        try:
            names = ", ".join(config.functions)
            names = names or f"no functions; add [functions.NAME] to {config.path.name}"
            logger.info("emulator on %s: %s", emulator.url, names)
            for line in url_lines(emulator.function_urls, config.functions):
                logger.info("Function URL %s", line)
            for line in python_lines(config.functions):
                logger.info("Python %s", line)
            tasks.spawn(emulator.warm(), "warm functions")
            await signals.first.wait()
            return 0
        finally:
            await tasks.cancel_all()
            await emulator.stop()
