# SPDX-License-Identifier: Apache-2.0
"""A Celery application whose tasks ask Mistral.

``APP_INSTRUMENTS`` in the environment makes it call ``instrument()`` when it is imported: in the
process from which prefork's workers are forked. Spans go to the file ``spans`` in ``APP_FOLDER``.
"""

from __future__ import annotations

import importlib
import os
import time
from typing import Any, Final

from tests.support import names as s

_FOLDER: Final = os.environ["APP_FOLDER"]
_celery: Final[Any] = importlib.import_module("celery")
_limits: Final[Any] = importlib.import_module("celery.exceptions")
_sdk: Final[Any] = importlib.import_module("mistralai.client")
_httpx: Final[Any] = importlib.import_module("httpx2")

app: Final[Any] = _celery.Celery("tests")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": f"{_FOLDER}/queue",
        "data_folder_out": f"{_FOLDER}/queue",
        "control_folder": f"{_FOLDER}/control",
        "polling_interval": 0.05,
    },
    broker_connection_retry_on_startup=True,
    result_backend=f"file://{_FOLDER}/results",
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)
# Where a task wants time to be lost, for its soft limit to arrive there.
_slow: Final[list[str]] = []


def _lose_time(place: str) -> None:
    if place in _slow:
        _slow.clear()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            time.sleep(0.02)


def _redact(text: str) -> str:
    _lose_time("redact")
    return text


def _on_request(_span: object, _arguments: object) -> None:
    _lose_time("request_hook")


def _on_response(_span: object, _result: object) -> None:
    _lose_time("response_hook")


if os.environ.get("APP_INSTRUMENTS"):
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from opentelemetry.instrumentation.genai.mistralai import instrument

    class _Spans(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
            self._write(f"started {span.get_span_context().span_id}")
            _lose_time("on_start")

        def on_end(self, span: Any) -> None:
            outcome = span.attributes.get(s.STREAM_OUTCOME)
            self._write(f"ended {span.get_span_context().span_id} {outcome}")
            _lose_time("on_end")

        def _write(self, line: str) -> None:
            with open(f"{_FOLDER}/spans", "a") as spans:
                spans.write(f"{line}\n")

    _provider = TracerProvider()
    _provider.add_span_processor(_Spans())
    instrument(
        tracer_provider=_provider,
        capture_content="span_only",
        redact=_redact,
        request_hook=_on_request,
        response_hook=_on_response,
    )


def _client() -> Any:
    return _sdk.Mistral(
        api_key="none",
        server_url=os.environ["MISTRAL_SERVER_URL"],
        client=_httpx.Client(verify=False, trust_env=False),
    )


def _converse(scenario: str = "agent") -> Any:
    return _client().beta.conversations.start_stream(
        model="mistral-small-latest",
        inputs="Hello?",
        http_headers={"x-emulator-scenario": scenario},
    )


# Much of the SDK is imported when it is first used: in each worker's parent, not within a limit.
_WARM: Final = (_client().chat, _client().beta.conversations)


def _complete() -> str:
    messages = [{"role": "user", "content": "Hello?"}]
    answer = _client().chat.complete(model="mistral-small-latest", messages=messages)
    return str(answer.choices[0].message.content)


@app.task  # type: ignore[untyped-decorator] # Celery is untyped
def completes() -> str:
    """Makes a call that is not streamed."""
    return _complete()


@app.task  # type: ignore[untyped-decorator] # Celery is untyped
def reads() -> int:
    """Reads a stream to its end."""
    return len(list(_converse()))


@app.task  # type: ignore[untyped-decorator] # Celery is untyped
def drops() -> str:
    """Takes one event of a stream, and forgets it."""
    return type(next(_converse("hang"))).__name__


@app.task  # type: ignore[untyped-decorator] # Celery is untyped
def closes() -> str:
    """Leaves a stream."""
    with _converse("hang") as stream:
        return type(next(stream)).__name__


@app.task(soft_time_limit=3)  # type: ignore[untyped-decorator] # Celery is untyped
def has_a_limit(place: str) -> str:
    """Loses time in a place of ours, until its soft limit arrives."""
    _slow.append(place)
    try:
        return f"read {len(list(_converse()))}"
    except _limits.SoftTimeLimitExceeded:
        return "limited"
    finally:
        _slow.clear()


@app.task(soft_time_limit=3)  # type: ignore[untyped-decorator] # Celery is untyped
def waits() -> str:
    """Waits for a stream that brings no more, until its soft limit arrives."""
    try:
        return f"read {len(list(_converse('hang')))}"
    except _limits.SoftTimeLimitExceeded:
        return "limited"
