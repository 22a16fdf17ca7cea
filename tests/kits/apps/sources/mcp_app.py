"""An MCP server as the SDK's stateless Streamable HTTP app."""

import os

from gates import Gate
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("kit", log_level="ERROR")


@server.tool()
async def work(gate: int, ctx: Context) -> str:
    """Reports its progress; the test lets it go on."""
    with Gate(gate) as at:
        await ctx.report_progress(1, 2, "half")
        await at.wait_async()
        await ctx.report_progress(2, 2, "whole")
        await at.wait_async()
    return "done"


@server.tool()
def process() -> int:
    """Returns the process that serves this request."""
    return os.getpid()


@server.tool()
def fails() -> str:
    raise ValueError("the tool failed")


app = server.streamable_http_app(
    stateless_http=True,
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)
