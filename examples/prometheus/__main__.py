# SPDX-License-Identifier: Apache-2.0
"""Serves the metrics of conversations to Prometheus: ``python -m examples.prometheus``.

On ``OTEL_EXPORTER_PROMETHEUS_HOST`` and ``_PORT``, by default 127.0.0.1 and 9464. Talks to the
emulator in this repository; with ``MISTRAL_API_KEY`` set, to Mistral.
"""

from __future__ import annotations

import os
import sys

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import start_http_server

from examples.prometheus.conversations import an_api, hold
from opentelemetry.instrumentation.genai.mistralai import instrument


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Holds the same few conversations again for each line of input, until that ends."""
    host = os.environ.get("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")
    port = int(os.environ.get("OTEL_EXPORTER_PROMETHEUS_PORT", "9464"))
    try:
        server, thread = start_http_server(port, host)
    except OSError as error:
        sys.exit(
            f"examples.prometheus: {host}:{port}: {error.strerror}; "
            "OTEL_EXPORTER_PROMETHEUS_PORT chooses another port"
        )
    resource = Resource.create({"service.name": "mistral-prometheus"})
    provider = MeterProvider([PrometheusMetricReader()], resource=resource)
    instrument(meter_provider=provider)
    say(f"http://{host}:{server.server_port}/metrics")
    try:
        with an_api() as server_url:
            while True:
                say(
                    f"{hold(server_url)} conversations held; Enter for as many again, Ctrl-D to end"
                )
                if not sys.stdin.readline():
                    break
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        provider.shutdown()


if __name__ == "__main__":
    main()
