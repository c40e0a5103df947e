# SPDX-License-Identifier: Apache-2.0
"""What the plugin's metrics are called in Prometheus, in both modes, and of what type they are."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import Request

if TYPE_CHECKING:
    from tests.prometheus.scraped import Scraped

COUNTERS = {
    "gen_ai_client_inference_usage_input_tokens_total",
    "gen_ai_client_inference_usage_output_tokens_total",
    "mistral_ai_client_connector_calls_total",
    "mistral_ai_client_connector_tokens_total",
}
HISTOGRAMS = {
    "default": {
        "gen_ai_client_operation_duration_seconds",
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "gen_ai_client_token_usage",
        "gen_ai_execute_tool_duration_seconds",
    },
    "latest": {
        "gen_ai_client_inference_duration_seconds",
        "gen_ai_client_inference_operation_input_tokens",
        "gen_ai_client_inference_operation_output_tokens",
        "gen_ai_client_inference_time_to_first_chunk_seconds",
        "gen_ai_execute_tool_duration_seconds",
    },
}


def ours(name: str) -> bool:
    """Whether a metric is the plugin's."""
    return name.startswith(("gen_ai_", "mistral_ai_"))


def test_counters_end_in_total_and_histograms_have_buckets(scraped: Scraped) -> None:
    names = {name for name in scraped.prometheus.api("label/__name__/values") if ours(name)}
    histograms = HISTOGRAMS[scraped.mode]
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}
    assert names == COUNTERS | parts
    # By the names of families: in OpenMetrics, which is what Prometheus asks for, `_total` is the
    # ending of a counter's only sample.
    types = {
        name: told[0]["type"]
        for name, told in scraped.prometheus.api("metadata").items()
        if ours(name)
    }
    assert types == {
        **{name.removesuffix("_total"): "counter" for name in COUNTERS},
        **dict.fromkeys(histograms, "histogram"),
    }


def test_the_exporter_writes_no_exemplars_as_the_document_says(scraped: Scraped) -> None:
    """When this fails the exporter has learned it, and the document no longer tells the truth."""
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    page = scraped.prometheus.fetch(Request(scraped.program.metrics_url, headers=headers))  # noqa: S310 -- the loopback
    assert page is not None
    # The end marker is what only OpenMetrics has, the one format with exemplars.
    assert page.endswith(b"# EOF\n")
    assert b"gen_ai_execute_tool_duration_seconds_bucket" in page
    assert b" # {" not in page
