# SPDX-License-Identifier: Apache-2.0
"""The emulated API, and a receiver of OTLP."""

from __future__ import annotations

from tests.support.serving import emulator
from tests.zero_code.receiver import receiver

__all__ = ["emulator", "receiver"]
