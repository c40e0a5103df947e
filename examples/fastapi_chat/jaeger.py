# SPDX-License-Identifier: Apache-2.0
"""The Jaeger of ``make jaeger-run``, if it runs on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

# Without a proxy, whatever the environment says: it is on this machine.
_http = build_opener(ProxyHandler({}))
_SECONDS = 2.0


def find_jaeger(environment: Mapping[str, str]) -> dict[str, str] | None:
    """Looks for a Jaeger, and returns the variables by which the chat sends to it and links to it.

    Args:
        environment: may hold the ports, under the names of ``tests/jaeger/run.sh``.
    """
    query = f"http://127.0.0.1:{environment.get('JAEGER_QUERY_PORT', '16686')}"
    if _get(f"{query}/api/services") is None:
        return None
    otlp = f"http://127.0.0.1:{environment.get('JAEGER_OTLP_PORT', '4318')}"
    # What is built without its web UI has a page that says so, in place of each trace.
    built_here = "not the Jaeger UI" in (_get(f"{query}/") or "")
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
        "JAEGER_UI": query,
        "JAEGER_TRACE": f"{query}/api/traces/{{}}?prettyPrint=true"
        if built_here
        else f"{query}/trace/{{}}",
    }


def _get(url: str) -> str | None:
    try:
        with _http.open(url, timeout=_SECONDS) as answer:
            return bytes(answer.read()).decode(errors="replace")
    except (OSError, HTTPException):
        return None
