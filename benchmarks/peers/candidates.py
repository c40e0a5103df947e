# SPDX-License-Identifier: Apache-2.0
"""Who is measured, on which line of the SDK, and how each is configured.

A worker imports this in the candidate's own environment: nothing but the standard library here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .ours import OURS


@dataclass(frozen=True)
class Candidate:
    """One variant of a program that calls the SDK.

    Attributes:
        name: of the candidate; the function of ``setups`` that sets it up has the name up to ``@``.
        label: as the table and the chart call it.
        line: of the SDK: ``3.7`` or ``1.12``.
        environment: of nox; its own, unless the package is the same.
        distribution: whose version is named; empty for the SDK alone.
        scope: how the name of the scope of its spans starts; other spans are not counted as its.
        configuration: what was chosen for it, as the page says it.
    """

    name: str
    label: str
    line: str
    environment: str
    distribution: str
    scope: str
    configuration: str

    @property
    def setup(self) -> str:
        """The name of its function in ``setups``."""
        return self.name.partition("@")[0]

    def made(self, scope: str) -> bool:
        """Whether spans of a scope are this candidate's."""
        return bool(self.scope) and scope.startswith(self.scope)

    @property
    def is_bare(self) -> bool:
        """Whether it is what the others of its line are compared with."""
        return self.setup == "bare"

    @property
    def is_ours(self) -> bool:
        """Whether it is this package, in any configuration."""
        return self.distribution == OURS


NEW: Final = "3.7"
OLD: Final = "1.12"
_DROPPED: Final = "batch processor, exporter that drops"
_ALONE: Final = "no telemetry"
_PLUGIN: Final = f"spans and metrics; {_DROPPED}; content off (its default)"
_SCOPE: Final = "opentelemetry.instrumentation.genai.mistralai"

CANDIDATES: Final = (
    Candidate("bare@3.7", "bare SDK", NEW, "bare-3.7", "", "", _ALONE),
    Candidate("ours@3.7", "ours", NEW, "ours-3.7", OURS, _SCOPE, _PLUGIN),
    Candidate(
        "ours_content@3.7", "ours, content on", NEW, "ours-3.7", OURS, _SCOPE,
        f"as ours, with `capture_content=\"span_only\"`; {_DROPPED}",
    ),
    Candidate(
        "sdk@3.7", "SDK's own", NEW, "sdk-3.7", "mistralai", "mistralai",
        f"`configure_telemetry(client, provider)`; {_DROPPED}; records prompts, has no switch",
    ),
    Candidate(
        "openinference@3.7", "OpenInference", NEW, "openinference",
        "openinference-instrumentation-mistralai", "openinference.instrumentation.mistralai",
        f"inputs and outputs hidden (`TraceConfig`); {_DROPPED}",
    ),
    Candidate(
        "ddtrace@3.7", "ddtrace", NEW, "ddtrace", "ddtrace", "ddtrace",
        "LLM Observability on, since tokens are recorded only with it; a span processor and a "
        "trace filter drop what would be sent; its telemetry, remote configuration and statistics "
        "off; records content, has no switch",
    ),
    Candidate(
        "braintrust@3.7", "Braintrust", NEW, "braintrust", "braintrust", "braintrust",
        "Mistral alone of its integrations; its in-memory logger, whose merged rows are dropped; "
        "records content, has no switch",
    ),
    Candidate("bare@1.12", "bare SDK", OLD, "bare-1.12", "", "", _ALONE),
    Candidate("ours@1.12", "ours", OLD, "ours-1.12", OURS, _SCOPE, _PLUGIN),
    Candidate(
        "sdk@1.12", "SDK's own", OLD, "sdk-1.12", "mistralai", "mistralai",
        f"on by itself, as soon as there is a global tracer provider; {_DROPPED}",
    ),
    Candidate(
        "openllmetry@1.12", "OpenLLMetry", OLD, "openllmetry",
        "opentelemetry-instrumentation-mistralai", "opentelemetry.instrumentation.mistralai",
        f"`TRACELOOP_TRACE_CONTENT=false`; a tracer provider of its own, so that the SDK's own "
        f"spans are off; {_DROPPED}",
    ),
    Candidate(
        "openlit@1.12", "OpenLIT", OLD, "openlit", "openlit", "openlit",
        f"Mistral alone of its instrumentors; content and events off, metrics on; {_DROPPED}; it "
        "needs the global provider, with which the SDK's own spans are on, too",
    ),
)  # fmt: skip
BY_NAME: Final = {candidate.name: candidate for candidate in CANDIDATES}
