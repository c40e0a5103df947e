# SPDX-License-Identifier: Apache-2.0
"""The version of this package; also the version of its instrumentation scope."""

from __future__ import annotations

__version__ = "0.1.0"
