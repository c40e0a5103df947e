# SPDX-License-Identifier: Apache-2.0
"""A loopback server that speaks the API of Mistral AI, for tests and demos.

Its answers are hand-made in the shape of the SDK's models.
Run it with ``python -m emulator`` or inside a test with ``with serve() as emulator``.
"""

from __future__ import annotations

from emulator.server import Emulator, serve
from emulator.state import RecordedRequest

__all__ = ["Emulator", "RecordedRequest", "serve"]
