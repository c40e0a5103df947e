# SPDX-License-Identifier: Apache-2.0
"""The document's views, run as they stand, do what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.prometheus.document import views_block
from tests.support.strict import STRICT

ROOT = Path(__file__).parents[2]
# What comes after the block: a conversation, and the page that Prometheus would get.
USE = """
from emulator import serve
from mistralai.client import Mistral
from prometheus_client import generate_latest

with serve() as emulator, Mistral(api_key="none", server_url=emulator.url) as client:
    list(client.beta.conversations.start_stream(model="mistral-small-latest", inputs="Hello?"))
print(generate_latest().decode())
"""
MODELS = {"gen_ai_request_model", "gen_ai_response_model"}
SCOPE = {"otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}


def test_views_drop_attributes_and_change_buckets(tmp_path: Path) -> None:
    program = tmp_path / "views.py"
    program.write_text(views_block() + USE)
    page = subprocess.run(  # noqa: S603 -- ours
        [sys.executable, *STRICT, str(program)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (page.returncode, page.stderr) == (0, "")
    found = {
        family.name: family.samples
        for family in text_string_to_metric_families(page.stdout)
        if re.match("gen_ai|mistral_ai", family.name)
    }
    kept = {
        name: {label for sample in samples for label in sample.labels} - SCOPE - {"le"}
        for name, samples in found.items()
    }
    everything = MODELS | {"gen_ai_operation_name", "gen_ai_provider_name"}
    everything |= {"server_address", "server_port"}
    assert kept == {
        "gen_ai_client_inference_usage_input_tokens": MODELS,
        "gen_ai_client_inference_usage_output_tokens": MODELS,
        "gen_ai_client_operation_duration_seconds": MODELS | {"mistral_ai_stream_outcome"},
        # Those that no view names are as they were.
        "gen_ai_client_operation_time_to_first_chunk_seconds": everything,
        "gen_ai_client_token_usage": everything | {"gen_ai_token_type"},
    }
    bounds = {
        name: sorted({float(sample.labels["le"]) for sample in samples if "le" in sample.labels})
        for name, samples in found.items()
    }
    assert bounds["gen_ai_client_operation_duration_seconds"] == [1, 5, 20, 60, float("inf")]
    assert len(bounds["gen_ai_client_operation_time_to_first_chunk_seconds"]) == 15
