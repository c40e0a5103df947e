# SPDX-License-Identifier: Apache-2.0
"""``python -m examples.fastapi_chat``: serves the page until SIGINT or SIGTERM.

Where nothing says where spans go, they go to the Jaeger of ``make jaeger-run``, if it runs.
"""

from __future__ import annotations

import argparse
import os
import sys

import uvicorn

from examples.fastapi_chat.jaeger import find_jaeger


def main() -> None:
    """Serves in the foreground, on this machine only."""
    parser = argparse.ArgumentParser(prog="python -m examples.fastapi_chat", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one")
    options = parser.parse_args()
    if "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ and (found := find_jaeger(os.environ)):
        os.environ.update(found)
        sys.stdout.write(f"Each answer is a trace in Jaeger at {found['JAEGER_UI']}\n")
        sys.stdout.flush()

    # Only now: it reads these variables when it is imported.
    from examples.fastapi_chat.app import app

    # Without a limit an answer under way would keep the server from stopping.
    config = uvicorn.Config(app, host="127.0.0.1", port=options.port, timeout_graceful_shutdown=2)
    # Not `uvicorn.run`, for which Ctrl-C is success.
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
