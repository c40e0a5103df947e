# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.peers.startup CANDIDATE URL``: CPU time until there is a client.

Prints one line of JSON, in ms of CPU of the whole process: ``sink_ms`` when what takes the spans
is there (OpenTelemetry's SDK, for most), ``ready_ms`` when the candidate is set up and the client
made.
"""

from __future__ import annotations

import json
import sys
from time import process_time

from .candidates import BY_NAME
from .setups import set_up, sink_of


def main() -> None:
    """Sets one candidate up, and tells how long it took."""
    candidate, server_url = BY_NAME[sys.argv[1]], sys.argv[2]
    began = process_time()
    sink = sink_of(candidate, server_url)
    made = process_time()
    set_up(candidate, sink, server_url)
    ended = process_time()
    print(json.dumps({"sink_ms": (made - began) * 1e3, "ready_ms": (ended - began) * 1e3}))  # noqa: T201 -- the answer


if __name__ == "__main__":
    main()
