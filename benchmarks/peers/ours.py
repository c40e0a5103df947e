# SPDX-License-Identifier: Apache-2.0
"""The name of this package, as the index knows it."""

from __future__ import annotations

from typing import Final

OURS: Final = "opentelemetry-instrumentation-genai-mistralai"
