"""Turns of an event loop."""

from __future__ import annotations

import asyncio


async def turn() -> None:
    """Let every task run that can run now."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed
