# SPDX-License-Identifier: Apache-2.0
"""``python -m examples.fastapi_chat``: serves the page until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse

import uvicorn

from examples.fastapi_chat.app import app


def main() -> None:
    """Serves in the foreground, on this machine only."""
    parser = argparse.ArgumentParser(prog="python -m examples.fastapi_chat", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one")
    options = parser.parse_args()
    # Without a limit an answer under way would keep the server from stopping.
    uvicorn.run(app, host="127.0.0.1", port=options.port, timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
