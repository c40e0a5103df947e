# SPDX-License-Identifier: Apache-2.0
"""``python -m emulator``: print the address, serve until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from emulator.server import listen


def main() -> None:
    """Serve in the foreground."""
    parser = argparse.ArgumentParser(prog="python -m emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--clock-offset", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args()
    # SIGTERM raises here too, so that both signals leave the `with` block and close the sockets;
    # SIGINT is set as well because a shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with listen(options.host, options.port, options.clock_offset) as emulator:
            sys.stdout.write(f"{emulator.url}\n")
            sys.stdout.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
