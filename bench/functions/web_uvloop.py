"""The same app; its function's event loop is uvloop."""

import asyncio

import uvloop
from web import app  # noqa: F401

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
