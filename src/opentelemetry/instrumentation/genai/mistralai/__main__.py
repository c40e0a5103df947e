# SPDX-License-Identifier: Apache-2.0
"""Runs the doctor: ``python -m opentelemetry.instrumentation.genai.mistralai``."""

from __future__ import annotations

import sys

from ._doctor import examine

if __name__ == "__main__":
    sys.exit(examine())
