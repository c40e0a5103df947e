# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the end-to-end tests: the emulator, the real SDK, and providers in memory.

These tests stand apart because util-genai needs a newer OpenTelemetry than old lines of the SDK
come with, and the matrix runs all that is end-to-end.
"""

from __future__ import annotations

from tests.support.fixtures import client, emulator, no_log_records, recording

__all__ = ["client", "emulator", "no_log_records", "recording"]
