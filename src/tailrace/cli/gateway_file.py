"""The configuration file that a command reads, and the routes in it."""

from __future__ import annotations

from pathlib import Path

from tailrace.config import (
    CONFIG_NAME,
    GatewayConfig,
    GatewayOptions,
    RouteConfig,
    check_url,
    load,
)
from tailrace.errors import ConfigError


def gateway_file(options: GatewayOptions, text: str | None = None) -> Path | None:
    """Return the gateway's configuration file; None if `--function` stands for it.

    With its `text` it need not be there any more.
    """
    if options.function is not None:
        return options.config_path
    if text is not None:
        return options.config_path or Path(CONFIG_NAME)
    return find_config(options.config_path, "give --config FILE, or --function NAME")


def routes_of(
    options: GatewayOptions, path: Path | None, text: str | None = None
) -> tuple[GatewayConfig, tuple[RouteConfig, ...]]:
    """Return the settings and routes of the gateway: from its file, `--function`, or both.

    `text` is what the file contains; None: what it contains now.

    Raises:
        ConfigError: the file is wrong, or it has no routes.
    """
    file = None if path is None else load(path, runs_functions=False, text=text)
    config = GatewayConfig() if file is None else file.gateway
    function = options.function
    if function is not None:
        transport = options.transport or "callback"
        route = RouteConfig(path="/*", function=function, transport=transport)
        if route.invoke_url is not None:
            check_url(route.invoke_url, name="--function")
            if transport != "callback":
                problem = "what a URL invokes calls back"
                raise ConfigError(problem, where="--transport", allowed="callback")
        return config, (route,)
    assert file is not None
    if not file.routes:
        problem = "missing; add [[routes]], or --function NAME"
        raise ConfigError(problem, where=f"{file.path.name}: routes")
    return config, file.routes


def find_config(path: Path | None, hint: str) -> Path:
    """Return the file that is given, or the one in this directory.

    Raises:
        ConfigError: there is none; the message has the hint.
    """
    if path is not None or Path(CONFIG_NAME).exists():
        return path or Path(CONFIG_NAME)
    from tailrace.package.usual_places import app_in

    above, app = Path("..") / CONFIG_NAME, app_in(Path.cwd())
    if app is not None:
        more = f"; did you mean tailrace dev {app}? Or"
    else:
        more = f"; did you mean {above}?" if above.exists() else "; tailrace init writes one:"
    raise ConfigError(f"there is no {CONFIG_NAME} in this directory{more} {hint}")
