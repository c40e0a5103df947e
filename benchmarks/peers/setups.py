# SPDX-License-Identifier: Apache-2.0
"""Sets up each candidate in its own process, in the way that its documentation shows.

What is not in every environment is imported inside the functions, by name where the development
environment does not have it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from .candidates import NEW, Candidate
from .sinks import Braintrust, Datadog, Nothing, OpenTelemetry, Sink


def sink_of(candidate: Candidate, server_url: str) -> Sink:
    """Where the candidate reports to; made before the candidate is set up.

    Args:
        candidate: what is measured.
        server_url: of the server that answers, also in the place of an agent.
    """
    if candidate.is_bare:
        return Nothing()
    if candidate.setup == "ddtrace":
        return Datadog(server_url)
    if candidate.setup == "braintrust":
        return Braintrust(server_url)
    return OpenTelemetry()


def set_up(candidate: Candidate, sink: Any, server_url: str) -> Any:
    """Sets the candidate up, and returns a client of the SDK.

    Args:
        candidate: what is measured.
        sink: its own, from `sink_of`.
        server_url: of the server that answers.
    """
    before, after = _SETUPS[candidate.setup]
    before(sink)
    sdk: Any = import_module("mistralai.client" if candidate.line == NEW else "mistralai")
    client = sdk.Mistral(api_key="none", server_url=server_url)
    after(client, sink, candidate.line)
    return client


def _ours(sink: OpenTelemetry, **options: Any) -> None:
    from opentelemetry.instrumentation.genai.mistralai import instrument

    instrument(tracer_provider=sink.tracer_provider, meter_provider=sink.meter_provider, **options)


def _ours_content(sink: OpenTelemetry) -> None:
    _ours(sink, capture_content="span_only")


def _sdk_own(client: Any, sink: OpenTelemetry, line: str) -> None:
    if line == NEW:
        observability: Any = import_module("mistralai.extra.observability")
        observability.configure_telemetry(client, sink.tracer_provider, redaction=False)
    else:
        _make_global(sink)


def _openinference(sink: OpenTelemetry) -> None:
    instrumentation: Any = import_module("openinference.instrumentation")
    mistralai: Any = import_module("openinference.instrumentation.mistralai")
    config = instrumentation.TraceConfig(hide_inputs=True, hide_outputs=True)
    mistralai.MistralAIInstrumentor().instrument(
        tracer_provider=sink.tracer_provider, config=config
    )


def _openllmetry(sink: OpenTelemetry) -> None:
    os.environ["TRACELOOP_TRACE_CONTENT"] = "false"
    mistralai: Any = import_module("opentelemetry.instrumentation.mistralai")
    mistralai.MistralAiInstrumentor().instrument(tracer_provider=sink.tracer_provider)


def _openlit(sink: OpenTelemetry) -> None:
    _make_global(sink)
    openlit: Any = import_module("openlit")
    others = set(import_module("openlit._instrumentors").MODULE_NAME_MAP) - {"mistral"}
    with tempfile.TemporaryDirectory() as folder:
        # Without a file it asks the network for its prices.
        prices = Path(folder) / "prices.json"
        prices.write_text("{}")
        openlit.init(
            capture_message_content=False, disable_events=True, pricing_json=str(prices),
            disabled_instrumentors=sorted(others),
        )  # fmt: skip


def _ddtrace(_sink: Datadog) -> None:
    llmobs: Any = import_module("ddtrace.llmobs")
    llmobs.LLMObs.enable(
        ml_app="bench", agentless_enabled=False, integrations_enabled=False,
        span_processor=_nothing,
    )  # fmt: skip
    import_module("ddtrace").patch(mistralai=True)


def _braintrust(_sink: Braintrust) -> None:
    braintrust: Any = import_module("braintrust")
    accepted = braintrust.auto_instrument.__kwdefaults__
    others = {name: False for name, value in accepted.items() if value is True}
    braintrust.auto_instrument(**{**others, "mistral": True})


def _make_global(sink: OpenTelemetry) -> None:
    from opentelemetry.metrics import set_meter_provider
    from opentelemetry.trace import set_tracer_provider

    set_tracer_provider(sink.tracer_provider)
    set_meter_provider(sink.meter_provider)


def _nothing(*_given: Any) -> None:
    """The candidate needs nothing here."""


# What is done before the SDK is imported, as most are set up, and what with the client.
_SETUPS: Final[dict[str, tuple[Callable[[Any], None], Callable[[Any, Any, str], None]]]] = {
    "bare": (_nothing, _nothing),
    "ours": (_ours, _nothing),
    "ours_content": (_ours_content, _nothing),
    "sdk": (_nothing, _sdk_own),
    "openinference": (_openinference, _nothing),
    "ddtrace": (_ddtrace, _nothing),
    "braintrust": (_braintrust, _nothing),
    "openllmetry": (_openllmetry, _nothing),
    "openlit": (_openlit, _nothing),
}
