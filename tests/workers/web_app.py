# SPDX-License-Identifier: Apache-2.0
"""A WSGI application that asks Mistral for each request, in the way that its path names.

It knows nothing of OpenTelemetry, unless ``APP_INSTRUMENTS`` is set: then it makes providers and
calls ``instrument()`` when it is imported, before a server's workers are forked or patched.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

if os.environ.get("APP_INSTRUMENTS"):
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from opentelemetry.instrumentation.genai.mistralai import instrument

    _provider = TracerProvider()
    _provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    instrument(tracer_provider=_provider)

_sdk: Final[Any] = importlib.import_module("mistralai.client")
_httpx: Final[Any] = importlib.import_module("httpx2")
_MODEL: Final = "mistral-small-latest"
_MESSAGES: Final = [{"role": "user", "content": "Hello?"}]
_forgotten: Final[list[Any]] = []


def _client() -> Any:
    # Made for each request: greenlets and forks share nothing then.
    return _sdk.Mistral(
        api_key="none",
        server_url=os.environ["MISTRAL_SERVER_URL"],
        client=_httpx.Client(verify=False, trust_env=False),
    )


def _scenario(name: str) -> dict[str, dict[str, str]]:
    return {"http_headers": {"x-emulator-scenario": name}}


def _complete() -> str:
    return str(_client().chat.complete(model=_MODEL, messages=_MESSAGES).choices[0].message.content)


def _converse(scenario: str = "agent") -> Any:
    conversations = _client().beta.conversations
    return conversations.start_stream(model=_MODEL, inputs="Hello?", **_scenario(scenario))


def _read() -> str:
    return str(len(list(_converse())))


def _drop() -> str:
    return str(type(next(_converse("hang"))).__name__)


def _close() -> str:
    with _converse("hang") as stream:
        return str(type(next(stream)).__name__)


def _keep() -> str:
    stream = _converse("hang")
    _forgotten.append(stream)
    return str(type(next(stream)).__name__)


WAYS: Final[dict[str, Callable[[], str]]] = {
    "/complete": _complete,
    "/read": _read,
    "/drop": _drop,
    "/close": _close,
    "/keep": _keep,
}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with what the call gave."""
    text = WAYS[environ["PATH_INFO"]]()
    body = text.encode()
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/plain"),
            ("Content-Length", str(len(body))),
            ("X-Worker", str(os.getpid())),
        ],
    )
    return [body]
