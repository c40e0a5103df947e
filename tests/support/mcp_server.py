# SPDX-License-Identifier: Apache-2.0
"""A server of the Model Context Protocol over stdio: the same tools with mcp 1 and with mcp 2."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def fail() -> str:
    """Fails."""
    raise ValueError("the tool on the server failed")


def whoami() -> str:
    """Tells that another process ran this, and which."""
    return f"process {os.getpid()}"


def server() -> Any:
    """A server with the three tools; its class moved and got another name with mcp 2."""
    if importlib.util.find_spec("mcp.server.mcpserver") is not None:
        kind = importlib.import_module("mcp.server.mcpserver").MCPServer
    else:
        kind = importlib.import_module("mcp.server.fastmcp").FastMCP
    # Less would have each failure of a tool as a page on stderr.
    made = kind("tools", log_level="CRITICAL")
    for tool in (add, fail, whoami):
        made.tool()(tool)
    return made


if __name__ == "__main__":
    server().run("stdio")
