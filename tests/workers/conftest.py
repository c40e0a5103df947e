# SPDX-License-Identifier: Apache-2.0
"""The emulated API, and a receiver of OTLP."""

from __future__ import annotations

import signal

from tests.support.serving import emulator
from tests.zero_code.receiver import receiver

__all__ = ["emulator", "receiver"]

# Whoever starts the tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
